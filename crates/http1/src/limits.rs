//! How large a request head may be, and the check that an unfinished head can still become small enough.

use memchr::memchr;

use crate::diagnosis::BARE_LINE_FEED;
use crate::refusal::Refusal;

/// The most header fields a head may have whatever the settings say: the length of scratch that callers offer.
/// An element takes 32 bytes; uninitialised, so an unused one costs nothing.
pub const MAX_FIELDS: usize = 1000;

/// The bounds of a request head, all in bytes but `fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The request line without its CRLF. Beyond it: 414.
    pub request_line: usize,
    /// How many header fields. Beyond it, or beyond the scratch offered: 431.
    pub fields: usize,
    /// One field line as sent, without its CRLF: name, colon, white space, value. Beyond it: 431.
    pub field_size: usize,
    /// The whole head with every CRLF, the empty lines around it included. Beyond it: 431.
    pub head: usize,
}

impl Default for Limits {
    /// gunicorn's defaults for the line and the fields, and 64 KiB for the whole.
    fn default() -> Self {
        Self { request_line: 4094, fields: 100, field_size: 8190, head: 64 * 1024 }
    }
}

impl Limits {
    /// Refuses the length of a request line, given without its CRLF.
    pub(crate) const fn check_request_line(&self, length: usize) -> Result<(), Refusal> {
        if length > self.request_line { Err(Refusal::request_line_too_long()) } else { Ok(()) }
    }

    /// Refuses the length of a field line, given without its CRLF.
    pub(crate) const fn check_field(&self, length: usize) -> Result<(), Refusal> {
        if length > self.field_size {
            return Err(Refusal::fields_too_large("a header field is larger than limit_request_field_size allows"));
        }
        Ok(())
    }

    /// Refuses the number of fields that are there.
    pub(crate) const fn check_count(&self, count: usize) -> Result<(), Refusal> {
        if count > self.fields {
            return Err(Refusal::fields_too_large("there are more header fields than limit_request_fields allows"));
        }
        Ok(())
    }

    /// Refuses the length of the whole head, in bytes.
    pub(crate) const fn check_head(&self, length: usize) -> Result<(), Refusal> {
        if length > self.head {
            return Err(Refusal::fields_too_large("the request head is larger than the server allows"));
        }
        Ok(())
    }

    /// Refuses an unfinished head that no continuation can bring within the limits, or whose lines already end
    /// wrongly: waiting for its end would only help who sends it. `text` begins at the request line,
    /// `skipped` is what came before it.
    pub(crate) fn check_unfinished(&self, text: &[u8], skipped: usize) -> Result<(), Refusal> {
        let mut rest = text;
        let mut lines = 0;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(BARE_LINE_FEED);
            };
            self.check_line(lines, line.len())?;
            lines += 1;
            rest = after.get(1..).unwrap_or_default();
        }
        // The line that is not finished; its last byte may belong to the CRLF.
        self.check_line(lines, rest.strip_suffix(b"\r").unwrap_or(rest).len())?;
        // At least one byte is still to come.
        self.check_head(skipped + text.len() + 1)
    }

    /// Refuses the length of line number `index` (0 is the request line), and with it the number of fields:
    /// an empty line is the end of the head and no field.
    const fn check_line(&self, index: usize, length: usize) -> Result<(), Refusal> {
        if index == 0 {
            return self.check_request_line(length);
        }
        if length > 0
            && let Err(refusal) = self.check_count(index)
        {
            return Err(refusal);
        }
        self.check_field(length)
    }
}
