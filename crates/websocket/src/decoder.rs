//! From a client's frames to its messages (RFC 6455 section 5, RFC 7692 section 7.2.2), in whatever pieces the bytes come.

use crate::Kind;
use crate::close::Close;
use crate::failure::{Failure, NOT_DEFLATE, NOT_UTF8, TOO_BIG};
use crate::frame::{Circumstances, Head, LONGEST_CONTROL, LONGEST_HEAD, Opcode};
use crate::inflate::{Inflated, Inflater, Inflaters, TAIL};
use crate::mask::Mask;
use crate::utf8::Utf8;

/// Compressed bytes that are unmasked at once.
const UNMASKED: usize = 4096;

/// Takes the frames of one client apart. At most 64 bytes, and nothing on the heap, while no message and no control frame has begun.
#[derive(Debug)]
pub struct Decoder {
    /// Bytes of the present frame's payload that were not used yet.
    remaining: u64,
    /// Bytes of the present message so far, decompressed.
    received: u64,
    /// A control frame that is not complete.
    control: Option<Box<Control>>,
    /// What decompresses the present message.
    inflater: Option<Box<Inflater>>,
    mask: Mask,
    utf8: Utf8,
    /// The start of a head that was cut.
    head: [u8; LONGEST_HEAD],
    head_length: u8,
    state: State,
    /// The message that has begun.
    message: Option<Kind>,
    /// The present frame is the last of its message.
    last: bool,
    deflate: bool,
    /// The inflater filled its output: it may hold more.
    holds_more: bool,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// The payload of a message's frame.
    Payload,
    /// The payload of a control frame.
    Control,
    /// Of a compressed message that was received whole, so many bytes of [`TAIL`] are still to be decompressed.
    Tail(u8),
    /// A close frame came, or something wrong: nothing counts any more.
    Ended,
}

/// The payload of a control frame.
#[derive(Debug)]
struct Control {
    opcode: Opcode,
    length: u8,
    payload: [u8; LONGEST_CONTROL],
}

/// What one call of [`Decoder::decode`] did.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The bytes of the input that are done with.
    pub consumed: usize,
    /// The bytes of a message that were written to the start of the output.
    pub produced: usize,
    /// What happened; `None` when all input is used, or the output is full, before anything did.
    pub event: Option<Event>,
}

/// What a client did.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// What was produced belongs to a message.
    Message {
        /// What the message carries.
        kind: Kind,
        /// It ends there.
        finished: bool,
    },
    /// A ping, to be answered with a pong that has the same payload.
    Ping(Box<[u8]>),
    /// A pong.
    Pong,
    /// The last that comes.
    Close(Close),
}

impl Decoder {
    /// For a client that does, or does not, compress.
    pub fn new(deflate: bool) -> Self {
        Self {
            remaining: 0,
            received: 0,
            control: None,
            inflater: None,
            mask: Mask::default(),
            utf8: Utf8::default(),
            head: [0; LONGEST_HEAD],
            head_length: 0,
            state: State::Head,
            message: None,
            last: false,
            deflate,
            holds_more: false,
        }
    }

    /// Whether [`Decoder::decode`] may produce more although there is no more input: what was compressed and found no room.
    pub fn holds_more(&self) -> bool {
        self.holds_more || matches!(self.state, State::Tail(_))
    }

    /// Goes on until something happened, all of `input` is used, or `output` is full. A message over `limit` bytes is a failure.
    ///
    /// `output` may have any size; without a byte of room no message goes on. After a close frame or a failure everything is swallowed.
    ///
    /// # Errors
    /// What the client did wrong. It is to be told, and left.
    pub fn decode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        limit: u64,
        inflaters: &mut Inflaters,
    ) -> Result<Decoded, Failure> {
        let decoded = self.go_on(input, output, limit, inflaters);
        if decoded.is_err() {
            self.end();
        }
        decoded
    }

    fn go_on(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        limit: u64,
        inflaters: &mut Inflaters,
    ) -> Result<Decoded, Failure> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let before = self.state;
            let Decoded { consumed: used, produced, event } = match self.state {
                State::Head => self.read_head(rest, limit, inflaters)?,
                State::Control => self.read_control(rest)?,
                State::Payload if self.inflater.is_some() => self.inflate(rest, output, limit)?,
                State::Payload => self.unmask(rest, output)?,
                State::Tail(left) => self.inflate_tail(left, output, limit, inflaters)?,
                State::Ended => Decoded { consumed: rest.len(), produced: 0, event: None },
            };
            consumed += used;
            if event.is_some() || (used == 0 && self.state == before) {
                return Ok(Decoded { consumed, produced, event });
            }
        }
    }

    fn read_head(&mut self, input: &[u8], limit: u64, inflaters: &mut Inflaters) -> Result<Decoded, Failure> {
        let circumstances = Circumstances { deflate: self.deflate, within_message: self.message.is_some() };
        let known = usize::from(self.head_length);
        let read = if known == 0 {
            Head::read(input, circumstances)?
        } else {
            let more = input.len().min(LONGEST_HEAD - known);
            self.head[known..known + more].copy_from_slice(&input[..more]);
            Head::read(&self.head[..known + more], circumstances)?
        };
        let consumed = match read {
            Some((head, length)) => {
                self.head_length = 0;
                self.begin(head, limit, inflaters)?;
                length - known
            }
            // A head that is not complete is shorter than the longest.
            None => {
                let more = input.len().min(LONGEST_HEAD - known);
                self.head[known..known + more].copy_from_slice(&input[..more]);
                self.head_length += more as u8;
                more
            }
        };
        Ok(Decoded { consumed, produced: 0, event: None })
    }

    fn begin(&mut self, head: Head, limit: u64, inflaters: &mut Inflaters) -> Result<(), Failure> {
        self.mask = Mask::new(head.key);
        self.remaining = head.length;
        let kind = match head.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.control =
                    Some(Box::new(Control { opcode: head.opcode, length: 0, payload: [0; LONGEST_CONTROL] }));
                self.state = State::Control;
                return Ok(());
            }
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
            Opcode::Continuation => None,
        };
        if kind.is_some() {
            self.message = kind;
            self.received = 0;
            self.utf8 = Utf8::default();
            self.inflater = head.compressed.then(|| inflaters.take());
        }
        self.last = head.last;
        self.state = State::Payload;
        if self.inflater.is_none() && self.received.saturating_add(head.length) > limit {
            return Err(TOO_BIG);
        }
        Ok(())
    }

    fn read_control(&mut self, input: &[u8]) -> Result<Decoded, Failure> {
        let length = self.remaining.min(input.len() as u64) as usize;
        self.remaining -= length as u64;
        if let Some(control) = &mut self.control {
            let start = usize::from(control.length);
            self.mask.apply(&input[..length], &mut control.payload[start..start + length]);
            control.length += length as u8;
        }
        let mut event = None;
        if self.remaining == 0 {
            self.state = State::Head;
            event = self.control.take().map(|control| control.event()).transpose()?;
        }
        if matches!(event, Some(Event::Close(_))) {
            self.end();
        }
        Ok(Decoded { consumed: length, produced: 0, event })
    }

    /// The payload of a message that is not compressed.
    fn unmask(&mut self, input: &[u8], output: &mut [u8]) -> Result<Decoded, Failure> {
        let length = self.remaining.min(input.len().min(output.len()) as u64) as usize;
        let produced = &mut output[..length];
        self.mask.apply(&input[..length], produced);
        self.remaining -= length as u64;
        self.received += length as u64;
        if self.message == Some(Kind::Text) && !self.utf8.check(produced) {
            return Err(NOT_UTF8);
        }
        let over = self.remaining == 0;
        if over {
            self.state = State::Head;
        }
        self.produced(length, length, over && self.last)
    }

    /// The payload of a compressed message.
    fn inflate(&mut self, input: &[u8], output: &mut [u8], limit: u64) -> Result<Decoded, Failure> {
        let mut unmasked = [0; UNMASKED];
        let length = self.remaining.min(input.len().min(UNMASKED) as u64) as usize;
        let mut ahead = self.mask;
        ahead.apply(&input[..length], &mut unmasked[..length]);
        let Some(Inflated { consumed, produced, .. }) = self.inflate_into(&unmasked[..length], output, limit)? else {
            return Ok(Decoded { consumed: 0, produced: 0, event: None });
        };
        self.mask.turn(consumed);
        self.remaining -= consumed as u64;
        if self.remaining == 0 && !self.holds_more {
            self.state = if self.last { State::Tail(TAIL.len() as u8) } else { State::Head };
        }
        self.produced(consumed, produced, false)
    }

    /// The end of a compressed message, which is not sent.
    fn inflate_tail(
        &mut self,
        left: u8,
        output: &mut [u8],
        limit: u64,
        inflaters: &mut Inflaters,
    ) -> Result<Decoded, Failure> {
        let tail = &TAIL[TAIL.len() - usize::from(left)..];
        let Some(Inflated { consumed, produced, .. }) = self.inflate_into(tail, output, limit)? else {
            return Ok(Decoded { consumed: 0, produced: 0, event: None });
        };
        self.state = if self.holds_more { State::Tail(left - consumed as u8) } else { State::Head };
        let finished = self.state == State::Head;
        if finished && let Some(inflater) = self.inflater.take() {
            inflaters.give_back(inflater);
        }
        self.produced(0, produced, finished)
    }

    /// Decompresses into `output`, but never more than one byte over the limit; `None` without any room.
    fn inflate_into(&mut self, input: &[u8], output: &mut [u8], limit: u64) -> Result<Option<Inflated>, Failure> {
        let allowed = limit.saturating_sub(self.received).saturating_add(1);
        let room = usize::try_from(allowed).unwrap_or(usize::MAX).min(output.len());
        let Some(inflater) = &mut self.inflater else { return Ok(None) };
        if room == 0 {
            self.holds_more = true;
            return Ok(None);
        }
        let inflated = inflater.step(input, &mut output[..room]);
        self.received += inflated.produced as u64;
        self.holds_more = inflated.produced == room;
        // What is wrong is told in the order in which it stands in the message, however that came in pieces.
        let too_big = self.received > limit;
        let within = inflated.produced - usize::from(too_big);
        if self.message == Some(Kind::Text) && !self.utf8.check(&output[..within]) {
            return Err(NOT_UTF8);
        }
        if too_big {
            return Err(TOO_BIG);
        }
        if inflated.damaged {
            return Err(NOT_DEFLATE);
        }
        Ok(Some(inflated))
    }

    /// Says what became of a step: nothing to tell of when it brought nothing.
    fn produced(&mut self, consumed: usize, produced: usize, finished: bool) -> Result<Decoded, Failure> {
        let message = if finished { self.message.take() } else { self.message };
        if finished && message == Some(Kind::Text) && !self.utf8.is_whole() {
            return Err(NOT_UTF8);
        }
        let told = finished || produced > 0;
        let event = message.filter(|_| told).map(|kind| Event::Message { kind, finished });
        Ok(Decoded { consumed, produced, event })
    }

    fn end(&mut self) {
        *self = Self { state: State::Ended, ..Self::new(self.deflate) };
    }
}

impl Control {
    fn event(&self) -> Result<Event, Failure> {
        let payload = &self.payload[..usize::from(self.length)];
        Ok(match self.opcode {
            Opcode::Ping => Event::Ping(payload.into()),
            Opcode::Close => Event::Close(Close::read(payload)?),
            _ => Event::Pong,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    }
}
