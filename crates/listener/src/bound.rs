//! A socket that listens, and its end: the socket file is removed only while it is still ours.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, fstat, statat, unlinkat};
use socket2::SockFilter;

use crate::left::FileId;

/// A listening socket: non-blocking and close-on-exec from birth.
#[derive(Debug)]
pub enum Listener {
    /// IPv4, IPv6 or both.
    Tcp(TcpListener),
    /// A path, or an abstract name.
    Unix(UnixListener),
}

/// A socket that listens, with the name that is shown for it. Dropping it is the same as [`Bound::close`].
#[derive(Debug)]
pub struct Bound {
    /// Dropped before the listener: as long as somebody answers on the file no other server puts its own in its place,
    /// so that what is unlinked is what was looked at.
    file: Option<Arc<SocketFile>>,
    /// Another process listens on it as well.
    is_shared: Arc<AtomicBool>,
    /// What somebody who keeps it for the next process calls it.
    kept_as: Option<String>,
    /// The socket itself.
    ///
    /// One that was asked for as `:PORT` or `[::]:PORT` takes IPv4 clients too, whose addresses then read
    /// `::ffff:1.2.3.4`: apply [`std::net::IpAddr::to_canonical`] before an address is shown or compared.
    pub listener: Listener,
    /// As shown: `http://127.0.0.1:8000` (the real port when 0 was asked), `unix:/run/x.sock`, `unix:@name`.
    pub name: String,
}

impl Bound {
    pub(crate) fn tcp(listener: TcpListener, address: SocketAddr) -> Self {
        Bound {
            listener: Listener::Tcp(listener),
            name: format!("http://{address}"),
            file: None,
            is_shared: Arc::default(),
            kept_as: None,
        }
    }

    pub(crate) fn unix(listener: UnixListener, name: String, file: Option<SocketFile>) -> Self {
        let file = file.map(Arc::new);
        Bound { listener: Listener::Unix(listener), name, file, is_shared: Arc::default(), kept_as: None }
    }

    /// The same, of a socket that somebody else has as well.
    pub(crate) fn shared(self) -> Self {
        self.is_shared.store(true, Ordering::Relaxed);
        self
    }

    /// The same, of a socket that nobody else has any more.
    pub(crate) fn alone(self) -> Self {
        self.is_shared.store(false, Ordering::Relaxed);
        self
    }

    /// Has the kernel drop what would begin a new connection, so that nobody is reset who connects between the last accept(2) and the close: such a
    /// client tries again, and is refused then. Handshakes that are under way are finished. Only for TCP, and not where another process
    /// listens on the socket as well.
    ///
    /// # Errors
    /// The system does not take the filter; then all is as before.
    pub fn turn_away(&self) -> io::Result<()> {
        let Listener::Tcp(listener) = &self.listener else { return Ok(()) };
        if self.is_shared.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Classic BPF over the TCP header, whose byte 13 has the flags (RFC 9293 section 3.1): those with SYN are dropped.
        const LOAD_BYTE: u16 = 0x30;
        const JUMP_IF_SET: u16 = 0x45;
        const RETURN: u16 = 0x06;
        const SYN: u32 = 0x02;
        socket2::SockRef::from(listener).attach_filter(&[
            SockFilter::new(LOAD_BYTE, 0, 0, 13),
            SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ])
    }

    /// The same, with a file that goes with it.
    pub(crate) fn with_file(self, file: SocketFile) -> Self {
        Self { file: Some(Arc::new(file)), ..self }
    }

    /// A second hold of the same socket: it listens, and its file stays, as long as there is one of them.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            listener: self.listener.try_clone()?,
            name: self.name.clone(),
            file: self.file.clone(),
            is_shared: Arc::clone(&self.is_shared),
            kept_as: self.kept_as.clone(),
        })
    }

    /// Leaves the socket to another process, which has it as well ([`take_over`](crate::take_over)): from now on no end of it here removes its file,
    /// or keeps clients from it.
    pub fn give_away(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
        if let Some(file) = &self.file {
            file.is_given_away.store(true, Ordering::Relaxed);
        }
    }

    /// Somebody else keeps the socket for the next process, and calls it so: it is given away ([`Bound::give_away`]).
    pub fn keep_as(&mut self, name: String) {
        self.give_away();
        self.kept_as = Some(name);
    }

    /// Whoever kept the socket does so no more: it is this process's alone again, with its file.
    pub fn take_back(&mut self) {
        self.kept_as = None;
        self.is_shared.store(false, Ordering::Relaxed);
        if let Some(file) = &self.file {
            file.is_given_away.store(false, Ordering::Relaxed);
        }
    }

    /// What whoever keeps the socket calls it.
    pub fn kept_as(&self) -> Option<&str> {
        self.kept_as.as_deref()
    }

    /// Whether another process listens on it, or keeps it, as well.
    pub fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Which file its socket file is; none for other sockets, and for files of others.
    pub fn file_id(&self) -> Option<FileId> {
        Some(FileId::of(&fstat(&self.file.as_ref()?.file).ok()?))
    }

    /// Stops listening. A socket file is unlinked if this process made it and it is still the same file; one that
    /// another server has meanwhile put in its place, and an inherited one, are left alone.
    pub fn close(self) {}

    /// The socket file that will be unlinked at the end, as an absolute path; none for other sockets.
    pub fn socket_file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }
}

impl Listener {
    /// A second descriptor of the same socket, close-on-exec, for another thread to accept on.
    ///
    /// # Errors
    ///
    /// The process has no descriptors left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Listener::Tcp(listener) => listener.try_clone().map(Listener::Tcp),
            Listener::Unix(listener) => listener.try_clone().map(Listener::Unix),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A socket file that we made.
#[derive(Debug)]
pub(crate) struct SocketFile {
    /// Absolute, because the process may change its directory before the end.
    pub(crate) path: PathBuf,
    /// The file itself (`O_PATH`). Held open so that its inode number cannot be given to another file meanwhile.
    pub(crate) file: OwnedFd,
    /// It is another process's now.
    pub(crate) is_given_away: AtomicBool,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if *self.is_given_away.get_mut() {
            return;
        }
        let (Ok(ours), Ok(there)) = (fstat(&self.file), statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW)) else {
            return;
        };
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) {
            // A failure leaves a file on which nobody answers, which the next server takes over.
            let _ = unlinkat(CWD, &self.path, AtFlags::empty());
        }
    }
}
