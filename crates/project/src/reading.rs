//! Reading files of a project. They may belong to anybody, and whoever sets an instance up may be root: what is no file, as a pipe or a device, is not
//! read, and of a file no more than a bounded length.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The longest file that is read, in bytes: sources and settings are far below.
const LONGEST: u64 = 1 << 20;

/// The bytes of a file.
///
/// # Errors
/// When it cannot be opened or read, is no regular file ([`io::ErrorKind::InvalidInput`]), or is longer than 1 MiB ([`io::ErrorKind::FileTooLarge`]).
pub fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Nonblocking: opening a pipe would wait for who writes into it. What is opened is looked at, and not the path, which may be another by then.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// The text of a file.
///
/// # Errors
/// As [`bytes`]; when it is not in UTF-8.
pub fn text(path: &Path) -> io::Result<String> {
    String::from_utf8(bytes(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn only_files_of_bounded_length_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let long = vec![b'#'; LONGEST as usize + 1];
        fs::write(path("longest"), &long[1..]).unwrap();
        fs::write(path("longer"), &long).unwrap();
        fs::write(path("latin"), b"caf\xe9").unwrap();
        fs::write(path("app.py"), "app").unwrap();
        symlink(path("app.py"), path("link")).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        // Nobody ever writes into it.
        mkfifoat(CWD, path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        fs::create_dir(path("directory")).unwrap();

        assert_eq!(bytes(&path("longest")).unwrap(), long[1..]);
        assert_eq!(text(&path("link")).unwrap(), "app");
        assert_eq!(bytes(&path("latin")).unwrap(), b"caf\xe9");
        for (name, kind) in [
            ("longer", io::ErrorKind::FileTooLarge),
            ("endless", io::ErrorKind::InvalidInput),
            ("pipe", io::ErrorKind::InvalidInput),
            ("directory", io::ErrorKind::InvalidInput),
            ("nothing", io::ErrorKind::NotFound),
        ] {
            assert_eq!(bytes(&path(name)).unwrap_err().kind(), kind, "{name}");
        }
        assert_eq!(text(&path("latin")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_project_whose_files_are_none_holds_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["app.py", "main.py", "wsgi.py", "asgi.py", "manage.py"] {
            mkfifoat(CWD, directory.path().join(name), Mode::RUSR | Mode::WUSR).unwrap();
        }
        assert_eq!(crate::framework::of(directory.path(), "app"), None);
        assert!(crate::application::read_module(directory.path(), "app").is_none());
        fs::create_dir(directory.path().join("site")).unwrap();
        mkfifoat(CWD, directory.path().join("site/settings.py"), Mode::RUSR | Mode::WUSR).unwrap();
        assert_eq!(crate::statics::find(directory.path(), directory.path(), "site", Some("Django")), []);
    }
}
