//! What a descriptor really is, whatever its name says.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{FileType, fcntl_get_seals, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, getsockname, sockopt};

/// What a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A stream socket that listens: what a server accepts connections from.
    Listener(Address),
    /// Another socket: a datagram socket, a connection, another family. In words: "a datagram socket".
    Socket(&'static str),
    /// A file in memory (memfd_create(2)), as the store of descriptors holds.
    Memfd,
    /// A process (pidfd_open(2)).
    Pidfd,
    /// A pipe or FIFO.
    Fifo,
    /// A regular file that has a name (`OpenFile=`, 253).
    File,
    /// Anything else. In words: "a device".
    Other(&'static str),
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A socket file.
    Path(PathBuf),
    /// The abstract namespace of unix(7), without the leading NUL.
    Abstract(Vec<u8>),
    /// A unix socket without a name.
    Unnamed,
}

impl Kind {
    /// Looks at a descriptor.
    ///
    /// # Errors
    /// As fstat(2) and getsockopt(2).
    pub fn of(descriptor: &impl AsFd) -> Result<Self, Errno> {
        let stat = fstat(descriptor)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => socket(descriptor)?,
            FileType::Fifo => Kind::Fifo,
            // Files of a tmpfs answer to seals, too, but have a name.
            FileType::RegularFile if stat.st_nlink == 0 && fcntl_get_seals(descriptor).is_ok() => Kind::Memfd,
            _ if is_pidfd(descriptor) => Kind::Pidfd,
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Other("a directory"),
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("a device"),
            _ => Kind::Other("no file, pipe or socket"),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Listener(address) => write!(formatter, "a listening socket on {address}"),
            Kind::Socket(what) | Kind::Other(what) => formatter.write_str(what),
            Kind::Memfd => formatter.write_str("a file in memory"),
            Kind::Pidfd => formatter.write_str("a process descriptor"),
            Kind::Fifo => formatter.write_str("a pipe"),
            Kind::File => formatter.write_str("a regular file"),
        }
    }
}

/// As settings write it: `127.0.0.1:8000`, `unix:/run/x.sock`, `unix:@name`.
impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(formatter, "{address}"),
            Address::Path(path) => write!(formatter, "unix:{}", path.display()),
            Address::Abstract(name) => write!(formatter, "unix:@{}", name.escape_ascii()),
            Address::Unnamed => formatter.write_str("a unix socket without a name"),
        }
    }
}

fn socket(descriptor: &impl AsFd) -> Result<Kind, Errno> {
    let family = sockopt::socket_domain(descriptor)?;
    if ![AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX].contains(&family) {
        return Ok(Kind::Socket("a socket of another family than TCP and unix"));
    }
    match sockopt::socket_type(descriptor)? {
        SocketType::STREAM => {}
        SocketType::DGRAM => return Ok(Kind::Socket("a datagram socket (ListenDatagram=)")),
        SocketType::SEQPACKET => return Ok(Kind::Socket("a packet socket (ListenSequentialPacket=)")),
        _ => return Ok(Kind::Socket("a raw socket")),
    }
    if !sockopt::socket_acceptconn(descriptor)? {
        return Ok(Kind::Socket("a connection (Accept=yes)"));
    }
    let name = getsockname(descriptor)?;
    if family != AddressFamily::UNIX {
        return Ok(Kind::Listener(Address::Tcp(SocketAddr::try_from(name)?)));
    }
    let name = SocketAddrUnix::try_from(name)?;
    Ok(Kind::Listener(if let Some(path) = name.path() {
        Address::Path(std::ffi::OsString::from_vec(path.to_bytes().to_vec()).into())
    } else if let Some(name) = name.abstract_name() {
        Address::Abstract(name.to_vec())
    } else {
        Address::Unnamed
    }))
}

fn is_pidfd(descriptor: &impl AsFd) -> bool {
    let link = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    // `anon_inode:[pidfd]`, and `pidfd:[INODE]` since Linux 6.9.
    std::fs::read_link(link).is_ok_and(|target| target.to_string_lossy().contains("pidfd"))
}
