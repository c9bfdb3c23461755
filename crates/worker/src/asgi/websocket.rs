//! The `websocket` protocol: records of the slot's rings as events, and back.
//!
//! ```text
//!   connecting ──websocket.accept──► open ──websocket.close, or the client's──► closed
//!       └──websocket.close (403), or websocket.http.response.start──► refused
//! ```

use hostler_exchange::head::{Response, names, write_header};
use hostler_exchange::record::{Header, Kind};
use hostler_exchange::{BodyChunk, response_flag};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use pyo3::{IntoPyObjectExt, intern};

use super::call::{Call, Sent, gone};
use super::event::{self, unexpected};
use super::http::Http;
use super::outbox::{Item, Outbox};

/// The longest reason of a close (RFC 6455 section 5.5.1), in bytes.
const LONGEST_REASON: usize = 123;
/// What a connection that was cut is closed with (RFC 6455 section 7.4.1).
const CUT: u16 = 1006;

/// Where a WebSocket is, seen from the application.
enum Stage {
    /// It has not been accepted; whether its `websocket.connect` was received.
    Connecting {
        told: bool,
    },
    Open,
    /// The application closed it.
    Closed,
    /// The application answers the handshake as an HTTP request.
    Refused(Box<Http>),
}

/// One WebSocket.
pub(crate) struct WebSocket {
    stage: Stage,
    /// The header of the record whose payload is being read.
    incoming: Option<Header>,
    /// The payload of the present message so far.
    message: Vec<u8>,
    /// How it ended: what every further `receive()` says.
    ended: Option<(u16, String)>,
}

impl WebSocket {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Connecting { told: false }, incoming: None, message: Vec::new(), ended: None }
    }

    /// Whether the handler may end here without a fault: the handshake was answered.
    pub(crate) fn is_answered(&self) -> bool {
        match &self.stage {
            Stage::Connecting { .. } => false,
            Stage::Open | Stage::Closed => true,
            Stage::Refused(http) => http.is_complete(),
        }
    }

    pub(crate) fn is_accepted(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closed)
    }

    // ---- Receiving -------------------------------------------------------------------------------------------------------

    pub(crate) fn receive(&mut self, py: Python<'_>, call: &Call, closed: bool) -> PyResult<Option<Py<PyAny>>> {
        if let Stage::Connecting { told: told @ false } = &mut self.stage {
            *told = true;
            let event = PyDict::new(py);
            event.set_item(intern!(py, "type"), intern!(py, "websocket.connect"))?;
            return event.into_py_any(py).map(Some);
        }
        if self.ended.is_none() {
            if closed {
                self.ended = Some((CUT, String::new()));
            } else if let Some((kind, more)) = self.read(call)? {
                debug_assert!(!more);
                return self.deliver(py, kind).map(Some);
            }
        }
        match &self.ended {
            Some((code, reason)) => disconnect(py, *code, reason).map(Some),
            None => Ok(None),
        }
    }

    /// Reads until a message is whole; `None` when it is not yet, or the end came.
    fn read(&mut self, call: &Call) -> PyResult<Option<(Kind, bool)>> {
        let side = call.side();
        loop {
            let Some(header) = self.incoming else {
                if side.body_available(call.taken()) < Header::SIZE {
                    let mut nothing = [0; 0];
                    if let BodyChunk::End(_) = side.read_body(call.taken(), &mut nothing) {
                        self.ended = Some((CUT, String::new()));
                    }
                    return Ok(None);
                }
                let mut bytes = [0; Header::SIZE];
                side.read_body(call.taken(), &mut bytes);
                self.incoming = Some(
                    Header::unpack(&bytes).ok_or_else(|| PyRuntimeError::new_err("a WebSocket record is damaged"))?,
                );
                continue;
            };
            let length = header.length as usize;
            // The router writes a record only as a whole.
            let start = self.message.len();
            self.message.resize(start + length, 0);
            if length > 0 && side.read_body(call.taken(), &mut self.message[start..]) != BodyChunk::Bytes(length) {
                self.message.truncate(start);
                self.ended = Some((CUT, String::new()));
                return Ok(None);
            }
            self.incoming = None;
            match header.kind {
                Kind::Close => {
                    let reason = self.message.split_off(start);
                    self.message = Vec::new();
                    self.ended = Some((header.code, String::from_utf8_lossy(&reason).into_owned()));
                    return Ok(None);
                }
                _ if header.more => {}
                kind => return Ok(Some((kind, false))),
            }
        }
    }

    /// The whole message as an event.
    fn deliver(&mut self, py: Python<'_>, kind: Kind) -> PyResult<Py<PyAny>> {
        let event = PyDict::new(py);
        event.set_item(intern!(py, "type"), intern!(py, "websocket.receive"))?;
        if kind == Kind::Text {
            let text = std::str::from_utf8(&self.message)
                .map_err(|_| PyRuntimeError::new_err("the router passed on a text that is not UTF-8"))?;
            event.set_item(intern!(py, "text"), PyString::new(py, text))?;
        } else {
            event.set_item(intern!(py, "bytes"), PyBytes::new(py, &self.message))?;
        }
        if self.message.capacity() > KEPT {
            self.message = Vec::new();
        } else {
            self.message.clear();
        }
        event.into_py_any(py)
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
        let sent = match &mut self.stage {
            Stage::Connecting { .. } if is(intern!(py, "websocket.accept"))? => {
                let head = accept(event)?;
                if head.len() > call.side().response_ring() {
                    return Err(PyValueError::new_err("the head of the answer does not fit into response_buffer"));
                }
                self.stage = Stage::Open;
                // The flag first: the router looks at the head once both are there.
                [Item::Flags(response_flag::UPGRADE), Item::Head(head)].into_iter().collect::<Vec<_>>()
            }
            Stage::Connecting { .. } if is(intern!(py, "websocket.close"))? => {
                self.stage = Stage::Closed;
                let mut head = Vec::new();
                Response { status: 403, reason: b"Forbidden", headers: 0 }.write(&mut head);
                vec![Item::Head(head), Item::Flags(response_flag::COMPLETE)]
            }
            Stage::Connecting { .. } if is(intern!(py, "websocket.http.response.start"))? => {
                let mut http = Http::new(false);
                http.start(event, call.side().response_ring())?;
                self.stage = Stage::Refused(Box::new(http));
                return if closed { Err(gone()) } else { Ok(Sent::Whole) };
            }
            Stage::Connecting { .. } => {
                return Err(unexpected(
                    &kind.to_string(),
                    "websocket.accept, websocket.close or websocket.http.response.start",
                ));
            }
            Stage::Refused(http) if is(intern!(py, "websocket.http.response.body"))? => {
                return http.send_body(call, outbox, event, closed);
            }
            Stage::Refused(_) => {
                return Err(unexpected(&kind.to_string(), "websocket.http.response.body"));
            }
            Stage::Open if is(intern!(py, "websocket.send"))? => {
                if self.ended.is_some() {
                    return Err(gone());
                }
                message(event)?
            }
            Stage::Open if is(intern!(py, "websocket.close"))? => {
                let close = close(event)?;
                self.stage = Stage::Closed;
                if self.ended.is_some() {
                    // The client was first: there is nothing left to close.
                    return Ok(Sent::Whole);
                }
                vec![Item::Own(close, 0)]
            }
            Stage::Open => return Err(unexpected(&kind.to_string(), "websocket.send or websocket.close")),
            Stage::Closed => {
                return Err(unexpected(&kind.to_string(), "nothing, the application closed the WebSocket"));
            }
        };
        if closed { Err(gone()) } else { call.put(outbox, sent) }
    }
}

/// A buffer for messages is kept between them up to this size, in bytes.
const KEPT: usize = 4096;

/// A 101 with what the application adds, laid out.
fn accept(event: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let py = event.py();
    let mut head = Vec::new();
    Response { status: 101, reason: b"Switching Protocols", headers: 0 }.write(&mut head);
    let mut count = 0;
    if let Some(subprotocol) = event::get(event, intern!(py, "subprotocol"))? {
        let subprotocol: String = subprotocol.extract()?;
        if subprotocol.is_empty() || subprotocol.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
            return Err(PyValueError::new_err(format!("not a subprotocol: {subprotocol:?}")));
        }
        write_header(&mut head, b"Sec-WebSocket-Protocol", subprotocol.as_bytes());
        count += 1;
    }
    if let Some(headers) = event::get(event, intern!(py, "headers"))? {
        let own = head.len();
        count += event::headers(&headers, &mut head)?.count;
        if let Some(name) = names(&head[own..]).find(|name| name.eq_ignore_ascii_case(b"sec-websocket-protocol")) {
            let name = String::from_utf8_lossy(name);
            return Err(PyValueError::new_err(format!("{name} is no header of websocket.accept: use its subprotocol")));
        }
    }
    Response::set_headers(&mut head, count);
    Ok(head)
}

/// A message as a record.
fn message(event: &Bound<'_, PyDict>) -> PyResult<Vec<Item>> {
    let py = event.py();
    let text = event::get(event, intern!(py, "text"))?;
    let bytes = event::get(event, intern!(py, "bytes"))?;
    let (kind, payload) = match (text, bytes) {
        (Some(text), None) => {
            let text = text.cast_into::<PyString>().map_err(|_| PyTypeError::new_err("text is a str"))?;
            // SAFETY-free way that the stable ABI of 3.9 leaves: one copy.
            let encoded = text.encode_utf8()?;
            (Kind::Text, event::Data::Bytes(encoded))
        }
        (None, Some(bytes)) => (Kind::Binary, event::data(bytes, "bytes")?),
        _ => return Err(PyValueError::new_err("a websocket.send event has either text or bytes")),
    };
    let length = u32::try_from(payload.as_slice().len())
        .map_err(|_| PyValueError::new_err("a message is shorter than 4 GiB"))?;
    let header = Header { length, kind, more: false, code: 0 }.pack();
    if payload.as_slice().len() <= SHORT {
        let mut record = Vec::with_capacity(Header::SIZE + payload.as_slice().len());
        record.extend_from_slice(&header);
        record.extend_from_slice(payload.as_slice());
        return Ok(vec![Item::Own(record, 0)]);
    }
    Ok(vec![Item::Own(header.to_vec(), 0), Item::Bytes(payload.keep(), 0)])
}

/// Messages up to this size are put together with their header, in bytes.
const SHORT: usize = 1024;

/// A CLOSE record.
fn close(event: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let py = event.py();
    let code = event::get(event, intern!(py, "code"))?.map_or(Ok(1000), |code| code.extract::<u16>())?;
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PyValueError::new_err(format!(
            "{code} is no close code that may be sent (RFC 6455 section 7.4): 1000 to 1003, 1007 to 1014, 3000 to 4999"
        )));
    }
    let reason = event::get(event, intern!(py, "reason"))?.map_or(Ok(String::new()), |reason| reason.extract())?;
    if reason.len() > LONGEST_REASON {
        return Err(PyValueError::new_err(format!("the reason of a close has at most {LONGEST_REASON} bytes")));
    }
    let header = Header { length: reason.len() as u32, kind: Kind::Close, more: false, code };
    Ok([&header.pack(), reason.as_bytes()].concat())
}

fn disconnect(py: Python<'_>, code: u16, reason: &str) -> PyResult<Py<PyAny>> {
    let event = PyDict::new(py);
    event.set_item(intern!(py, "type"), intern!(py, "websocket.disconnect"))?;
    event.set_item(intern!(py, "code"), code)?;
    event.set_item(intern!(py, "reason"), reason)?;
    event.into_py_any(py)
}
