//! The body of a request on its way from the socket into its slot.

use hostler_exchange::{Exchange, RequestEnd};
use hostler_http1::{ChunkedDecoder, Framing, Refusal};

/// Bytes of a chunked body decoded at once.
const DECODE: usize = 16 * 1024;

/// What of a body is still to come from the client.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it was received.
    Done,
    /// So many bytes.
    Length(u64),
    /// Until its last chunk.
    Chunked {
        decoder: Box<ChunkedDecoder>,
        /// Bytes decoded so far.
        received: u64,
        /// The most there may be.
        limit: Option<u64>,
    },
}

/// What became of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fed {
    /// How many were used. What is left belongs to the body still (there was no room), or to the next request.
    pub(crate) used: usize,
    /// Whether any of them was of use to the worker.
    pub(crate) stored: bool,
}

/// A longer body than is allowed.
pub(crate) const TOO_LONG: Refusal = Refusal { status: 413, reason: "the body is longer than limit_request_body" };

impl Body {
    pub(crate) fn new(framing: Framing, limit: Option<u64>) -> Result<Self, Refusal> {
        match framing {
            Framing::None | Framing::Length(0) => Ok(Self::Done),
            Framing::Length(length) if limit.is_some_and(|limit| length > limit) => Err(TOO_LONG),
            Framing::Length(length) => Ok(Self::Length(length)),
            Framing::Chunked => Ok(Self::Chunked { decoder: Box::new(ChunkedDecoder::new()), received: 0, limit }),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Puts received bytes into the slot, as far as it has room, and ends the body there when it is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], exchange: &Exchange, slot: u32) -> Result<Fed, Refusal> {
        let fed = match self {
            Self::Done => return Ok(Fed { used: 0, stored: false }),
            Self::Length(left) => {
                let here = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let used = exchange.write_body(slot, &bytes[..here]);
                *left -= used as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Fed { used, stored: used > 0 }
            }
            Self::Chunked { .. } => self.feed_chunks(bytes, exchange.body_room(slot), |data| {
                exchange.write_body(slot, data);
            })?,
        };
        if self.is_done() {
            exchange.end_body(slot, RequestEnd::Complete);
        }
        Ok(fed)
    }

    /// Throws received bytes away: the answer was sent, and the next request stands behind this body.
    pub(crate) fn discard(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match self {
            Self::Done => Ok(0),
            Self::Length(left) => {
                let used = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= used as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(used)
            }
            Self::Chunked { .. } => Ok(self.feed_chunks(bytes, usize::MAX, |_| ())?.used),
        }
    }

    fn feed_chunks(&mut self, bytes: &[u8], mut room: usize, mut store: impl FnMut(&[u8])) -> Result<Fed, Refusal> {
        let Self::Chunked { decoder, received, limit } = self else {
            return Ok(Fed { used: 0, stored: false });
        };
        let mut decoded = [0; DECODE];
        let mut fed = Fed { used: 0, stored: false };
        loop {
            let space = room.min(DECODE);
            let step = decoder.decode(&bytes[fed.used..], &mut decoded[..space])?;
            fed.used += step.consumed;
            if step.produced > 0 {
                *received += step.produced as u64;
                if limit.is_some_and(|limit| *received > limit) {
                    return Err(TOO_LONG);
                }
                store(&decoded[..step.produced]);
                fed.stored = true;
                room -= step.produced;
            }
            if step.finished {
                *self = Self::Done;
                return Ok(fed);
            }
            if step.consumed == 0 && step.produced == 0 {
                return Ok(fed);
            }
        }
    }
}
