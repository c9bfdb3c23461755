//! Which framework the application is made with, for people: nothing depends on it.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyTuple, PyType};

/// The packages that frameworks are, and their names.
const FRAMEWORKS: [(&str, &str); 18] = [
    ("aiohttp", "aiohttp"),
    ("blacksheep", "BlackSheep"),
    ("bottle", "Bottle"),
    ("channels", "Django"),
    ("cherrypy", "CherryPy"),
    ("connexion", "Connexion"),
    ("dash", "Dash"),
    ("django", "Django"),
    ("falcon", "Falcon"),
    ("fastapi", "FastAPI"),
    ("flask", "Flask"),
    ("litestar", "Litestar"),
    ("pyramid", "Pyramid"),
    ("quart", "Quart"),
    ("robyn", "Robyn"),
    ("sanic", "Sanic"),
    ("starlette", "Starlette"),
    ("web2py", "web2py"),
];

/// What middleware calls the application that it wraps.
const WRAPPED: [&str; 8] =
    ["app", "application", "wsgi_app", "wsgi_application", "asgi_app", "_app", "wrapped", "inner"];

/// How many layers of middleware are looked through.
const LAYERS: usize = 16;
/// How many variables of a closure are looked at.
const CELLS: usize = 16;

/// The framework of an application: that of the innermost layer that shows one; `None` where none does. Nothing of the application is
/// called.
pub(crate) fn of(application: &Bound<'_, PyAny>) -> Option<String> {
    let mut layer = application.clone();
    let mut found = None;
    for _ in 0..LAYERS {
        // What cannot be looked at shows nothing.
        found = of_layer(&layer).unwrap_or_default().or(found);
        match inner(&layer).unwrap_or_default() {
            Some(inner) if !inner.is(&layer) => layer = inner,
            _ => break,
        }
    }
    found.map(str::to_owned)
}

/// By the classes that an object is an instance of, the nearest first.
fn of_layer(layer: &Bound<'_, PyAny>) -> PyResult<Option<&'static str>> {
    let class = match layer.cast::<PyType>() {
        Ok(class) => class.clone(),
        Err(_) => layer.get_type(),
    };
    for base in class.mro() {
        let module: String = base.getattr("__module__")?.extract().unwrap_or_default();
        let package = module.split('.').next().unwrap_or_default();
        if let Some((_, name)) = FRAMEWORKS.iter().find(|(known, _)| *known == package) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The application that a layer wraps; `None` where it wraps none.
fn inner<'py>(layer: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if layer.is_instance(&layer.py().import("types")?.getattr("MethodType")?)? {
        return layer.getattr("__self__").map(Some);
    }
    if layer.cast::<PyFunction>().is_ok() {
        return of_function(layer);
    }
    if layer.cast::<PyType>().is_ok() {
        return Ok(None);
    }
    // Its own attributes only: to ask for others could run code.
    let Some(own) = layer.getattr_opt("__dict__")? else { return Ok(None) };
    let own = own.cast_into::<PyDict>().map_err(PyErr::from)?;
    for name in WRAPPED {
        if let Some(inner) = own.get_item(name)?.filter(|inner| inner.is_callable()) {
            return Ok(Some(inner));
        }
    }
    Ok(None)
}

/// What a function was made around: the function that it decorates, else the first variable of its closure that shows a framework.
fn of_function<'py>(function: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if let Some(wrapped) = function.getattr_opt("__wrapped__")? {
        return Ok(Some(wrapped));
    }
    let closure = function.getattr("__closure__")?;
    let Ok(cells) = closure.cast::<PyTuple>() else { return Ok(None) };
    for cell in cells.iter().take(CELLS) {
        // A cell may be empty.
        let Ok(content) = cell.getattr("cell_contents") else { continue };
        if content.is_callable() && of_layer(&content).unwrap_or_default().is_some() {
            return Ok(Some(content));
        }
    }
    Ok(None)
}
