//! `wsgi.input`: the body of the request as a file (PEP 3333), read straight from shared memory.
//!
//! The end of the file is the end of the body. A body that did not arrive whole raises `ConnectionAbortedError`, an `OSError`, and never
//! reads as a short one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_exchange::{BodyChunk, RequestEnd, Taken, WorkerSide};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::gone::ClientDisconnected;

/// How much is taken out of shared memory at once when lines are looked for.
const CHUNK: usize = 16 * 1024;

/// The file object.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Input {
    side: &'static WorkerSide,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// None after the end of the request: an application may keep the object.
    taken: Option<Taken>,
    /// Bytes that were taken out of shared memory and not given to the application, from `start`.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
}

impl State {
    fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn take(&mut self, length: usize) -> &[u8] {
        let from = self.start;
        self.start += length;
        &self.buffer[from..self.start]
    }

    /// Drops what was given away.
    fn compact(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.start);
        }
        self.start = 0;
    }
}

impl Input {
    pub(crate) fn new(side: &'static WorkerSide) -> Self {
        Self { side, state: Mutex::default() }
    }

    pub(crate) fn open(&self, taken: Taken) {
        let mut state = self.lock();
        state.taken = Some(taken);
        state.start = 0;
        state.ended = false;
        state.buffer.clear();
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.taken = None;
        if state.buffer.capacity() > 4 * CHUNK {
            state.buffer = Vec::new();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes more of the body into the buffer, up to `wanted` bytes; `false` at its end. Blocks without the interpreter's lock.
    fn fill(&self, py: Python<'_>, wanted: usize) -> PyResult<bool> {
        loop {
            let taken = {
                let mut state = self.lock();
                let Some(taken) = state.taken else {
                    return Err(PyValueError::new_err("wsgi.input was read after the end of its request"));
                };
                if state.ended {
                    return Ok(false);
                }
                state.compact();
                let before = state.buffer.len();
                state.buffer.resize(before + wanted, 0);
                let chunk = self.side.read_body(taken, &mut state.buffer[before..]);
                let length = if let BodyChunk::Bytes(length) = chunk { length } else { 0 };
                state.buffer.truncate(before + length);
                match chunk {
                    BodyChunk::Bytes(_) => return Ok(true),
                    BodyChunk::End(RequestEnd::Complete) => {
                        state.ended = true;
                        return Ok(false);
                    }
                    BodyChunk::End(end) => return Err(broken(end)),
                    BodyChunk::Nothing => taken,
                }
            };
            py.detach(|| self.side.await_body(taken));
            py.check_signals()?;
        }
    }

    /// All that is there now, without a copy between, when it is at least `size` bytes.
    fn read_directly<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let state = self.lock();
        let Some(taken) = state.taken else { return Ok(None) };
        if size == 0 || !state.buffered().is_empty() || state.ended || self.side.body_available(taken) < size {
            return Ok(None);
        }
        let mut end = None;
        let bytes = PyBytes::new_with(py, size, |to| {
            let mut filled = 0;
            // Twice at most: what is available may lie around the ring's end.
            while filled < size {
                match self.side.read_body(taken, &mut to[filled..]) {
                    BodyChunk::Bytes(length) => filled += length,
                    BodyChunk::Nothing => break,
                    BodyChunk::End(reason) => {
                        end = Some(reason);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        match end {
            Some(reason) => Err(broken(reason)),
            None => Ok(Some(bytes)),
        }
    }

    fn read_line<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut searched = 0;
        loop {
            {
                let mut state = self.lock();
                let buffered = state.buffered();
                let newline = buffered[searched..].iter().position(|byte| *byte == b'\n').map(|at| searched + at + 1);
                let length = newline.unwrap_or(buffered.len()).min(limit);
                if newline.is_some() || length == limit || state.ended {
                    return Ok(PyBytes::new(py, state.take(length)));
                }
                searched = buffered.len();
            }
            self.fill(py, CHUNK)?;
        }
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let size = limit(size);
        if let Some(bytes) = self.read_directly(py, size)? {
            return Ok(bytes);
        }
        loop {
            let there = self.lock().buffered().len();
            if there >= size || !self.fill(py, (size - there).min(4 * CHUNK))? {
                let mut state = self.lock();
                let length = state.buffered().len().min(size);
                return Ok(PyBytes::new(py, state.take(length)));
            }
        }
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.read_line(py, limit(size))
    }

    /// Lines until their sizes reach `hint`, or all of them.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let hint = match hint {
            Some(hint) if hint > 0 => hint.unsigned_abs(),
            _ => usize::MAX,
        };
        let lines = PyList::empty(py);
        let mut total = 0usize;
        while total < hint {
            let line = self.read_line(py, usize::MAX)?;
            let length = line.as_bytes().len();
            if length == 0 {
                break;
            }
            total += length;
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.read_line(py, usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }
}

/// A size as files take it: none or negative for all.
fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX)
}

fn broken(end: RequestEnd) -> PyErr {
    ClientDisconnected::new_err(match end {
        RequestEnd::Refused => "the body of the request is malformed or too long, and was refused",
        _ => "the client closed the connection, or stalled, before the whole body was received",
    })
}
