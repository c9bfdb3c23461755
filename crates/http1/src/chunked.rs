//! Chunked bodies (RFC 9112 section 7.1): from the bytes on the wire to the bytes of the body, piece by piece.
//!
//! ```text
//! chunked-body = *chunk last-chunk trailer-section CRLF
//! chunk        = 1*HEXDIG [ chunk-ext ] CRLF chunk-data CRLF
//! last-chunk   = 1*"0" [ chunk-ext ] CRLF
//! chunk-ext    = ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] *( BWS chunk-ext )
//! ```
//!
//! Extensions and trailers are checked and thrown away. Stricter than the RFC in one thing: white space never follows a
//! size, where parsers differ. What a byte of framing may cost is bounded, see [`ChunkedDecoder::decode`].

use crate::characters::{hexadecimal_digit, is_field_value, is_token};
use crate::diagnosis::{BARE_CARRIAGE_RETURN, BARE_LINE_FEED};
use crate::refusal::Refusal;
use crate::trailer;

/// How many bytes of chunk extensions may come beyond what the data pays for.
const EXTENSION_ALLOWANCE: u32 = 16 * 1024;

/// How many bytes of extension each chunk brings for free, beside two for each byte of its data. A signature of
/// the AWS kind takes 81 bytes and comes with kilobytes of data.
const EXTENSION_PER_CHUNK: u64 = 16;

/// The trailer section, in bytes.
const TRAILER_LIMIT: u32 = 8 * 1024;

/// The most digits of a chunk size, leading zeros included: 64 bits.
const SIZE_DIGITS: u8 = 16;

/// Takes one chunked body apart. About 64 bytes of state, whatever comes.
#[derive(Debug, Clone)]
pub struct ChunkedDecoder {
    state: State,
    /// In `Size` the size so far, afterwards what is missing of the chunk's data.
    remaining: u64,
    digits: u8,
    /// Extension bytes that the data did not pay for.
    extension: u32,
    /// Bytes of the trailer section.
    trailer: u32,
    /// The start of a trailer's name in small letters, and its length.
    name: [u8; trailer::LONGEST],
    name_length: usize,
}

/// What one call of [`ChunkedDecoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// The bytes of the input that are done with.
    pub consumed: usize,
    /// The bytes of the body that were written to the start of the output.
    pub produced: usize,
    /// The body is complete: what was not consumed belongs to the next request.
    pub finished: bool,
}

/// What is expected next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A digit of a chunk size, at least one.
    Size,
    /// After `;`: white space or the name of an extension.
    ExtensionStart,
    ExtensionName,
    /// White space after a name: `=` or the next `;`.
    ExtensionNameEnd,
    /// After `=`: white space, a token or a quoted string.
    ExtensionValue,
    ExtensionToken,
    ExtensionQuoted,
    /// After a backslash in a quoted string.
    ExtensionEscape,
    /// After a quoted string.
    ExtensionQuotedEnd,
    /// White space after a value: only the next `;` makes it legal.
    ExtensionNext,
    SizeLineFeed,
    Data,
    DataCarriageReturn,
    DataLineFeed,
    /// The start of a line of the trailer section: a field, or the empty line that ends all.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Finished,
    Refused(Refusal),
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder for the body that begins with the next byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Size,
            remaining: 0,
            digits: 0,
            extension: 0,
            trailer: 0,
            name: [0; trailer::LONGEST],
            name_length: 0,
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Reads from `input` and writes body bytes to `output`, until one of them is used up or the body ends. Of the input
    /// nothing is kept: pass what was not consumed again, with more after it. Bytes after the body are never consumed.
    /// With an empty `output` it goes on to the next byte of data and stops there.
    ///
    /// # Errors
    ///
    /// 400: malformed; a trailer field that RFC 9110 section 6.5.1 forbids; chunk extensions of more than 16 KiB beyond
    /// what the data pays for (16 bytes a chunk, two for each byte of it). 431: a trailer section over 8 KiB.
    /// The same refusal is given ever after.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Decoded, Refusal> {
        let mut rest = input;
        let mut produced = 0;
        loop {
            if self.state == State::Data {
                let space = output.get_mut(produced..).unwrap_or_default();
                let missing = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                let length = rest.len().min(space.len()).min(missing);
                let (data, after) = rest.split_at(length);
                if let Some(target) = space.get_mut(..length) {
                    target.copy_from_slice(data);
                }
                rest = after;
                produced += length;
                self.remaining -= length as u64;
                if self.remaining > 0 {
                    break;
                }
                self.state = State::DataCarriageReturn;
            }
            let Some((byte, after)) = rest.split_first().filter(|_| self.state != State::Finished) else {
                break;
            };
            match self.step(*byte) {
                Ok(state) => self.state = state,
                Err(refusal) => {
                    self.state = State::Refused(refusal);
                    return Err(refusal);
                }
            }
            rest = after;
        }
        if let State::Refused(refusal) = self.state {
            return Err(refusal);
        }
        Ok(Decoded { consumed: input.len() - rest.len(), produced, finished: self.is_finished() })
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match self.state {
            State::Size => self.size(byte),
            State::SizeLineFeed => line_feed(byte, self.after_size()),
            State::DataCarriageReturn if byte == b'\r' => Ok(State::DataLineFeed),
            State::DataCarriageReturn => Err(Refusal::bad_request("a chunk is longer than its size says")),
            State::DataLineFeed => {
                self.digits = 0;
                line_feed(byte, State::Size)
            }
            State::Trailer
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLineFeed
            | State::LastLineFeed => self.trailer(byte),
            // Nothing is read in these: `decode` takes data by the piece.
            State::Data | State::Finished => Ok(self.state),
            State::Refused(refusal) => Err(refusal),
            extension => {
                let next = extension_step(extension, byte)?;
                self.extension += 1;
                if self.extension > EXTENSION_ALLOWANCE {
                    return Err(Refusal::bad_request("the chunk extensions outweigh the data"));
                }
                Ok(next)
            }
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, Refusal> {
        if let Some(digit) = hexadecimal_digit(byte) {
            if self.digits == SIZE_DIGITS {
                return Err(Refusal::bad_request("a chunk size has more than 16 digits"));
            }
            self.digits += 1;
            self.remaining = self.remaining << 4 | u64::from(digit);
            return Ok(State::Size);
        }
        match byte {
            b'\n' => Err(BARE_LINE_FEED),
            _ if self.digits == 0 => Err(Refusal::bad_request("a chunk does not begin with its size")),
            b'\r' => Ok(State::SizeLineFeed),
            b';' => Ok(State::ExtensionStart),
            _ => Err(Refusal::bad_request("a chunk size is not a plain hexadecimal number")),
        }
    }

    /// What comes after the line of a chunk size. Data pays for the extensions that came with it.
    fn after_size(&mut self) -> State {
        let credit = self.remaining.saturating_mul(2).saturating_add(EXTENSION_PER_CHUNK);
        self.extension = self.extension.saturating_sub(u32::try_from(credit).unwrap_or(u32::MAX));
        if self.remaining == 0 { State::Trailer } else { State::Data }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        self.trailer += 1;
        if self.trailer > TRAILER_LIMIT {
            return Err(Refusal::fields_too_large("the trailer section is larger than 8 KiB"));
        }
        match (self.state, byte) {
            (State::TrailerLineFeed, _) => line_feed(byte, State::Trailer),
            (State::LastLineFeed, _) => line_feed(byte, State::Finished),
            (_, b'\n') => Err(BARE_LINE_FEED),
            (State::Trailer, b'\r') => Ok(State::LastLineFeed),
            (State::Trailer, _) if is_token(byte) => {
                self.name_length = 0;
                Ok(self.trailer_name(byte))
            }
            (State::TrailerName, _) if is_token(byte) => Ok(self.trailer_name(byte)),
            (State::TrailerName, b':') => self.check_trailer_name(),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerValue, _) if is_field_value(byte) => Ok(State::TrailerValue),
            (State::TrailerValue, _) => Err(Refusal::bad_request("a trailer value has a control character")),
            _ => Err(Refusal::bad_request("a trailer is not: name, colon, value")),
        }
    }

    fn trailer_name(&mut self, byte: u8) -> State {
        if let Some(place) = self.name.get_mut(self.name_length) {
            *place = byte.to_ascii_lowercase();
        }
        self.name_length += 1;
        State::TrailerName
    }

    fn check_trailer_name(&self) -> Result<State, Refusal> {
        // A name too long to be kept is too long to be equal to a forbidden one; its start still counts.
        let long = self.name_length > self.name.len();
        let name = self.name.get(..self.name_length).unwrap_or(&self.name);
        let forbidden = if long { trailer::is_forbidden_start(name) } else { trailer::is_forbidden(name) };
        if forbidden {
            return Err(Refusal::bad_request("a field that is not allowed in the trailer section"));
        }
        Ok(State::TrailerValue)
    }
}

/// The LF of a CRLF.
fn line_feed(byte: u8, next: State) -> Result<State, Refusal> {
    if byte == b'\n' { Ok(next) } else { Err(BARE_CARRIAGE_RETURN) }
}

/// One byte of a chunk extension (RFC 9112 section 7.1.1; quoted-string: RFC 9110 section 5.6.4).
fn extension_step(state: State, byte: u8) -> Result<State, Refusal> {
    let white_space = matches!(byte, b' ' | b'\t');
    // The places where an extension, and so the line, may end.
    let may_end = matches!(state, State::ExtensionName | State::ExtensionToken | State::ExtensionQuotedEnd);
    let may_continue = may_end || matches!(state, State::ExtensionNameEnd | State::ExtensionNext);
    match state {
        _ if may_end && byte == b'\r' => Ok(State::SizeLineFeed),
        _ if may_continue && byte == b';' => Ok(State::ExtensionStart),
        State::ExtensionStart | State::ExtensionValue | State::ExtensionNameEnd | State::ExtensionNext
            if white_space =>
        {
            Ok(state)
        }
        State::ExtensionStart | State::ExtensionName if is_token(byte) => Ok(State::ExtensionName),
        State::ExtensionName if white_space => Ok(State::ExtensionNameEnd),
        State::ExtensionName | State::ExtensionNameEnd if byte == b'=' => Ok(State::ExtensionValue),
        State::ExtensionValue | State::ExtensionToken if is_token(byte) => Ok(State::ExtensionToken),
        State::ExtensionValue if byte == b'"' => Ok(State::ExtensionQuoted),
        State::ExtensionToken | State::ExtensionQuotedEnd if white_space => Ok(State::ExtensionNext),
        State::ExtensionQuoted if byte == b'"' => Ok(State::ExtensionQuotedEnd),
        State::ExtensionQuoted if byte == b'\\' => Ok(State::ExtensionEscape),
        State::ExtensionQuoted | State::ExtensionEscape if is_field_value(byte) => Ok(State::ExtensionQuoted),
        _ if byte == b'\n' => Err(BARE_LINE_FEED),
        _ => Err(Refusal::bad_request("a chunk extension is malformed")),
    }
}
