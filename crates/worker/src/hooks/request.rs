//! The hooks around each request of a WSGI application: `pre_request` and `post_request`. Nothing of this runs where the module has neither.

use hostler_channel::Severity;
use hostler_exchange::head::{Request, read_response};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::report;
use crate::text::latin1;

/// What an answer was, when all of it was given.
pub(crate) struct Answered<'a> {
    /// As laid out in the slot; empty where the application never began an answer.
    pub(crate) head: &'a [u8],
    /// Bytes of the body that the application gave.
    pub(crate) given: u64,
    /// The client was told 500 instead.
    pub(crate) replaced: bool,
}

/// The hooks of a module that has at least one of them.
pub(crate) struct RequestHooks {
    pub(super) module: String,
    pub(super) hooks: Py<PyAny>,
}

impl RequestHooks {
    /// Calls `pre_request`; what it raises fails the request. Returns what both hooks get as `req`.
    pub(crate) fn before<'py>(&self, py: Python<'py>, environ: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
        let request = self.hooks.bind(py).call_method1("request", (environ,))?;
        self.hooks.bind(py).call_method1("pre_request", (&request,))?;
        Ok(request)
    }

    /// Calls `post_request`; what it raises is logged.
    pub(crate) fn after(
        &self,
        py: Python<'_>,
        asked: &Bound<'_, PyAny>,
        environ: &Bound<'_, PyDict>,
        answered: &Answered<'_>,
        request: &Request<'_>,
    ) {
        let called = response(py, answered).and_then(|(code, reason, headers)| {
            let arguments = (asked, environ, code, reason, headers, answered.given);
            self.hooks.bind(py).call_method1("post_request", arguments).map(drop)
        });
        if let Err(error) = called {
            let summary = report::summary(py, &error);
            let what =
                format!("the hook post_request of {} failed for {}: {summary}", self.module, report::name(request));
            report::log(py, Severity::Error, what, Some(&report::traceback(py, &error)), &report::id(request));
        }
    }
}

/// Code, reason and headers of an answer; code 0 where there was none.
fn response<'py>(py: Python<'py>, answered: &Answered<'_>) -> PyResult<(u16, String, Bound<'py, PyList>)> {
    let headers = PyList::empty(py);
    if answered.replaced {
        return Ok((500, "Internal Server Error".to_owned(), headers));
    }
    let Some((head, fields)) = read_response(answered.head) else { return Ok((0, String::new(), headers)) };
    for (name, value) in fields {
        headers.append((latin1(py, name)?, latin1(py, value)?))?;
    }
    Ok((head.status, head.reason.iter().copied().map(char::from).collect(), headers))
}
