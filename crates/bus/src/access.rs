//! Who may use a file beside its owner and its group: the access control list of POSIX.1e, which the kernel keeps as an extended
//! attribute (acl(5), `include/uapi/linux/posix_acl_xattr.h`). It needs no privilege of whoever owns the file.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{XattrFlags, fgetxattr, fsetxattr, setxattr};
use rustix::io::{Errno, Result};

const ATTRIBUTE: &str = "system.posix_acl_access";
/// The version that the attribute begins with.
const VERSION: u32 = 2;
/// What stands for no user and no group.
const NOBODY: u32 = u32::MAX;
/// A list of this many bytes has about a hundred entries, more than any file's.
const SIZE_LIMIT: usize = 1024;

const USER_OBJECT: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJECT: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// One more who may use a file. Rights are bits as in a mode: 4 reads, 2 writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// A user, by number.
    User(u32),
    /// A group, by number.
    Group(u32),
}

/// Lets the file's owner use it as `owner` says, `guest` as `rights` says, its group not at all, and all others as `others` says.
///
/// # Errors
/// When the file is another's, or its file system keeps no such lists.
pub fn admit(path: &Path, owner: u16, guest: Guest, rights: u16, others: u16) -> Result<()> {
    setxattr(path, ATTRIBUTE, &list(owner, guest, rights, others), XattrFlags::empty())
}

/// The same for an open file.
///
/// # Errors
/// As [`admit`].
pub fn admit_to(file: impl AsFd, owner: u16, guest: Guest, rights: u16, others: u16) -> Result<()> {
    fsetxattr(file, ATTRIBUTE, &list(owner, guest, rights, others), XattrFlags::empty())
}

/// The list of an open file, to be given to another; `None` where it has none beside its mode.
///
/// # Errors
/// When it cannot be read.
pub fn list_of(file: impl AsFd) -> Result<Option<Vec<u8>>> {
    let mut list = vec![0; SIZE_LIMIT];
    match fgetxattr(file, ATTRIBUTE, &mut list) {
        Ok(length) => {
            list.truncate(length);
            Ok(Some(list))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives an open file the list of another.
///
/// # Errors
/// When the file is another's, or its file system keeps no such lists.
pub fn give(file: impl AsFd, list: &[u8]) -> Result<()> {
    fsetxattr(file, ATTRIBUTE, list, XattrFlags::empty())
}

/// The entries in the order that the kernel wants, with the mask that lets all of them be as they are.
fn list(owner: u16, guest: Guest, rights: u16, others: u16) -> Vec<u8> {
    let mut entries = vec![(USER_OBJECT, owner, NOBODY)];
    match guest {
        Guest::User(user) => entries.extend([(USER, rights, user), (GROUP_OBJECT, 0, NOBODY)]),
        Guest::Group(group) => entries.extend([(GROUP_OBJECT, 0, NOBODY), (GROUP, rights, group)]),
    }
    entries.extend([(MASK, rights, NOBODY), (OTHER, others, NOBODY)]);
    let mut list = VERSION.to_le_bytes().to_vec();
    for (tag, rights, number) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(rights.to_le_bytes());
        list.extend(number.to_le_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_guest_is_let_in_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        let (first, second) = (File::create(&one).unwrap(), File::create(&other).unwrap());
        match admit(&one, 6, Guest::User(0), 6, 0) {
            Err(Errno::OPNOTSUPP) => return println!("skipped: {} keeps no lists", directory.path().display()),
            done => done.unwrap(),
        }
        assert_eq!(list_of(&second), Ok(None));
        let list = list_of(&first).unwrap().unwrap();
        // The group's bits of the mode are the mask.
        assert_eq!((list.len(), first.metadata().unwrap().permissions().mode() & 0o777), (4 + 5 * 8, 0o660));
        give(&second, &list).unwrap();
        assert_eq!(list_of(&second).unwrap().unwrap(), list);
        admit_to(&second, 6, Guest::Group(7), 4, 4).unwrap();
        assert_eq!(second.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    }
}
