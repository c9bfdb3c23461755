//! From messages to a server's frames (RFC 6455 section 5, RFC 7692 section 7.2.1).

use crate::Kind;
use crate::close::{LONGEST_REASON, NO_CODE, may_be_sent};
use crate::deflate::{Deflaters, LARGEST_WINDOW};
use crate::extension::Deflate;
use crate::frame::{FIN, LONGEST_CONTROL, Opcode, RSV1, write_head};
use crate::inflate::TAIL;

/// Shorter messages are sent as they are: compressing them saves no packet. Bytes.
const WORTH_COMPRESSING: u64 = 64;
/// The close code of a server that fails (RFC 6455 section 7.4.1).
const INTERNAL_ERROR: u16 = 1011;

/// Writes the messages to one client, one after the other.
#[derive(Debug)]
pub struct Encoder {
    /// What was agreed on about compression.
    deflate: Option<Deflate>,
    message: Message,
}

/// Where the encoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    None,
    /// Frames of it were written, and it goes on.
    Begun {
        compressed: bool,
    },
}

impl Encoder {
    /// For a client with which this was agreed on.
    pub fn new(deflate: Option<Deflate>) -> Self {
        Self { deflate, message: Message::None }
    }

    /// Whether the next piece is to be given to [`Encoder::compressed`], not to [`Encoder::head`]; `length` is what is known of the message's.
    pub fn compresses(&self, length: u64, last: bool) -> bool {
        match self.message {
            Message::Begun { compressed } => compressed,
            Message::None => self.deflate.is_some() && (length >= WORTH_COMPRESSING || !last),
        }
    }

    /// Appends the head of a frame with the next piece of a message, of `length` bytes, which the caller appends as it is. `last`: the message
    /// ends with it.
    pub fn head(&mut self, kind: Kind, last: bool, length: u64, out: &mut Vec<u8>) {
        let first = self.first(kind, last, false);
        write_head(out, first, length);
    }

    /// Appends a frame with the next piece of a message, compressed. `last`: the message ends with it.
    ///
    /// A piece refers to nothing before it: nothing has to be kept between them.
    pub fn compressed(&mut self, kind: Kind, last: bool, piece: &[u8], deflaters: &mut Deflaters, out: &mut Vec<u8>) {
        let whole = last && self.message == Message::None;
        let window_bits = self.deflate.map_or(LARGEST_WINDOW, |deflate| deflate.window_bits);
        let compressed = deflaters.compress(window_bits, piece);
        let compressed = if last { compressed.strip_suffix(&TAIL).unwrap_or(compressed) } else { compressed };
        if whole && compressed.len() >= piece.len() {
            self.head(kind, last, piece.len() as u64, out);
            out.extend_from_slice(piece);
            return;
        }
        let first = self.first(kind, last, true);
        write_head(out, first, compressed.len() as u64);
        out.extend_from_slice(compressed);
    }

    /// The first byte of the next frame.
    fn first(&mut self, kind: Kind, last: bool, compressed: bool) -> u8 {
        let opcode = match (self.message, kind) {
            (Message::Begun { .. }, _) => Opcode::Continuation as u8,
            (Message::None, Kind::Text) => Opcode::Text as u8,
            (Message::None, Kind::Binary) => Opcode::Binary as u8,
        };
        // Only the first frame of a message says that it is compressed.
        let rsv1 = if compressed && self.message == Message::None { RSV1 } else { 0 };
        self.message = if last { Message::None } else { Message::Begun { compressed } };
        opcode | rsv1 | if last { FIN } else { 0 }
    }
}

/// Appends a ping.
pub fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Opcode::Ping, payload, out);
}

/// Appends a pong: the answer to a ping with the same payload (RFC 6455 section 5.5.3).
pub fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Opcode::Pong, payload, out);
}

/// Appends a close frame. With [`NO_CODE`] it gives none; a code that may not be sent becomes 1011, and a reason that is too long is cut.
pub fn write_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    if code == NO_CODE {
        return write_control(Opcode::Close, b"", out);
    }
    let code = if may_be_sent(code) { code } else { INTERNAL_ERROR };
    let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
    let mut payload = [0; LONGEST_CONTROL];
    let length = 2 + reason.len();
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..length].copy_from_slice(reason.as_bytes());
    write_control(Opcode::Close, &payload[..length], out);
}

fn write_control(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(LONGEST_CONTROL)];
    write_head(out, FIN | opcode as u8, payload.len() as u64);
    out.extend_from_slice(payload);
}
