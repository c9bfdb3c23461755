//! The client's side of a WebSocket (RFC 6455), as far as the benchmarks need it: no extensions, and a mask that is always
//! the same. The server's frames are checked strictly.

use std::net::TcpStream;

use anyhow::{Result, bail, ensure};

use super::connection::Connection;

/// The key of RFC 6455, section 1.3, and the server's answer to it: a constant pair spares us SHA-1.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Any but zero, so that the server has to unmask.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;

/// Makes a WebSocket of a connection. The socket still blocks.
pub(super) fn open(connection: Connection) -> Result<TcpStream> {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let (head, stream, rest) = connection.hand_over(&request)?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("101"), "the handshake was answered {status:?}");
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let is_accepted =
        fields.any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT);
    ensure!(is_accepted, "the handshake was answered without the right Sec-WebSocket-Accept");
    ensure!(rest.is_empty(), "the server spoke before it was asked");
    Ok(stream)
}

/// A whole message, or a control frame, as a client sends it: in one masked frame.
pub(super) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASKED: u8 = 0x80;
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(MASKED | length as u8),
        length @ 126..65536 => {
            frame.push(MASKED | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(MASKED | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The server closed the WebSocket, with this code.
#[derive(Debug, thiserror::Error)]
#[error("the server closed with code {0}")]
pub(super) struct Closed(pub(super) u16);

/// What a server said.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// The next bytes of a message, of this opcode.
    Message {
        opcode: u8,
        bytes: &'a [u8],
        is_end: bool,
    },
    /// To be answered with the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
}

/// Takes a server's frames apart, in whatever pieces they come.
#[derive(Default)]
pub(super) struct Reader {
    head: [u8; 10],
    /// So many bytes of the head are there.
    have: usize,
    /// Of the payload, once the head is whole.
    left: u64,
    is_in_payload: bool,
    /// Of a control frame that came in pieces.
    control: Vec<u8>,
    /// Opcode of the message that is not yet whole.
    message: Option<u8>,
}

impl Reader {
    /// Gives all parts in `bytes` to `on`.
    ///
    /// # Errors
    /// On what a server must not send, on a close frame, and when `on` fails.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut on: impl FnMut(Part<'_>) -> Result<()>) -> Result<()> {
        loop {
            if !self.is_in_payload {
                let Some((byte, rest)) = bytes.split_first() else {
                    return Ok(());
                };
                self.head[self.have] = *byte;
                self.have += 1;
                bytes = rest;
                if self.have < 2 || self.have < self.head_length() {
                    continue;
                }
                self.begin_payload()?;
            }
            let now = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
            let (payload, rest) = bytes.split_at(now);
            bytes = rest;
            self.left -= now as u64;
            if self.left > 0 && payload.is_empty() {
                return Ok(());
            }
            self.deliver(payload, &mut on)?;
            if self.left == 0 {
                (self.is_in_payload, self.have) = (false, 0);
            }
        }
    }

    fn opcode(&self) -> u8 {
        self.head[0] & 0x0f
    }

    fn is_final(&self) -> bool {
        self.head[0] & 0x80 != 0
    }

    fn head_length(&self) -> usize {
        match self.head[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    /// The head is whole: checks it.
    fn begin_payload(&mut self) -> Result<()> {
        ensure!(self.head[0] & 0x70 == 0, "a frame with reserved bits: {:#04x}", self.head[0]);
        ensure!(self.head[1] & 0x80 == 0, "a masked frame from a server");
        let extended = self.head[2..self.have].iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        self.left = if self.have == 2 { u64::from(self.head[1]) } else { extended };
        match (self.opcode(), self.message) {
            (CONTINUATION, Some(_)) => {}
            (TEXT | BINARY, None) => self.message = Some(self.opcode()),
            (CLOSE | PING | PONG, _) => {
                ensure!(self.is_final() && self.left <= 125, "a control frame that is cut or too long");
            }
            (opcode, _) => bail!("a frame of opcode {opcode} where none may be"),
        }
        self.is_in_payload = true;
        self.control.clear();
        Ok(())
    }

    fn deliver(&mut self, payload: &[u8], on: &mut impl FnMut(Part<'_>) -> Result<()>) -> Result<()> {
        let is_end = self.left == 0;
        if self.opcode() < CLOSE {
            let opcode = self.message.unwrap_or_default();
            let is_end = is_end && self.is_final();
            if is_end {
                self.message = None;
            }
            return on(Part::Message { opcode, bytes: payload, is_end });
        }
        self.control.extend_from_slice(payload);
        match self.opcode() {
            _ if !is_end => Ok(()),
            PING => on(Part::Ping(&self.control)),
            PONG => on(Part::Pong(&self.control)),
            _ => match *self.control {
                [high, low, ..] => bail!(Closed(u16::from_be_bytes([high, low]))),
                _ => bail!("the server closed without a code"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames as strings, fed in pieces of `size` bytes.
    fn read(bytes: &[u8], size: usize) -> Result<Vec<String>> {
        let (mut reader, mut found, mut message) = (Reader::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            reader.take(piece, |part| {
                match part {
                    Part::Message { bytes, is_end, .. } => {
                        message.extend_from_slice(bytes);
                        if is_end {
                            found.push(String::from_utf8(std::mem::take(&mut message))?);
                        }
                    }
                    Part::Ping(payload) => found.push(format!("ping {}", String::from_utf8_lossy(payload))),
                    Part::Pong(payload) => found.push(format!("pong {}", String::from_utf8_lossy(payload))),
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    #[test]
    fn frames_are_read_in_any_pieces() {
        // RFC 6455, section 5.7: unmasked, fragmented, ping; then 16 and 64 bits of length.
        let mut bytes = b"\x81\x05Hello\x01\x03Hel\x89\x05Hello\x80\x02lo\x81\x00".to_vec();
        bytes.extend_from_slice(b"\x82\x7e\x01\x00");
        bytes.extend_from_slice(&[b'x'; 256]);
        bytes.extend_from_slice(b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
        bytes.extend_from_slice(&[b'y'; 65536]);
        let wanted =
            ["Hello", "ping Hello", "Hello", "", &"x".repeat(256), &"y".repeat(65536)].map(str::to_owned).to_vec();
        for size in [1, 2, 3, 7, 1000, bytes.len()] {
            assert_eq!(read(&bytes, size).unwrap(), wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for bytes in [&b"\x81\x85\0\0\0\0Hello"[..], b"\xc1\x01a", b"\x80\x01a", b"\x01\x01a\x01\x01b", b"\x09\x01a"] {
            assert!(read(bytes, 1).is_err(), "{bytes:?}");
        }
        assert!(read(b"\x88\x02\x03\xf4", 1).unwrap_err().to_string().contains("1012"));
    }

    #[test]
    fn a_message_is_masked() {
        // RFC 6455, section 5.7: "a single-frame masked text message", whose mask is ours.
        assert_eq!(masked(TEXT, b"Hello"), b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        assert_eq!(masked(BINARY, &[0; 65536])[..10], *b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00");
    }
}
