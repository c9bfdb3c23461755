//! The store of descriptors that the service manager keeps for a service over restarts and crashes
//! (`FileDescriptorStoreMax=`, systemd.service(5)): what goes in, and what comes back.
//!
//! What comes back stands among the passed descriptors, told apart by its name only. Ours are named `hostler.VERSION.WHAT`,
//! where the version is of the thing's form. What another version of Hostler left there is removed, as the manager would
//! pass it again at each start. [`Blob`] is a file for the store that survives a process that is killed as it writes.

mod blob;

use std::fmt;
use std::os::fd::OwnedFd;

use thiserror::Error;

pub use blob::{Blob, BlobError};

use crate::sockets::{self, Passed, ReceiveError};

/// The version of what this Hostler stores. Raised when the meaning of a stored thing changes.
const VERSION: u32 = 1;

/// What all our names begin with.
const PREFIX: &str = "hostler.";

/// The name that the manager gives to what was stored without one.
const UNNAMED: &str = "stored";

/// A name has at most so many bytes (sd_pid_notify_with_fds(3), `FDNAME`).
const NAME_LIMIT: usize = 255;

/// The name of a thing in the store, written `hostler.1.statistics`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreName {
    what: String,
}

/// A name that the store does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{}\" cannot be a name in systemd's store: printable ASCII without a colon, 1 to {} bytes", .0.escape_default(),
    NAME_LIMIT - StoreName::start().len())]
pub struct NameError(String);

/// What came back from the store, and what did not come from there.
#[derive(Debug, Default)]
pub struct Sorted {
    /// What this version stored. Several things may have the same name.
    pub stored: Vec<(StoreName, Passed)>,
    /// What another version stored, or nobody knows: to be removed by name
    /// ([`Notifier::remove_stored`](crate::notify::Notifier::remove_stored)).
    pub unknown: Vec<Passed>,
    /// What socket units passed.
    pub sockets: Vec<Passed>,
}

impl StoreName {
    /// The name of `what`.
    ///
    /// # Errors
    /// The manager would refuse it.
    pub fn new(what: &str) -> Result<Self, NameError> {
        let fits = (1..=NAME_LIMIT - Self::start().len()).contains(&what.len());
        let plain = what.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b':');
        if fits && plain { Ok(Self { what: what.to_owned() }) } else { Err(NameError(what.to_owned())) }
    }

    /// Without prefix and version.
    pub fn what(&self) -> &str {
        &self.what
    }

    fn start() -> String {
        format!("{PREFIX}{VERSION}.")
    }

    fn read(name: &str) -> Option<Self> {
        Self::new(name.strip_prefix(&Self::start())?).ok()
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", Self::start(), self.what)
    }
}

/// Takes over a stored thing that a process of ours passed on by its number, as its successor. The number itself is closed.
///
/// # Errors
/// No such descriptor is open.
pub fn inherited(number: u32) -> Result<OwnedFd, ReceiveError> {
    let adopted = sockets::adopt(number, 1)?;
    adopted.into_iter().next().ok_or(ReceiveError::NotOpen { number, count: 1 })
}

/// Tells what came from the store from what socket units passed. `known` says whether the caller can use a thing.
pub fn sort(passed: Vec<Passed>, known: impl Fn(&StoreName) -> bool) -> Sorted {
    let mut sorted = Sorted::default();
    for one in passed {
        if one.name != UNNAMED && !one.name.starts_with(PREFIX) {
            sorted.sockets.push(one);
        } else if let Some(name) = StoreName::read(&one.name).filter(&known) {
            sorted.stored.push((name, one));
        } else {
            sorted.unknown.push(one);
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::os::fd::{AsFd, IntoRawFd};

    use super::*;
    use crate::sockets::Kind;

    fn passed(name: &str) -> Passed {
        let (descriptor, _) = rustix::pipe::pipe().unwrap();
        Passed { number: 3, name: name.to_owned(), descriptor, kind: Kind::Fifo }
    }

    #[test]
    fn what_comes_back_is_sorted_by_its_name() {
        let names =
            ["http", "hostler.1.statistics", "hostler.2.statistics", "hostler.1.odd", "stored", "hostler@x.socket"];
        let sorted = sort(names.into_iter().map(passed).collect(), |name| name.what() == "statistics");
        let of = |all: &[Passed]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(of(&sorted.sockets), ["http", "hostler@x.socket"]);
        assert_eq!(of(&sorted.unknown), ["hostler.2.statistics", "hostler.1.odd", "stored"]);
        assert_eq!(sorted.stored.len(), 1);
        assert_eq!(sorted.stored[0].0, StoreName::new("statistics").unwrap());
    }

    #[test]
    fn what_is_passed_on_by_its_number_is_owned() {
        let mut blob = Blob::create("passed on", 10).unwrap();
        blob.write(b"value").unwrap();
        let number = blob.as_fd().try_clone_to_owned().unwrap().into_raw_fd().unsigned_abs();
        assert_eq!(Blob::open(inherited(number).unwrap()).unwrap().1.unwrap(), b"value");
        assert!(inherited(4_000_000).is_err());
    }

    #[test]
    fn names_that_the_manager_refuses_are_refused_here() {
        for bad in ["", "a:b", "a\nb", "é", &"x".repeat(246)] {
            assert!(StoreName::new(bad).is_err(), "{bad}");
        }
        assert_eq!(StoreName::new(&"x".repeat(245)).unwrap().to_string().len(), NAME_LIMIT);
    }

    proptest! {
        #[test]
        fn names_come_back_as_they_were(what in "[ -9;-~]{1,245}") {
            let name = StoreName::new(&what).unwrap();
            prop_assert_eq!(StoreName::read(&name.to_string()), Some(name));
        }
    }
}
