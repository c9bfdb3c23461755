//! One step of a coroutine: `PyIter_Send` where Python has it (3.10 and later), `send` elsewhere.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// What a step came to.
pub(crate) enum Step {
    /// The coroutine waits for this.
    Waits(Py<PyAny>),
    /// It returned.
    Returned,
}

/// `PySendResult PyIter_Send(PyObject *iter, PyObject *arg, PyObject **presult)`.
type Send = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject, *mut *mut ffi::PyObject) -> c_int;

/// `PYGEN_RETURN` and `PYGEN_NEXT`; `PYGEN_ERROR` is -1.
const RETURNED: c_int = 0;
const WAITS: c_int = 1;

/// Looked up at run time: the extension is built against the stable ABI of 3.9, which lacks it.
fn iter_send() -> Option<Send> {
    static FOUND: OnceLock<Option<Send>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a lookup by name in the running program.
        let symbol: *mut c_void = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PyIter_Send".as_ptr()) };
        // SAFETY: the stable ABI fixes the signature of this name.
        (!symbol.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, Send>(symbol) })
    })
}

/// Whether an object is a coroutine of an `async def`.
pub(crate) fn is_coroutine(object: &Bound<'_, PyAny>) -> bool {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let coroutine = TYPE.import(object.py(), "types", "CoroutineType");
    coroutine.is_ok_and(|coroutine| object.get_type().is(coroutine))
}

/// Resumes `coroutine` with `value`.
pub(crate) fn send(coroutine: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Step> {
    let py = coroutine.py();
    let Some(send) = iter_send() else {
        return match coroutine.call_method1(intern!(py, "send"), (value,)) {
            Ok(waits) => Ok(Step::Waits(waits.unbind())),
            Err(error) => returned(py, error),
        };
    };
    let mut result = std::ptr::null_mut();
    // SAFETY: both arguments are live objects; the interpreter is attached.
    match unsafe { send(coroutine.as_ptr(), value.as_ptr(), &raw mut result) } {
        WAITS => {
            // SAFETY: a new reference.
            Ok(Step::Waits(unsafe { Bound::from_owned_ptr(py, result) }.unbind()))
        }
        RETURNED => {
            // SAFETY: a new reference, of no use to anybody: an ASGI application returns nothing.
            drop(unsafe { Bound::from_owned_ptr(py, result) });
            Ok(Step::Returned)
        }
        _ => Err(PyErr::fetch(py)),
    }
}

/// Raises an exception where `coroutine` waits.
pub(crate) fn throw(coroutine: &Bound<'_, PyAny>, error: PyErr) -> PyResult<Step> {
    let py = coroutine.py();
    match coroutine.call_method1(intern!(py, "throw"), (error.value(py),)) {
        Ok(waits) => Ok(Step::Waits(waits.unbind())),
        Err(error) => returned(py, error),
    }
}

fn returned(py: Python<'_>, error: PyErr) -> PyResult<Step> {
    if error.is_instance_of::<PyStopIteration>(py) { Ok(Step::Returned) } else { Err(error) }
}

/// The exception that `throw(type, value, traceback)` was called with, in any of its forms.
pub(crate) fn thrown(kind: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> PyErr {
    match value {
        Some(value) if !value.is_none() => PyErr::from_value(value.clone()),
        _ => PyErr::from_value(kind.clone()),
    }
}
