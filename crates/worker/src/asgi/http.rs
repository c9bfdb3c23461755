//! The `http` protocol: the body of a request as events, and the events of an answer.
//!
//! ```text
//!   waiting ──http.response.start──► started ──http.response.body──► sending ──the last body──► [trailers ──►] complete
//! ```
//!
//! The head waits for the first body event, as the specification says: an application that fails in between is still answered 500.

use std::fs::File;

use hostler_exchange::head::{Response, write_header};
use hostler_exchange::{BodyChunk, RequestEnd, response_flag};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use pyo3::{IntoPyObjectExt, intern};

use super::call::{Call, Sent, gone};
use super::event::{self, unexpected};
use super::outbox::{Item, Outbox};

/// Bytes of a body that one event carries, at most.
const PIECE: usize = 64 * 1024;

/// Where the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// The head is known and not sent.
    Started,
    Sending,
    /// The body is complete, its trailers are not.
    Trailers,
    Complete,
}

/// One request and its answer.
pub(crate) struct Http {
    stage: Stage,
    /// The last event of the body was given to the application.
    body_over: bool,
    to_head: bool,
    /// The head of the answer, laid out.
    head: Vec<u8>,
    status: u16,
    declared: Option<u64>,
    /// Bytes of the body the application gave.
    written: u64,
    has_trailers: bool,
    /// The trailers so far, laid out, and how many.
    trailers: Vec<u8>,
    trailer_count: u16,
}

impl Http {
    pub(crate) fn new(to_head: bool) -> Self {
        Self {
            stage: Stage::Waiting,
            body_over: false,
            to_head,
            head: Vec::new(),
            status: 0,
            declared: None,
            written: 0,
            has_trailers: false,
            trailers: Vec::new(),
            trailer_count: 0,
        }
    }

    pub(crate) fn body_is_over(&self) -> bool {
        self.body_over
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    pub(crate) fn has_started(&self) -> bool {
        self.stage != Stage::Waiting
    }

    // ---- Receiving -------------------------------------------------------------------------------------------------------

    pub(crate) fn receive(&mut self, py: Python<'_>, call: &Call, closed: bool) -> PyResult<Option<Py<PyAny>>> {
        if closed || self.is_complete() || call.side().abandoned(call.taken()) {
            return disconnect(py).map(Some);
        }
        if self.body_over {
            return Ok(None);
        }
        let side = call.side();
        let available = side.body_available(call.taken()).min(PIECE);
        let mut chunk = BodyChunk::Nothing;
        let body = PyBytes::new_with(py, available, |space| {
            chunk = side.read_body(call.taken(), space);
            Ok(())
        })?;
        match chunk {
            BodyChunk::Bytes(_) => {
                self.body_over = side.body_is_complete(call.taken());
                request(py, &body, !self.body_over).map(Some)
            }
            BodyChunk::End(RequestEnd::Complete) => {
                self.body_over = true;
                request(py, &body, false).map(Some)
            }
            BodyChunk::End(_) => disconnect(py).map(Some),
            BodyChunk::Nothing => Ok(None),
        }
    }

    // ---- Sending ---------------------------------------------------------------------------------------------------------

    pub(crate) fn send(
        &mut self,
        call: &Call,
        outbox: &mut Outbox,
        kind: &Bound<'_, PyAny>,
        event: &Bound<'_, PyDict>,
        closed: bool,
    ) -> PyResult<Sent> {
        let py = kind.py();
        let is = |name: &Bound<'_, PyString>| kind.eq(name);
        if is(intern!(py, "http.response.body"))? {
            return self.send_body(call, outbox, event, closed);
        }
        if is(intern!(py, "http.response.start"))? {
            self.expect(matches!(self.stage, Stage::Waiting), kind)?;
            self.start(event, call.side().response_ring())?;
            return if closed { Err(gone()) } else { Ok(Sent::Whole) };
        }
        if is(intern!(py, "http.response.pathsend"))? {
            return self.send_path(call, outbox, event, closed);
        }
        if is(intern!(py, "http.response.trailers"))? {
            return self.send_trailers(call, outbox, event, closed);
        }
        if is(intern!(py, "http.response.early_hint"))? {
            self.expect(matches!(self.stage, Stage::Waiting | Stage::Started), kind)?;
            if closed {
                return Err(gone());
            }
            let hints = early_hint(event)?;
            return call.put(outbox, [Item::Hints(hints)]);
        }
        Err(self.wrong(kind))
    }

    fn expect(&self, right: bool, kind: &Bound<'_, PyAny>) -> PyResult<()> {
        if right { Ok(()) } else { Err(self.wrong(kind)) }
    }

    fn wrong(&self, kind: &Bound<'_, PyAny>) -> PyErr {
        let expected = match self.stage {
            Stage::Waiting => "http.response.start",
            Stage::Started | Stage::Sending => "http.response.body",
            Stage::Trailers => "http.response.trailers",
            Stage::Complete => "nothing, the answer is complete",
        };
        unexpected(&kind.to_string(), expected)
    }

    /// Takes over `http.response.start`, or its namesake that refuses a WebSocket.
    pub(crate) fn start(&mut self, event: &Bound<'_, PyDict>, ring: usize) -> PyResult<()> {
        let py = event.py();
        let status = event::require(event, intern!(py, "status"))?;
        let status: u16 =
            status.extract().ok().filter(|status| (200..=999).contains(status)).ok_or_else(|| {
                PyValueError::new_err(format!("a status is a number from 200 to 999, not {status:?}"))
            })?;
        let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        self.head.clear();
        Response { status, reason: reason.unwrap_or_default().as_bytes(), headers: 0 }.write(&mut self.head);
        if let Some(headers) = event::get(event, intern!(py, "headers"))? {
            let facts = event::headers(&headers, &mut self.head)?;
            Response::set_headers(&mut self.head, facts.count);
            self.declared = facts.content_length;
        }
        if self.head.len() > ring {
            return Err(PyValueError::new_err(format!(
                "the head of {} bytes does not fit into response_buffer ({ring} bytes)",
                self.head.len()
            )));
        }
        self.has_trailers = event::is_set(event, intern!(py, "trailers"))?;
        self.status = status;
        self.stage = Stage::Started;
        Ok(())
    }

    /// No body is sent after such a head: RFC 9110 sections 9.3.2, 15.3.5, 15.4.5.
    fn bodiless(&self) -> bool {
        self.to_head || matches!(self.status, 204 | 304)
    }

    pub(crate) fn send_body(
        &mut self,
        call: &Call,
        outbox: &mut Outbox,
        event: &Bound<'_, PyDict>,
        closed: bool,
    ) -> PyResult<Sent> {
        let py = event.py();
        if !matches!(self.stage, Stage::Started | Stage::Sending) {
            return Err(self.wrong(&event::require(event, intern!(py, "type"))?));
        }
        let body = event::get(event, intern!(py, "body"))?.map(|body| event::data(body, "body")).transpose()?;
        let last = !event::is_set(event, intern!(py, "more_body"))?;
        let bytes = body.as_ref().map_or(&[][..], event::Data::as_slice);
        self.account(bytes.len() as u64, last)?;
        if closed {
            return Err(gone());
        }
        let bodiless = self.bodiless();
        if outbox.is_empty() && self.fits(call, if bodiless { 0 } else { bytes.len() }) {
            self.write_at_once(call, if bodiless { &[] } else { bytes }, last);
            return if call.side().abandoned(call.taken()) { Err(gone()) } else { Ok(Sent::Whole) };
        }
        let head = self.take_head();
        let body = body.filter(|body| !bodiless && !body.as_slice().is_empty());
        let end = (last && !self.has_trailers).then_some(Item::Flags(response_flag::COMPLETE));
        self.go_on(last);
        let items = head.into_iter().chain(body.map(|body| Item::Bytes(body.keep(), 0))).chain(end);
        call.put(outbox, items)
    }

    /// Whether a head, if it is not sent, and `body` bytes fit into the ring now.
    fn fits(&self, call: &Call, body: usize) -> bool {
        let head = if self.stage == Stage::Started { self.head.len() } else { 0 };
        call.side().room(call.taken()) >= head + body
    }

    /// The usual case, without a detour.
    fn write_at_once(&mut self, call: &Call, bytes: &[u8], last: bool) {
        let side = call.side();
        if self.stage == Stage::Started {
            side.write(call.taken(), &self.head);
            side.set_head(call.taken(), self.head.len());
        }
        side.write(call.taken(), bytes);
        if last && !self.has_trailers {
            side.flag(call.taken(), response_flag::COMPLETE);
        }
        self.go_on(last);
        side.publish(call.taken());
    }

    fn go_on(&mut self, last: bool) {
        self.stage = match (last, self.has_trailers) {
            (false, _) => Stage::Sending,
            (true, true) => Stage::Trailers,
            (true, false) => Stage::Complete,
        };
    }

    fn take_head(&mut self) -> Option<Item> {
        (self.stage == Stage::Started).then(|| Item::Head(std::mem::take(&mut self.head)))
    }

    /// Counts bytes of the body against what was declared.
    fn account(&mut self, length: u64, last: bool) -> PyResult<()> {
        self.written += length;
        if self.bodiless() {
            return Ok(());
        }
        match self.declared {
            Some(declared) if self.written > declared => Err(PyRuntimeError::new_err(format!(
                "the body is longer than its Content-Length: {} bytes, declared {declared}",
                self.written
            ))),
            Some(declared) if last && self.written < declared => Err(PyRuntimeError::new_err(format!(
                "the body is shorter than its Content-Length: {} bytes, declared {declared}",
                self.written
            ))),
            _ => Ok(()),
        }
    }

    fn send_path(
        &mut self,
        call: &Call,
        outbox: &mut Outbox,
        event: &Bound<'_, PyDict>,
        closed: bool,
    ) -> PyResult<Sent> {
        let py = event.py();
        if self.stage != Stage::Started {
            return Err(self.wrong(&event::require(event, intern!(py, "type"))?));
        }
        let path: std::path::PathBuf = event::require(event, intern!(py, "path"))?
            .extract()
            .map_err(|_| PyTypeError::new_err("path is a str: the file's absolute path"))?;
        let named = |error: std::io::Error| -> PyErr {
            let error = PyErr::from(error);
            let _shown_with_it = error.value(py).setattr("filename", &path);
            error
        };
        let file = File::open(&path).map_err(named)?;
        let metadata = file.metadata().map_err(named)?;
        if !metadata.is_file() {
            return Err(PyValueError::new_err(format!("{} is not a regular file", path.display())));
        }
        self.account(metadata.len(), true)?;
        if closed {
            return Err(gone());
        }
        let head = self.take_head();
        let body = (!self.bodiless()).then_some(Item::File(file, metadata.len()));
        let end = (!self.has_trailers).then_some(Item::Flags(response_flag::COMPLETE));
        self.go_on(true);
        call.put(outbox, head.into_iter().chain(body).chain(end))
    }

    fn send_trailers(
        &mut self,
        call: &Call,
        outbox: &mut Outbox,
        event: &Bound<'_, PyDict>,
        closed: bool,
    ) -> PyResult<Sent> {
        let py = event.py();
        if self.stage != Stage::Trailers {
            return Err(self.wrong(&event::require(event, intern!(py, "type"))?));
        }
        if let Some(headers) = event::get(event, intern!(py, "headers"))? {
            let facts = event::headers(&headers, &mut self.trailers)?;
            self.trailer_count = self.trailer_count.saturating_add(facts.count);
        }
        if event::is_set(event, intern!(py, "more_trailers"))? {
            return Ok(Sent::Whole);
        }
        if closed {
            return Err(gone());
        }
        self.stage = Stage::Complete;
        let block = [&self.trailer_count.to_le_bytes(), self.trailers.as_slice()].concat();
        if block.len() > call.side().response_ring() {
            return Err(PyValueError::new_err("the trailers do not fit into response_buffer"));
        }
        call.put(outbox, [Item::Trailers(block), Item::Flags(response_flag::COMPLETE)])
    }
}

/// A 103 with the event's links (RFC 8297), laid out.
fn early_hint(event: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let py = event.py();
    let mut links = Vec::new();
    for link in event::require(event, intern!(py, "links"))?.try_iter()? {
        let link = event::data(link?, "a link")?;
        if link.as_slice().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(PyValueError::new_err("a link would end its line"));
        }
        links.push(link);
    }
    let mut head = Vec::new();
    Response { status: 103, reason: b"Early Hints", headers: links.len() as u16 }.write(&mut head);
    for link in links {
        write_header(&mut head, b"Link", link.as_slice());
    }
    Ok(head)
}

fn request(py: Python<'_>, body: &Bound<'_, PyBytes>, more: bool) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
    event.set_item(intern!(py, "body"), body)?;
    event.set_item(intern!(py, "more_body"), more)?;
    event.into_py_any(py)
}

fn disconnect(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    event.into_py_any(py)
}
