//! Compression of messages to clients (RFC 7692 section 7.2.1).

use std::fmt;

use zlib_rs::{Deflate, DeflateError, DeflateFlush};

use crate::inflate::TAIL;

/// Little effort: what compresses well does so at once, and the server's time is for applications.
const LEVEL: i32 = 3;
/// The smallest window the extension knows and the compressor can do, in bits.
pub(crate) const SMALLEST_WINDOW: u8 = 9;
/// The largest.
pub(crate) const LARGEST_WINDOW: u8 = 15;
/// What a flush costs beyond the data, in bytes.
const FLUSHED: usize = 16;
/// A buffer beyond this is not kept after its piece; bytes.
const KEPT: usize = 256 * 1024;

/// The compressors of a thread: one for each size of window that clients asked for. A quarter of a megabyte each, made when it is first needed.
#[derive(Default)]
pub struct Deflaters {
    by_window: [Option<Box<Deflate>>; (LARGEST_WINDOW - SMALLEST_WINDOW + 1) as usize],
    /// What the last piece became.
    compressed: Vec<u8>,
}

impl fmt::Debug for Deflaters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Deflaters")
    }
}

impl Deflaters {
    /// Compresses `piece` on its own. What comes of it ends at a byte with [`TAIL`], so that pieces can stand behind each other.
    pub(crate) fn compress(&mut self, window_bits: u8, piece: &[u8]) -> &[u8] {
        let window_bits = window_bits.clamp(SMALLEST_WINDOW, LARGEST_WINDOW);
        let deflate = self.by_window[usize::from(window_bits - SMALLEST_WINDOW)]
            .get_or_insert_with(|| Box::new(Deflate::new(LEVEL, false, window_bits)));
        if self.compressed.capacity() > KEPT {
            self.compressed = Vec::new();
        }
        // An empty piece is nothing to a compressor that flushes: it is stored.
        if piece.is_empty() || compress(deflate, piece, &mut self.compressed).is_err() {
            store(piece, &mut self.compressed);
        }
        &self.compressed
    }
}

fn compress(deflate: &mut Deflate, piece: &[u8], out: &mut Vec<u8>) -> Result<(), DeflateError> {
    deflate.reset();
    out.clear();
    let mut filled = 0;
    loop {
        let rest = &piece[deflate.total_in() as usize..];
        out.resize(filled + rest.len() / 2 + FLUSHED, 0);
        let before = deflate.total_out();
        deflate.compress(rest, &mut out[filled..], DeflateFlush::SyncFlush)?;
        filled += (deflate.total_out() - before) as usize;
        // All is out when there was more room than needed.
        if filled < out.len() {
            out.truncate(filled);
            return Ok(());
        }
    }
}

/// Lays `piece` out as it is, in stored blocks (RFC 1951 section 3.2.4), with the empty one at the end that a flush makes.
fn store(piece: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for block in piece.chunks(usize::from(u16::MAX)) {
        let length = block.len() as u16;
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.push(0);
    out.extend_from_slice(&TAIL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use zlib_rs::{Inflate, InflateFlush};

    /// Decompresses in a window of so many bits, a few bytes at a time: then what is farther back than the window is not to be had.
    fn inflate(window_bits: u8, compressed: &[u8]) -> Vec<u8> {
        let mut inflate = Inflate::new(false, window_bits);
        let mut out = Vec::new();
        loop {
            let mut step = [0; 7];
            let before = inflate.total_out();
            inflate.decompress(&compressed[inflate.total_in() as usize..], &mut step, InflateFlush::SyncFlush).unwrap();
            let produced = (inflate.total_out() - before) as usize;
            out.extend_from_slice(&step[..produced]);
            if produced < step.len() {
                return out;
            }
        }
    }

    #[test]
    fn each_window_is_kept_to() {
        // What repeats is farther apart than the small windows reach, and nearer than the large ones do.
        let mut text: Vec<u8> = Vec::new();
        let mut state = 1u32;
        while text.len() < 100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let distance = 1usize << (5 + (state >> 8) % 11);
            match text.len().checked_sub(distance) {
                Some(start) if state >> 31 == 0 => text.extend_from_within(start..start + distance.min(40)),
                _ => text.extend_from_slice(&state.to_le_bytes()),
            }
        }
        let mut deflaters = Deflaters::default();
        for window_bits in SMALLEST_WINDOW..=LARGEST_WINDOW {
            let compressed = deflaters.compress(window_bits, &text).to_vec();
            assert!(
                compressed.ends_with(&TAIL) && compressed.len() < text.len(),
                "{window_bits}: {}",
                compressed.len()
            );
            assert!(inflate(window_bits, &compressed) == text, "{window_bits}");
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        for length in [0, 1, 65_535, 65_536, 200_000] {
            let piece: Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut out = Vec::new();
            store(&piece, &mut out);
            assert!(out.ends_with(&TAIL) && inflate(15, &out) == piece);
        }
    }
}
