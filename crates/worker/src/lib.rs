//! The Python extension `_hostler`: what runs inside a worker process.
//!
//! Owns the import of the application, the keeper that forks workers, the worker's threads or event loop, WSGI (PEP 3333) and ASGI 3. Knows nothing of clients' sockets or of HTTP on the wire:
//! requests come from the exchange, and everything else the worker needs comes over its channel.

mod application;
mod asgi;
mod collect;
mod framework;
mod gone;
mod hooks;
mod interrupt;
mod journal;
mod keeper;
mod life;
mod report;
mod sources;
mod text;
mod threads;
mod title;
mod values;
mod watch;
mod wsgi;

use pyo3::prelude::*;

/// The module that the bootstrap loads.
#[pymodule]
mod _hostler {
    #[pymodule_export]
    use super::main;
}

/// Runs the worker until it is told to stop; called once, by the bootstrap, on the main thread.
#[pyfunction]
fn main(py: Python<'_>) -> PyResult<()> {
    life::run(py)
}
