//! Contexts (PEP 567): each handler runs in one of its own, though several may run in one task, one after the other.

use std::ffi::{CStr, c_int};

use pyo3::ffi;
use pyo3::prelude::*;

type Copy = unsafe extern "C" fn() -> *mut ffi::PyObject;
type Switch = unsafe extern "C" fn(*mut ffi::PyObject) -> c_int;

/// The interpreter's functions for contexts. They are not of the stable ABI, but every version from 3.9 on has them.
#[derive(Clone, Copy)]
pub(crate) struct Contexts {
    copy: Copy,
    enter: Switch,
    exit: Switch,
}

impl Contexts {
    /// `None` where the interpreter lacks them.
    pub(crate) fn find() -> Option<Self> {
        let find = |name: &CStr| {
            // SAFETY: a lookup by name in the running program.
            let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
            (!symbol.is_null()).then_some(symbol)
        };
        let (copy, enter, exit) =
            (find(c"PyContext_CopyCurrent")?, find(c"PyContext_Enter")?, find(c"PyContext_Exit")?);
        // SAFETY: `PyObject *PyContext_CopyCurrent(void)`, unchanged since 3.7.
        let copy = unsafe { std::mem::transmute::<*mut libc::c_void, Copy>(copy) };
        // SAFETY: `int PyContext_Enter(PyObject *ctx)`, unchanged since 3.7.
        let enter = unsafe { std::mem::transmute::<*mut libc::c_void, Switch>(enter) };
        // SAFETY: `int PyContext_Exit(PyObject *ctx)`, unchanged since 3.7.
        let exit = unsafe { std::mem::transmute::<*mut libc::c_void, Switch>(exit) };
        Some(Self { copy, enter, exit })
    }

    /// A copy of the current context.
    pub(crate) fn copy(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // SAFETY: the interpreter is attached; a new reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_err(py, (self.copy)()) }.map(Bound::unbind)
    }

    /// Calls `act` inside `context`.
    pub(crate) fn within<R>(self, py: Python<'_>, context: &Py<PyAny>, act: impl FnOnce() -> R) -> PyResult<R> {
        // SAFETY: a context that is not entered: handlers step one after the other.
        if unsafe { (self.enter)(context.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        let result = act();
        // SAFETY: the context that was entered above; whatever `act` entered it has left.
        if unsafe { (self.exit)(context.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(result)
    }
}
