//! Heads of frames (RFC 6455 section 5.2).
//!
//! ```text
//!  FIN RSV1 RSV2 RSV3 opcode(4) | MASK length(7) | length u16 or u64, when the seven bits are 126 or 127 | key(4), when MASK is set
//! ```

use crate::failure::Failure;

/// The most payload of a control frame, in bytes (RFC 6455 section 5.5).
pub(crate) const LONGEST_CONTROL: usize = 125;
/// The longest head, in bytes.
pub(crate) const LONGEST_HEAD: usize = 14;

/// The last frame of a message.
pub(crate) const FIN: u8 = 0x80;
/// The message is compressed (RFC 7692 section 6).
pub(crate) const RSV1: u8 = 0x40;
const MASKED: u8 = 0x80;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits & 0xf {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A client's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) opcode: Opcode,
    pub(crate) last: bool,
    pub(crate) compressed: bool,
    pub(crate) length: u64,
    pub(crate) key: [u8; 4],
}

/// What is known when a head is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// Compression was agreed on.
    pub(crate) deflate: bool,
    /// A message has begun and is not complete.
    pub(crate) within_message: bool,
}

impl Head {
    /// Reads a client's head at the start of `bytes`, and its length; `None` while it is not all there. It is refused with the first byte that
    /// is wrong.
    pub(crate) fn read(bytes: &[u8], circumstances: Circumstances) -> Result<Option<(Self, usize)>, Failure> {
        let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
        let (opcode, last, compressed) = read_first(*first, circumstances)?;
        let Some((second, rest)) = rest.split_first() else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Failure::protocol("a frame is not masked"));
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > LONGEST_CONTROL {
            return Err(Failure::protocol("a control frame is longer than 125 bytes"));
        }
        let read = match short {
            126 => rest.split_first_chunk().map(|(long, rest)| (u64::from(u16::from_be_bytes(*long)), rest)),
            127 => rest.split_first_chunk().map(|(long, rest)| (u64::from_be_bytes(*long), rest)),
            _ => Some((u64::from(short), rest)),
        };
        let Some((length, rest)) = read else { return Ok(None) };
        match short {
            126 if length < 126 => return Err(Failure::protocol("a length is not in its shortest form")),
            127 if length <= 0xffff => return Err(Failure::protocol("a length is not in its shortest form")),
            127 if length >> 63 != 0 => return Err(Failure::protocol("a length has more than 63 bits")),
            _ => {}
        }
        let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        Ok(Some((Self { opcode, last, compressed, length, key: *key }, bytes.len() - rest.len())))
    }
}

/// The first byte of a head: what the frame is, whether it is the last, and whether a compressed message begins.
fn read_first(byte: u8, circumstances: Circumstances) -> Result<(Opcode, bool, bool), Failure> {
    if byte & 0x30 != 0 {
        return Err(Failure::protocol("a reserved bit is set"));
    }
    let Some(opcode) = Opcode::from_bits(byte) else {
        return Err(Failure::protocol("a frame has an unknown opcode"));
    };
    let (last, compressed) = (byte & FIN != 0, byte & RSV1 != 0);
    // Only the first frame of a message says so (RFC 7692 section 6.1).
    if compressed && !(circumstances.deflate && matches!(opcode, Opcode::Text | Opcode::Binary)) {
        return Err(Failure::protocol("a reserved bit is set"));
    }
    match opcode {
        Opcode::Text | Opcode::Binary if circumstances.within_message => {
            Err(Failure::protocol("a message begins within another"))
        }
        Opcode::Continuation if !circumstances.within_message => {
            Err(Failure::protocol("a continuation has no message to continue"))
        }
        Opcode::Close | Opcode::Ping | Opcode::Pong if !last => Err(Failure::protocol("a control frame is fragmented")),
        _ => Ok((opcode, last, compressed)),
    }
}

/// Writes a server's head, which has no key, for a payload of `length` bytes.
pub(crate) fn write_head(out: &mut Vec<u8>, first: u8, length: u64) {
    match length {
        0..=125 => out.extend_from_slice(&[first, length as u8]),
        126..=0xffff => {
            let [high, low] = (length as u16).to_be_bytes();
            out.extend_from_slice(&[first, 126, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Circumstances = Circumstances { deflate: false, within_message: false };

    fn read(bytes: &[u8], circumstances: Circumstances) -> Result<Option<(Head, usize)>, Failure> {
        Head::read(bytes, circumstances)
    }

    #[test]
    fn lengths_have_three_forms() {
        for (length, head) in [(0u64, 6), (125, 6), (126, 8), (0xffff, 8), (0x1_0000, 14), (u64::MAX >> 1, 14)] {
            let mut bytes = Vec::new();
            write_head(&mut bytes, FIN | Opcode::Binary as u8, length);
            bytes[1] |= MASKED;
            bytes.extend_from_slice(b"keys and payload");
            let (read_head, used) = read(&bytes, PLAIN).unwrap().unwrap();
            assert_eq!((read_head.length, read_head.key, used), (length, *b"keys", head));
            for cut in 0..head {
                assert_eq!(read(&bytes[..cut], PLAIN), Ok(None), "{length} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_refused_at_its_byte() {
        let within = Circumstances { within_message: true, ..PLAIN };
        let deflate = Circumstances { deflate: true, ..PLAIN };
        let both = Circumstances { deflate: true, within_message: true };
        let wrong: [(&[u8], Circumstances); 19] = [
            (b"\xc1", PLAIN),
            (b"\xa1", PLAIN),
            (b"\x91", deflate),
            (b"\xc9", deflate),
            (b"\xc0", both),
            (b"\x83", PLAIN),
            (b"\x8b", PLAIN),
            (b"\x80", PLAIN),
            (b"\x81", within),
            (b"\x02", within),
            (b"\x09", PLAIN),
            (b"\x08", PLAIN),
            (b"\x81\x05", PLAIN),
            (b"\x89\xfe", PLAIN),
            (b"\x88\xff", PLAIN),
            (b"\x82\xfe\x00\x7d", PLAIN),
            (b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff", PLAIN),
            (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", PLAIN),
            (b"\x81\x7e", PLAIN),
        ];
        for (bytes, circumstances) in wrong {
            assert_eq!(read(bytes, circumstances).unwrap_err().code, 1002, "{bytes:x?}");
            assert_eq!(read(&bytes[..bytes.len() - 1], circumstances), Ok(None), "{bytes:x?} without its last byte");
        }
        assert!(read(b"\xc1\x80keys", deflate).unwrap().unwrap().0.compressed);
    }
}
