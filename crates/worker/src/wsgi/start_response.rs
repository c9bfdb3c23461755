//! `start_response` and the `write` callable it returns (PEP 3333), and the checks on what an application says.

use hostler_exchange::head;
use hostler_http1::{is_field_value, is_token};
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::answer::{Client, Shared, gone, lay_out};
use super::known::{Header, Known};
use crate::text::{to_latin1, type_name};

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct StartResponse {
    pub(crate) answer: Shared,
    pub(crate) write: Py<Write>,
    known: std::sync::Mutex<Known>,
}

/// `write(data)`.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Write {
    pub(crate) answer: Shared,
}

/// `wsgi.early_hints(headers)`: sends a response of status 103 (RFC 8297).
#[pyclass(frozen, module = "hostler")]
pub(crate) struct EarlyHints {
    pub(crate) answer: Shared,
}

impl StartResponse {
    pub(crate) fn new(py: Python<'_>, answer: Shared) -> PyResult<Self> {
        let write = Py::new(py, Write { answer: answer.clone() })?;
        Ok(Self { answer, write, known: std::sync::Mutex::default() })
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None, /))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Py<Write>> {
        let mut answer = self.answer.lock();
        if answer.sent() {
            return Err(match exc_info {
                Some(exc_info) => original(exc_info)?,
                None => PyAssertionError::new_err("start_response was called after the head was sent"),
            });
        }
        if answer.started() && exc_info.is_none() {
            return Err(PyAssertionError::new_err("start_response was called twice without exc_info (PEP 3333)"));
        }
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (code, reason) = known.status(status, parse_status)?;
        let headers = list(headers)?;
        lay_out(code, reason, headers.len(), &mut answer.head);
        let mut declared = None;
        for header in headers.iter() {
            let header = known.header(&header, parse_header)?;
            if let Some(length) = header.content_length {
                if declared.is_some_and(|declared| declared != length) {
                    return Err(PyValueError::new_err("the response has two Content-Length headers that differ"));
                }
                declared = Some(length);
            }
            answer.head.extend_from_slice(&header.laid_out);
        }
        answer.start(code, declared);
        drop(answer);
        Ok(self.write.clone_ref(py))
    }
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let bytes = chunk(data, "write() was given")?;
        match self.answer.write(py, bytes.as_bytes())? {
            Client::There => {
                self.answer.flush();
                Ok(())
            }
            Client::Gone => Err(gone()),
        }
    }
}

#[pymethods]
impl EarlyHints {
    #[pyo3(signature = (headers, /))]
    fn __call__(&self, py: Python<'_>, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let headers = list(headers)?;
        let mut laid_out = Vec::new();
        lay_out(103, b"Early Hints", headers.len(), &mut laid_out);
        for header in headers.iter() {
            laid_out.extend_from_slice(&parse_hint(&header)?.laid_out);
        }
        self.answer.hint(py, &laid_out)
    }
}

/// A chunk of a body: `bytes`, and nothing else.
pub(crate) fn chunk<'a, 'py>(data: &'a Bound<'py, PyAny>, who: &str) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast::<PyBytes>().map_err(|_| PyTypeError::new_err(format!("{who} {}, not bytes (PEP 3333)", type_name(data))))
}

/// The exception of an `exc_info` triple, to be raised again with its traceback.
fn original(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let triple = exc_info.cast::<PyTuple>().map_err(|_| PyTypeError::new_err("exc_info is not a tuple"))?;
    Ok(PyErr::from_value(triple.get_item(1)?))
}

fn list<'a, 'py>(headers: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyList>> {
    headers.cast::<PyList>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the response's headers are {}, not a list of tuples (PEP 3333)",
            type_name(headers)
        ))
    })
}

/// `200 OK`: three digits, a space, a reason.
fn parse_status(status: &Bound<'_, PyAny>) -> PyResult<(u16, Vec<u8>)> {
    let text = status
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("the status is {}, not a str like '200 OK'", type_name(status))))?;
    let bytes = to_latin1(text, "the status")?;
    let bytes = bytes.as_bytes();
    let wrong = || PyValueError::new_err(format!("the status {text:?} does not begin with a number like '200 OK'"));
    let digits = bytes.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or_else(wrong)?;
    let reason = match bytes.get(3) {
        None => b"",
        Some(b' ') => bytes.get(4..).unwrap_or_default(),
        Some(_) => return Err(wrong()),
    };
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    if !(200..=999).contains(&code) {
        return Err(PyValueError::new_err(format!("the status {text:?} is not a final one (200 to 999)")));
    }
    if !reason.iter().copied().all(is_field_value) {
        return Err(PyValueError::new_err(format!("the status {text:?} has control characters")));
    }
    Ok((code, reason.to_vec()))
}

/// One `(name, value)` of an answer. PEP 3333 forbids `Connection`, but many applications ask for the connection to be closed, and other servers let them.
fn parse_header(header: &Bound<'_, PyAny>) -> PyResult<Header> {
    parse(header, |name, value| name.eq_ignore_ascii_case(b"connection") && says_whether_to_close(value))
}

/// The same of early hints, which decide nothing about the connection.
fn parse_hint(header: &Bound<'_, PyAny>) -> PyResult<Header> {
    parse(header, |_, _| false)
}

/// `permitted` is asked about fields that are between the server and its client.
fn parse(header: &Bound<'_, PyAny>, permitted: fn(&[u8], &[u8]) -> bool) -> PyResult<Header> {
    let wrong =
        || PyTypeError::new_err(format!("a header of the response is {header:?}, not a tuple of two str (PEP 3333)"));
    let pair = header.cast::<PyTuple>().map_err(|_| wrong())?;
    if pair.len() != 2 {
        return Err(wrong());
    }
    let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
    let name = to_latin1(name.cast::<PyString>().map_err(|_| wrong())?, "a header's name")?;
    let value = to_latin1(value.cast::<PyString>().map_err(|_| wrong())?, "a header's value")?;
    let (name, value) = (name.as_bytes(), value.as_bytes());
    let shown = || String::from_utf8_lossy(name).into_owned();
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(PyValueError::new_err(format!("{:?} is not a header's name", shown())));
    }
    if !value.iter().copied().all(is_field_value) {
        return Err(PyValueError::new_err(format!(
            "the value of the header {} has control characters or line breaks",
            shown()
        )));
    }
    if HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes())) && !permitted(name, value) {
        return Err(PyValueError::new_err(format!(
            "the header {} is between the server and its client, not the application's to set (PEP 3333)",
            shown()
        )));
    }
    let value = value.trim_ascii();
    let content_length = if name.eq_ignore_ascii_case(b"content-length") { Some(length(value)?) } else { None };
    let mut laid_out = Vec::with_capacity(name.len() + value.len() + 6);
    head::write_header(&mut laid_out, name, value);
    Ok(Header { laid_out, content_length })
}

/// Whether these options of a connection are `close` and `keep-alive`, and no others.
fn says_whether_to_close(options: &[u8]) -> bool {
    let mut options = options.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    options.all(|option| option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive"))
}

fn length(value: &[u8]) -> PyResult<u64> {
    std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            PyValueError::new_err(format!("Content-Length is {:?}, not a number", String::from_utf8_lossy(value)))
        })
}

/// RFC 9110 section 7.6.1, and what PEP 3333 forbids with it.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];
