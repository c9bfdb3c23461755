//! Whose a file is, and who may use it: what one that takes its place keeps of it. Settings hold secrets, and a person may have closed them.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr};
use rustix::io::Errno;

/// The access control list of POSIX.1e, as the kernel keeps it (acl(5)).
const LIST: &str = "system.posix_acl_access";
/// A list of this many bytes has about a hundred entries, more than any file's.
const LIST_LIMIT: usize = 1024;

/// Whose a file is.
#[derive(Debug)]
pub(crate) struct Whose {
    data: Metadata,
    list: Option<Vec<u8>>,
}

impl Whose {
    /// Whose the file at this path is; `None` where there is none.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut list = vec![0; LIST_LIMIT];
        let list = match fgetxattr(&file, LIST, &mut list) {
            Ok(length) => {
                list.truncate(length);
                Some(list)
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Self { data: file.metadata()?, list }))
    }

    /// Makes a new file theirs, which nobody else may use until then. Where the system lets nobody change its group, the group may no more
    /// than everybody.
    pub(crate) fn give(&self, file: &File) -> io::Result<()> {
        let (own, mode) = (file.metadata()?, self.data.mode() & 0o7777);
        if (own.uid(), own.gid()) != (self.data.uid(), self.data.gid())
            && let Err(error) = fchown(file, Some(self.data.uid()), Some(self.data.gid()))
        {
            if error.kind() != io::ErrorKind::PermissionDenied || own.uid() != self.data.uid() {
                return Err(error);
            }
            return file.set_permissions(Permissions::from_mode((mode & 0o707) | ((mode & 0o007) << 3)));
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        match &self.list {
            Some(list) => Ok(fsetxattr(file, LIST, list, XattrFlags::empty())?),
            None => Ok(()),
        }
    }
}
