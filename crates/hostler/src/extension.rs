//! Where the Python extension of Hostler is: the workers load it by its path, so it need not be installed anywhere.

use std::path::PathBuf;

use hostler_project::Surroundings;

/// The extension is not there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Error {
    #[error("the Python extension of Hostler is missing, looked for {}. Install Hostler anew, or set HOSTLER_EXTENSION to its path",
        looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "))]
    Missing { looked: Vec<PathBuf> },
    #[error("HOSTLER_EXTENSION names {}, which is no file", .0.display())]
    Named(PathBuf),
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
        assert_eq!(find(&surroundings), Ok(path("lib/hostler/_hostler.abi3.so")));
        fs::write(path("bin/lib_hostler.so"), "").unwrap();
        assert_eq!(find(&surroundings), Ok(path("bin/lib_hostler.so")));

        surroundings.variables.insert("HOSTLER_EXTENSION".into(), path("own.so").into());
        assert_eq!(find(&surroundings), Err(Error::Named(path("own.so"))));
        fs::write(path("own.so"), "").unwrap();
        assert_eq!(find(&surroundings), Ok(path("own.so")));
    }
}
