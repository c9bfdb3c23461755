//! Why an address cannot be listened on, in words that say what to do next.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::address::AddressError;
use crate::holder::Holder;

/// One address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {problem}")]
pub struct BindError {
    /// As it was given.
    pub address: String,
    /// What is wrong. Its message, with the cause, is part of this error's own.
    pub problem: Problem,
}

/// What is wrong with an address.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is no address.
    #[error("{0}")]
    Syntax(AddressError),
    /// The same address stands twice in the list.
    #[error("it is given twice")]
    Twice,
    /// The resolver knows no such host.
    #[error("the host name \"{host}\" cannot be resolved: {error}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },
    /// Somebody else listens on the port.
    #[error("the port is in use by {0}")]
    PortInUse(Holder),
    /// Somebody answers on the unix socket.
    #[error("it is in use by {0}")]
    SocketInUse(Holder),
    /// A port that needs a privilege.
    #[error(
        "ports below {first_free} need the capability CAP_NET_BIND_SERVICE: choose another port, or let systemd open \
         it (a socket unit), or put AmbientCapabilities=CAP_NET_BIND_SERVICE into the service"
    )]
    Privileged {
        /// The first port that needs none (sysctl `net.ipv4.ip_unprivileged_port_start`).
        first_free: u16,
    },
    /// No interface has the address.
    #[error("no interface of this machine has the address {0} (see: ip address)")]
    NoSuchInterface(IpAddr),
    /// Something that is no socket is in the way. It is never deleted.
    #[error("{path} exists and is {kind}, not a socket: remove it, or choose another path")]
    NotASocket {
        /// The path, absolute.
        path: PathBuf,
        /// "a regular file" and so on.
        kind: &'static str,
    },
    /// The directory of the socket file is missing.
    #[error("the directory {0} does not exist: create it (under systemd: RuntimeDirectory=)")]
    NoDirectory(PathBuf),
    /// The directory of the socket file is something else.
    #[error("{0} is not a directory")]
    NotADirectory(PathBuf),
    /// The directory, or the socket that is there, is not ours to use.
    #[error("no permission to {action} {path} as user {user}")]
    NoPermission {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The effective user id of this process.
        user: u32,
    },
    /// The file system cannot be written.
    #[error("{0} is on a file system that is mounted read-only")]
    ReadOnly(PathBuf),
    /// The owner cannot be set.
    #[error(
        "user {user} may not give the socket to owner {wanted}: only root may give files away, others only to groups \
         they belong to"
    )]
    Owner {
        /// The effective user id of this process.
        user: u32,
        /// `UID:GID`, as asked.
        wanted: String,
    },
    /// A unix address holds at most 107 bytes (unix(7)).
    #[error("it is {length} bytes long, more than the 107 that a unix socket's address can hold")]
    TooLong {
        /// Of the absolute path or the name.
        length: usize,
    },
    /// Another server is just taking the same path.
    #[error("another process has locked {0} for seconds: it may be starting on the same path")]
    Locked(PathBuf),
    /// `fd://N` with nothing at N.
    #[error("this process was started without an open descriptor {0}")]
    NotOpen(u32),
    /// `fd://N` is no listening stream socket.
    #[error("descriptor {number} is {found}, not a listening TCP or unix stream socket")]
    NotAListener {
        /// N.
        number: u32,
        /// What it is instead.
        found: String,
    },
    /// Anything else that the system says.
    #[error("{action}: {error}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl Problem {
    /// The number that errno(3) has for it, where it has one.
    pub fn errno(&self) -> Option<i32> {
        use rustix::io::Errno;
        let errno = match self {
            Self::System { error, .. } | Self::Unresolved { error, .. } => return error.raw_os_error(),
            Self::PortInUse(_) | Self::SocketInUse(_) | Self::Twice => Errno::ADDRINUSE,
            Self::Privileged { .. } | Self::NoPermission { .. } => Errno::ACCESS,
            Self::NoSuchInterface(_) => Errno::ADDRNOTAVAIL,
            Self::NotASocket { .. } | Self::NotAListener { .. } => Errno::NOTSOCK,
            Self::NoDirectory(_) => Errno::NOENT,
            Self::NotADirectory(_) => Errno::NOTDIR,
            Self::ReadOnly(_) => Errno::ROFS,
            Self::Owner { .. } => Errno::PERM,
            Self::TooLong { .. } => Errno::NAMETOOLONG,
            Self::Locked(_) => Errno::WOULDBLOCK,
            Self::NotOpen(_) => Errno::BADF,
            Self::Syntax(_) => Errno::INVAL,
        };
        Some(errno.raw_os_error())
    }

    pub(crate) fn system(action: &'static str) -> impl Fn(rustix::io::Errno) -> Problem {
        move |error| Problem::System { action, error: error.into() }
    }
}
