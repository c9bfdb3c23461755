//! The `websocket` protocol: records of the slot's rings as events, and back.
//!
//! ```text
//!   connecting ──websocket.accept──► open ──websocket.close, or the client's──► closed
//!       └──websocket.close (403), or websocket.http.response.start──► refused
//! ```

use hostler_exchange::head::Response;
use hostler_exchange::record::{Header, Kind};
use hostler_exchange::{BodyChunk, response_flag};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::call::{Call, Sent, gone};
use super::event::{Data, unexpected};
use super::http::Http;
use super::outbox::{Item, Outbox};
use super::received::Received;
use super::sent::{Event, close_record};

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

    pub(crate) fn receive(&mut self, py: Python<'_>, call: &Call, closed: bool) -> PyResult<Option<Received>> {
        if let Stage::Connecting { told: told @ false } = &mut self.stage {
            *told = true;
            return Ok(Some(Received::Connect));
        }
        if self.ended.is_none() {
            if closed {
                self.ended = Some((CUT, String::new()));
            } else if let Some(kind) = self.read(call)? {
                return self.deliver(py, kind).map(Some);
            }
        }
        Ok(self.ended.as_ref().map(|(code, reason)| Received::Closed { code: *code, reason: reason.clone() }))
    }

    /// Whether the handshake is not answered yet.
    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::Connecting { .. })
    }

    /// Reads until a message is whole; `None` when it is not yet, or the end came.
    fn read(&mut self, call: &Call) -> PyResult<Option<Kind>> {
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
                kind => return Ok(Some(kind)),
            }
        }
    }

    /// The whole message.
    fn deliver(&mut self, py: Python<'_>, kind: Kind) -> PyResult<Received> {
        let received = if kind == Kind::Text {
            let text = std::str::from_utf8(&self.message)
                .map_err(|_| PyRuntimeError::new_err("the router passed on a text that is not UTF-8"))?;
            Received::Text(PyString::new(py, text).unbind())
        } else {
            Received::Bytes(PyBytes::new(py, &self.message).unbind())
        };
        if self.message.capacity() > KEPT {
            self.message = Vec::new();
        } else {
            self.message.clear();
        }
        Ok(received)
    }

    // ---- Sending ---------------------------------------------------------------------------------------------------------

    pub(crate) fn send(&mut self, call: &Call, outbox: &mut Outbox, event: Event<'_>, closed: bool) -> PyResult<Sent> {
        let expected = match &self.stage {
            Stage::Connecting { .. } => "websocket.accept, websocket.close or websocket.http.response.start",
            Stage::Refused(_) => "websocket.http.response.body",
            Stage::Open => "websocket.send or websocket.close",
            Stage::Closed => "nothing, the application closed the WebSocket",
        };
        let items = match (event, &mut self.stage) {
            (Event::Accept(head), Stage::Connecting { .. }) => {
                if head.len() > call.side().response_ring() {
                    return Err(PyValueError::new_err("the head of the answer does not fit into response_buffer"));
                }
                self.stage = Stage::Open;
                // The flag first: the router looks at the head once both are there.
                vec![Item::Flags(response_flag::UPGRADE), Item::Head(head)]
            }
            (Event::Close { .. }, Stage::Connecting { .. }) => {
                self.stage = Stage::Closed;
                let mut head = Vec::new();
                Response { status: 403, reason: b"Forbidden", headers: 0 }.write(&mut head);
                vec![Item::Head(head), Item::Flags(response_flag::COMPLETE)]
            }
            (Event::Start(head), Stage::Connecting { .. }) => {
                let mut http = Http::new(false);
                http.start(head, call.side().response_ring())?;
                self.stage = Stage::Refused(Box::new(http));
                return if closed { Err(gone()) } else { Ok(Sent::Whole) };
            }
            (Event::Body { data, more }, Stage::Refused(http)) if http.awaits_body() => {
                return http.send_body(call, outbox, data, !more, closed);
            }
            (Event::Message { .. }, Stage::Open) if self.ended.is_some() => return Err(gone()),
            (Event::Message { header, payload }, Stage::Open) => message(&header, payload),
            (Event::Close { .. }, Stage::Open) if self.ended.is_some() => {
                // The client was first: there is nothing left to close.
                self.stage = Stage::Closed;
                return Ok(Sent::Whole);
            }
            (Event::Close { code, reason }, Stage::Open) => {
                let close = close_record(code, &reason)?;
                self.stage = Stage::Closed;
                vec![Item::Own(close, 0)]
            }
            (event, _) => return Err(unexpected(event.name(true), expected)),
        };
        if closed { Err(gone()) } else { call.put(outbox, items) }
    }
}

/// A message's record.
fn message(header: &[u8; Header::SIZE], payload: Data<'_>) -> Vec<Item> {
    if payload.as_slice().len() <= SHORT {
        return vec![Item::Own([header, payload.as_slice()].concat(), 0)];
    }
    vec![Item::Own(header.to_vec(), 0), Item::Bytes(payload.keep(), 0)]
}

/// A buffer for messages is kept between them up to this size, in bytes.
const KEPT: usize = 4096;
/// Messages up to this size are put together with their header, in bytes.
const SHORT: usize = 1024;
