//! Finding what was not said: the application, its Python, the extension. Each looks at the file system only through
//! what it is given here, so that tests can give it another world.

pub(crate) mod application;
mod django;
pub(crate) mod extension;
pub(crate) mod probe;
pub(crate) mod python;
pub(crate) mod source;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What the process was started with. It is read once, in `main`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The environment.
    pub(crate) variables: HashMap<OsString, OsString>,
    /// The current directory, an absolute path.
    pub(crate) directory: PathBuf,
    /// The running executable, an absolute path.
    pub(crate) executable: PathBuf,
}

impl Surroundings {
    /// The value of a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A path as it was written, made absolute; links stay what they are.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }
}
