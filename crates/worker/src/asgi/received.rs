//! What an application receives, as plain values until its call is unlocked: making a dictionary may run Python (the collector, finalizers).

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use pyo3::{IntoPyObjectExt, intern};

/// An event for the application.
pub(crate) enum Received {
    Request { body: Py<PyBytes>, more: bool },
    Disconnect,
    Connect,
    Text(Py<PyString>),
    Bytes(Py<PyBytes>),
    Closed { code: u16, reason: String },
}

impl Received {
    /// The event as the specification has it.
    pub(crate) fn into_event(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let event = PyDict::new(py);
        let kind = match &self {
            Self::Request { .. } => intern!(py, "http.request"),
            Self::Disconnect => intern!(py, "http.disconnect"),
            Self::Connect => intern!(py, "websocket.connect"),
            Self::Text(_) | Self::Bytes(_) => intern!(py, "websocket.receive"),
            Self::Closed { .. } => intern!(py, "websocket.disconnect"),
        };
        event.set_item(intern!(py, "type"), kind)?;
        match self {
            Self::Request { body, more } => {
                event.set_item(intern!(py, "body"), body)?;
                event.set_item(intern!(py, "more_body"), more)?;
            }
            Self::Disconnect | Self::Connect => {}
            Self::Text(text) => event.set_item(intern!(py, "text"), text)?,
            Self::Bytes(bytes) => event.set_item(intern!(py, "bytes"), bytes)?,
            Self::Closed { code, reason } => {
                event.set_item(intern!(py, "code"), code)?;
                event.set_item(intern!(py, "reason"), reason)?;
            }
        }
        event.into_py_any(py)
    }
}
