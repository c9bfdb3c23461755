//! Records: how WebSocket messages are laid out in the two rings of a slot.
//!
//! ```text
//! length u32 | kind u8 | flags u8 | code u16 | payload (length bytes)            little-endian
//! ```
//!
//! Router to worker: the pieces of each message, the last without [`Header::more`], and at the end one CLOSE. Worker to router: whole messages, which
//! may be longer than the ring and stream through it, and a CLOSE unless the handler just ends.

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A piece of a text message: UTF-8 over the whole message, so that a piece may end inside a character.
    Text,
    /// A piece of a binary message.
    Binary,
    /// The end; the payload is the reason, UTF-8, at most 123 bytes (RFC 6455 section 5.5.1).
    Close,
}

/// The flag: the message goes on with the next record.
const MORE: u8 = 1;

/// What stands before each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload.
    pub length: u32,
    /// What it carries.
    pub kind: Kind,
    /// Whether the message goes on with the next record.
    pub more: bool,
    /// The close code of a CLOSE, 0 for others.
    pub code: u16,
}

impl Header {
    /// Bytes of a header.
    pub const SIZE: usize = 8;

    /// Lays the header out.
    pub fn pack(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = match self.kind {
            Kind::Text => 1,
            Kind::Binary => 2,
            Kind::Close => 8,
        };
        bytes[5] = if self.more { MORE } else { 0 };
        bytes[6..].copy_from_slice(&self.code.to_le_bytes());
        bytes
    }

    /// Takes a header apart; `None` for what is none.
    pub fn unpack(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let [l0, l1, l2, l3, kind, flags, c0, c1] = *bytes;
        let kind = match kind {
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => Kind::Close,
            _ => return None,
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        (flags & !MORE == 0).then_some(Self { length, kind, more: flags == MORE, code: u16::from_le_bytes([c0, c1]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_as_it_went_and_nothing_else_is_one() {
        for kind in [Kind::Text, Kind::Binary, Kind::Close] {
            let header = Header { length: 70_000, kind, more: kind == Kind::Text, code: 1012 };
            assert_eq!(Header::unpack(&header.pack()), Some(header));
        }
        assert_eq!(Header::unpack(&[0, 0, 0, 0, 3, 0, 0, 0]), None);
        assert_eq!(Header::unpack(&[0, 0, 0, 0, 1, 2, 0, 0]), None);
    }
}
