//! Notification of the service manager (sd_notify(3)), and its watchdog (sd_watchdog_enabled(3)).
//!
//! A message is one datagram of lines `NAME=value` to the socket that `NOTIFY_SOCKET` names, with up to 253 descriptors.
//! The manager does not answer. Only the main process may speak (`NotifyAccess=main`).

mod barrier;
mod state;
mod watchdog;

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    sendmsg_addr, socket_with,
};
use rustix::process::Pid;
use thiserror::Error;

pub use state::State;
pub use watchdog::Watchdog;

use crate::Environment;
use crate::store::StoreName;

/// How many descriptors one datagram carries (`SCM_MAX_FD`).
pub const MOST_DESCRIPTORS: usize = 253;

/// How long a message may wait for a manager that does not read, as while it executes itself anew.
const SEND_LIMIT: Duration = Duration::from_secs(5);

/// The way to the service manager. Without one, all calls do nothing.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<Socket>,
}

#[derive(Debug)]
struct Socket {
    descriptor: OwnedFd,
    manager: SocketAddrUnix,
}

/// Why the manager cannot be told something.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// `NOTIFY_SOCKET` names no socket that can be reached.
    #[error("NOTIFY_SOCKET is \"{address}\": {reason}")]
    Address {
        /// Its value.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No socket can be made.
    #[error("no socket to notify systemd with: {0}")]
    Socket(#[source] io::Error),
    /// The message was not taken.
    #[error("systemd cannot be told {message}: {source}")]
    Send {
        /// The message's first line.
        message: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// More descriptors than one message carries.
    #[error("{0} descriptors for the store in one message, of which {MOST_DESCRIPTORS} fit")]
    TooManyDescriptors(usize),
    /// The manager did not read everything in time.
    #[error("systemd did not process the messages within {0:?}")]
    NotProcessed(Duration),
}

impl Notifier {
    /// The manager that `NOTIFY_SOCKET` names.
    ///
    /// # Errors
    /// The variable names no unix socket, or no socket can be made.
    pub fn from(environment: &Environment) -> Result<Self, NotifyError> {
        let Some(address) = environment.get("NOTIFY_SOCKET") else { return Ok(Self::none()) };
        let manager = address_of(address)?;
        let descriptor = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
            .map_err(|error| NotifyError::Socket(error.into()))?;
        set_socket_timeout(&descriptor, Timeout::Send, Some(SEND_LIMIT))
            .map_err(|error| NotifyError::Socket(error.into()))?;
        Ok(Self { socket: Some(Socket { descriptor, manager }) })
    }

    /// No manager: nothing is sent.
    pub const fn none() -> Self {
        Self { socket: None }
    }

    /// Whether there is a manager that listens.
    pub fn is_active(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends `states` in one message. May wait five seconds for a manager that is busy.
    ///
    /// # Errors
    /// The manager is gone, or did not read in time.
    pub fn send(&self, states: &[State<'_>]) -> Result<(), NotifyError> {
        if self.socket.is_none() || states.is_empty() {
            return Ok(());
        }
        self.deliver(&state::text(states), &[])
    }

    /// Says that process `pid` is the main one from now on, as in an upgrade in place. The process must be in the unit's control
    /// group. Its pidfd is not sent along (`MAINPIDFD=1`, since 257): managers before warn of each descriptor that they do not
    /// expect, and the number of a child of theirs, as a successor is, goes to no other process before they have collected it.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn main_process(&self, pid: Pid) -> Result<(), NotifyError> {
        self.deliver(&format!("MAINPID={}\n", pid.as_raw_nonzero()), &[])
    }

    /// Puts descriptors into the store of the service under one name (`FileDescriptorStoreMax=`). They come back at the next
    /// start. The manager does not say whether it took them. It removes those that report an error or hang up, unless
    /// `keep_broken` (`FDPOLL=0`, since 246).
    ///
    /// # Errors
    /// As [`Notifier::send`]; [`NotifyError::TooManyDescriptors`].
    pub fn store(
        &self,
        name: &StoreName,
        descriptors: &[BorrowedFd<'_>],
        keep_broken: bool,
    ) -> Result<(), NotifyError> {
        if descriptors.len() > MOST_DESCRIPTORS {
            return Err(NotifyError::TooManyDescriptors(descriptors.len()));
        }
        if descriptors.is_empty() {
            return Ok(());
        }
        let poll = if keep_broken { "FDPOLL=0\n" } else { "" };
        self.deliver(&format!("FDSTORE=1\nFDNAME={name}\n{poll}"), descriptors)
    }

    /// Removes from the store all descriptors of a name, as it came back from there.
    ///
    /// # Errors
    /// As [`Notifier::send`].
    pub fn remove_stored(&self, name: &str) -> Result<(), NotifyError> {
        // A name with a newline would be further lines of the message; no stored name has one.
        let name: String = name.chars().filter(|character| !character.is_control()).collect();
        self.deliver(&format!("FDSTOREREMOVE=1\nFDNAME={name}\n"), &[])
    }

    /// Waits until the manager has processed all that was sent before (`BARRIER=1`, since 246), at most `limit`.
    ///
    /// # Errors
    /// As [`Notifier::send`]; [`NotifyError::NotProcessed`].
    pub fn barrier(&self, limit: Duration) -> Result<(), NotifyError> {
        if self.socket.is_none() {
            return Ok(());
        }
        let barrier = barrier::Barrier::new()?;
        self.deliver("BARRIER=1\n", &[barrier.theirs()])?;
        barrier.wait(limit)
    }

    fn deliver(&self, text: &str, descriptors: &[BorrowedFd<'_>]) -> Result<(), NotifyError> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let sent = send_to(&socket.descriptor, &socket.manager, text.as_bytes(), descriptors, SendFlags::empty());
        sent.map_err(|error| NotifyError::Send {
            message: text.lines().next().unwrap_or_default().to_owned(),
            source: match error {
                // What the limit on sending gives; "try again" would say nothing.
                Errno::AGAIN => io::Error::new(io::ErrorKind::TimedOut, "it did not read for five seconds"),
                error => error.into(),
            },
        })
    }
}

/// One datagram with descriptors. Datagrams go whole or not at all.
pub(crate) fn send_to(
    socket: &OwnedFd,
    to: &SocketAddrUnix,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOBIG);
    }
    let flags = flags | SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| sendmsg_addr(socket, to, &[IoSlice::new(bytes)], &mut control, flags))?;
    Ok(())
}

fn address_of(address: &OsStr) -> Result<SocketAddrUnix, NotifyError> {
    let bytes = address.as_bytes();
    let wrong = |reason| NotifyError::Address { address: address.to_string_lossy().into_owned(), reason };
    let made = match bytes {
        [b'@', name @ ..] if !name.is_empty() => SocketAddrUnix::new_abstract_name(name),
        [b'/', _, ..] => SocketAddrUnix::new(bytes),
        _ if bytes.starts_with(b"vsock") => return Err(wrong("sockets of virtual machines (vsock) are not spoken")),
        _ => return Err(wrong("neither an absolute path nor an abstract name that begins with @")),
    };
    made.map_err(|_| wrong("longer than a unix socket's address can be"))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
