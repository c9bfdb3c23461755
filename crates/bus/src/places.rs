//! Where control sockets are: the directories that an instance may make its own in, and those that others are found
//! in.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Component, Path, PathBuf};

/// What the socket is called in an instance's runtime directory.
pub const SOCKET_FILE: &str = "control.sock";

/// Where the runtime directories of the system's instances are.
pub(crate) const SYSTEM_DIRECTORY: &str = "/run/hostler";

/// The directories, as the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `$RUNTIME_DIRECTORY`: this process' own, made by systemd (systemd.exec(5), RuntimeDirectory=).
    pub own: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR/hostler`, with a directory for each of the user's instances.
    pub user: Option<PathBuf>,
    /// `/run/hostler`, with a directory for each of the system's.
    pub system: PathBuf,
    /// Whether this process is root, which makes its directory in `system`.
    pub root: bool,
}

/// One instance's socket. Whether somebody answers was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The name of its directory, which is the instance's.
    pub name: String,
    /// The socket.
    pub path: PathBuf,
}

/// Why an instance has no place for its socket.
#[derive(Debug, thiserror::Error)]
pub enum NoPlace {
    /// Not root, and no session.
    #[error(
        "no directory for the control socket: neither $RUNTIME_DIRECTORY nor $XDG_RUNTIME_DIR is set; set control_socket"
    )]
    NoDirectory,
    /// A name that is not one of a directory.
    #[error("{0:?} cannot be the name of an instance's directory; set control_socket")]
    Name(String),
    /// The directory cannot be made.
    #[error("{}: {source}: the directory of the control socket cannot be made", path.display())]
    System {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Places {
    /// Those of this process; `lookup` finds a variable's value.
    pub fn of_environment(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // systemd gives several with colons between them; the first is the instance's.
        let first = |value: OsString| value.to_string_lossy().split(':').next().map(PathBuf::from);
        Self {
            own: lookup("RUNTIME_DIRECTORY").filter(|value| !value.is_empty()).and_then(first),
            user: path("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()).map(|path| path.join("hostler")),
            system: PathBuf::from(SYSTEM_DIRECTORY),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// Where the instance called `name` has its socket.
    ///
    /// # Errors
    /// When there is no directory for it.
    pub fn socket_of(&self, name: &str) -> Result<PathBuf, NoPlace> {
        if let Some(own) = &self.own {
            return Ok(own.join(SOCKET_FILE));
        }
        let mut components = Path::new(name).components();
        if !matches!((components.next(), components.next()), (Some(Component::Normal(_)), None)) || name.contains('/') {
            return Err(NoPlace::Name(name.to_owned()));
        }
        let base = if self.root { Some(&self.system) } else { self.user.as_ref() };
        Ok(base.ok_or(NoPlace::NoDirectory)?.join(name).join(SOCKET_FILE))
    }

    /// Makes the directories of a socket that [`Places::socket_of`] named: the instance's for its user alone.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn prepare(&self, socket: &Path) -> Result<(), NoPlace> {
        let Some(directory) = socket.parent() else { return Ok(()) };
        let system = directory.parent().is_some_and(|base| base == self.system);
        for (path, mode) in [(directory.parent(), if system { 0o755 } else { 0o700 }), (Some(directory), 0o700)] {
            let Some(path) = path.filter(|path| !path.is_dir()) else { continue };
            match DirBuilder::new().mode(mode).create(path) {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(NoPlace::System { path: path.to_owned(), source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes the directory that [`Places::prepare`] made, if nothing else is in it; systemd removes its own itself.
    pub fn tidy(&self, socket: &Path) {
        let Some(directory) = socket.parent() else { return };
        let base = directory.parent();
        if self.own.is_none() && (base == Some(&self.system) || (base.is_some() && base == self.user.as_deref())) {
            // Something else is in it, or it is gone: both are fine.
            let _ = std::fs::remove_dir(directory);
        }
    }

    /// All sockets, by name. Within a service that is the service's own only.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        // Never another's: a service that asks to be reloaded must not reload its neighbour.
        if let Some(own) = &self.own {
            return if is_socket(&own.join(SOCKET_FILE)) { vec![found(own)] } else { Vec::new() };
        }
        let bases = self.user.iter().chain([&self.system]);
        let mut all: Vec<Found> = bases
            .filter_map(|base| std::fs::read_dir(base).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|directory| is_socket(&directory.join(SOCKET_FILE)))
            .map(|directory| found(&directory))
            .collect();
        all.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
        all
    }
}

fn found(directory: &Path) -> Found {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Found { name, path: directory.join(SOCKET_FILE) }
}

/// Whether a socket is there; where that may not be looked at, one is taken to be.
fn is_socket(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(data) => data.file_type().is_socket(),
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn places(base: &Path) -> Places {
        Places { own: None, user: Some(base.join("user/hostler")), system: base.join("run/hostler"), root: false }
    }

    #[test]
    fn the_environment_says_where() {
        let places = Places::of_environment(|name| match name {
            "RUNTIME_DIRECTORY" => Some("/run/hostler/shop:/run/other".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1000".into()),
            _ => None,
        });
        assert_eq!(places.user.as_deref(), Some(Path::new("/run/user/1000/hostler")));
        assert_eq!(places.socket_of("any").unwrap(), Path::new("/run/hostler/shop/control.sock"));
    }

    #[test]
    fn root_and_others_have_different_places() {
        let mut places = places(Path::new("/x"));
        assert_eq!(places.socket_of("shop").unwrap(), Path::new("/x/user/hostler/shop/control.sock"));
        places.root = true;
        assert_eq!(places.socket_of("shop").unwrap(), Path::new("/x/run/hostler/shop/control.sock"));
        for name in ["", ".", "..", "a/b", "/a", "a/"] {
            assert!(matches!(places.socket_of(name), Err(NoPlace::Name(_))), "{name}");
        }
        places = Places { root: false, user: None, ..places };
        assert!(places.socket_of("shop").unwrap_err().to_string().ends_with("set control_socket"));
    }

    #[test]
    fn directories_are_made_found_and_removed() {
        let base = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(base.path().join("user")).unwrap();
        let places = places(base.path());
        assert_eq!(places.found(), []);
        let socket = places.socket_of("shop").unwrap();
        places.prepare(&socket).unwrap();
        places.prepare(&socket).unwrap();
        let mode = socket.parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(places.found(), [], "a directory alone is no instance");
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(places.found(), [Found { name: "shop".to_owned(), path: socket.clone() }]);
        let within = Places { own: Some(base.path().join("own")), ..places.clone() };
        assert_eq!(within.found(), [], "a service sees no neighbour");
        places.tidy(&socket);
        assert!(socket.exists(), "what is not empty stays");
        drop(listener);
        std::fs::remove_file(&socket).unwrap();
        places.tidy(&socket);
        assert!(!socket.parent().unwrap().exists());
    }
}
