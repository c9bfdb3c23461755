//! The client's side of one kept HTTP/1.1 connection, blocking. Knows what the applications of the benchmarks answer:
//! always a Content-Length.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::net::{self, AddressFamily, SocketType, ipproto, sockopt};

/// An address has about 28,000 ports for connections to one server, and lingering ones of earlier rounds take some.
const CONNECTIONS_OF_AN_ADDRESS: u32 = 2_500;
/// How long a server may keep silent before its answer counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
const HEAD_LIMIT: usize = 16 * 1024;

/// The server answered with this status in place of 200.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {0}")]
pub(super) struct Refused(pub(super) u16);

pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to a server on 127.0.0.1.
    pub(super) fn open(port: u16) -> Result<Self> {
        Self::of(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?)
    }

    /// The connection `number` of many: from one of several loopback addresses, because each has its own ports.
    pub(super) fn open_one_of_many(number: u32, port: u16) -> Result<Self> {
        let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 2)) + number / CONNECTIONS_OF_AN_ADDRESS);
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP))?;
        // Ports of closed connections that linger in TIME_WAIT may be taken again.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &SocketAddr::from((source, 0)))
            .with_context(|| format!("cannot use the address {source}"))?;
        net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).context("cannot connect")?;
        Self::of(TcpStream::from(socket))
    }

    fn of(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_LIMIT))?;
        stream.set_write_timeout(Some(SILENCE_LIMIT))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Asks for `path` and returns the body of the answer.
    ///
    /// # Errors
    /// When there is no whole answer with status 200; the connection is then of no more use.
    pub(super) fn get(&mut self, path: &str) -> Result<Vec<u8>> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Asks for `path`, counts the bytes of the body and forgets them.
    pub(super) fn count(&mut self, path: &str) -> Result<u64> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let length = self.head()?;
        let mut counted = self.buffer.len() as u64;
        self.buffer.clear();
        let mut block = vec![0; 256 * 1024];
        while counted < length {
            counted += self.read(&mut block)? as u64;
        }
        Ok(counted)
    }

    /// Sends `length` bytes to `path` and returns the body of the answer.
    pub(super) fn upload(&mut self, path: &str, length: u64) -> Result<Vec<u8>> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send(head.as_bytes())?;
        let block = vec![b'x'; 256 * 1024];
        let mut left = length;
        while left > 0 {
            let part = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
            self.send(&block[..part])?;
            left -= part as u64;
        }
        self.answer()
    }

    /// Sends `request`, whose answer has no length of its own, and gives the socket away once the head of the answer is
    /// there: the head, the socket, and what has come after the head.
    pub(super) fn hand_over(mut self, request: &str) -> Result<(String, TcpStream, Vec<u8>)> {
        self.send(request.as_bytes())?;
        let head = self.read_head()?;
        Ok((head, self.stream, self.buffer))
    }

    /// Whether the server has closed its side.
    pub(super) fn is_closed(&self) -> bool {
        let state = self.stream.set_nonblocking(true).and_then(|()| self.stream.peek(&mut [0]));
        // An open connection on which nothing comes has nothing to peek at.
        !matches!(state, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("cannot send the request")
    }

    fn answer(&mut self) -> Result<Vec<u8>> {
        let length = usize::try_from(self.head()?)?;
        let mut block = [0; 4096];
        while self.buffer.len() < length {
            let read = self.read(&mut block)?;
            self.buffer.extend_from_slice(&block[..read]);
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads up to the end of the head; what came of the body stays in the buffer.
    fn read_head(&mut self) -> Result<String> {
        let mut block = [0; 4096];
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.buffer.len() > HEAD_LIMIT {
                bail!("the head of the answer is larger than {HEAD_LIMIT} bytes");
            }
            let read = self.read(&mut block)?;
            self.buffer.extend_from_slice(&block[..read]);
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// The same where the status must be 200. Returns the body's length.
    fn head(&mut self) -> Result<u64> {
        body_length(&self.read_head()?)
    }

    fn read(&mut self, block: &mut [u8]) -> Result<usize> {
        match self.stream.read(block).context("cannot read the answer")? {
            0 => bail!("the server closed the connection within an answer"),
            read => Ok(read),
        }
    }
}

fn body_length(head: &str) -> Result<u64> {
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1).and_then(|code| code.parse().ok()) {
        Some(200) => {}
        Some(code) => bail!(Refused(code)),
        None => bail!("the server answered {status:?}"),
    }
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths =
        fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.trim().parse());
    Ok(lengths.next().context("the answer has no Content-Length")??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_its_length() {
        assert_eq!(body_length("HTTP/1.1 200 OK\r\ncontent-LENGTH: 14\r\n\r\n").unwrap(), 14);
        assert!(body_length("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(body_length("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    }
}
