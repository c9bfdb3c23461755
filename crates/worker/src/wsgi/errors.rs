//! `wsgi.errors`: a text stream whose lines go to the error log.

use std::sync::{Mutex, PoisonError};

use hostler_channel::Severity;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::report;

/// A line longer than this is not waited for, in bytes.
const LONGEST: usize = 16 * 1024;

/// The stream; one for the whole worker.
#[pyclass(frozen, module = "hostler")]
#[derive(Default)]
pub(crate) struct Errors {
    unfinished: Mutex<String>,
}

#[pymethods]
impl Errors {
    #[pyo3(signature = (text, /))]
    fn write(&self, py: Python<'_>, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let written = text.len()?;
        let whole = {
            let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
            unfinished.push_str(&text.to_string_lossy());
            match unfinished.rfind('\n') {
                Some(end) => {
                    let rest = unfinished.split_off(end + 1);
                    std::mem::replace(&mut *unfinished, rest)
                }
                None if unfinished.len() > LONGEST => std::mem::take(&mut *unfinished),
                None => return Ok(written),
            }
        };
        emit(py, &whole);
        Ok(written)
    }

    fn writelines(&self, py: Python<'_>, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(py, line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    fn flush(&self, py: Python<'_>) {
        let rest = std::mem::take(&mut *self.unfinished.lock().unwrap_or_else(PoisonError::into_inner));
        emit(py, &rest);
    }
}

/// One record for what was written at once: a traceback stays in one piece.
fn emit(py: Python<'_>, text: &str) {
    let text = text.trim_end_matches('\n');
    if text.is_empty() {
        return;
    }
    match text.split_once('\n') {
        None => report::log(py, Severity::Warning, text.to_owned(), None, ""),
        Some((first, rest)) => report::log(py, Severity::Warning, first.to_owned(), Some(rest), ""),
    }
}
