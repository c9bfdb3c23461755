//! Close frames: the code and the reason (RFC 6455 sections 5.5.1 and 7.4).

use crate::failure::{Failure, NOT_UTF8};

/// Stands for a close frame without a code; never on the wire.
pub const NO_CODE: u16 = 1005;
/// The longest reason in bytes: what a control frame holds beside the code.
pub const LONGEST_REASON: usize = 123;

/// What a close frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// The code; [`NO_CODE`] when it gives none.
    pub code: u16,
    /// The reason; empty for none.
    pub reason: Box<str>,
}

impl Close {
    /// Reads the payload of a close frame.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Failure> {
        let (code, reason) = match payload {
            [] => (NO_CODE, payload),
            [_] => return Err(Failure::protocol("a close frame holds half a code")),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        };
        if !payload.is_empty() && !may_be_sent(code) {
            return Err(Failure::protocol("a close code is not one that may be sent"));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| NOT_UTF8)?;
        Ok(Self { code, reason: reason.into() })
    }
}

/// Whether a code may stand in a close frame: those RFC 6455 and its registry give a meaning, and those left to libraries and applications.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_are_for_nobody_or_for_inside_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535u16] {
            assert_eq!(Close::read(&code.to_be_bytes()).unwrap_err().code, 1002, "{code}");
        }
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999u16]
        {
            assert_eq!(Close::read(&code.to_be_bytes()).unwrap(), Close { code, reason: "".into() });
        }
    }

    #[test]
    fn the_reason_is_text() {
        assert_eq!(Close::read(b"").unwrap(), Close { code: NO_CODE, reason: "".into() });
        assert_eq!(Close::read(b"\x03\xe8bye").unwrap(), Close { code: 1000, reason: "bye".into() });
        assert_eq!(Close::read(b"\x03").unwrap_err().code, 1002);
        assert_eq!(Close::read(b"\x03\xe8\xff").unwrap_err().code, 1007);
    }
}
