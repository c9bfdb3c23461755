//! Python's `logging` as records of the error log, where standard error is the journal: there a line alone has no level.

use std::ffi::CStr;

use pyo3::prelude::*;
use rustix::fs::fstat;

use crate::report;

const LOGGING: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("logging.py"), "\0").as_bytes()) {
    Ok(code) => code,
    Err(_) => panic!("logging.py has a NUL"),
};

/// Follows `logging`, if this process writes to the journal (`JOURNAL_STREAM`, systemd.exec(5)).
pub(crate) fn follow_logging(py: Python<'_>) -> PyResult<()> {
    if !writes_to_journal() {
        return Ok(());
    }
    let module = PyModule::from_code(py, LOGGING, c"hostler/logging.py", c"hostler.logging")?;
    module.call_method1("follow", (wrap_pyfunction!(report::logged, py)?,))?;
    Ok(())
}

fn writes_to_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stat) = fstat(std::io::stderr()) else { return false };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}
