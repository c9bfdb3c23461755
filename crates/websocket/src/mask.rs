//! The masking of clients' payloads (RFC 6455 section 5.3).

/// Bytes that are unmasked at once: a multiple of the key's four that fills a vector register.
const STEP: usize = 32;

/// A masking key, turned so that its first byte is for the next byte of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mask([u8; 4]);

impl Mask {
    pub(crate) fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Unmasks `from` into `to`, which is as long, and turns the key.
    pub(crate) fn apply(&mut self, from: &[u8], to: &mut [u8]) {
        let mut key = [0; STEP];
        for part in key.chunks_exact_mut(4) {
            part.copy_from_slice(&self.0);
        }
        let (from_steps, from_rest) = from.as_chunks::<STEP>();
        let (to_steps, to_rest) = to.as_chunks_mut::<STEP>();
        for (from, to) in from_steps.iter().zip(to_steps) {
            for place in 0..STEP {
                to[place] = from[place] ^ key[place];
            }
        }
        for ((from, to), key) in from_rest.iter().zip(to_rest).zip(key) {
            *to = from ^ key;
        }
        self.turn(from.len());
    }

    /// Turns the key past so many bytes.
    pub(crate) fn turn(&mut self, bytes: usize) {
        self.0.rotate_left(bytes % 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_one_piece_and_in_several() {
        let payload: Vec<u8> = (0..=255).cycle().take(200).collect();
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let expected: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        for first in 0..=payload.len() {
            let mut mask = Mask::new(key);
            let mut unmasked = vec![0; payload.len()];
            let (front, back) = unmasked.split_at_mut(first);
            mask.apply(&payload[..first], front);
            mask.apply(&payload[first..], back);
            assert_eq!(unmasked, expected, "cut at {first}");
        }
    }
}
