//! The handler of one call: the application's coroutine from its first step to its end.

use hostler_channel::Severity;
use hostler_exchange::head::{Headers, Request, read_request};
use hostler_exchange::{Taken, now_ns, response_flag};
use pyo3::exceptions::asyncio::CancelledError;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;

use super::Shared;
use super::call::{Call, Desk, Protocol};
use super::http::Http;
use super::step::{self, Step};
use super::websocket::WebSocket;
use crate::report::{self, report_failure};
use crate::text::type_name;
use crate::threads;

/// A handler.
pub(crate) struct Handler {
    desk: Desk,
    context: Py<PyAny>,
    /// None before the first step.
    coroutine: Option<Py<PyAny>>,
    /// It waited at least once, and counts as running since.
    pub(crate) suspended: bool,
}

/// What resumes a handler.
pub(crate) enum Resume<'a, 'py> {
    Send(&'a Bound<'py, PyAny>),
    Throw(PyErr),
}

/// What a step of a handler came to.
pub(crate) enum Stepped {
    /// It waits for this.
    Waits(Py<PyAny>),
    /// It is done, and so is its call.
    Finished {
        /// What ends its task.
        cancelled: Option<PyErr>,
        /// When that was, in nanoseconds.
        now: u64,
    },
}

impl Handler {
    /// For a request that was just taken, with the `desk` of another that is over, if there is one at hand.
    pub(crate) fn new(py: Python<'_>, shared: &'static Shared, taken: Taken, desk: Option<Desk>) -> PyResult<Self> {
        let (request, _) = request(shared, taken)?;
        let protocol = if request.websocket {
            Protocol::WebSocket(WebSocket::new())
        } else {
            Protocol::Http(Http::new(request.method == b"HEAD"))
        };
        let desk = match desk.or_else(|| shared.free_desk()) {
            Some(desk) => {
                desk.call.get().renew(taken, protocol);
                desk
            }
            None => Desk::new(py, Call::new(shared, taken, protocol))?,
        };
        Ok(Self { desk, context: shared.contexts.copy(py)?, coroutine: None, suspended: false })
    }

    pub(crate) fn call(&self) -> &Call {
        self.desk.call.get()
    }

    pub(crate) fn call_object(&self) -> &Py<Call> {
        &self.desk.call
    }

    /// After its end: its objects for the next handler, if nobody else has them.
    pub(crate) fn into_desk(self, py: Python<'_>) -> Option<Desk> {
        self.desk.is_free(py).then_some(self.desk)
    }

    /// One step of the application, which begins at `began`: a clock is not free at this rate. An error here is the worker's own.
    pub(crate) fn step(&mut self, py: Python<'_>, resume: Resume<'_, '_>, began: u64) -> PyResult<Stepped> {
        let shared = self.call().shared;
        let context = self.context.clone_ref(py);
        let window = threads::open(py, 0, self.call().taken(), began);
        let result = shared.contexts.within(py, &context, || {
            if self.coroutine.is_none() {
                self.coroutine = Some(self.start(py)?);
            }
            let coroutine = self.coroutine.as_ref().map(|coroutine| coroutine.bind(py));
            match (coroutine, resume) {
                (Some(coroutine), Resume::Send(value)) => step::send(coroutine, value),
                (Some(coroutine), Resume::Throw(error)) => step::throw(coroutine, error),
                (None, _) => Ok(Step::Returned),
            }
        })?;
        drop(window);
        let ended = match result {
            Ok(Step::Waits(waits)) => {
                shared.events.ran(now_ns().saturating_sub(began));
                return Ok(Stepped::Waits(waits));
            }
            Ok(Step::Returned) => None,
            Err(error) => Some(error),
        };
        // Any exception but a cancellation was dealt with; `SystemExit` would end the loop.
        let cancelled = ended.as_ref().filter(|error| error.is_instance_of::<CancelledError>(py));
        let cancelled = cancelled.map(|error| error.clone_ref(py));
        let now = self.finish(py, ended)?;
        shared.events.ran(now.saturating_sub(began));
        Ok(Stepped::Finished { cancelled, now })
    }

    /// Calls the application; its coroutine.
    fn start(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let call = self.call();
        let (request, headers) = request(call.shared, call.taken())?;
        let scope = call.shared.scopes().build(py, &request, headers)?;
        let Desk { receive, send, .. } = &self.desk;
        let awaitable = call.shared.application.bind(py).call1((scope, receive, send))?;
        if step::is_coroutine(&awaitable) || awaitable.hasattr(intern!(py, "send"))? {
            return Ok(awaitable.unbind());
        }
        if let Some(start) = awaitable.getattr_opt(intern!(py, "__await__"))? {
            return Ok(start.call0()?.unbind());
        }
        Err(PyTypeError::new_err(format!(
            "the application returned {}, not an awaitable: an ASGI application is `async def app(scope, receive, send)`",
            type_name(&awaitable)
        )))
    }

    /// The application's coroutine, once it was started.
    pub(crate) fn coroutine(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.coroutine.as_ref().map(|coroutine| coroutine.clone_ref(py))
    }

    /// Gives the handler up without another step.
    pub(crate) fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(coroutine) = &self.coroutine {
            coroutine.call_method0(py, intern!(py, "close"))?;
        }
        self.finish(py, Some(CancelledError::new_err("the task was closed"))).map(drop)
    }

    /// Ends the call: tells the router how, and the log if it was with a fault. When that was, in nanoseconds.
    fn finish(&mut self, py: Python<'_>, error: Option<PyErr>) -> PyResult<u64> {
        let call = self.call();
        if let Some(error) = error.or_else(|| self.incomplete()) {
            self.fail(py, &error)?;
        }
        call.close(py)?;
        let now = call.shared.events.finish(call.taken(), self.suspended);
        call.shared.forget(py, call.taken(), self.suspended)?;
        // Destructors of the application may run here: their time is nobody's request.
        self.coroutine = None;
        Ok(now)
    }

    /// What is wrong with a handler that returned like this; a WebSocket that is left open is closed by the router.
    fn incomplete(&self) -> Option<PyErr> {
        let call = self.call();
        let side = call.side();
        let state = call.state();
        let what = match &state.protocol {
            Protocol::Http(http) if http.is_complete() && state.outbox.is_empty() => return None,
            _ if side.abandoned(call.taken()) => return None,
            Protocol::Http(http) if http.is_complete() => {
                "the application returned before its answer was sent: await send()"
            }
            Protocol::Http(http) if http.has_started() => "the application returned before its answer was complete",
            Protocol::Http(_) => "the application returned without an answer",
            Protocol::WebSocket(websocket) if websocket.is_answered() => {
                if websocket.is_accepted() {
                    side.flag(call.taken(), response_flag::COMPLETE);
                }
                return None;
            }
            Protocol::WebSocket(_) => "the application returned without accepting or closing the WebSocket",
        };
        Some(PyRuntimeError::new_err(what))
    }

    fn fail(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        let call = self.call();
        let answered = {
            let state = call.state();
            state.outbox.is_empty() && matches!(&state.protocol, Protocol::Http(http) if http.is_complete())
        };
        if !answered {
            call.side().flag(call.taken(), response_flag::FAILED);
        }
        let (request, _) = request(call.shared, call.taken())?;
        if error.is_instance_of::<CancelledError>(py) {
            if !answered && !call.side().abandoned(call.taken()) {
                let what = format!("{} was cancelled before its answer was complete", report::name(&request));
                report::log(py, Severity::Warning, what, None, &report::id(&request));
            }
        } else {
            report_failure(py, &request, error);
        }
        Ok(())
    }
}

fn request(shared: &'static Shared, taken: Taken) -> PyResult<(Request<'static>, Headers<'static>)> {
    read_request(shared.side.head(taken)).ok_or_else(|| PyRuntimeError::new_err("the head of a request is damaged"))
}
