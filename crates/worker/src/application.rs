//! Finding the application: import of the module, the attribute or factory, and which interface it speaks.

use hostler_channel::Interface;
use pyo3::exceptions::{PyImportError, PyModuleNotFoundError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::report;
use crate::text::type_name;

/// Why an application could not be loaded.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line: what was looked for, and what was found instead.
    pub(crate) message: String,
    /// The traceback, when the application's own code raised.
    pub(crate) traceback: Option<String>,
}

/// The application and how it is called.
pub(crate) struct Application {
    pub(crate) callable: Py<PyAny>,
    pub(crate) interface: Interface,
}

/// Imports `specification`: `package.module:attribute`, the attribute perhaps dotted, or a call without arguments.
pub(crate) fn load(py: Python<'_>, specification: &str, interface: Interface) -> Result<Application, Failure> {
    let (module_name, attribute) = specification.split_once(':').unwrap_or((specification, "application"));
    let module = import(py, module_name)?;
    let (path, factory) = match attribute.strip_suffix("()") {
        Some(path) => (path, true),
        None => (attribute, false),
    };
    if path.contains('(') {
        return Err(Failure {
            message: format!(
                "{specification}: a factory is called without arguments; write {module_name}:NAME(), and configure it by the environment"
            ),
            traceback: None,
        });
    }
    let mut object = module.clone();
    for name in path.split('.') {
        object = object.getattr(name).map_err(|_| Failure {
            message: format!("module {module_name:?} has no attribute {path:?}; {}", found_instead(&module)),
            traceback: None,
        })?;
    }
    if factory {
        object = object.call0().map_err(|error| Failure {
            message: format!("the factory {specification} failed: {}", report::summary(py, &error)),
            traceback: Some(report::traceback(py, &error)),
        })?;
    }
    if !object.is_callable() {
        return Err(Failure {
            message: format!(
                "{specification} is not callable: it is of type {}; {}",
                type_name(&object),
                found_instead(&module)
            ),
            traceback: None,
        });
    }
    let interface = match interface {
        Interface::Auto => interface_of(&object),
        told => told,
    };
    Ok(Application { callable: object.unbind(), interface })
}

/// Imports a module of the application's.
pub(crate) fn import<'py>(py: Python<'py>, name: &str) -> Result<Bound<'py, PyAny>, Failure> {
    match py.import(name) {
        Ok(module) => Ok(module.into_any()),
        Err(error) => {
            // Only the module itself missing is told as such; what it imports in turn comes with its traceback.
            let missing: Option<String> = error.value(py).getattr("name").ok().and_then(|name| name.extract().ok());
            let own =
                missing.as_deref().is_some_and(|missing| name == missing || name.starts_with(&format!("{missing}.")));
            if own && error.is_instance_of::<PyModuleNotFoundError>(py) {
                return Err(Failure {
                    message: format!("there is no module {name:?}; {}", searched(py)),
                    traceback: None,
                });
            }
            let what = if error.is_instance_of::<PySystemExit>(py) {
                format!("importing {name} called exit: is it a script without `if __name__ == \"__main__\"`?")
            } else if error.is_instance_of::<PyImportError>(py) {
                format!("importing {name} failed, as something it needs is missing: {}", report::summary(py, &error))
            } else {
                format!("importing {name} failed: {}", report::summary(py, &error))
            };
            Err(Failure { message: what, traceback: Some(report::traceback(py, &error)) })
        }
    }
}

/// Where Python looked, shortened to what the user can change.
fn searched(py: Python<'_>) -> String {
    let paths = || -> PyResult<Vec<String>> { py.import("sys")?.getattr("path")?.cast_into::<PyList>()?.extract() };
    let paths = paths().unwrap_or_default();
    let own: Vec<&str> = paths.iter().map(String::as_str).filter(|path| !path.contains("/lib/python")).collect();
    format!("looked in {}; see --chdir and --pythonpath", own.join(", "))
}

/// The callables that a module defines itself, likely applications first.
fn found_instead(module: &Bound<'_, PyAny>) -> String {
    let mut names = Vec::new();
    if let Ok(dictionary) = module.getattr("__dict__").and_then(|dict| dict.cast_into::<PyDict>().map_err(PyErr::from))
    {
        let own = module.getattr("__name__").and_then(|name| name.extract::<String>()).unwrap_or_default();
        for (name, value) in dictionary {
            let Ok(name) = name.extract::<String>() else { continue };
            let defined_in = value.getattr("__module__").and_then(|name| name.extract::<String>()).unwrap_or_default();
            let is_class = value.is_instance_of::<pyo3::types::PyType>();
            let likely = ["app", "application", "create_app", "make_app"].contains(&name.as_str());
            if !name.starts_with('_') && value.is_callable() && !is_class && (defined_in == own || likely) {
                names.push(name);
            }
        }
    }
    names.truncate(8);
    if names.is_empty() {
        "it has no callables of its own".to_owned()
    } else {
        format!("its callables are: {}", names.join(", "))
    }
}

/// ASGI when the callable, or its `__call__`, is a coroutine function; or takes `scope`, `receive`, `send`; else WSGI.
fn interface_of(object: &Bound<'_, PyAny>) -> Interface {
    let looks_asgi = || -> PyResult<bool> {
        let inspect = object.py().import("inspect")?;
        let is_coroutine =
            |candidate: &Bound<'_, PyAny>| inspect.call_method1("iscoroutinefunction", (candidate,))?.is_truthy();
        if is_coroutine(object)? {
            return Ok(true);
        }
        // An instance is called by its type's `__call__`; a class that is itself the application by its own instances' `__await__`.
        let call = if object.is_instance_of::<pyo3::types::PyType>() {
            return object.hasattr("__await__");
        } else {
            object.getattr("__call__")?
        };
        if is_coroutine(&call)? {
            return Ok(true);
        }
        let parameters = inspect.call_method1("signature", (object,))?.getattr("parameters")?;
        let names: Vec<String> =
            parameters.call_method0("keys")?.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?;
        Ok(names.len() >= 3 && names[0] == "scope" && names[1] == "receive" && names[2] == "send")
    };
    // An object that cannot be looked at is called as WSGI, the older of the two.
    if looks_asgi().unwrap_or(false) { Interface::Asgi } else { Interface::Wsgi }
}
