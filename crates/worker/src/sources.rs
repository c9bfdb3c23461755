//! Which source files the application was imported from, for whoever watches them, and how their caches are kept while they are edited.

use std::path::Path;

use hostler_channel::MAX_TEXT;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// A cache of bytecode is told from an outdated one by the second of the source's modification and its size. A second save within a second, of
/// the same size, would run the code of the first; so nothing is cached of a source that is younger than that.
const NO_FRESH_CACHES: &std::ffi::CStr = c"
import os
import time
from importlib.machinery import SourceFileLoader

def _hostler_cache_bytecode(self, source_path, bytecode_path, data, _write=SourceFileLoader._cache_bytecode):
    try:
        fresh = time.time() - os.stat(source_path).st_mtime < 2
    except OSError:
        fresh = False
    if not fresh:
        return _write(self, source_path, bytecode_path, data)

SourceFileLoader._cache_bytecode = _hostler_cache_bytecode
";

/// Has imports of this process write no cache of a source that was just saved.
///
/// # Errors
/// When this Python's imports are not made as those that are known.
pub(crate) fn distrust_fresh_caches(py: Python<'_>) -> PyResult<()> {
    py.run(NO_FRESH_CACHES, Some(&PyDict::new(py)), None)
}

/// The directories of packages, and the files of single modules, that were imported so far from elsewhere than the standard library and the places
/// that packages are installed into. An editable installation is imported from where it is written, so that it is among them. Absolute
/// paths; what goes beyond [`MAX_TEXT`] bytes in all is left out.
pub(crate) fn imported(py: Python<'_>) -> Vec<String> {
    let mut sources = look(py).unwrap_or_default();
    sources.sort();
    sources.dedup();
    let mut room = MAX_TEXT;
    sources.retain(|source| {
        let fits = source.len() <= room;
        room = room.saturating_sub(source.len());
        fits
    });
    sources
}

fn look(py: Python<'_>) -> PyResult<Vec<String>> {
    let os_file: String = py.import("os")?.getattr("__file__")?.extract()?;
    let library = Path::new(&os_file).parent().unwrap_or(Path::new("/")).to_owned();
    // A copy: to look at a module may import another.
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>().map_err(PyErr::from)?.copy()?;
    let mut sources = Vec::new();
    for (name, module) in modules {
        let is_top = name.cast::<PyString>().is_ok_and(|name| !name.to_string_lossy().contains('.'));
        if is_top {
            let own = |path: &String| is_own(Path::new(path), &library);
            sources.extend(places(&module).unwrap_or_default().into_iter().filter(own));
        }
    }
    Ok(sources)
}

/// The directories of a package, or the file of a module; modules may lack either, or say something else there.
fn places(module: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Some(path) = module.getattr_opt("__path__")? {
        return path.try_iter()?.map(|entry| entry?.extract()).collect();
    }
    let file: Option<String> = module.getattr_opt("__file__")?.and_then(|file| file.extract().ok());
    Ok(file.into_iter().filter(|file| file.ends_with(".py")).collect())
}

fn is_own(path: &Path, library: &Path) -> bool {
    let installed =
        path.components().any(|part| part.as_os_str() == "site-packages" || part.as_os_str() == "dist-packages");
    path.is_absolute() && !path.starts_with(library) && !installed
}
