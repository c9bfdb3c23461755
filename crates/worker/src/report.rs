//! What a worker reports to its supervisor: records for the error log, each in one piece.

use std::sync::OnceLock;

use hostler_channel::{Channel, FromWorker, LogRecord, Severity, clip};
use hostler_exchange::head::Request;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::gone::ClientDisconnected;

static CHANNEL: OnceLock<Channel> = OnceLock::new();

/// Remembers the channel for the life of the process.
pub(crate) fn open(channel: Channel) -> &'static Channel {
    CHANNEL.get_or_init(|| channel)
}

/// Sends a message. Blocks while the supervisor does not read, so the interpreter's lock is released.
pub(crate) fn send(py: Python<'_>, message: &FromWorker) {
    if let Some(channel) = CHANNEL.get() {
        // A supervisor that is gone hears nothing; the watch on the channel ends this process.
        let _sent = py.detach(|| channel.send(message));
    }
}

/// One record for the error log.
pub(crate) fn log(py: Python<'_>, severity: Severity, message: String, detail: Option<&str>, request_id: &str) {
    let record = LogRecord {
        severity,
        message: clip(&message),
        detail: detail.map(clip),
        request_id: (!request_id.is_empty()).then(|| clip(request_id)),
        python_level: None,
    };
    send(py, &FromWorker::Log(record));
}

/// A record of Python's `logging`, as its handler has formatted it.
#[pyfunction]
pub(crate) fn logged(py: Python<'_>, level: i64, text: &str) {
    let (message, detail) = text.split_once('\n').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let severity = match level {
        40.. => Severity::Error,
        30.. => Severity::Warning,
        _ => Severity::Info,
    };
    let (message, detail) = (clip(message), detail.map(clip));
    send(py, &FromWorker::Log(LogRecord { severity, message, detail, request_id: None, python_level: Some(level) }));
}

/// A record for the error log, from what is written in Python here.
#[pyfunction]
pub(crate) fn record(py: Python<'_>, severity: &str, message: String, error: Option<Bound<'_, PyAny>>) {
    let severity = match severity {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    };
    let detail = error.map(|error| traceback(py, &PyErr::from_value(error)));
    log(py, severity, message, detail.as_deref(), "");
}

/// The traceback of an exception, as Python prints it; at least its text when that fails.
pub(crate) fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let format = || -> PyResult<String> {
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (error.get_type(py), error.value(py), error.traceback(py)))?;
        let text = PyString::new(py, "").call_method1("join", (lines,))?;
        // A message with lone surrogates is no reason to lose the traceback.
        let bytes = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
        Ok(String::from_utf8_lossy(bytes.extract()?).into_owned())
    };
    format().unwrap_or_else(|_| error.to_string())
}

/// An exception in one line: `ValueError: no such thing`.
pub(crate) fn summary(py: Python<'_>, error: &PyErr) -> String {
    let name = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
    let text = error.value(py).str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
    let text = text.lines().next().unwrap_or_default().to_owned();
    if text.is_empty() { name } else { format!("{name}: {text}") }
}

/// The traceback of a failed request, in one piece. A client that left is not the application's fault.
pub(crate) fn report_failure(py: Python<'_>, request: &Request<'_>, error: &PyErr) {
    let summary = summary(py, error);
    if is_of_client(error.value(py).as_any(), CHAIN) {
        return log(py, Severity::Info, format!("{} was given up: {summary}", name(request)), None, &id(request));
    }
    let detail = traceback(py, error);
    log(py, Severity::Error, format!("{} failed: {summary}", name(request)), Some(&detail), &id(request));
}

/// How far causes of an exception are followed.
const CHAIN: usize = 8;

/// Whether an exception is of a client that left: itself, or what it was raised from, as frameworks raise their own.
fn is_of_client(error: &Bound<'_, PyAny>, left: usize) -> bool {
    if left == 0 || error.is_none() {
        return false;
    }
    let linked = |name| error.getattr_opt(name).ok().flatten().is_some_and(|next| is_of_client(&next, left - 1));
    let grouped = || {
        let all =
            error.getattr_opt("exceptions").ok().flatten().and_then(|all| all.extract::<Vec<Bound<'_, PyAny>>>().ok());
        all.is_some_and(|all| !all.is_empty() && all.iter().all(|one| is_of_client(one, left - 1)))
    };
    error.is_instance_of::<ClientDisconnected>() || linked("__cause__") || linked("__context__") || grouped()
}

/// Method and target of a request, shortened.
pub(crate) fn name(request: &Request<'_>) -> String {
    let target: String = String::from_utf8_lossy(request.target).chars().take(200).collect();
    format!("{} {target}", String::from_utf8_lossy(request.method))
}

pub(crate) fn id(request: &Request<'_>) -> String {
    String::from_utf8_lossy(request.id).into_owned()
}
