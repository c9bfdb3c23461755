//! Decompression of clients' messages (RFC 7692 section 7.2.2).

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

/// What the sender took off the end of each message.
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// How many inflaters are kept for messages to come.
const KEPT: usize = 4;
/// The window of clients' messages: any they may use fits.
const WINDOW_BITS: u8 = 15;

/// The inflaters of a thread: one is enough as long as messages come whole, and one more for each that is incomplete at the same time.
#[derive(Debug, Default)]
pub struct Inflaters {
    #[expect(clippy::vec_box, reason = "they move between here and decoders, which hold a pointer")]
    idle: Vec<Box<Inflater>>,
}

impl Inflaters {
    pub(crate) fn take(&mut self) -> Box<Inflater> {
        self.idle.pop().unwrap_or_else(|| Box::new(Inflater { inflate: Inflate::new(false, WINDOW_BITS) }))
    }

    pub(crate) fn give_back(&mut self, mut inflater: Box<Inflater>) {
        if self.idle.len() < KEPT {
            inflater.inflate.reset(false);
            self.idle.push(inflater);
        }
    }
}

/// Decompresses one message.
pub(crate) struct Inflater {
    inflate: Inflate,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Inflater")
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inflated {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    /// The input is damaged after what was produced.
    pub(crate) damaged: bool,
}

impl Inflater {
    /// Decompresses until all of `input` is used or `output` is full.
    pub(crate) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Inflated {
        let mut done = Inflated::default();
        loop {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(&input[done.consumed..], &mut output[done.produced..], InflateFlush::SyncFlush);
            done.consumed += (self.inflate.total_in() - before_in) as usize;
            done.produced += (self.inflate.total_out() - before_out) as usize;
            match status {
                Ok(Status::Ok | Status::BufError) => return done,
                // A block said that it is the last. Others may follow it in the message (RFC 7692 section 7.2.3.4).
                Ok(Status::StreamEnd) => {
                    self.inflate.reset(false);
                    if done.consumed == input.len() {
                        return done;
                    }
                }
                Err(_) => return Inflated { damaged: true, ..done },
            }
        }
    }
}
