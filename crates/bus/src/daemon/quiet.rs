//! A connection whose calls ask nobody for a password. The proxies allow it of each call that may take one
//! (ALLOW_INTERACTIVE_AUTHORIZATION of the D-Bus specification); this takes the flag out of each message on its way.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use async_trait::async_trait;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::Connection;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::Builder;
use zbus::connection::socket::{Socket, Split, WriteHalf};
use zbus::fdo::ConnectionCredentials;
use zbus::message::Message;

/// Where the flags are in a message, and the flag (D-Bus specification, message format).
const FLAGS_AT: usize = 2;
const ALLOW_INTERACTIVE_AUTHORIZATION: u8 = 0x4;

/// Connects to a bus of this machine so.
pub(super) async fn connect(user: bool) -> zbus::Result<Connection> {
    let address = if user { zbus::Address::session()? } else { zbus::Address::system()? };
    let stream = match address.transport() {
        Transport::Unix(unix) => match unix.path() {
            UnixSocket::File(path) => UnixStream::connect(path).await,
            UnixSocket::Abstract(name) => {
                // tokio takes a path that begins with a zero byte for such a name.
                let path = [&[0][..], name.as_bytes()].concat();
                UnixStream::connect(OsStr::from_bytes(&path)).await
            }
            other => return Err(zbus::Error::Address(format!("a bus at {other} cannot be asked without a password"))),
        },
        other => return Err(zbus::Error::Address(format!("a bus at {other} cannot be asked without a password"))),
    };
    Builder::socket(Quiet(stream?)).build().await
}

struct Quiet(UnixStream);

#[derive(Debug)]
struct Writer(OwnedWriteHalf);

impl Socket for Quiet {
    type ReadHalf = OwnedReadHalf;
    type WriteHalf = Writer;

    fn split(self) -> Split<OwnedReadHalf, Writer> {
        let (read, write) = self.0.into_split();
        Split::new(read, Writer(write))
    }
}

#[async_trait]
impl WriteHalf for Writer {
    async fn send_message(&mut self, message: &Message) -> zbus::Result<()> {
        let mut bytes = message.data().to_vec();
        if let Some(flags) = bytes.get_mut(FLAGS_AT) {
            *flags &= !ALLOW_INTERACTIVE_AUTHORIZATION;
        }
        let mut sent = 0;
        while sent < bytes.len() {
            // Descriptors go with the first byte.
            let descriptors: Vec<BorrowedFd<'_>> =
                if sent == 0 { message.data().fds().iter().map(AsFd::as_fd).collect() } else { Vec::new() };
            sent += WriteHalf::sendmsg(&mut self.0, &bytes[sent..], &descriptors).await?;
        }
        Ok(())
    }

    async fn sendmsg(&mut self, buffer: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        WriteHalf::sendmsg(&mut self.0, buffer, descriptors).await
    }

    async fn close(&mut self) -> io::Result<()> {
        WriteHalf::close(&mut self.0).await
    }

    fn can_pass_unix_fd(&self) -> bool {
        WriteHalf::can_pass_unix_fd(&self.0)
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        WriteHalf::peer_credentials(&mut self.0).await
    }
}
