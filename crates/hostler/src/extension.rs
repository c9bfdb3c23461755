//! Where the Python extension of Hostler is: it stands with the server, and need not be installed in any Python.
//!
//! It is opened once, at the start of the server: it and the server are of one build, and stay together when a package replaces both on the disk.

use std::io;
use std::path::PathBuf;

use hostler_project::Surroundings;
use hostler_supervisor::Extension;

/// The extension cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the Python extension of Hostler is missing, looked for {}. Install Hostler anew, or set HOSTLER_EXTENSION to its path",
        looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "))]
    Missing { looked: Vec<PathBuf> },
    #[error("HOSTLER_EXTENSION names {}, which is no file", .0.display())]
    Named(PathBuf),
    #[error("the Python extension of Hostler, {}, cannot be read: {source}. {}", path.display(), advice(source))]
    Unreadable { path: PathBuf, source: io::Error },
}

impl Error {
    /// The same as errno(3), where the system said it.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            Self::Missing { .. } | Self::Named(_) => None,
            Self::Unreadable { source, .. } => source.raw_os_error(),
        }
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "Let the user that the server runs as read it",
        io::ErrorKind::NotFound => "Install Hostler anew",
        _ => "Mend that, or install Hostler anew",
    }
}

/// The extension: the one that `$HOSTLER_EXTENSION` names, else the one beside the executable (as cargo builds it), else
/// the one of the packages.
///
/// # Errors
/// When there is none.
pub(crate) fn find(surroundings: &Surroundings) -> Result<PathBuf, Error> {
    if let Some(named) = surroundings.variable("HOSTLER_EXTENSION") {
        let path = surroundings.absolute(named.as_ref());
        return if path.is_file() { Ok(path) } else { Err(Error::Named(path)) };
    }
    let beside = surroundings.executable.parent().unwrap_or(&surroundings.directory);
    let above = beside.parent().unwrap_or(beside);
    let looked = vec![beside.join("lib_hostler.so"), above.join("lib/hostler/_hostler.abi3.so")];
    match looked.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::Missing { looked }),
    }
}

/// Opens what was found, for all workers of this process. Not before descriptors were taken that systemd passed: nothing else may have their numbers.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn open(path: PathBuf) -> Result<Extension, Error> {
    Extension::open(path.clone()).map_err(|source| Error::Unreadable { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_of_the_places_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::create_dir_all(path("bin")).unwrap();
        fs::create_dir_all(path("lib/hostler")).unwrap();
        let mut surroundings =
            Surroundings { executable: path("bin/hostler"), directory: path("."), ..Surroundings::default() };
        let message = find(&surroundings).unwrap_err().to_string();
        assert!(
            message.contains("bin/lib_hostler.so and ") && message.contains("lib/hostler/_hostler.abi3.so"),
            "{message}"
        );

        fs::write(path("lib/hostler/_hostler.abi3.so"), "").unwrap();
        assert_eq!(find(&surroundings).unwrap(), path("lib/hostler/_hostler.abi3.so"));
        fs::write(path("bin/lib_hostler.so"), "").unwrap();
        assert_eq!(find(&surroundings).unwrap(), path("bin/lib_hostler.so"));

        surroundings.variables.insert("HOSTLER_EXTENSION".into(), path("own.so").into());
        assert!(matches!(find(&surroundings), Err(Error::Named(named)) if named == path("own.so")));
        fs::write(path("own.so"), "").unwrap();
        assert_eq!(find(&surroundings).unwrap(), path("own.so"));
        assert!(open(path("own.so")).is_ok());

        let gone = open(path("gone.so")).unwrap_err();
        assert!(gone.to_string().contains("gone.so, cannot be read: No such file or directory"), "{gone}");
        assert_eq!(gone.errno(), Some(rustix::io::Errno::NOENT.raw_os_error()));
    }
}
