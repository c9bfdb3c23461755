//! Between bytes and Python's strings, as PEP 3333 wants them: native strings that hold latin-1.

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// A `str` with one character for each byte.
pub(crate) fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // SAFETY: pointer and length are of one slice; the interpreter is attached.
    let text = unsafe { ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), bytes.len() as isize, std::ptr::null()) };
    // SAFETY: a new reference to a `str`, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked() })
}

/// A `str` of UTF-8; what is none becomes U+FFFD.
pub(crate) fn utf8<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let errors = c"replace".as_ptr();
    // SAFETY: pointer and length are of one slice; the interpreter is attached.
    let text = unsafe { ffi::PyUnicode_DecodeUTF8(bytes.as_ptr().cast(), bytes.len() as isize, errors) };
    // SAFETY: a new reference to a `str`, or null with an exception set.
    Ok(unsafe { Bound::from_owned_ptr_or_err(py, text)?.cast_into_unchecked() })
}

/// The bytes of a `str` that holds latin-1; `what` names it in the error.
pub(crate) fn to_latin1<'py>(text: &Bound<'py, PyString>, what: &str) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: the argument is a `str`; the interpreter is attached.
    let bytes = unsafe { ffi::PyUnicode_AsLatin1String(text.as_ptr()) };
    // SAFETY: a new reference to a `bytes`, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(text.py(), bytes) }
        .map(|bytes| bytes.cast_into::<PyBytes>().map_err(PyErr::from))
        .map_err(|_| {
            PyValueError::new_err(format!(
                "{what} has characters outside latin-1 (PEP 3333: native strings hold bytes): {text:?}"
            ))
        })?
}

/// How many references an object has.
pub(crate) fn references(object: &Bound<'_, PyAny>) -> u32 {
    // SAFETY: a live object. From Python 3.14 on the upper half of the word holds flags.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) as u32 }
}

/// The short name of an object's type, for messages.
pub(crate) fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}
