//! The Python extension `_hostler`, as the file that it was when the server started.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The extension `_hostler`, held open. A package may put another file at its path while the server runs, or a broken one: all
/// processes that are started load the one that was opened, which fits this server.
#[derive(Debug, Clone)]
pub struct Extension {
    path: PathBuf,
    file: Arc<File>,
}

impl Extension {
    /// Opens the extension at this absolute path.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let file = Arc::new(File::open(&path)?);
        Ok(Self { path, file })
    }

    /// Where it stood when it was opened: what it is called, and where it is loaded from as long as it stands there.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A further hold, for a process to inherit.
    pub(crate) fn hold(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}
