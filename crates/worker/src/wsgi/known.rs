//! What an application says in every answer, recognised by identity and not checked again.
//!
//! A constant of the application's code, like `("Content-Type", "text/plain")`, is the same object each time. Tuples and strings do not
//! change, and the reference held here keeps an address from being used again, so an object that was checked once stays checked.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::text::references;

/// Headers that are remembered, each in the one place its address has.
const PLACES: usize = 64;

/// A header that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// As [`hostler_exchange::head`] lays it out.
    pub(crate) laid_out: Vec<u8>,
    /// Its value, if it is a Content-Length.
    pub(crate) content_length: Option<u64>,
}

/// The remembered objects.
pub(crate) struct Known {
    status: Option<(Py<PyAny>, u16, Vec<u8>)>,
    headers: Vec<Option<(Py<PyAny>, Header)>>,
    /// The header checked last that is not worth remembering.
    passing: Header,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            status: None,
            headers: std::iter::repeat_with(|| None).take(PLACES).collect(),
            passing: Header { laid_out: Vec::new(), content_length: None },
        }
    }
}

impl Known {
    /// Code and reason of a status.
    pub(crate) fn status<'py>(
        &mut self,
        status: &Bound<'py, PyAny>,
        parse: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<(u16, Vec<u8>)>,
    ) -> PyResult<(u16, &[u8])> {
        if !self.status.as_ref().is_some_and(|(known, ..)| known.is(status)) {
            let (code, reason) = parse(status)?;
            if !status.is_exact_instance_of::<PyString>() {
                self.status = None;
            }
            self.status = Some((status.clone().unbind(), code, reason));
        }
        Ok(self.status.as_ref().map_or((0, &[]), |(_, code, reason)| (*code, reason.as_slice())))
    }

    /// A header, laid out.
    pub(crate) fn header<'py>(
        &mut self,
        header: &Bound<'py, PyAny>,
        parse: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<Header>,
    ) -> PyResult<&Header> {
        let place = header.as_ptr() as usize / 16 % PLACES;
        if self.headers[place].as_ref().is_some_and(|(known, _)| known.is(header)) {
            return Ok(self.headers[place].as_ref().map_or(&self.passing, |(_, header)| header));
        }
        let parsed = parse(header)?;
        if is_constant(header) {
            return Ok(&self.headers[place].insert((header.clone().unbind(), parsed)).1);
        }
        self.passing = parsed;
        Ok(&self.passing)
    }
}

/// Whether somebody but the list of headers holds the tuple, as code does that has it as a constant; and it holds plain strings only.
fn is_constant(header: &Bound<'_, PyAny>) -> bool {
    // One reference is the list's, one the caller's.
    references(header) > 2
        && header
            .cast_exact::<PyTuple>()
            .is_ok_and(|pair| pair.iter().all(|part| part.is_exact_instance_of::<PyString>()))
}
