//! What a directory holds: the application, its Python, its framework, its static files. Each looks at the file system
//! only through what it is given here, so that tests can give it another world.

pub mod account;
pub mod application;
mod denied;
pub mod django;
mod folder;
mod framework;
pub mod port;
pub mod probe;
pub mod python;
pub mod reading;
pub mod source;
mod statics;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

pub use denied::why_not;
pub use folder::{NoProject, Project, find, settings};
pub use statics::Statics;

/// What the process was started with. It is read once, in `main`.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment.
    pub variables: HashMap<OsString, OsString>,
    /// The current directory, an absolute path.
    pub directory: PathBuf,
    /// The running executable, an absolute path.
    pub executable: PathBuf,
}

impl Surroundings {
    /// The value of a variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A path as it was written, made absolute; links stay what they are.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// The user's directories for settings and for sockets (XDG Base Directory Specification); none where neither
    /// `$XDG_CONFIG_HOME` nor `$HOME` names one.
    #[must_use]
    pub fn user_directories(&self) -> Option<(PathBuf, PathBuf)> {
        let absolute = |name: &str| self.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let configuration = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        let runtime = absolute("XDG_RUNTIME_DIR")
            .unwrap_or_else(|| PathBuf::from(format!("/run/user/{}", nix::unistd::geteuid().as_raw())));
        Some((configuration, runtime))
    }
}
