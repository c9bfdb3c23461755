//! Strings that come again and again (a host, a user agent, an address), kept so that they need not be made anew.

use std::hash::Hasher;

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHasher;

use crate::text::latin1;

/// Places; a string has one place it can be kept in.
const PLACES: usize = 512;
/// The longest string that is kept, in bytes.
const LONGEST: usize = 128;

/// A string, and the bytes it was made of.
type Kept = (Box<[u8]>, Py<PyString>);

/// The kept strings.
pub(crate) struct Values {
    places: Vec<Option<Kept>>,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self { places: std::iter::repeat_with(|| None).take(PLACES).collect() }
    }

    /// The `str` of some bytes, from the kept ones or to be kept.
    pub(crate) fn get<'py>(&mut self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if bytes.len() > LONGEST {
            return latin1(py, bytes);
        }
        let mut hasher = FxHasher::default();
        hasher.write(bytes);
        let place = &mut self.places[hasher.finish() as usize % PLACES];
        if let Some((kept, text)) = place
            && **kept == *bytes
        {
            return Ok(text.bind(py).clone());
        }
        let text = latin1(py, bytes)?;
        *place = Some((bytes.into(), text.clone().unbind()));
        Ok(text)
    }
}

/// Values that must not be kept beyond their request, as they are secret; or are of no use to keep, as they never come again.
pub(crate) fn passing(name: &[u8]) -> bool {
    match name.len() {
        6 => name.eq_ignore_ascii_case(b"cookie"),
        9 => name.eq_ignore_ascii_case(b"x-api-key"),
        12 => name.eq_ignore_ascii_case(b"x-request-id"),
        13 => name.eq_ignore_ascii_case(b"authorization"),
        19 => name.eq_ignore_ascii_case(b"proxy-authorization"),
        _ => false,
    }
}
