//! `fd://N`: a listening socket that this process was started with, by systemd or by a parent of ours.
//!
//! The number names a descriptor that nothing in this process owns. It is duplicated by sending it to ourselves (unix(7),
//! SCM_RIGHTS), which gives an owned descriptor, close-on-exec, with no `unsafe`. pidfd_getfd(2) would be shorter, and is
//! forbidden in most sandboxes, systemd's `@system-service` among them. The original is marked close-on-exec too, so that
//! workers do not inherit it. The socket is never shut down and its file never unlinked: it is its maker's.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use rustix::fs::{FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, fstat, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, recvmsg, sockopt};
use sendfd::SendWithFd;

use crate::bound::{Bound, SocketFile};
use crate::error::Problem;

/// Takes over descriptor `number` if it is a listening stream socket.
pub(crate) fn take(number: u32) -> Result<Bound, Problem> {
    let bound = adopt(number, duplicate(number)?)?;
    keep_from_children(number);
    Ok(bound)
}

/// Takes a socket that was passed to this process as descriptor `number`, as by systemd. It is never shut down, and its file never unlinked: it is
/// its maker's.
///
/// # Errors
/// When it is not a stream socket that listens.
pub fn adopt(number: u32, socket: OwnedFd) -> Result<Bound, Problem> {
    let family = check(number, &socket)?;
    let flags = fcntl_getfl(&socket).map_err(Problem::system("fcntl"))?;
    // The flag is shared by all holders: it is set once, and left.
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(&socket, flags | OFlags::NONBLOCK).map_err(Problem::system("fcntl"))?;
    }
    if family == AddressFamily::UNIX {
        let listener = std::os::unix::net::UnixListener::from(socket);
        let name = unix_name(&listener).unwrap_or_else(|| format!("fd://{number}"));
        return Ok(Bound::unix(listener, name, None).shared());
    }
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().map_err(|error| Problem::System { action: "getsockname", error })?;
    Ok(Bound::tcp(listener, address).shared())
}

/// Takes over a socket from a process of ours that served before, and with it the duty to remove its file, if there is one. The descriptor
/// itself is closed. `is_shared` says that somebody else goes on listening on it as well.
///
/// # Errors
/// When the descriptor is not what it should be.
pub fn take_over(number: u32, file: Option<PathBuf>, is_shared: bool) -> Result<Bound, Problem> {
    let bound = take(number)?;
    let bound = if is_shared { bound } else { bound.alone() };
    // Else the socket would go on listening when all that is known of it is closed.
    if let Ok(original) = i32::try_from(number) {
        nix::unistd::close(original).map_err(|error| Problem::System { action: "close", error: error.into() })?;
    }
    let Some(path) = file else { return Ok(bound) };
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = open(&path, flags, Mode::empty()).map_err(Problem::system("opening the socket's file"))?;
    Ok(bound.with_file(SocketFile { path, file, is_given_away: AtomicBool::new(false) }))
}

fn duplicate(number: u32) -> Result<OwnedFd, Problem> {
    let refused = |error: io::Error| match Errno::from_io_error(&error) {
        Some(Errno::BADF) => Problem::NotOpen(number),
        _ => Problem::System { action: "duplicating the descriptor", error },
    };
    let raw = i32::try_from(number).map_err(|_| Problem::NotOpen(number))?;
    let (sender, receiver) = UnixDatagram::pair().map_err(refused)?;
    sender.send_with_fd(b"1", &[raw]).map_err(refused)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&receiver, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(|error| refused(error.into()))?;
    let mut received = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    // The kernel leaves it out when this process may open no more.
    received.next().ok_or_else(|| refused(Errno::MFILE.into()))
}

/// That it is a socket, of a family and type we can serve, and listens.
pub(crate) fn check(number: u32, socket: &OwnedFd) -> Result<AddressFamily, Problem> {
    let unfit = |found: &str| Problem::NotAListener { number, found: found.to_owned() };
    let kind = FileType::from_raw_mode(fstat(socket).map_err(Problem::system("fstat"))?.st_mode);
    if kind != FileType::Socket {
        return Err(unfit(match kind {
            FileType::RegularFile => "a regular file",
            FileType::Directory => "a directory",
            FileType::Fifo => "a pipe",
            FileType::CharacterDevice => "a terminal or another device",
            _ => "no socket",
        }));
    }
    let family = sockopt::socket_domain(socket).map_err(Problem::system("SO_DOMAIN"))?;
    if ![AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX].contains(&family) {
        return Err(unfit("a socket of another family"));
    }
    if sockopt::socket_type(socket).map_err(Problem::system("SO_TYPE"))? != SocketType::STREAM {
        return Err(unfit("a datagram or packet socket"));
    }
    if !sockopt::socket_acceptconn(socket).map_err(Problem::system("SO_ACCEPTCONN"))? {
        return Err(unfit("a stream socket that does not listen"));
    }
    Ok(family)
}

/// Marks `number` itself close-on-exec. The call works on all numbers from `number` on, so those above are named as
/// exceptions: what the caller wants to pass to children is its own affair.
fn keep_from_children(number: u32) {
    let Ok(number) = i32::try_from(number) else {
        return;
    };
    let Ok(open) = fs::read_dir("/proc/self/fd") else {
        return;
    };
    let others: Vec<i32> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|other| *other > number)
        .collect();
    close_fds::set_fds_cloexec_threadsafe(number, &others);
}

pub(crate) fn unix_name(listener: &std::os::unix::net::UnixListener) -> Option<String> {
    use std::os::linux::net::SocketAddrExt;
    let address = listener.local_addr().ok()?;
    if let Some(path) = address.as_pathname() {
        return Some(format!("unix:{}", path.display()));
    }
    let name = address.as_abstract_name()?;
    Some(format!("unix:@{}", String::from_utf8_lossy(name)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Taking a descriptor looks at all others of the process: one test at a time.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());

    fn number(descriptor: &impl AsRawFd) -> u32 {
        u32::try_from(descriptor.as_raw_fd()).unwrap()
    }

    fn is_cloexec(descriptor: impl AsFd) -> bool {
        rustix::io::fcntl_getfd(descriptor).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
    }

    #[test]
    fn a_listening_socket_is_taken_and_its_original_kept_from_children() {
        let _turn = ONE_AT_A_TIME.lock();
        let original = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::io::fcntl_setfd(&original, rustix::io::FdFlags::empty()).unwrap();
        let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::io::fcntl_setfd(&neighbour, rustix::io::FdFlags::empty()).unwrap();
        let above = neighbour.as_raw_fd() > original.as_raw_fd();

        let bound = take(number(&original)).unwrap();
        let address = original.local_addr().unwrap();
        assert_eq!(bound.name, format!("http://{address}"));
        assert!(is_cloexec(&bound.listener));
        assert!(is_cloexec(&original));
        assert!(!(above && is_cloexec(&neighbour)));
        let flags = fcntl_getfl(&bound.listener).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK));
        bound.close();
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn an_inherited_socket_file_is_never_unlinked() {
        let _turn = ONE_AT_A_TIME.lock();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let original = UnixListener::bind(&path).unwrap();
        let bound = take(number(&original)).unwrap();
        assert_eq!(bound.name, format!("unix:{}", path.display()));
        assert_eq!(bound.socket_file(), None);
        bound.close();
        assert!(path.exists());
    }

    #[test]
    fn everything_else_is_refused_by_its_name() {
        let file = tempfile::tempfile().unwrap();
        let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        for (number, found) in [
            (number(&file), "a regular file"),
            (number(&datagram), "a datagram or packet socket"),
            (number(&connected), "a stream socket that does not listen"),
            (number(&pipe), "a pipe"),
        ] {
            let message = take(number).unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
            assert!(message.contains(&number.to_string()), "{message}");
        }
        assert!(matches!(take(1_000_000), Err(Problem::NotOpen(1_000_000))));
    }
}
