//! The rows that a view shows of a log: which lines meet the criteria, how high each is, and where a searched text stands.
//!
//! Each line is looked at once, when it is new or when the criteria change, and at most so many at a time; so a view
//! never waits for a long log, and a frame costs what is new and what is visible.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use hostler_bus::daemon::LogLine;

use super::criteria::find;
use super::message::{fold, plain};
use super::record::{Severity, field};
use super::{LogBook, LogCriteria, LogHistogram};

/// How many lines are looked at in one go.
const BUDGET: usize = 20_000;
/// How many values of a field are offered to choose from.
const VALUES_LIMIT: usize = 64;
/// The fields whose values are offered.
pub const OFFERED: [&str; 2] = ["worker", "generation"];

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The number of its line.
    pub number: u64,
    /// How many characters it has while it is folded.
    characters: u32,
    /// How many lines its message has.
    pub lines: u32,
    /// How many text lines all rows up to it take, itself and those that are gone included.
    end: u64,
}

/// Where one is among the places of a searched text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which of them, from 1; 0 for none.
    pub position: usize,
    /// How many there are.
    pub count: usize,
}

/// The rows.
#[derive(Clone, Debug, Default)]
pub struct LogIndex {
    criteria: LogCriteria,
    rows: VecDeque<Row>,
    /// The first line that was not looked at.
    next: u64,
    /// How many text lines the rows took that are gone.
    gone: u64,
    /// How many characters fit beside each other where lines are wrapped.
    columns: Option<usize>,
    unfolded: BTreeSet<u64>,
    search: String,
    /// The first line that was not searched.
    searched: u64,
    found: VecDeque<u64>,
    histogram: LogHistogram,
    values: BTreeMap<&'static str, BTreeSet<String>>,
    looked_at: u64,
}

impl LogIndex {
    /// Takes what is new in the book, up to the line `until`, and lets go of what is no longer there. Answers whether there
    /// is more to look at.
    pub fn follow(&mut self, book: &LogBook, until: Option<u64>) -> bool {
        let kept = book.numbers();
        self.forget_before(kept.start, book);
        let end = until.unwrap_or(kept.end).clamp(self.next, kept.end.max(self.next));
        let stop = end.min(self.next + BUDGET as u64);
        while self.next < stop {
            if let Some(line) = book.line(self.next) {
                self.take(self.next, line);
            }
            self.next += 1;
        }
        let more_to_search = self.go_on_searching(book);
        self.next < end || more_to_search
    }

    /// What is shown.
    #[must_use]
    pub fn criteria(&self) -> &LogCriteria {
        &self.criteria
    }

    /// Shows something else; all lines are looked at again.
    pub fn set_criteria(&mut self, criteria: LogCriteria) {
        if criteria == self.criteria {
            return;
        }
        *self = Self {
            criteria,
            columns: self.columns,
            unfolded: std::mem::take(&mut self.unfolded),
            search: std::mem::take(&mut self.search),
            looked_at: self.looked_at,
            ..Self::default()
        };
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row by its place.
    #[must_use]
    pub fn row(&self, place: usize) -> Option<Row> {
        self.rows.get(place).copied()
    }

    /// The place of a line's row, or of the next one where it has none.
    #[must_use]
    pub fn place(&self, number: u64) -> usize {
        self.rows.partition_point(|row| row.number < number)
    }

    /// How many text lines all rows take.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.rows.back().map_or(0, |row| row.end - self.gone)
    }

    /// The text lines of a row, counted from the top of the first.
    #[must_use]
    pub fn extent(&self, place: usize) -> Range<u64> {
        let end = |place: usize| self.rows.get(place).map_or(self.gone, |row| row.end) - self.gone;
        let start = place.checked_sub(1).map_or(0, end);
        start..self.rows.get(place).map_or(start, |row| row.end - self.gone)
    }

    /// The place of the row that a text line is of.
    #[must_use]
    pub fn place_at(&self, line: u64) -> usize {
        self.rows.partition_point(|row| row.end - self.gone <= line)
    }

    /// How many text lines are gone above the first row, since the criteria were set: what a view moves up by to stay where
    /// it is.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// The first line that was not looked at.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many lines were looked at in all: a measure of work.
    #[must_use]
    pub fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// How many lines were logged when, of those that meet all but the time.
    #[must_use]
    pub fn histogram(&self) -> &LogHistogram {
        &self.histogram
    }

    /// The values that a field of [`OFFERED`] was seen with.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Wraps lines at so many characters, or not at all.
    pub fn set_columns(&mut self, columns: Option<usize>, book: &LogBook) {
        if self.columns != columns {
            self.columns = columns;
            self.lay_out(0, book);
        }
    }

    /// Whether a row shows all lines of its message.
    #[must_use]
    pub fn is_unfolded(&self, number: u64) -> bool {
        self.unfolded.contains(&number)
    }

    /// Shows all lines of a message, or one.
    pub fn set_unfolded(&mut self, number: u64, unfolded: bool, book: &LogBook) {
        let changed = if unfolded { self.unfolded.insert(number) } else { self.unfolded.remove(&number) };
        if changed {
            self.lay_out(self.place(number), book);
        }
    }

    /// What is searched.
    #[must_use]
    pub fn search(&self) -> &str {
        &self.search
    }

    /// Searches for a text, upper and lower case alike; empty ends the search.
    pub fn set_search(&mut self, text: &str) {
        if self.search != text {
            text.clone_into(&mut self.search);
            self.found.clear();
            self.searched = 0;
        }
    }

    /// Where a line is among the places of the searched text.
    #[must_use]
    pub fn found(&self, current: Option<u64>) -> Found {
        let place = current.and_then(|number| self.found.binary_search(&number).ok());
        Found { position: place.map_or(0, |place| place + 1), count: self.found.len() }
    }

    /// The next line with the searched text behind one, or before it; from the end it goes on at the other end.
    #[must_use]
    pub fn next_found(&self, current: Option<u64>, forward: bool) -> Option<u64> {
        let Some(current) = current else {
            return if forward { self.found.front() } else { self.found.back() }.copied();
        };
        if forward {
            let place = self.found.partition_point(|number| *number <= current);
            self.found.get(place).or_else(|| self.found.front()).copied()
        } else {
            let place = self.found.partition_point(|number| *number < current);
            place.checked_sub(1).and_then(|place| self.found.get(place)).or_else(|| self.found.back()).copied()
        }
    }

    fn take(&mut self, number: u64, line: &LogLine) {
        self.looked_at += 1;
        for name in OFFERED {
            let Some(value) = field(line, name) else { continue };
            let values = self.values.entry(name).or_default();
            if values.len() < VALUES_LIMIT && !values.contains(value) {
                values.insert(value.to_owned());
            }
        }
        if !self.criteria.admits(line) {
            return;
        }
        self.histogram.add(line.time_us, Severity::of(line.priority));
        if !self.criteria.is_in_time(line) {
            return;
        }
        let folded = fold(&line.message);
        let characters = plain(folded.lead).chars().count();
        let mut row = Row {
            number,
            characters: u32::try_from(characters).unwrap_or(u32::MAX),
            lines: u32::try_from(folded.lines).unwrap_or(u32::MAX),
            end: 0,
        };
        let before = self.rows.back().map_or(self.gone, |row| row.end);
        row.end = before + self.height_of(&row, Some(line));
        self.rows.push_back(row);
    }

    fn height_of(&self, row: &Row, line: Option<&LogLine>) -> u64 {
        let wrapped = |characters: usize| match self.columns {
            Some(columns) => characters.div_ceil(columns.max(1)).max(1) as u64,
            None => 1,
        };
        match line {
            Some(line) if row.lines > 1 && self.unfolded.contains(&row.number) => {
                plain(line.message.trim_end()).lines().map(|text| wrapped(text.chars().count())).sum()
            }
            _ if row.lines > 1 => 1,
            _ => wrapped(row.characters as usize),
        }
    }

    fn lay_out(&mut self, from: usize, book: &LogBook) {
        let mut end = from.checked_sub(1).and_then(|place| self.rows.get(place)).map_or(self.gone, |row| row.end);
        for place in from..self.rows.len() {
            let row = self.rows[place];
            end += self.height_of(&row, book.line(row.number));
            self.rows[place].end = end;
        }
    }

    fn forget_before(&mut self, first: u64, book: &LogBook) {
        self.next = self.next.max(first);
        while let Some(row) = self.rows.front().filter(|row| row.number < first) {
            self.gone = row.end;
            self.rows.pop_front();
        }
        while self.found.front().is_some_and(|number| *number < first) {
            self.found.pop_front();
        }
        if self.unfolded.first().is_some_and(|number| *number < first) {
            self.unfolded = self.unfolded.split_off(&first);
        }
        match book.line(first) {
            Some(oldest) => self.histogram.forget_before(oldest.time_us),
            None => self.histogram = LogHistogram::default(),
        }
    }

    /// Answers whether there is more to search.
    fn go_on_searching(&mut self, book: &LogBook) -> bool {
        if self.search.is_empty() {
            return false;
        }
        let from = self.place(self.searched);
        let to = self.rows.len().min(from + BUDGET);
        for place in from..to {
            let number = self.rows[place].number;
            if book.line(number).is_some_and(|line| find(&line.message, &self.search).is_some()) {
                self.found.push_back(number);
            }
            self.searched = number + 1;
        }
        to < self.rows.len()
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
