//! Descriptors that systemd passed at the start (sd_listen_fds(3)).
//!
//! Descriptors 3, 4, … are passed, `LISTEN_FDS` of them, named by `LISTEN_FDNAMES`. They are ours only if `LISTEN_PID` is
//! our process id, and `LISTEN_PIDFDID` (since 259), where it is set, the inode of our pidfd: a process that merely
//! inherited the variables must not touch what it has at these numbers.
//!
//! The order says little (stored descriptors come last, several socket units in any order), so each is told apart by its
//! name and by what it is ([`Kind`]). A passed listener is a duplicate of systemd's own: it is never shut down and its file
//! never unlinked.

mod adopt;
mod claim;
mod kind;

use std::os::fd::OwnedFd;

use rustix::fs::{fstat, fstatfs};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use thiserror::Error;

pub(crate) use adopt::adopt;
pub use claim::{Claim, ClaimError, Purpose, claim};
pub use kind::{Address, Kind};

use crate::{Environment, VariableError};

/// The first number of a passed descriptor (`SD_LISTEN_FDS_START`).
const FIRST: u32 = 3;

/// More are not taken: the default limit of open files of a service is 524288, its soft limit 1024.
const MOST: u64 = 1024;

/// The file system of pidfds, since Linux 6.9; before, all of them have the same inode.
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// One descriptor that systemd passed.
#[derive(Debug)]
pub struct Passed {
    /// Its number when it was passed, for settings that say `fd://N`. Nothing is open there any more.
    pub number: u32,
    /// `FileDescriptorName=` of the socket unit, or the unit's own name; the `FDNAME` of a stored one; else `unknown`.
    pub name: String,
    /// The descriptor, close-on-exec.
    pub descriptor: OwnedFd,
    /// What it is.
    pub kind: Kind,
}

/// Why what was passed cannot be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// A variable makes no sense.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// More descriptors than anybody passes.
    #[error("LISTEN_FDS says that {0} descriptors were passed, more than {MOST}")]
    TooMany(u64),
    /// There are not as many names as descriptors.
    #[error("LISTEN_FDNAMES has {names} names for {descriptors} descriptors (LISTEN_FDS)")]
    Names {
        /// How many names.
        names: usize,
        /// How many descriptors.
        descriptors: usize,
    },
    /// A number is not open.
    #[error(
        "LISTEN_FDS says that {count} descriptors were passed, but descriptor {number} is not open: something between \
         systemd and this program closed it (a wrapper in ExecStart=?)"
    )]
    NotOpen {
        /// Which number.
        number: u32,
        /// How many should be there.
        count: usize,
    },
    /// The system refused something.
    #[error("passed descriptor {number}: {action}: {source}")]
    System {
        /// The number.
        number: u32,
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// Takes over all descriptors that were passed to this process; none when none were.
///
/// To be called once, before this process opens descriptors and before it starts children. Each is moved to another
/// number, close-on-exec, and its old number closed. Flags that all holders share, such as `O_NONBLOCK`, are left alone.
///
/// # Errors
/// The variables contradict each other or what is open. Nothing was closed then.
pub fn receive(environment: &Environment) -> Result<Vec<Passed>, ReceiveError> {
    let names = names(environment, getpid().as_raw_nonzero().get().unsigned_abs().into(), pidfd_inode)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let descriptors = adopt(FIRST, names.len())?;
    let mut passed = Vec::with_capacity(names.len());
    for ((number, name), descriptor) in (FIRST..).zip(names).zip(descriptors) {
        let kind = Kind::of(&descriptor).map_err(|error| ReceiveError::System {
            number,
            action: "what it is cannot be told",
            source: error.into(),
        })?;
        passed.push(Passed { number, name, descriptor, kind });
    }
    Ok(passed)
}

/// The names of the descriptors that were passed to process `pid`.
fn names(
    environment: &Environment,
    pid: u64,
    pidfd_inode: impl FnOnce() -> Option<u64>,
) -> Result<Vec<String>, ReceiveError> {
    let Some(count) = environment.number("LISTEN_FDS")? else { return Ok(Vec::new()) };
    if environment.number("LISTEN_PID")? != Some(pid) {
        return Ok(Vec::new());
    }
    if let Some(meant) = environment.number("LISTEN_PIDFDID")?
        && pidfd_inode().is_some_and(|ours| ours != meant)
    {
        return Ok(Vec::new());
    }
    if count > MOST {
        return Err(ReceiveError::TooMany(count));
    }
    let count = usize::try_from(count).map_err(|_| ReceiveError::TooMany(count))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let Some(names) = environment.text("LISTEN_FDNAMES")? else { return Ok(vec!["unknown".to_owned(); count]) };
    let names: Vec<String> = names.split(':').map(str::to_owned).collect();
    if names.len() != count {
        return Err(ReceiveError::Names { names: names.len(), descriptors: count });
    }
    Ok(names)
}

/// The inode of our own pidfd, where it tells processes apart.
fn pidfd_inode() -> Option<u64> {
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let system = u64::try_from(fstatfs(&pidfd).ok()?.f_type).ok()?;
    (system == PIDFS_MAGIC).then(|| fstat(&pidfd).ok().map(|stat| stat.st_ino)).flatten()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
