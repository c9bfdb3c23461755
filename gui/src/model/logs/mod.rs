//! The log of an instance as far as it was read: a ring of lines, and how a view picks, searches and lays them out.

mod criteria;
mod histogram;
mod index;
mod message;
mod record;

use std::collections::VecDeque;
use std::sync::Arc;

use hostler_bus::daemon::LogLine;

use super::Failure;

pub use criteria::{LogCriteria, find, matches};
pub use histogram::LogHistogram;
pub use index::{Found, LogIndex, OFFERED, Row};
pub use message::{Folded, fold, plain};
pub use record::{Severity, as_json, as_text, field, fields};

/// How many lines are kept.
pub const LIMIT: usize = 200_000;
/// How many bytes of messages are kept.
const BYTES_LIMIT: usize = 256 << 20;

/// The log of one instance. Each line has a number, from 0 at the first that ever came, which it keeps.
#[derive(Debug, Default)]
pub struct LogBook {
    /// Shared, so that an export can go on with them while others come.
    lines: VecDeque<Arc<LogLine>>,
    /// The number of the first line that is kept.
    first: u64,
    bytes: usize,
    /// The cursor of the last line that came.
    cursor: String,
    /// When it was asked for last, in microseconds since 1970 (UTC).
    pub asked_us: u64,
    /// Since when it is read; none while it is only asked for, as for as long as somebody types a password.
    pub opened_us: Option<u64>,
    /// Whether a stream is open.
    pub following: bool,
    /// Why it ended, if not as ordered.
    pub ended: Option<Failure>,
}

impl LogBook {
    /// Takes lines at the end, and lets go of the oldest beyond the limits.
    pub fn extend(&mut self, lines: Vec<LogLine>) {
        self.bytes += lines.iter().map(size).sum::<usize>();
        if let Some(last) = lines.last() {
            self.cursor.clone_from(&last.cursor);
        }
        self.lines.extend(lines.into_iter().map(Arc::new));
        while self.lines.len() > LIMIT || (self.bytes > BYTES_LIMIT && self.lines.len() > 1) {
            let gone = self.lines.pop_front();
            self.bytes -= gone.map_or(0, |line| size(&line));
            self.first += 1;
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.first += self.lines.len() as u64;
        self.lines.clear();
        self.bytes = 0;
        self.ended = None;
    }

    /// The numbers of the lines that are kept.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.lines.len() as u64
    }

    /// A line by its number.
    #[must_use]
    pub fn line(&self, number: u64) -> Option<&LogLine> {
        self.shared(number).map(Arc::as_ref)
    }

    /// A line by its number, to be kept.
    #[must_use]
    pub fn shared(&self, number: u64) -> Option<&Arc<LogLine>> {
        let index = number.checked_sub(self.first)?;
        self.lines.get(usize::try_from(index).ok()?)
    }

    /// The cursor of the last line that came, from which a new stream goes on; empty without one.
    #[must_use]
    pub fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// What a line takes, about.
fn size(line: &LogLine) -> usize {
    let fields: usize = line.fields.iter().map(|(key, value)| key.len() + value.len() + 48).sum();
    line.message.len() + line.cursor.len() + fields + 160
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { message: text.to_owned(), cursor: format!("c{text}"), ..LogLine::default() }
    }

    #[test]
    fn lines_keep_their_numbers_when_the_oldest_go() {
        let mut book = LogBook::default();
        book.extend((0..LIMIT + 10).map(|number| line(&number.to_string())).collect());
        assert_eq!(book.numbers(), 10..LIMIT as u64 + 10);
        assert!(book.line(9).is_none());
        assert_eq!(book.line(10).unwrap().message, "10");
        assert_eq!(book.cursor(), format!("c{}", LIMIT + 9));
        book.clear();
        assert_eq!(book.numbers(), LIMIT as u64 + 10..LIMIT as u64 + 10);
        book.extend(vec![line("next")]);
        assert_eq!(book.line(LIMIT as u64 + 10).unwrap().message, "next");
    }

    #[test]
    fn long_messages_are_kept_up_to_a_size() {
        let mut book = LogBook::default();
        let long = "x".repeat(BYTES_LIMIT / 4);
        let line = |message: String| LogLine { message, ..LogLine::default() };
        book.extend((0..6).map(|_| line(long.clone())).collect());
        assert_eq!(book.numbers(), 3..6);
        book.extend(vec![line("x".repeat(BYTES_LIMIT * 2))]);
        assert_eq!(book.numbers(), 6..7, "one line is always kept");
    }
}
