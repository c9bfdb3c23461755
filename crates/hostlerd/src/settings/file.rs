//! The file itself: read as it is, replaced whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use hostler_bus::access::{self, Guest};
use sha1::{Digest, Sha1};

/// A settings file is not longer than this: 1 MiB.
pub(crate) const SIZE_LIMIT: u64 = 1 << 20;

/// The mode of a new file: a service with a user of its own reads it. Secrets belong into credentials, not here.
const NEW_MODE: u32 = 0o644;

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The text.
    pub text: String,
    /// Its revision.
    pub revision: String,
}

impl Stored {
    /// Where there is no file: an empty text with an empty revision.
    #[must_use]
    pub fn none() -> Self {
        Self { text: String::new(), revision: String::new() }
    }
}

/// The revision of a text: the first 16 hexadecimal digits of its SHA-1. It tells edits apart, not forgeries.
#[must_use]
pub fn revision(text: &str) -> String {
    let digest = Sha1::digest(text.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Reads it; `None` when there is no such file.
///
/// # Errors
/// When it cannot be read, is longer than 1 MiB, or not UTF-8.
pub fn read(path: &Path) -> io::Result<Option<Stored>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(SIZE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a settings file has 1 MiB at most"));
    }
    Ok(Some(Stored { revision: revision(&text), text }))
}

/// Replaces the file by one with this text. Whoever reads it, and whatever ends this process or the machine, there is the former
/// text or the new one, whole. Mode, owner, group and access control list stay those of the former file. Where the system lets
/// nobody change a group, the former group keeps its rights by such a list. A symbolic link is followed.
///
/// # Errors
/// When the system does not let it; the former file stands then.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Replacing a link by a file would part it from what it was linked to.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().ok_or_else(|| io::Error::other("a file without a directory"))?;
    let former = match path.metadata() {
        Ok(former) => Some(former),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Hidden, and without .toml at its end: nobody takes it for settings. One name is enough, as one process writes, one file at a time;
    // what a killed one left is overwritten.
    let temporary = directory.join(format!(".{name}.new"));
    let former = former.map(|data| Former { data, list: list_of(path) });
    let written = write(&temporary, text, former.as_ref()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    // The name is on disk only when the directory is.
    File::open(directory)?.sync_all()
}

/// What a new file takes over from the one that it replaces.
struct Former {
    data: fs::Metadata,
    /// Its access control list, where it has one.
    list: Option<Vec<u8>>,
}

/// A file that cannot be opened is replaced by nobody.
fn list_of(path: &Path) -> Option<Vec<u8>> {
    access::list_of(File::open(path).ok()?).ok().flatten()
}

fn write(path: &Path, text: &str, former: Option<&Former>) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = File::create_new(path)?;
    match former {
        None => file.set_permissions(Permissions::from_mode(NEW_MODE))?,
        Some(former) => take_over(&file, former)?,
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Owner, group, mode and list of the former file.
fn take_over(file: &File, former: &Former) -> io::Result<()> {
    let (own, data) = (file.metadata()?, &former.data);
    let mode = data.mode() & 0o7777;
    if (own.uid(), own.gid()) != (data.uid(), data.gid())
        && let Err(error) = fchown(file, Some(data.uid()), Some(data.gid()))
    {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return Err(error);
        }
        return match own.uid() == data.uid() {
            true => stand_in(file, mode, data.gid(), former.list.is_some(), own.uid()),
            false => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "it belongs to user {}, and hostlerd gives files to nobody: make it root's (chown root), or change it by hand",
                    data.uid()
                ),
            )),
        };
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    if let Some(list) = &former.list {
        access::give(file, list)?;
    }
    Ok(())
}

/// For a file whose group may not be changed to that of the former one, which had these rights by its mode.
fn stand_in(file: &File, mode: u32, group: u32, has_list: bool, owner: u32) -> io::Result<()> {
    if owner == 0 && !has_list {
        // hostlerd of the machine, without capabilities: the group is let in by name.
        let [owner, rights, others] = [6, 3, 0].map(|shift| (mode >> shift & 0o7) as u16);
        return Ok(access::admit_to(file, owner, Guest::Group(group), rights, others)?);
    }
    // A user's own file of a group that the user is not in: it becomes the user's group's, which may no more than everybody could.
    let mode = (mode & 0o707) | ((mode & 0o007) << 3);
    file.set_permissions(Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_links_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.toml");
        replace(&path, "workers = 1\n").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, NEW_MODE);
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        let link = directory.path().join("link.toml");
        std::os::unix::fs::symlink("shop.toml", &link).unwrap();
        replace(&link, "workers = 2\n").unwrap();
        assert!(link.is_symlink());
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o604);
        let stored = read(&path).unwrap().unwrap();
        assert_eq!(stored.text, "workers = 2\n");
        assert_ne!(stored.revision, revision("workers = 1\n"));
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["link.toml", "shop.toml"]);
        assert_eq!(read(&directory.path().join("none.toml")).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_former() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shop.toml");
        fs::create_dir(directory.path().join(".shop.toml.new")).unwrap();
        fs::write(&path, "a").unwrap();
        replace(&path, "b").unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a");
    }
}
