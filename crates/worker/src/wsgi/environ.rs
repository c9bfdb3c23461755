//! Building `environ` (PEP 3333): a copy of a base dictionary, and over it what this request has.

use hostler_exchange::head::{Headers, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::names::{Names, Seen};
use crate::text::latin1;
use crate::values::{Values, passing};

/// What is the same for every request of an application.
pub(crate) struct Fixed<'py> {
    pub(crate) root_path: &'py str,
    pub(crate) multithread: bool,
    pub(crate) multiprocess: bool,
    pub(crate) errors: Bound<'py, PyAny>,
    pub(crate) file_wrapper: Bound<'py, PyAny>,
}

/// The `environ`s of one thread.
pub(crate) struct Environs {
    base: Py<PyDict>,
    root_path: Vec<u8>,
    server: (Vec<u8>, u16),
    names: Names,
    values: Values,
}

impl Environs {
    pub(crate) fn new(py: Python<'_>, fixed: &Fixed<'_>) -> PyResult<Self> {
        let base = PyDict::new(py);
        base.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        base.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "http"))?;
        base.set_item(intern!(py, "wsgi.errors"), &fixed.errors)?;
        base.set_item(intern!(py, "wsgi.multithread"), fixed.multithread)?;
        base.set_item(intern!(py, "wsgi.multiprocess"), fixed.multiprocess)?;
        base.set_item(intern!(py, "wsgi.run_once"), false)?;
        base.set_item(intern!(py, "wsgi.file_wrapper"), &fixed.file_wrapper)?;
        // The body ends where it ends, told or chunked: frameworks may read to the end.
        base.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        base.set_item(intern!(py, "SERVER_SOFTWARE"), concat!("hostler/", env!("CARGO_PKG_VERSION")))?;
        base.set_item(intern!(py, "SCRIPT_NAME"), fixed.root_path)?;
        base.set_item(intern!(py, "REQUEST_METHOD"), intern!(py, "GET"))?;
        base.set_item(intern!(py, "QUERY_STRING"), "")?;
        base.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.1"))?;
        // Every request sets these. That they stand in the base makes its table, and so each copy, large enough for most requests'
        // headers: a copy that had to grow would cost as much as all the rest of this.
        for key in [
            intern!(py, "PATH_INFO"),
            intern!(py, "RAW_URI"),
            intern!(py, "REMOTE_ADDR"),
            intern!(py, "REMOTE_PORT"),
            intern!(py, "HTTP_HOST"),
        ] {
            base.set_item(key, py.None())?;
        }
        Ok(Self {
            base: base.unbind(),
            root_path: fixed.root_path.as_bytes().to_vec(),
            server: (Vec::new(), 0),
            names: Names::new(),
            values: Values::new(),
        })
    }

    /// Puts an object of this thread (`wsgi.input`, `wsgi.early_hints`) into every `environ` from now on.
    pub(crate) fn set_base(&self, py: Python<'_>, key: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.base.bind(py).set_item(key, value)
    }

    /// The `environ` of one request.
    pub(crate) fn build<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request<'_>,
        headers: Headers<'_>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if (self.server.0.as_slice(), self.server.1) != (request.server, request.server_port) {
            self.remember_server(py, request)?;
        }
        let environ = self.base.bind(py).copy()?;
        let path = strip_prefix(request.path, &self.root_path);
        let path_info = self.values.get(py, path)?;
        set(&environ, intern!(py, "PATH_INFO"), &path_info)?;
        let raw_uri = if request.target == path { path_info } else { self.values.get(py, request.target)? };
        set(&environ, intern!(py, "RAW_URI"), &raw_uri)?;
        if !request.query.is_empty() {
            set(&environ, intern!(py, "QUERY_STRING"), &self.values.get(py, request.query)?)?;
        }
        if request.method != b"GET" {
            set(&environ, intern!(py, "REQUEST_METHOD"), &self.values.get(py, request.method)?)?;
        }
        if request.version != 11 {
            set(&environ, intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        if request.https {
            set(&environ, intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
        }
        set(&environ, intern!(py, "REMOTE_ADDR"), &self.values.get(py, request.remote)?)?;
        if request.remote_port == 0 {
            environ.del_item(intern!(py, "REMOTE_PORT"))?;
        } else {
            set(&environ, intern!(py, "REMOTE_PORT"), &self.port(py, request.remote_port)?)?;
        }
        if !self.add_headers(py, &environ, headers)? {
            environ.del_item(intern!(py, "HTTP_HOST"))?;
        }
        Ok(environ)
    }

    fn remember_server(&mut self, py: Python<'_>, request: &Request<'_>) -> PyResult<()> {
        let base = self.base.bind(py);
        base.set_item(intern!(py, "SERVER_NAME"), latin1(py, request.server)?)?;
        base.set_item(intern!(py, "SERVER_PORT"), request.server_port.to_string())?;
        self.server = (request.server.to_vec(), request.server_port);
        Ok(())
    }

    fn port<'py>(&mut self, py: Python<'py>, port: u16) -> PyResult<Bound<'py, PyString>> {
        let mut digits = [0; 5];
        let mut start = digits.len();
        let mut left = port;
        while left > 0 {
            start -= 1;
            digits[start] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.values.get(py, &digits[start..])
    }

    /// Sets `HTTP_…`; whether Host was among them.
    fn add_headers(&mut self, py: Python<'_>, environ: &Bound<'_, PyDict>, mut headers: Headers<'_>) -> PyResult<bool> {
        let mut seen = Seen::default();
        let mut has_host = false;
        for (name, value) in headers.by_ref() {
            let key = self.names.key(py, name)?;
            has_host |= name.eq_ignore_ascii_case(b"host");
            let value = if passing(name) { latin1(py, value)? } else { self.values.get(py, value)? };
            let repeated = match seen.mark(key) {
                Some(repeated) => repeated,
                // The base has a placeholder for some.
                None => environ.get_item(&key.name)?.is_some_and(|value| !value.is_none()),
            };
            if repeated {
                let earlier: Bound<'_, PyAny> = environ.as_any().get_item(&key.name)?;
                let joined = PyString::new(py, key.joint).call_method1("join", ((earlier, value),))?;
                environ.set_item(&key.name, joined)?;
            } else {
                set(environ, key.name.bind(py), &value)?;
            }
        }
        if headers.left() != 0 {
            return Err(PyRuntimeError::new_err("the head of the request is damaged"));
        }
        Ok(has_host)
    }
}

/// The path below the application's root: `/app/x` is `/x` for an application at `/app`; a path that is not below it stays.
fn strip_prefix<'p>(path: &'p [u8], root: &[u8]) -> &'p [u8] {
    match path.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest,
        _ => path,
    }
}

/// `environ[key] = value`, without the conversions of the general way: a request sets about ten.
fn set(environ: &Bound<'_, PyDict>, key: &Bound<'_, PyString>, value: &Bound<'_, PyString>) -> PyResult<()> {
    // SAFETY: all three are live objects of the right types; the interpreter is attached.
    let status = unsafe { ffi::PyDict_SetItem(environ.as_ptr(), key.as_ptr(), value.as_ptr()) };
    if status == 0 { Ok(()) } else { Err(PyErr::fetch(environ.py())) }
}
