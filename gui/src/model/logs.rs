//! The log of an instance as far as it was read: a ring of lines.

use std::collections::VecDeque;

use hostler_bus::daemon::LogLine;

use super::Failure;

/// How many lines are kept.
const LIMIT: usize = 200_000;

/// The log of one instance.
#[derive(Debug, Default)]
pub struct LogBook {
    lines: VecDeque<LogLine>,
    /// The number of the first line that is kept, from the beginning of the stream.
    first: u64,
    /// Whether a stream is open.
    pub following: bool,
    /// Why it ended, if not as ordered.
    pub ended: Option<Failure>,
}

impl LogBook {
    /// Takes lines at the end.
    pub fn extend(&mut self, lines: Vec<LogLine>) {
        self.lines.extend(lines);
        while self.lines.len() > LIMIT {
            self.lines.pop_front();
            self.first += 1;
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.first += self.lines.len() as u64;
        self.lines.clear();
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
        let index = number.checked_sub(self.first)?;
        self.lines.get(usize::try_from(index).ok()?)
    }
}
