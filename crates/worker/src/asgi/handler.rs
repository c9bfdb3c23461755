//! The handler of one call: the coroutine that the loop's task runs.
//!
//! It stands around the application's own coroutine, so that the end of a call needs no callback, and no second trip through the loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_channel::Severity;
use hostler_exchange::head::{Headers, Request, read_request};
use hostler_exchange::{now_ns, response_flag};
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;

use super::call::{Call, Protocol, Receive, Send};
use super::step::{self, Step, thrown};
use crate::report::{self, report_failure};
use crate::text::type_name;

/// The coroutine of a task.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Handler {
    call: Py<Call>,
    coroutine: Mutex<Option<Py<PyAny>>>,
    suspended: AtomicBool,
    finished: AtomicBool,
}

#[pymethods]
impl Handler {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.resume(py, |coroutine| step::send(coroutine, py.None().bind(py)))
    }

    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.resume(py, |coroutine| step::send(coroutine, value))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let error = thrown(kind, value);
        self.resume(py, |coroutine| step::throw(coroutine, error))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let coroutine = self.coroutine().take();
        let closed = coroutine.map(|coroutine| coroutine.call_method0(py, "close")).transpose();
        self.finish(py, Err(CancelledError::new_err("the handler was closed")))?;
        closed.map(drop)
    }

    // What tools that look at a task's coroutine expect to find.

    #[getter]
    fn cr_frame(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.of_coroutine(py, "cr_frame")
    }

    #[getter]
    fn cr_await(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.of_coroutine(py, "cr_await")
    }

    #[getter]
    fn cr_code(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.of_coroutine(py, "cr_code")
    }

    #[getter]
    fn cr_running(&self, py: Python<'_>) -> PyResult<bool> {
        self.of_coroutine(py, "cr_running")?.map_or(Ok(false), |running| running.is_truthy(py))
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        "request"
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        "hostler.request"
    }
}

impl Handler {
    pub(crate) fn new(call: Py<Call>) -> Self {
        Self { call, coroutine: Mutex::new(None), suspended: AtomicBool::new(false), finished: AtomicBool::new(false) }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    fn coroutine(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.coroutine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_coroutine(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyAny>>> {
        let coroutine = self.coroutine().as_ref().map(|coroutine| coroutine.clone_ref(py));
        let value = coroutine.map(|coroutine| coroutine.bind(py).getattr_opt(name)).transpose()?.flatten();
        Ok(value.map(Bound::unbind))
    }

    /// One step of the application: what it waits for, or `StopIteration` when it is done.
    fn resume(&self, py: Python<'_>, resume: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<Step>) -> PyResult<Py<PyAny>> {
        if self.is_finished() {
            return Err(PyRuntimeError::new_err("this request is over"));
        }
        let began = now_ns();
        let known = self.coroutine().as_ref().map(|coroutine| coroutine.clone_ref(py));
        let coroutine = match known {
            Some(coroutine) => Ok(coroutine.into_bound(py)),
            None => self.start(py),
        };
        let events = self.call.get().events();
        match coroutine.and_then(|coroutine| resume(&coroutine)) {
            Ok(Step::Waits(waits)) => {
                events.ran(now_ns().saturating_sub(began));
                if !self.suspended.swap(true, Ordering::Relaxed) {
                    events.suspended();
                }
                Ok(waits)
            }
            Ok(Step::Returned) => {
                let ended = self.finish(py, Ok(()))?;
                events.ran(ended.saturating_sub(began));
                Err(PyStopIteration::new_err(()))
            }
            Err(error) => {
                let cancelled = error.is_instance_of::<CancelledError>(py);
                let shown = error.clone_ref(py);
                let ended = self.finish(py, Err(error))?;
                events.ran(ended.saturating_sub(began));
                // Any other exception was dealt with; `SystemExit` would end the loop.
                Err(if cancelled { shown } else { PyStopIteration::new_err(()) })
            }
        }
    }

    /// Calls the application.
    fn start<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let call = self.call.get();
        let (request, headers) = self.request()?;
        let scope = call.shared.scopes().build(py, &request, headers)?;
        let receive = Bound::new(py, Receive(self.call.clone_ref(py)))?;
        let send = Bound::new(py, Send(self.call.clone_ref(py)))?;
        let awaitable = call.shared.application.bind(py).call1((scope, receive, send))?;
        let coroutine = if awaitable.hasattr(pyo3::intern!(py, "send"))? {
            awaitable
        } else if let Some(start) = awaitable.getattr_opt(pyo3::intern!(py, "__await__"))? {
            start.call0()?
        } else {
            return Err(PyTypeError::new_err(format!(
                "the application returned {}, not an awaitable: an ASGI application is `async def app(scope, receive, send)`",
                type_name(&awaitable)
            )));
        };
        *self.coroutine() = Some(coroutine.clone().unbind());
        Ok(coroutine)
    }

    fn request(&self) -> PyResult<(Request<'static>, Headers<'static>)> {
        let call = self.call.get();
        read_request(call.side().head(call.taken))
            .ok_or_else(|| PyRuntimeError::new_err("the head of a request is damaged"))
    }

    /// Ends the call: tells the router how, and the log if it was with a fault. When that was, in nanoseconds.
    fn finish(&self, py: Python<'_>, ended: PyResult<()>) -> PyResult<u64> {
        let call = self.call.get();
        if self.finished.swap(true, Ordering::Relaxed) {
            return Ok(now_ns());
        }
        let fault = match ended {
            Ok(()) => self.incomplete(),
            Err(error) => Some(error),
        };
        if let Some(error) = fault {
            self.fail(py, &error)?;
        }
        call.close(py)?;
        let now = call.events().finish(call.taken, self.suspended.load(Ordering::Relaxed));
        call.shared.forget(py, call.taken)?;
        // Destructors of the application may run here.
        let coroutine = self.coroutine().take();
        drop(coroutine);
        Ok(now)
    }

    /// What is wrong with a handler that ended like this; a WebSocket that is left open is closed by the router.
    fn incomplete(&self) -> Option<PyErr> {
        let call = self.call.get();
        let side = call.side();
        if side.abandoned(call.taken) {
            return None;
        }
        let what = match &call.state().protocol {
            Protocol::Http(http) if http.is_complete() => return None,
            Protocol::Http(http) if http.has_started() => "the application returned before its answer was complete",
            Protocol::Http(_) => "the application returned without an answer",
            Protocol::WebSocket(websocket) if websocket.is_answered() => {
                if websocket.is_accepted() {
                    side.flag(call.taken, response_flag::COMPLETE);
                }
                return None;
            }
            Protocol::WebSocket(_) => "the application returned without accepting or closing the WebSocket",
        };
        Some(PyRuntimeError::new_err(what))
    }

    fn fail(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        let call = self.call.get();
        call.side().flag(call.taken, response_flag::FAILED);
        let (request, _) = self.request()?;
        if error.is_instance_of::<CancelledError>(py) {
            if !call.side().abandoned(call.taken) {
                let what = format!("{} was cancelled before its answer was complete", report::name(&request));
                report::log(py, Severity::Warning, what, None, &report::id(&request));
            }
        } else {
            report_failure(py, &request, error);
        }
        Ok(())
    }
}
