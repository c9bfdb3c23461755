//! Building the scope of a connection: a copy of a base dictionary, and over it what this request has.

use std::hash::Hasher;

use hostler_exchange::head::{Headers, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};
use rustc_hash::FxHasher;

use crate::text::{latin1, utf8};
use crate::values::Values;

/// The version of the HTTP and WebSocket parts of the specification.
const SPEC_VERSION: &str = "2.5";
/// Places for headers that come again and again.
const PLACES: usize = 512;
/// The longest header that is kept, name and value, in bytes.
const LONGEST: usize = 256;

/// A header as it was sent, and as scopes have it.
type Kept = (Box<[u8]>, Box<[u8]>, Py<PyTuple>);

/// What is the same for every scope.
pub(crate) struct Scopes {
    http: Py<PyDict>,
    websocket: Py<PyDict>,
    extensions: [Py<PyDict>; 2],
    /// What the lifespan put there; each scope has a copy.
    state: Option<Py<PyDict>>,
    root_path: Vec<u8>,
    server: (Vec<u8>, u16, Option<Py<PyTuple>>),
    kept: Vec<Option<Kept>>,
    values: Values,
}

impl Scopes {
    pub(crate) fn new(py: Python<'_>, root_path: &str, state: Option<Py<PyDict>>) -> PyResult<Self> {
        let asgi = PyDict::new(py);
        asgi.set_item("version", "3.0")?;
        asgi.set_item("spec_version", SPEC_VERSION)?;
        let base = |kind: &str, scheme: &str| -> PyResult<Py<PyDict>> {
            let scope = PyDict::new(py);
            scope.set_item("type", kind)?;
            scope.set_item("asgi", &asgi)?;
            scope.set_item(intern!(py, "http_version"), "1.1")?;
            scope.set_item(intern!(py, "scheme"), scheme)?;
            scope.set_item("root_path", root_path)?;
            // Every request sets these: that they stand in the base makes each copy's table large enough.
            for key in ["path", "raw_path", "query_string", "headers", "client", "server", "extensions"] {
                scope.set_item(PyString::intern(py, key), py.None())?;
            }
            if state.is_some() {
                scope.set_item("state", py.None())?;
            }
            Ok(scope.unbind())
        };
        let http = base("http", "http")?;
        http.bind(py).set_item("method", "GET")?;
        let websocket = base("websocket", "ws")?;
        websocket.bind(py).set_item("subprotocols", py.None())?;
        let extensions = |names: &[&str]| -> PyResult<Py<PyDict>> {
            let extensions = PyDict::new(py);
            for name in names {
                extensions.set_item(*name, PyDict::new(py))?;
            }
            Ok(extensions.unbind())
        };
        Ok(Self {
            http,
            websocket,
            extensions: [
                extensions(&["http.response.pathsend", "http.response.trailers", "http.response.early_hint"])?,
                extensions(&["websocket.http.response"])?,
            ],
            state,
            root_path: root_path.as_bytes().to_vec(),
            server: (Vec::new(), 0, None),
            kept: std::iter::repeat_with(|| None).take(PLACES).collect(),
            values: Values::new(),
        })
    }

    /// The scope of one request or WebSocket.
    pub(crate) fn build<'py>(
        &mut self,
        py: Python<'py>,
        request: &Request<'_>,
        headers: Headers<'_>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let base = if request.websocket { &self.websocket } else { &self.http };
        let scope = base.bind(py).copy()?;
        if request.method != b"GET" {
            scope.set_item(intern!(py, "method"), self.values.get(py, request.method)?)?;
        }
        if request.version != 11 {
            scope.set_item(intern!(py, "http_version"), intern!(py, "1.0"))?;
        }
        if request.https {
            let scheme = if request.websocket { intern!(py, "wss") } else { intern!(py, "https") };
            scope.set_item(intern!(py, "scheme"), scheme)?;
        }
        if is_below(request.path, &self.root_path) {
            scope.set_item(intern!(py, "path"), utf8(py, request.path)?)?;
        } else {
            // A proxy took the mount point off: `path` has it, as the specification says.
            scope.set_item(intern!(py, "path"), utf8(py, &[self.root_path.as_slice(), request.path].concat())?)?;
        }
        scope.set_item(intern!(py, "raw_path"), PyBytes::new(py, raw_path(request.target)))?;
        scope.set_item(intern!(py, "query_string"), PyBytes::new(py, request.query))?;
        scope.set_item(intern!(py, "headers"), self.headers(py, headers)?)?;
        if !request.remote.is_empty() {
            let client = (self.values.get(py, request.remote)?, request.remote_port);
            scope.set_item(intern!(py, "client"), client)?;
        }
        if !request.socket.is_empty() {
            scope.set_item(intern!(py, "server"), (utf8(py, request.socket)?, py.None()))?;
        } else if !request.remote.is_empty() {
            scope.set_item(intern!(py, "server"), self.server(py, request)?)?;
        }
        scope.set_item(intern!(py, "extensions"), self.extensions[usize::from(request.websocket)].bind(py).copy()?)?;
        if request.websocket {
            scope.set_item(intern!(py, "subprotocols"), subprotocols(py, request, &scope)?)?;
        }
        if let Some(state) = &self.state {
            scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
        }
        Ok(scope)
    }

    fn server<'py>(&mut self, py: Python<'py>, request: &Request<'_>) -> PyResult<Bound<'py, PyTuple>> {
        if let (name, port, Some(server)) = &self.server
            && (name.as_slice(), *port) == (request.server, request.server_port)
        {
            return Ok(server.bind(py).clone());
        }
        let server = (latin1(py, request.server)?, request.server_port).into_pyobject(py)?;
        self.server = (request.server.to_vec(), request.server_port, Some(server.clone().unbind()));
        Ok(server)
    }

    fn headers<'py>(&mut self, py: Python<'py>, mut headers: Headers<'_>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for (name, value) in headers.by_ref() {
            list.append(self.header(py, name, value)?)?;
        }
        if headers.left() != 0 {
            return Err(PyRuntimeError::new_err("the head of the request is damaged"));
        }
        Ok(list)
    }

    fn header<'py>(&mut self, py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        let make = || PyTuple::new(py, [PyBytes::new(py, &name.to_ascii_lowercase()), PyBytes::new(py, value)]);
        if name.len() + value.len() > LONGEST || crate::values::passing(name) {
            return make();
        }
        let mut hasher = FxHasher::default();
        hasher.write(name);
        hasher.write(value);
        let place = &mut self.kept[hasher.finish() as usize % PLACES];
        if let Some((kept_name, kept_value, header)) = place
            && **kept_name == *name
            && **kept_value == *value
        {
            return Ok(header.bind(py).clone());
        }
        let header = make()?;
        *place = Some((name.into(), value.into(), header.clone().unbind()));
        Ok(header)
    }
}

/// The path of a target as it was sent: without the query, and for a proxy's absolute target without what stands before it.
fn raw_path(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let target = &target[..end];
    if target.starts_with(b"/") {
        return target;
    }
    let authority = target.windows(3).position(|window| window == b"://").map(|at| &target[at + 3..]);
    match authority {
        Some(authority) => authority.iter().position(|byte| *byte == b'/').map_or(b"/", |at| &authority[at..]),
        None => target,
    }
}

/// Whether a path is at the mount point or below.
fn is_below(path: &[u8], root: &[u8]) -> bool {
    path.strip_prefix(root).is_some_and(|rest| root.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

/// The subprotocols that the client offers, in its order (RFC 6455 section 11.3.4).
fn subprotocols<'py>(
    py: Python<'py>,
    _request: &Request<'_>,
    scope: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyList>> {
    let offered = PyList::empty(py);
    let headers = scope.as_any().get_item(intern!(py, "headers"))?.cast_into::<PyList>()?;
    for header in headers {
        let (name, value): (Vec<u8>, Vec<u8>) = header.extract()?;
        if name == b"sec-websocket-protocol" {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty()) {
                offered.append(latin1(py, token)?)?;
            }
        }
    }
    Ok(offered)
}
