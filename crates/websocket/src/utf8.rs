//! Whether text is UTF-8 while it comes: refused with the first byte after which it cannot become valid any more.

use simdutf8::compat::from_utf8;

/// The longest character in bytes.
const LONGEST: usize = 4;

/// What a character that was cut began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Utf8 {
    begun: [u8; LONGEST - 1],
    length: u8,
}

impl Utf8 {
    /// Checks the next bytes of the text; `false` when it is not valid, and will not become so.
    pub(crate) fn check(&mut self, mut bytes: &[u8]) -> bool {
        while self.length > 0 {
            let Some((first, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            if !self.go_on(*first) {
                return false;
            }
        }
        let Err(error) = from_utf8(bytes) else { return true };
        if error.error_len().is_some() {
            return false;
        }
        let cut = &bytes[error.valid_up_to()..];
        self.length = cut.len() as u8;
        self.begun[..cut.len()].copy_from_slice(cut);
        true
    }

    /// The next byte of a character that was cut.
    fn go_on(&mut self, byte: u8) -> bool {
        let begun = usize::from(self.length);
        let mut character = [0; LONGEST];
        character[..begun].copy_from_slice(&self.begun[..begun]);
        character[begun] = byte;
        match std::str::from_utf8(&character[..=begun]) {
            Ok(_) => self.length = 0,
            // Shorter than the longest, else it were complete or wrong.
            Err(error) if error.error_len().is_none() => {
                self.begun[begun] = byte;
                self.length += 1;
            }
            Err(_) => return false,
        }
        true
    }

    /// Whether the text may end here.
    pub(crate) fn is_whole(self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Where bytes are refused, one by one: after how many.
    fn refused_after(bytes: &[u8]) -> Option<usize> {
        let mut utf8 = Utf8::default();
        bytes.iter().position(|byte| !utf8.check(&[*byte])).map(|place| place + 1)
    }

    #[test]
    fn the_first_hopeless_byte_is_refused() {
        for (bytes, after) in [
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited".as_slice(), Some(13)),
            (b"\xed\xa0\x80", Some(2)),
            (b"\xc0\x80", Some(1)),
            (b"\xf5", Some(1)),
            (b"\xe0\x9f", Some(2)),
            (b"a\x80", Some(2)),
            ("\u{10ffff}\u{d7ff}\u{7ff}".as_bytes(), None),
        ] {
            assert_eq!(refused_after(bytes), after, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(bytes in prop::collection::vec(prop::sample::select(b"a\x80\xbf\xc3\xe0\xa0\xed\x9f\xf0\x90\xf4\x8f".as_slice()), 0..12), cut in 0usize..12) {
            let cut = cut.min(bytes.len());
            let mut utf8 = Utf8::default();
            let valid = utf8.check(&bytes[..cut]) && utf8.check(&bytes[cut..]);
            prop_assert_eq!(valid, refused_after(&bytes).is_none());
            prop_assert_eq!(valid && utf8.is_whole(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
