//! `receive` and `send` of a call: built-in functions of their call, which the interpreter calls with nothing in between. An object with
//! `__call__` would cost a tuple and its unpacking for each event.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::{IntoPyObjectExt, ffi};

use super::call::{Call, Sent};
use super::waiting::{Waiting, What};

/// What the interpreter is told of a function; it keeps the address.
struct Definition(ffi::PyMethodDef);

// SAFETY: names and pointers to functions, which never change.
unsafe impl Sync for Definition {}

static RECEIVE: Definition =
    define(c"receive", c"receive($self, /)\n--\n\nThe next event of the request.", ffi::METH_NOARGS, called_to_receive);
static SEND: Definition =
    define(c"send", c"send($self, event, /)\n--\n\nTakes an event of the answer.", ffi::METH_O, called_to_send);

const fn define(
    name: &'static CStr,
    documentation: &'static CStr,
    convention: std::ffi::c_int,
    function: ffi::PyCFunction,
) -> Definition {
    Definition(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: convention,
        ml_doc: documentation.as_ptr(),
    })
}

/// `receive` of one call.
pub(super) fn receive(call: &Bound<'_, Call>) -> PyResult<Py<PyAny>> {
    bind(&RECEIVE, call)
}

/// `send` of one call.
pub(super) fn send(call: &Bound<'_, Call>) -> PyResult<Py<PyAny>> {
    bind(&SEND, call)
}

fn bind(definition: &'static Definition, call: &Bound<'_, Call>) -> PyResult<Py<PyAny>> {
    let definition = (&raw const definition.0).cast_mut();
    // SAFETY: the definition lives as long as the program, and is only read; the function takes a reference to the call.
    let function = unsafe { ffi::PyCFunction_NewEx(definition, call.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(call.py(), function) }.map(Bound::unbind)
}

unsafe extern "C" fn called_to_receive(call: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls, with what the function was bound to.
    unsafe { answer(call, |call| Waiting::new(call.clone().unbind(), What::Receive).into_py_any(call.py())) }
}

unsafe extern "C" fn called_to_send(call: *mut ffi::PyObject, event: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls, with what the function was bound to, and lends it its one argument.
    unsafe {
        answer(call, |call| {
            let event = Borrowed::from_ptr(call.py(), event);
            match call.get().send(&event)? {
                Sent::Whole => Ok(call.get().shared.done.clone_ref(call.py()).into_any()),
                Sent::Partly => Waiting::new(call.clone().unbind(), What::Send).into_py_any(call.py()),
            }
        })
    }
}

/// What `act` gives, as the interpreter takes it: errors become its exceptions, and so do panics, which must not unwind into it.
///
/// # Safety
/// `call` is a live [`Call`], and the calling thread is attached to the interpreter.
unsafe fn answer(
    call: *mut ffi::PyObject,
    act: impl FnOnce(&Bound<'_, Call>) -> PyResult<Py<PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: as the caller says.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: as the caller says.
    let call = unsafe { Borrowed::from_ptr(py, call).cast_unchecked::<Call>() };
    let answered = catch_unwind(AssertUnwindSafe(|| act(&call)))
        .unwrap_or_else(|_| Err(PanicException::new_err("receive() or send() panicked: the log says where")));
    match answered {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}
