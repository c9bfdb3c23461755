//! The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): entries of fields, as datagrams.
//!
//! An entry is a list of `NAME=value`; a value may have many lines, so that a traceback is one entry. What does not fit into
//! a datagram goes as a sealed file in memory. Nothing here waits: what the journal does not take at once is an error, and the
//! caller has another place for it.

mod entry;
mod message_id;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, socket_with};

pub use entry::{Entry, Priority};
pub use message_id::MessageId;

use crate::Environment;
use crate::notify::send_to;

/// Where the journal listens. A service with `LogNamespace=` finds its own journal's socket mounted here.
const SOCKET: &str = "/run/systemd/journal/socket";

/// A way to the journal.
#[derive(Debug)]
pub struct Journal {
    socket: OwnedFd,
    address: SocketAddrUnix,
}

/// Whether `stream`, such as standard error, goes to the journal: `JOURNAL_STREAM` names its device and inode
/// (systemd.exec(5), since 231).
pub fn is_journal(environment: &Environment, stream: impl AsFd) -> bool {
    let named = environment.get("JOURNAL_STREAM").and_then(|value| value.to_str()?.split_once(':'));
    let (Some((device, inode)), Ok(stat)) = (named, fstat(stream)) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

impl Journal {
    /// The journal of this machine or namespace. Whether it runs shows when something is sent.
    ///
    /// # Errors
    /// No socket can be made.
    pub fn open() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    /// The journal that listens on `path`.
    ///
    /// # Errors
    /// No socket can be made, or the path is too long for one.
    pub fn at(path: &Path) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        Ok(Self { socket, address: SocketAddrUnix::new(PathBuf::from(path))? })
    }

    /// Sends one entry. It arrives whole or not at all.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the journal is behind; others when it does not run or no memory is left.
    pub fn send(&self, entry: &Entry) -> io::Result<()> {
        match send_to(&self.socket, &self.address, entry.as_bytes(), &[], SendFlags::DONTWAIT) {
            // Larger than a datagram can be.
            Err(Errno::MSGSIZE | Errno::NOBUFS) => self.send_as_file(entry),
            other => Ok(other?),
        }
    }

    fn send_as_file(&self, entry: &Entry) -> io::Result<()> {
        let mut file = File::from(memfd_create("journal-entry", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(entry.as_bytes())?;
        // The journal maps what cannot change any more.
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        Ok(send_to(&self.socket, &self.address, &[], &[file.as_fd()], SendFlags::DONTWAIT)?)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
