//! The coroutine of the loop's tasks: it takes requests and runs their handlers, one after the other, inside its own task.
//!
//! A handler that needs no waiting costs no task and no trip through the loop. One that waits keeps the task for itself from then on, and a
//! new runner follows for the next requests. So each handler has a real task, that is its own while anybody can see the difference: a
//! task that a handler left marked (a cancellation, callbacks for its end) is not used again.
//!
//! ```text
//!   turn ──a request──► handler ──done──► turn …
//!    │ ▲                   └──waits──► the handler's alone, to its end
//!    ▼ └──rung──┐
//!   nothing to do: sleeps
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_exchange::now_ns;
use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;

use super::Shared;
use super::handler::{Handler, Resume, Stepped};
use super::step::thrown;

/// The coroutine.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Runner {
    shared: &'static Shared,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The handler that waits, or runs.
    handler: Option<Handler>,
    task: Option<Py<PyAny>>,
    /// The iterator of the future it sleeps on.
    sleep: Option<Py<PyAny>>,
    ended: bool,
}

/// What a step of the task came to.
enum Turned {
    /// It waits for this.
    Waits(Py<PyAny>),
    /// It is over; with the cancellation that its handler let through.
    Ended(Option<PyErr>),
}

#[pymethods]
impl Runner {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.resume(py, Resume::Send(py.None().bind(py)))
    }

    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.resume(py, Resume::Send(value))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.resume(py, Resume::Throw(thrown(kind, value)))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let handler = std::mem::take(&mut *self.state()).handler;
        self.state().ended = true;
        handler.map_or(Ok(()), |mut handler| handler.close(py))
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

impl Runner {
    /// Makes a runner and its task, which begins with the loop's next turn.
    pub(crate) fn start(py: Python<'_>, shared: &'static Shared) -> PyResult<()> {
        let runner = Bound::new(py, Self { shared, state: Mutex::default() })?;
        let task = shared.tasks.create(runner.as_any())?;
        runner.get().state().task = Some(task.unbind());
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_coroutine(&self, py: Python<'_>, name: &str) -> PyResult<Option<Py<PyAny>>> {
        let coroutine = self.state().handler.as_ref().and_then(|handler| handler.coroutine(py));
        let value = coroutine.map(|coroutine| coroutine.bind(py).getattr_opt(name)).transpose()?.flatten();
        Ok(value.map(Bound::unbind))
    }

    /// One step of the task: what it waits for, or `StopIteration` at its end.
    fn resume(&self, py: Python<'_>, resume: Resume<'_, '_>) -> PyResult<Py<PyAny>> {
        if self.state().ended {
            return Err(PyRuntimeError::new_err("this task is over"));
        }
        let handler = self.state().handler.take();
        let stepped = match handler {
            Some(handler) => self.go_on(py, handler, resume),
            None => match resume {
                Resume::Send(_) => self.turn(py),
                Resume::Throw(error) => {
                    // Somebody cancels every task there is.
                    self.end();
                    self.follow(py)?;
                    return Err(error);
                }
            },
        };
        let ended = match stepped.or_else(|error| self.shared.broken(py, error))? {
            Turned::Waits(waits) => return Ok(waits),
            Turned::Ended(cancelled) => cancelled,
        };
        self.end();
        Err(ended.unwrap_or_else(|| PyStopIteration::new_err(())))
    }

    /// A step of the handler whose task this is.
    fn go_on(&self, py: Python<'_>, mut handler: Handler, resume: Resume<'_, '_>) -> PyResult<Turned> {
        match handler.step(py, resume, now_ns())? {
            Stepped::Waits(waits) => {
                self.state().handler = Some(handler);
                Ok(Turned::Waits(waits))
            }
            Stepped::Finished { cancelled, .. } => {
                self.shared.put_back(handler.into_desk(py));
                Ok(Turned::Ended(cancelled))
            }
        }
    }

    /// A turn of a task that is no handler's yet.
    fn turn(&self, py: Python<'_>) -> PyResult<Turned> {
        let shared = self.shared;
        let slept_on = self.state().sleep.take();
        if let Some(sleep) = slept_on
            && let Err(error) = sleep.call_method0(py, intern!(py, "__next__"))
            && !error.is_instance_of::<PyStopIteration>(py)
        {
            return Err(error);
        }
        let mut active = shared.hear(py)?;
        let task = self.state().task.as_ref().map(|task| task.clone_ref(py));
        let look = || task.as_ref().map_or(Ok(None), |task| shared.tasks.look(task.bind(py)));
        let unmarked = look()?;
        let (mut last, mut desk) = (None, None);
        for _ in 0..shared.events.appetite() {
            let Some(taken) = shared.events.take(last) else { break };
            let began = last.unwrap_or_else(now_ns);
            active = true;
            let mut handler = Handler::new(py, shared, taken, desk.take())?;
            match handler.step(py, Resume::Send(py.None().bind(py)), began)? {
                Stepped::Waits(waits) => {
                    handler.suspended = true;
                    shared.events.suspended();
                    shared.remember(py, &handler, task);
                    self.state().handler = Some(handler);
                    Self::start(py, shared)?;
                    return Ok(Turned::Waits(waits));
                }
                Stepped::Finished { cancelled: Some(cancelled), .. } => {
                    self.follow(py)?;
                    return Ok(Turned::Ended(Some(cancelled)));
                }
                Stepped::Finished { .. } if unmarked.is_none() || look()? != unmarked => {
                    self.follow(py)?;
                    return Ok(Turned::Ended(None));
                }
                Stepped::Finished { now, .. } => {
                    last = Some(now);
                    desk = handler.into_desk(py);
                }
            }
        }
        shared.put_back(desk);
        if shared.is_over() {
            shared.stop(py)?;
            return Ok(Turned::Ended(None));
        }
        if active || !shared.events.prepare_sleep() {
            // A bare `yield`: the loop looks at its other work, and comes back.
            return Ok(Turned::Waits(py.None()));
        }
        self.sleep(py).map(Turned::Waits)
    }

    /// Waits until the loop is rung.
    fn sleep(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.shared.create_future.call0(py)?;
        let iterator = future.call_method0(py, intern!(py, "__await__"))?;
        let yielded = iterator.call_method0(py, intern!(py, "__next__"))?;
        self.shared.sleeps_on(future);
        self.state().sleep = Some(iterator);
        Ok(yielded)
    }

    fn end(&self) {
        *self.state() = State { ended: true, ..State::default() };
    }

    /// Starts the next runner in this one's place.
    fn follow(&self, py: Python<'_>) -> PyResult<()> {
        if self.shared.is_over() { self.shared.stop(py) } else { Self::start(py, self.shared) }
    }
}
