//! A client's socket, TCP or unix, and who is at its other end.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::config::TrustedPeers;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    /// With the name of the socket that it was accepted on: a path, or `@` and an abstract name.
    Unix(UnixStream, Arc<str>),
}

/// A socket between two runtimes.
#[derive(Debug)]
pub(crate) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream, Arc<str>),
}

/// The two ends of a connection, as requests tell them.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The client's address; empty on a unix socket.
    pub(crate) remote: Box<str>,
    pub(crate) remote_port: u16,
    /// Our own address; empty on a unix socket.
    pub(crate) server: Box<str>,
    pub(crate) server_port: u16,
    /// The path of our unix socket, `@` before an abstract name; empty for TCP.
    pub(crate) socket: Arc<str>,
    /// Whether its word about the client behind it counts.
    pub(crate) trusted: bool,
}

impl Detached {
    /// Takes the socket into the current runtime.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Stream::Tcp(TcpStream::from_std(stream)?)
            }
            Self::Unix(stream, name) => {
                stream.set_nonblocking(true)?;
                Stream::Unix(UnixStream::from_std(stream)?, name)
            }
        })
    }
}

impl Stream {
    /// Takes the socket out of its runtime.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        Ok(match self {
            Self::Tcp(stream) => Detached::Tcp(stream.into_std()?),
            Self::Unix(stream, name) => Detached::Unix(stream.into_std()?, name),
        })
    }

    /// Reads what is there; zero at the end. Cancel safe: bytes are either in `to` or still in the socket.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(to);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, &mut buffer),
            Self::Unix(stream, _) => Pin::new(stream).poll_read(context, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes what the socket takes.
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, from),
            Self::Unix(stream, _) => Pin::new(stream).poll_write(context, from),
        }
    }

    /// Whether its client's word about the client behind it counts.
    pub(crate) fn is_trusted(&self, trusted: &TrustedPeers) -> bool {
        match self {
            Self::Tcp(stream) => stream.peer_addr().is_ok_and(|address| trusted.contains(address.ip())),
            Self::Unix(..) => true,
        }
    }

    /// Makes the coming close a reset, where the end of the stream would look like the end of the answer.
    pub(crate) fn reset_at_close(&self) {
        if let Self::Tcp(stream) = self {
            let _best_effort = stream.set_zero_linger();
        }
    }

    /// Ends our direction.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream, _) => Pin::new(stream).poll_shutdown(context),
        }
    }

    /// Who is at both ends. A socket whose client is gone already has no address to tell.
    pub(crate) fn peer(&self, trusted: &TrustedPeers) -> Peer {
        match self {
            Self::Tcp(stream) => {
                let remote = stream.peer_addr().ok();
                let server = stream.local_addr().ok();
                let text = |address: Option<IpAddr>| {
                    address.map(|ip| ip.to_canonical().to_string()).unwrap_or_default().into()
                };
                Peer {
                    remote: text(remote.map(|address| address.ip())),
                    remote_port: remote.map_or(0, |address| address.port()),
                    server: text(server.map(|address| address.ip())),
                    server_port: server.map_or(0, |address| address.port()),
                    socket: "".into(),
                    trusted: remote.is_some_and(|address| trusted.contains(address.ip())),
                }
            }
            Self::Unix(_, name) => Peer {
                remote: "".into(),
                remote_port: 0,
                server: "".into(),
                server_port: 0,
                socket: Arc::clone(name),
                trusted: true,
            },
        }
    }
}
