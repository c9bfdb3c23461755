//! Reading the events an application sends: dictionaries with known keys, of known types (ASGI specification).

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use hostler_exchange::head::write_header;
use hostler_http1::{is_field_value, is_token};

use crate::text::type_name;

/// Bytes of an event: the application's own object where it is `bytes`.
pub(crate) enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    Other(PyBackedBytes),
}

impl Data<'_> {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Other(bytes) => bytes,
        }
    }

    /// The same, to be kept.
    pub(crate) fn keep(self) -> PyBackedBytes {
        match self {
            Self::Bytes(bytes) => bytes.into(),
            Self::Other(bytes) => bytes,
        }
    }
}

/// The event as a dictionary.
pub(crate) fn dictionary<'a, 'py>(event: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyDict>> {
    event.cast::<PyDict>().map_err(|_| PyTypeError::new_err(format!("an event is a dict, not {}", type_name(event))))
}

/// The value of a key; `None` when it is missing or None.
pub(crate) fn get<'py>(event: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(event.get_item(key)?.filter(|value| !value.is_none()))
}

/// The value of a key that must be there.
pub(crate) fn require<'py>(event: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    get(event, key)?.ok_or_else(|| PyValueError::new_err(format!("the event has no {key:?}: {event}")))
}

/// Whether a key is there and true.
pub(crate) fn is_set<'py>(event: &Bound<'py, PyDict>, key: &Bound<'py, PyString>) -> PyResult<bool> {
    event.get_item(key)?.map_or(Ok(false), |value| value.is_truthy())
}

/// Bytes: `bytes`, `bytearray`, or whatever has a buffer.
pub(crate) fn data<'py>(value: Bound<'py, PyAny>, what: &str) -> PyResult<Data<'py>> {
    match value.cast_into::<PyBytes>() {
        Ok(bytes) => Ok(Data::Bytes(bytes)),
        Err(error) => {
            let value = error.into_inner();
            if let Ok(bytes) = value.extract::<PyBackedBytes>() {
                return Ok(Data::Other(bytes));
            }
            let is_view = value.get_type().name()? == "memoryview";
            if !is_view {
                return Err(PyTypeError::new_err(format!("{what} is bytes, not {}", type_name(&value))));
            }
            let copy = value.py().get_type::<PyBytes>().call1((value,))?;
            Ok(Data::Bytes(copy.cast_into::<PyBytes>()?))
        }
    }
}

/// What the headers of an answer say about itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeaderFacts {
    pub(crate) count: u16,
    pub(crate) content_length: Option<u64>,
}

/// Lays headers out: an iterable of pairs of bytes, checked against what would split the head.
pub(crate) fn headers(headers: &Bound<'_, PyAny>, to: &mut Vec<u8>) -> PyResult<HeaderFacts> {
    let mut facts = HeaderFacts::default();
    let mut add = |pair: Bound<'_, PyAny>| -> PyResult<()> {
        let (name, value) = pair_of(&pair)?;
        let (name, value) = (data(name, "a header's name")?, data(value, "a header's value")?);
        let (name, value) = (name.as_slice(), value.as_slice());
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(PyValueError::new_err(format!(
                "not the name of a header: {:?}",
                String::from_utf8_lossy(name)
            )));
        }
        if !value.iter().copied().all(is_field_value) {
            return Err(PyValueError::new_err(format!(
                "the value of {} has a character that no value may have: {:?}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value)
            )));
        }
        if name.len() == 14 && name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
            let length: u64 = length.ok_or_else(|| {
                PyValueError::new_err(format!("not a Content-Length: {:?}", String::from_utf8_lossy(value)))
            })?;
            if facts.content_length.replace(length).is_some_and(|before| before != length) {
                return Err(PyValueError::new_err("the headers have two different Content-Lengths"));
            }
        }
        facts.count =
            facts.count.checked_add(1).ok_or_else(|| PyValueError::new_err("an answer has at most 65535 headers"))?;
        write_header(to, name, value.trim_ascii());
        Ok(())
    };
    if let Ok(list) = headers.cast_exact::<PyList>() {
        list.iter().try_for_each(&mut add)?;
    } else {
        headers.try_iter()?.try_for_each(|pair| add(pair?))?;
    }
    Ok(facts)
}

fn pair_of<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(pair) = pair.cast_exact::<PyTuple>()
        && pair.len() == 2
    {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    if let Ok(pair) = pair.cast_exact::<PyList>()
        && pair.len() == 2
    {
        return Ok((pair.get_item(0)?, pair.get_item(1)?));
    }
    let parts: Vec<Bound<'py, PyAny>> = pair.try_iter()?.collect::<PyResult<_>>()?;
    match <[_; 2]>::try_from(parts) {
        Ok([name, value]) => Ok((name, value)),
        Err(_) => Err(PyTypeError::new_err(format!("a header is a pair of name and value, not {pair:?}"))),
    }
}

/// What an application is told whose event does not fit where it is in the protocol.
pub(crate) fn unexpected(kind: &str, expected: &str) -> PyErr {
    PyRuntimeError::new_err(format!("the application sent {kind:?}; expected here: {expected}"))
}
