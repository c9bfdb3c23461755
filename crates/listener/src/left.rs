//! Sockets that a process before this one left listening, in the hands of whoever started both: what is bound again to the same address goes on
//! with them. Who connected in between waits in their backlog.
//!
//! A TCP socket and an abstract name are found by their address. A socket file is found by what it is, and not by its path: the kernel tells
//! the path that it was made at, which is another (see [`crate::unix`]). As long as its socket lives no other file gets its number.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::fs::{AtFlags, CWD, OFlags, Stat, fcntl_getfl, fcntl_setfl, statat, unlinkat};
use rustix::net::{AddressFamily, sockopt};

use crate::error::Problem;
use crate::inherited::{check, unix_name};
use crate::unix::made_for;

/// Sockets that are left, and not used again yet.
#[derive(Debug, Default)]
pub struct Left(Vec<LeftSocket>);

#[derive(Debug)]
struct LeftSocket {
    name: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener, Option<FileId>),
}

/// A socket that was given up.
#[derive(Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// What whoever holds it as well calls it.
    pub name: String,
    /// Where it listened, as [`Bound::name`](crate::Bound::name) shows it.
    pub address: String,
}

/// Which file a socket file is: `DEVICE-INODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.device, self.inode)
    }
}

impl FromStr for FileId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (device, inode) = text.split_once('-').ok_or(())?;
        Ok(Self { device: device.parse().map_err(|_| ())?, inode: inode.parse().map_err(|_| ())? })
    }
}

impl Left {
    /// Takes in a socket. `name` is what whoever holds it as well calls it; `number` is for messages.
    ///
    /// # Errors
    /// When it is not a stream socket that listens.
    pub fn add(&mut self, name: String, number: u32, socket: OwnedFd, file: Option<FileId>) -> Result<(), Problem> {
        let family = check(number, &socket)?;
        let flags = fcntl_getfl(&socket).map_err(Problem::system("fcntl"))?;
        if !flags.contains(OFlags::NONBLOCK) {
            fcntl_setfl(&socket, flags | OFlags::NONBLOCK).map_err(Problem::system("fcntl"))?;
        }
        let kind = match family {
            AddressFamily::UNIX => Kind::Unix(socket.into(), file),
            _ => Kind::Tcp(socket.into()),
        };
        self.0.push(LeftSocket { name, kind });
        Ok(())
    }

    /// The one that listens on exactly this address; `v6_only` counts for IPv6.
    pub(crate) fn take_tcp(&mut self, address: SocketAddr, v6_only: bool) -> Option<(String, TcpListener)> {
        let found = self.0.iter().position(|left| match &left.kind {
            Kind::Tcp(listener) => {
                let fits = !address.is_ipv6() || sockopt::ipv6_v6only(listener) == Ok(v6_only);
                fits && listener.local_addr().is_ok_and(|own| own == address)
            }
            Kind::Unix(..) => false,
        });
        match self.0.swap_remove(found?) {
            LeftSocket { name, kind: Kind::Tcp(listener) } => Some((name, listener)),
            LeftSocket { .. } => None,
        }
    }

    /// The one of an abstract name.
    pub(crate) fn take_abstract(&mut self, wanted: &[u8]) -> Option<(String, UnixListener)> {
        self.take_unix(|listener, _| {
            listener.local_addr().is_ok_and(|own| own.as_abstract_name().is_some_and(|own| own == wanted))
        })
    }

    /// The one whose socket file this is.
    pub(crate) fn take_file(&mut self, file: FileId) -> Option<(String, UnixListener)> {
        self.take_unix(|_, own| *own == Some(file))
    }

    fn take_unix(&mut self, fits: impl Fn(&UnixListener, &Option<FileId>) -> bool) -> Option<(String, UnixListener)> {
        let found = self.0.iter().position(|left| match &left.kind {
            Kind::Unix(listener, file) => fits(listener, file),
            Kind::Tcp(_) => false,
        });
        match self.0.swap_remove(found?) {
            LeftSocket { name, kind: Kind::Unix(listener, _) } => Some((name, listener)),
            LeftSocket { .. } => None,
        }
    }

    /// Gives up what was not used again: closed, and its socket files removed. Returns which; whoever holds the sockets as well is to be told.
    #[must_use]
    pub fn give_up(self) -> Vec<GivenUp> {
        let given_up = |LeftSocket { name, kind }| {
            let address = shown(&kind);
            if let Kind::Unix(listener, Some(file)) = &kind {
                remove(listener, *file);
            }
            GivenUp { name, address }
        };
        self.0.into_iter().map(given_up).collect()
    }
}

fn shown(kind: &Kind) -> String {
    let address = match kind {
        Kind::Tcp(listener) => listener.local_addr().ok().map(|address| format!("http://{address}")),
        Kind::Unix(listener, None) => unix_name(listener),
        Kind::Unix(listener, Some(_)) => file_of(listener).map(|path| format!("unix:{}", path.display())),
    };
    address.unwrap_or_else(|| "an address that the system does not tell".to_owned())
}

/// Where the file of a socket was put.
fn file_of(listener: &UnixListener) -> Option<PathBuf> {
    made_for(listener.local_addr().ok()?.as_pathname()?)
}

/// Removes the file of a socket, where it still is that.
fn remove(listener: &UnixListener, file: FileId) {
    let Some(path) = file_of(listener) else { return };
    if statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| FileId::of(&stat) == file) {
        // A failure leaves a file on which nobody answers, which the next server takes over.
        let _ = unlinkat(CWD, &path, AtFlags::empty());
    }
}

/// Makes the backlog of a socket that listens another.
pub(crate) fn set_backlog(listener: &impl AsFd, backlog: i32) -> Result<(), Problem> {
    rustix::net::listen(listener, backlog).map_err(Problem::system("listen"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{Bound, Options, bind_again, bind_all};

    fn bind(address: &str, left: &mut Left) -> Bound {
        let bound = bind_again(&[address.to_owned()], &Options::default(), left).unwrap();
        bound.into_iter().next().unwrap()
    }

    /// Leaves a socket as a process does that is killed: its holder has a duplicate, its file stays.
    fn leave(mut bound: Bound, name: &str) -> (Left, OwnedFd) {
        bound.keep_as(name.to_owned());
        let held = bound.listener.as_fd().try_clone_to_owned().unwrap();
        let mut left = Left::default();
        left.add(name.to_owned(), 3, held.try_clone().unwrap(), bound.file_id()).unwrap();
        drop(bound);
        (left, held)
    }

    #[test]
    fn who_connects_in_between_is_accepted_on_each_kind_of_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let file = format!("unix:{}", path.display());
        let hidden = format!("unix:@{}", path.display());
        for address in ["127.0.0.1:0", "[::1]:0", &file, &hidden] {
            let first = bind(address, &mut Left::default());
            let name = first.name.clone();
            let address = name.strip_prefix("http://").unwrap_or(&name).to_owned();
            let (mut left, _held) = leave(first, "socket.0");
            let connected: Box<dyn Fn() -> bool> = match address.strip_prefix("unix:") {
                None => Box::new(|| TcpStream::connect(&address).is_ok()),
                Some(name) if name.starts_with('@') => Box::new(|| true),
                Some(path) => Box::new(move || UnixStream::connect(path).is_ok()),
            };
            assert!(connected(), "{address}");
            let again = bind(&address, &mut left);
            assert_eq!((again.name.as_str(), again.kept_as()), (name.as_str(), Some("socket.0")));
            assert!(connected(), "{address}");
            drop(again);
            assert!(connected(), "{address}: whoever holds it goes on");
            assert!(left.give_up().is_empty());
        }
        assert!(path.exists(), "what is kept keeps its file");
    }

    #[test]
    fn what_fits_no_address_is_given_up_with_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old.sock"), directory.path().join("new.sock"));
        let address = format!("unix:{}", old.display());
        let (mut left, held) = leave(bind(&address, &mut Left::default()), "socket.4");
        let bound = bind(&format!("unix:{}", new.display()), &mut left);
        assert_eq!(bound.kept_as(), None);
        assert_eq!(left.give_up(), [GivenUp { name: "socket.4".to_owned(), address }]);
        assert!(!old.exists() && new.exists());
        drop(held);
        drop(bound);
        assert!(!new.exists());
    }

    #[test]
    fn a_file_that_is_another_by_now_is_not_taken_for_the_old_one() {
        let _no_child = crate::CHILDREN.read();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.sock");
        let address = format!("unix:{}", path.display());
        let (mut left, _held) = leave(bind(&address, &mut Left::default()), "socket.0");
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(other);
        let bound = bind(&address, &mut left);
        assert_eq!(bound.kept_as(), None);
        assert_eq!(left.give_up().len(), 1);
        assert!(path.exists(), "the new one's file stays");
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn one_family_alone_is_another_address_than_both() {
        let _no_child = crate::CHILDREN.read();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (mut left, held) = leave(bind(&format!("[::]:{port}"), &mut Left::default()), "socket.0");
        assert!(left.take_tcp(format!("[::]:{port}").parse().unwrap(), true).is_none());
        assert!(left.take_tcp(format!("127.0.0.1:{port}").parse().unwrap(), false).is_none());
        let again = bind(&format!(":{port}"), &mut left);
        assert_eq!(again.kept_as(), Some("socket.0"));
        drop((again, held));
        bind_all(&[format!("127.0.0.1:{port}")], &Options::default()).unwrap();
    }

    #[test]
    fn a_file_has_a_name_that_can_be_read_again() {
        let id = FileId { device: 26, inode: u64::MAX };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "1", "1-", "-1", "1-2-3", "a-b"] {
            assert_eq!(bad.parse::<FileId>(), Err(()), "{bad}");
        }
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let problem = Left::default().add("socket.0".to_owned(), 7, pipe, None).unwrap_err();
        assert!(problem.to_string().contains("a pipe"), "{problem}");
    }
}
