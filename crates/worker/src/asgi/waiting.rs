//! What `receive()` and `send()` return: awaitables that cost nothing when there is nothing to wait for.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;

use super::call::Call;
use super::step::thrown;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The next event for the application.
    Receive,
    /// What it sent to be on its way.
    Send,
}

/// An awaitable that needs no waiting. It is a coroutine in form (`send`, `throw`, `close`), so that a task can be made of it.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Done;

#[pymethods]
impl Done {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self) -> Option<Py<PyAny>> {
        None
    }

    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Err(thrown(kind, value))
    }

    fn close(&self) {}
}

/// An awaitable that waits for its call. What it waits for is taken when the awaiting task runs again, so that a task that is cancelled
/// meanwhile loses nothing.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Waiting {
    call: Py<Call>,
    what: What,
    /// The iterator of the future that the awaiting task sleeps on.
    future: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl Waiting {
    fn __await__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let slept_on = self.future().take();
        if let Some(future) = slept_on {
            match future.call_method0(py, intern!(py, "__next__")) {
                Err(error) if error.is_instance_of::<PyStopIteration>(py) => {}
                Err(error) => return Err(error),
                Ok(_) => return Err(PyRuntimeError::new_err("this was resumed before it was ready")),
            }
        }
        let call = self.call.get();
        loop {
            let ready = match self.what {
                What::Receive => call.try_receive(py)?,
                What::Send => call.try_sent(py)?,
            };
            if let Some(value) = ready {
                return Err(PyStopIteration::new_err((value,)));
            }
            if let Some(future) = call.wait(py, self.what)? {
                let iterator = future.call_method0(py, intern!(py, "__await__"))?;
                let yielded = iterator.call_method0(py, intern!(py, "__next__"));
                *self.future() = Some(iterator);
                return yielded;
            }
        }
    }

    fn send(&self, py: Python<'_>, _value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        self.__next__(py)
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<&Bound<'_, PyAny>>,
        _traceback: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.future().take();
        Err(thrown(kind, value))
    }

    fn close(&self) {
        self.future().take();
    }
}

impl Waiting {
    pub(crate) fn new(call: Py<Call>, what: What) -> Self {
        Self { call, what, future: Mutex::new(None) }
    }

    fn future(&self) -> std::sync::MutexGuard<'_, Option<Py<PyAny>>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
