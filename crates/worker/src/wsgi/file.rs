//! `wsgi.file_wrapper`: a file as a response, without its bytes passing through Python when it is a real one.

use std::os::fd::{BorrowedFd, OwnedFd};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::fs::FileType;

use super::answer::{Client, Shared};

/// The wrapper an application makes around a file and returns.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct FileWrapper {
    file: Py<PyAny>,
    block: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self { file: filelike, block: blksize.max(1) }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.file.bind(py).call_method1("read", (self.block,))?;
        let ended = block.cast::<PyBytes>().is_ok_and(|bytes| bytes.as_bytes().is_empty());
        Ok((!ended).then_some(block))
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py).getattr_opt("close")? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// Sends the file from where it stands; `None` when it is not a regular file of the system, and must be iterated.
    pub(crate) fn send(&self, py: Python<'_>, answer: &Shared) -> PyResult<Option<Client>> {
        let Some((file, start)) = self.regular_file(py) else {
            return Ok(None);
        };
        let mut offset = start;
        let client = answer.write_from(py, move |space| {
            let length = rustix::io::pread(&file, space, offset)?;
            offset += length as u64;
            Ok(length)
        })?;
        Ok(Some(client))
    }

    /// A descriptor of its own for the file, and the position that `tell` says: a buffered file stands elsewhere than its descriptor.
    fn regular_file(&self, py: Python<'_>) -> Option<(OwnedFd, u64)> {
        let file = plain_file(self.file.bind(py))?;
        let number: i32 = file.call_method0("fileno").ok()?.extract().ok()?;
        let position: u64 = file.call_method0("tell").ok()?.extract().ok()?;
        if number < 0 {
            return None;
        }
        // SAFETY: the file object holds the descriptor open during this call, in which it is duplicated.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned().ok()?;
        let mode = rustix::fs::fstat(&descriptor).ok()?.st_mode;
        (FileType::from_raw_mode(mode) == FileType::RegularFile).then_some((descriptor, position))
    }
}

/// The object if it is a file of the `io` module, whose descriptor has the very bytes that `read` would give. Others may have a descriptor
/// too, and give something else: `gzip.GzipFile` has that of the compressed file.
fn plain_file<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = object.py();
    let io = py.import("io").ok()?;
    let is = |object: &Bound<'_, PyAny>, class: &str| io.getattr(class).is_ok_and(|class| object.get_type().is(&class));
    // `tempfile.NamedTemporaryFile` wraps the file it made.
    let wrapper = py.import("tempfile").and_then(|module| module.getattr("_TemporaryFileWrapper"));
    let file = if wrapper.is_ok_and(|class| object.get_type().is(&class)) {
        object.getattr("file").ok()?
    } else {
        object.clone()
    };
    let raw = if is(&file, "BufferedReader") || is(&file, "BufferedRandom") {
        file.getattr("raw").ok()?
    } else {
        file.clone()
    };
    is(&raw, "FileIO").then_some(file)
}
