//! The id of a request: the client's own, or one that the server makes.

/// An id, and how it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// Requests have none.
    #[default]
    None,
    /// Made here: 32 hexadecimal digits.
    Ours(u128),
    /// The client's, checked.
    Theirs(Box<[u8]>),
}

/// An id as text.
pub(crate) struct Shown<'i> {
    digits: [u8; 32],
    theirs: Option<&'i [u8]>,
    length: usize,
}

impl RequestId {
    /// The id as text; empty for none.
    pub(crate) fn show(&self) -> Shown<'_> {
        match self {
            Self::None => Shown { digits: [0; 32], theirs: None, length: 0 },
            Self::Ours(number) => Shown { digits: hexadecimal(*number), theirs: None, length: 32 },
            Self::Theirs(text) => Shown { digits: [0; 32], theirs: Some(text), length: 0 },
        }
    }
}

impl Shown<'_> {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.theirs.unwrap_or(&self.digits[..self.length])
    }

    pub(crate) fn as_str(&self) -> &str {
        // Ids are ASCII: digits of ours, and of the client's only what was checked.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

fn hexadecimal(number: u128) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
    digits
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_text() {
        assert_eq!(RequestId::None.show().as_str(), "");
        assert_eq!(RequestId::Ours(0xab << 120 | 0x1f).show().as_str(), "ab00000000000000000000000000001f");
        assert_eq!(RequestId::Theirs(b"abc".to_vec().into()).show().as_str(), "abc");
    }
}
