//! Hooks of the application: functions of the module that the setting `hooks` names.
//!
//! Which there are, and what they are given, is written in Python: `hooks.py`.

mod request;

use hostler_channel::{Severity, WorkerStart};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule};

use crate::application::{Failure, import};
use crate::report;

pub(crate) use request::{Answered, RequestHooks};

const HOOKS: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("hooks.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("hooks.py has a NUL"),
    };

/// Calls `worker_abort`, in a worker whose module has it.
static ABORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The hooks of this process; none at all where no module is set.
pub(crate) struct Hooks(Option<(String, Py<PyAny>)>);

impl Hooks {
    /// Imports the module. `keeper` says whether there is a keeper, which calls some of them.
    pub(crate) fn load(py: Python<'_>, start: &WorkerStart, keeper: bool) -> Result<Self, Failure> {
        let Some(name) = &start.hooks else { return Ok(Self(None)) };
        let module = import(py, name)?;
        let make = || -> PyResult<Py<PyAny>> {
            let configuration = PyDict::new(py);
            configuration.set_item("preload_app", keeper)?;
            configuration.set_item("threads", start.threads)?;
            configuration.set_item("wsgi_app", &start.app)?;
            configuration.set_item("graceful_timeout", start.graceful_timeout.as_secs_f64())?;
            let record = wrap_pyfunction!(report::record, py)?;
            let source = PyModule::from_code(py, HOOKS, c"hostler/hooks.py", c"hostler.hooks")?;
            let hooks = source.call_method1("Hooks", (module, name, record, keeper, configuration))?;
            // Each worker would say the same.
            if keeper || start.age <= 1 {
                hooks.call_method0("warn")?;
            }
            Ok(hooks.unbind())
        };
        make().map(|hooks| Self(Some((name.clone(), hooks)))).map_err(|error| failure(py, "import", name, &error))
    }

    /// In a worker: which it is, and `post_fork`.
    pub(crate) fn post_fork(&self, py: Python<'_>, start: &WorkerStart) -> Result<(), Failure> {
        self.call(py, "begin", (start.worker, start.age))?;
        self.call(py, "post_fork", ())
    }

    /// The application is loaded, and about to serve.
    pub(crate) fn post_worker_init(&self, py: Python<'_>) -> Result<(), Failure> {
        self.call(py, "post_worker_init", ())
    }

    /// From here on signals and time-outs are told to the module, where it has hooks for them.
    pub(crate) fn listen(&self, py: Python<'_>) -> PyResult<()> {
        let Some((_, hooks)) = &self.0 else { return Ok(()) };
        let hooks = hooks.bind(py);
        hooks.call_method0("listen")?;
        let abort = hooks.call_method0("abort")?;
        if !abort.is_none() {
            let _first = ABORT.set(py, abort.unbind());
        }
        Ok(())
    }

    /// The hooks around each request of a WSGI application; `None` where the module has none.
    pub(crate) fn around_requests(&self, py: Python<'_>) -> PyResult<Option<RequestHooks>> {
        let Some((module, hooks)) = &self.0 else { return Ok(None) };
        let some = hooks.call_method0(py, "has_some_for_requests")?.is_truthy(py)?;
        Ok(some.then(|| RequestHooks { module: module.clone(), hooks: hooks.clone_ref(py) }))
    }

    /// Says which hooks an ASGI application does without.
    pub(crate) fn warn_of_asgi(&self, py: Python<'_>, start: &WorkerStart) -> PyResult<()> {
        match &self.0 {
            // Each worker would say the same.
            Some((_, hooks)) if start.age <= 1 => hooks.call_method0(py, "warn_of_asgi").map(drop),
            _ => Ok(()),
        }
    }

    /// The worker has served its last request.
    pub(crate) fn worker_exit(&self, py: Python<'_>) {
        self.or_log(py, "worker_exit", ());
    }

    /// In the keeper, before it forks.
    pub(crate) fn pre_fork(&self, py: Python<'_>, worker: u16, age: u64) -> Result<(), Failure> {
        self.call(py, "pre_fork", (worker, age))
    }

    /// In the keeper: a worker has ended.
    pub(crate) fn child_exit(&self, py: Python<'_>, worker: u16, pid: u32, age: u64) {
        self.or_log(py, "child_exit", (worker, pid, age));
    }

    /// In the keeper: a hook that is given the server alone.
    pub(crate) fn notice(&self, py: Python<'_>, name: &str) {
        let Some((module, hooks)) = &self.0 else { return };
        if let Err(error) = hooks.call_method1(py, "notice", (name,)) {
            log(py, &failure(py, name, module, &error));
        }
    }

    fn or_log<'py>(&self, py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) {
        if let Err(failed) = self.call(py, name, arguments) {
            log(py, &failed);
        }
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        arguments: impl pyo3::call::PyCallArgs<'py>,
    ) -> Result<(), Failure> {
        let Some((module, hooks)) = &self.0 else { return Ok(()) };
        let called = hooks.bind(py).call_method1(name, arguments);
        called.map(drop).map_err(|error| failure(py, name, module, &error))
    }
}

/// A request ran past its time, and is about to be interrupted: `worker_abort`. Its own faults are logged where it is called.
pub(crate) fn worker_abort(py: Python<'_>) {
    if let Some(abort) = ABORT.get(py) {
        let _logged = abort.call0(py);
    }
}

fn failure(py: Python<'_>, name: &str, module: &str, error: &PyErr) -> Failure {
    Failure {
        message: format!("the hook {name} of {module} failed: {}", report::summary(py, error)),
        traceback: Some(report::traceback(py, error)),
    }
}

fn log(py: Python<'_>, failed: &Failure) {
    report::log(py, Severity::Error, failed.message.clone(), failed.traceback.as_deref(), "");
}
