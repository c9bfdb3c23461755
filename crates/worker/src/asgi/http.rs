//! The `http` protocol: the body of a request as events, and the events of an answer.
//!
//! ```text
//!   waiting ──http.response.start──► started ──http.response.body──► sending ──the last body──► [trailers ──►] complete
//! ```
//!
//! The head waits for the first body event, as the specification says: an application that fails in between is still answered 500.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use hostler_exchange::{BodyChunk, RequestEnd, response_flag};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::call::{Call, Sent, gone};
use super::event::{Data, unexpected};
use super::outbox::{Item, Outbox};
use super::received::Received;
use super::sent::{Event, Head};

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

    /// `sent`: nothing of the answer waits to be written. Only then is it over: an application that is told so may cancel its sender.
    pub(crate) fn receive(
        &mut self,
        py: Python<'_>,
        call: &Call,
        closed: bool,
        sent: bool,
    ) -> PyResult<Option<Received>> {
        if closed || (self.is_complete() && sent) || call.side().abandoned(call.taken()) {
            return Ok(Some(Received::Disconnect));
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
        })?
        .unbind();
        Ok(match chunk {
            BodyChunk::Bytes(_) => {
                self.body_over = side.body_is_complete(call.taken());
                Some(Received::Request { body, more: !self.body_over })
            }
            BodyChunk::End(RequestEnd::Complete) => {
                self.body_over = true;
                Some(Received::Request { body, more: false })
            }
            BodyChunk::End(_) => Some(Received::Disconnect),
            BodyChunk::Nothing => None,
        })
    }

    // ---- Sending ---------------------------------------------------------------------------------------------------------

    pub(crate) fn send(&mut self, call: &Call, outbox: &mut Outbox, event: Event<'_>, closed: bool) -> PyResult<Sent> {
        let expected = match self.stage {
            Stage::Waiting => "http.response.start",
            Stage::Started | Stage::Sending => "http.response.body",
            Stage::Trailers => "http.response.trailers",
            Stage::Complete => "nothing, the answer is complete",
        };
        match (event, self.stage) {
            (Event::Body { data, more }, Stage::Started | Stage::Sending) => {
                self.send_body(call, outbox, data, !more, closed)
            }
            (Event::Start(head), Stage::Waiting) => {
                self.start(head, call.side().response_ring())?;
                if closed { Err(gone()) } else { Ok(Sent::Whole) }
            }
            (Event::Path(path), Stage::Started) => self.send_path(call, outbox, &path, closed),
            (Event::Trailers { fields, count, more }, Stage::Trailers) => {
                self.trailers.extend_from_slice(&fields);
                self.trailer_count = self.trailer_count.saturating_add(count);
                if more { Ok(Sent::Whole) } else { self.send_trailers(call, outbox, closed) }
            }
            (Event::Hint(head), Stage::Waiting | Stage::Started) => {
                fits_ring(head.len(), call.side().response_ring(), "the early hints")?;
                if closed { Err(gone()) } else { call.put(outbox, [Item::Hints(head)]) }
            }
            (event, _) => Err(unexpected(event.name(false), expected)),
        }
    }

    /// Takes over the head of an answer, or of one that refuses a WebSocket.
    pub(crate) fn start(&mut self, head: Head, ring: usize) -> PyResult<()> {
        fits_ring(head.bytes.len(), ring, "the head")?;
        self.status = head.status;
        self.head = head.bytes;
        self.declared = head.content_length;
        self.has_trailers = head.trailers;
        self.stage = Stage::Started;
        Ok(())
    }

    /// Whether the head was given, and the body is awaited.
    pub(crate) fn awaits_body(&self) -> bool {
        matches!(self.stage, Stage::Started | Stage::Sending)
    }

    /// No body is sent after such a head: RFC 9110 sections 9.3.2, 15.3.5, 15.4.5.
    fn bodiless(&self) -> bool {
        self.to_head || matches!(self.status, 204 | 304)
    }

    pub(crate) fn send_body(
        &mut self,
        call: &Call,
        outbox: &mut Outbox,
        body: Option<Data<'_>>,
        last: bool,
        closed: bool,
    ) -> PyResult<Sent> {
        let bytes = body.as_ref().map_or(&[][..], Data::as_slice);
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
        self.go_on(last);
        if self.is_complete() {
            side.publish_whole(call.taken());
        } else {
            side.publish(call.taken());
        }
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

    fn send_path(&mut self, call: &Call, outbox: &mut Outbox, path: &std::path::Path, closed: bool) -> PyResult<Sent> {
        let named = |error: std::io::Error| {
            PyErr::from(std::io::Error::new(error.kind(), format!("{error}: {}", path.display())))
        };
        // What is not a regular file must not hold up the loop.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(named)?;
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

    fn send_trailers(&mut self, call: &Call, outbox: &mut Outbox, closed: bool) -> PyResult<Sent> {
        self.stage = Stage::Complete;
        let block = [&self.trailer_count.to_le_bytes(), self.trailers.as_slice()].concat();
        fits_ring(block.len(), call.side().response_ring(), "the trailers")?;
        if closed {
            return Err(gone());
        }
        call.put(outbox, [Item::Trailers(block), Item::Flags(response_flag::COMPLETE)])
    }
}

/// What is written as a whole must fit as a whole.
fn fits_ring(length: usize, ring: usize, what: &str) -> PyResult<()> {
    if length <= ring {
        return Ok(());
    }
    Err(PyValueError::new_err(format!("{what} of {length} bytes does not fit into response_buffer ({ring} bytes)")))
}
