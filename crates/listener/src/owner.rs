//! `USER:GROUP` for a socket file, as names or numbers.

use std::str::FromStr;

use nix::unistd::{Group, User};
use thiserror::Error;

/// Who shall own a socket file. Read from `USER`, `USER:GROUP` or `:GROUP`; names are looked up at once, through NSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user id; none leaves the user as it is.
    pub user: Option<u32>,
    /// The group id; none leaves the group as it is.
    pub group: Option<u32>,
}

/// Why a text names no owner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OwnerError {
    /// Nothing was given.
    #[error("an owner is USER, USER:GROUP or :GROUP, each a name or a number")]
    Empty,
    /// `getpwnam` finds nobody.
    #[error("there is no user \"{0}\" on this machine (see: getent passwd)")]
    NoUser(String),
    /// `getgrnam` finds nothing.
    #[error("there is no group \"{0}\" on this machine (see: getent group)")]
    NoGroup(String),
    /// The lookup itself failed.
    #[error("\"{name}\" cannot be looked up: {error}")]
    Lookup {
        /// The user or group.
        name: String,
        /// What the name service said.
        error: nix::Error,
    },
}

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        if user.is_empty() && group.is_empty() {
            return Err(OwnerError::Empty);
        }
        Ok(Owner {
            user: lookup(user, OwnerError::NoUser, |name| Ok(User::from_name(name)?.map(|user| user.uid.as_raw())))?,
            group: lookup(group, OwnerError::NoGroup, |name| {
                Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
            })?,
        })
    }
}

fn lookup(
    name: &str,
    missing: fn(String) -> OwnerError,
    by_name: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Result<Option<u32>, OwnerError> {
    if name.is_empty() {
        return Ok(None);
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        // The highest number means "leave it" to chown(2), so it is nobody's.
        return match name.parse() {
            Ok(u32::MAX) | Err(_) => Err(missing(name.to_owned())),
            Ok(number) => Ok(Some(number)),
        };
    }
    match by_name(name) {
        Ok(Some(number)) => Ok(Some(number)),
        Ok(None) => Err(missing(name.to_owned())),
        Err(error) => Err(OwnerError::Lookup { name: name.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let owner = |user, group| Ok(Owner { user, group });
        assert_eq!("root:root".parse(), owner(Some(0), Some(0)));
        assert_eq!("1000:33".parse(), owner(Some(1000), Some(33)));
        assert_eq!("root".parse(), owner(Some(0), None));
        assert_eq!(":0".parse(), owner(None, Some(0)));
    }

    #[test]
    fn mistakes() {
        assert_eq!("".parse::<Owner>(), Err(OwnerError::Empty));
        assert_eq!(":".parse::<Owner>(), Err(OwnerError::Empty));
        assert_eq!("no-such-user-here".parse::<Owner>(), Err(OwnerError::NoUser("no-such-user-here".into())));
        assert_eq!("root:no-such-group".parse::<Owner>(), Err(OwnerError::NoGroup("no-such-group".into())));
        assert!("4294967295".parse::<Owner>().is_err());
        assert!("99999999999".parse::<Owner>().is_err());
    }
}
