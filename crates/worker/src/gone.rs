//! The exception for a client that left, or whose body did not arrive whole.

use pyo3::create_exception;
use pyo3::exceptions::PyConnectionAbortedError;

create_exception!(
    hostler,
    ClientDisconnected,
    PyConnectionAbortedError,
    "The client left, or its body did not arrive whole. An OSError, which frameworks expect of a broken upload."
);
