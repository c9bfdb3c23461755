//! What an application sends, read into plain values. All that runs Python (iterating headers, taking the truth of a flag) happens
//! here, before a call is locked.

use hostler_exchange::head::{Response, names, write_header};
use hostler_exchange::record::{Header, Kind};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::event::{self, Data};

/// The longest reason of a close (RFC 6455 section 5.5.1), in bytes.
const LONGEST_REASON: usize = 123;

/// An event of the application's.
pub(crate) enum Event<'py> {
    Start(Head),
    Body {
        data: Option<Data<'py>>,
        more: bool,
    },
    Path(std::path::PathBuf),
    Trailers {
        /// Laid out, without their number.
        fields: Vec<u8>,
        count: u16,
        more: bool,
    },
    /// A 103, laid out.
    Hint(Vec<u8>),
    /// A 101, laid out.
    Accept(Vec<u8>),
    Message {
        header: [u8; Header::SIZE],
        payload: Data<'py>,
    },
    Close {
        code: u16,
        reason: String,
    },
}

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Laid out.
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_length: Option<u64>,
    /// Trailers will follow the body.
    pub(crate) trailers: bool,
}

/// Reads an event for a request.
pub(crate) fn http<'py>(kind: &Bound<'py, PyAny>, event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = kind.py();
    let is = |name: &Bound<'py, PyString>| is_kind(kind, name);
    if is(intern!(py, "http.response.body"))? {
        body(event)
    } else if is(intern!(py, "http.response.start"))? {
        start(event).map(Event::Start)
    } else if is(intern!(py, "http.response.pathsend"))? {
        path(event)
    } else if is(intern!(py, "http.response.trailers"))? {
        trailers(event)
    } else if is(intern!(py, "http.response.early_hint"))? {
        early_hint(event).map(Event::Hint)
    } else {
        Err(event::unexpected(&kind.to_string(), "an http.response event"))
    }
}

/// Reads an event for a WebSocket.
pub(crate) fn websocket<'py>(kind: &Bound<'py, PyAny>, event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = kind.py();
    let is = |name: &Bound<'py, PyString>| is_kind(kind, name);
    if is(intern!(py, "websocket.send"))? {
        message(event)
    } else if is(intern!(py, "websocket.accept"))? {
        accept(event).map(Event::Accept)
    } else if is(intern!(py, "websocket.close"))? {
        close(event)
    } else if is(intern!(py, "websocket.http.response.start"))? {
        start(event).map(Event::Start)
    } else if is(intern!(py, "websocket.http.response.body"))? {
        body(event)
    } else {
        Err(event::unexpected(&kind.to_string(), "a websocket event"))
    }
}

/// Whether an event is of the kind `name`. What is written in an application's code is mostly the very same object.
fn is_kind(kind: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<bool> {
    if kind.is(name) { Ok(true) } else { kind.eq(name) }
}

impl Event<'_> {
    /// What it is called, for messages.
    pub(crate) fn name(&self, websocket: bool) -> &'static str {
        match self {
            Self::Start(_) if websocket => "websocket.http.response.start",
            Self::Body { .. } if websocket => "websocket.http.response.body",
            Self::Start(_) => "http.response.start",
            Self::Body { .. } => "http.response.body",
            Self::Path(_) => "http.response.pathsend",
            Self::Trailers { .. } => "http.response.trailers",
            Self::Hint(_) => "http.response.early_hint",
            Self::Accept(_) => "websocket.accept",
            Self::Message { .. } => "websocket.send",
            Self::Close { .. } => "websocket.close",
        }
    }
}

fn start(event: &Bound<'_, PyDict>) -> PyResult<Head> {
    let py = event.py();
    let status = event::require(event, intern!(py, "status"))?;
    let status: u16 = status
        .extract()
        .ok()
        .filter(|status| (200..=999).contains(status))
        .ok_or_else(|| PyValueError::new_err(format!("a status is a number from 200 to 999, not {status:?}")))?;
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut bytes = Vec::with_capacity(128);
    Response { status, reason: reason.unwrap_or_default().as_bytes(), headers: 0 }.write(&mut bytes);
    let mut content_length = None;
    if let Some(headers) = event::get(event, intern!(py, "headers"))? {
        let facts = event::headers(&headers, &mut bytes)?;
        Response::set_headers(&mut bytes, facts.count);
        content_length = facts.content_length;
    }
    let trailers = event::is_set(event, intern!(py, "trailers"))?;
    Ok(Head { status, bytes, content_length, trailers })
}

fn body<'py>(event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = event.py();
    let data = event::get(event, intern!(py, "body"))?.map(|body| event::data(body, "body")).transpose()?;
    Ok(Event::Body { data, more: event::is_set(event, intern!(py, "more_body"))? })
}

fn path<'py>(event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let path = event::require(event, intern!(event.py(), "path"))?.extract();
    path.map(Event::Path).map_err(|_| PyTypeError::new_err("path is a str: the file's absolute path"))
}

fn trailers<'py>(event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = event.py();
    let mut fields = Vec::new();
    let headers = event::get(event, intern!(py, "headers"))?;
    let facts = headers.map(|headers| event::headers(&headers, &mut fields)).transpose()?.unwrap_or_default();
    Ok(Event::Trailers { fields, count: facts.count, more: event::is_set(event, intern!(py, "more_trailers"))? })
}

/// A 103 with the event's links (RFC 8297), laid out.
fn early_hint(event: &Bound<'_, PyDict>) -> PyResult<Vec<u8>> {
    let py = event.py();
    let mut head = Vec::new();
    Response { status: 103, reason: b"Early Hints", headers: 0 }.write(&mut head);
    let mut count: u16 = 0;
    for link in event::require(event, intern!(py, "links"))?.try_iter()? {
        let link = event::data(link?, "a link")?;
        if link.as_slice().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(PyValueError::new_err("a link would end its line"));
        }
        write_header(&mut head, b"Link", link.as_slice());
        count = count.checked_add(1).ok_or_else(|| PyValueError::new_err("at most 65535 links are sent at once"))?;
    }
    Response::set_headers(&mut head, count);
    Ok(head)
}

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

/// A message, as its record's header and payload.
fn message<'py>(event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = event.py();
    let text = event::get(event, intern!(py, "text"))?;
    let bytes = event::get(event, intern!(py, "bytes"))?;
    let (kind, payload) = match (text, bytes) {
        (Some(text), None) => {
            let text = text.cast_into::<PyString>().map_err(|_| PyTypeError::new_err("text is a str"))?;
            // One copy, as the stable ABI of 3.9 does not lend a string's bytes.
            (Kind::Text, Data::Bytes(text.encode_utf8()?))
        }
        (None, Some(bytes)) => (Kind::Binary, event::data(bytes, "bytes")?),
        _ => return Err(PyValueError::new_err("a websocket.send event has either text or bytes")),
    };
    let length = u32::try_from(payload.as_slice().len())
        .map_err(|_| PyValueError::new_err("a message is shorter than 4 GiB"))?;
    Ok(Event::Message { header: Header { length, kind, more: false, code: 0 }.pack(), payload })
}

fn close<'py>(event: &Bound<'py, PyDict>) -> PyResult<Event<'py>> {
    let py = event.py();
    let code = event::get(event, intern!(py, "code"))?.map_or(Ok(1000), |code| code.extract::<u16>())?;
    let reason = event::get(event, intern!(py, "reason"))?.map_or(Ok(String::new()), |reason| reason.extract())?;
    Ok(Event::Close { code, reason })
}

/// A CLOSE record.
pub(crate) fn close_record(code: u16, reason: &str) -> PyResult<Vec<u8>> {
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(PyValueError::new_err(format!(
            "{code} is no close code that may be sent (RFC 6455 section 7.4): 1000 to 1003, 1007 to 1014, 3000 to 4999"
        )));
    }
    if reason.len() > LONGEST_REASON {
        return Err(PyValueError::new_err(format!("the reason of a close has at most {LONGEST_REASON} bytes")));
    }
    let header = Header { length: reason.len() as u32, kind: Kind::Close, more: false, code };
    Ok([&header.pack(), reason.as_bytes()].concat())
}
