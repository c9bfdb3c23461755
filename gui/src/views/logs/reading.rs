//! How far one instance's log is read, and what of it is shown.

use std::ops::RangeInclusive;

use super::export::Export;
use crate::model::{LogBook, LogCriteria, LogIndex};

/// How one instance's log is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The rows.
    pub index: LogIndex,
    /// Whether the view stays at the end as lines come.
    pub follows: bool,
    /// The line at which the view was halted; later ones are not shown.
    pub paused_at: Option<u64>,
    /// What is typed into the search field.
    pub typed: String,
    /// Whether only lines with that text are shown.
    pub only_found: bool,
    /// The line that is chosen.
    pub current: Option<u64>,
    /// Where a choice of several lines began.
    pub anchor: Option<u64>,
    /// Whether the chosen line is shown with all its fields.
    pub detail: bool,
    /// The line that is to be brought into sight.
    pub reveal: Option<u64>,
    /// The first line that was new when the view let go of the end.
    pub left_at: u64,
    /// Where a drag over the time line began, in microseconds since 1970 (UTC).
    pub drag_from_us: Option<u64>,
    /// Whether all was asked for that a daemon gives.
    pub has_read_more: bool,
    /// Writing lines to a file.
    pub export: Export,
    pub(super) scroll: Scroll,
}

/// Where the view stood at the last frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scroll {
    /// How far it was scrolled down, in points.
    pub(super) offset: f64,
    /// How high all rows were, in text lines.
    pub(super) height: u64,
    /// How far it could be scrolled down; below 0 where that is not known.
    pub(super) end: f64,
    /// How many text lines were gone above them.
    pub(super) gone: u64,
    /// The line at the top.
    pub(super) top: Option<u64>,
}

impl Default for Scroll {
    fn default() -> Self {
        Self { offset: 0.0, height: 0, end: -1.0, gone: 0, top: None }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            index: LogIndex::default(),
            follows: true,
            paused_at: None,
            typed: String::new(),
            only_found: false,
            current: None,
            anchor: None,
            detail: false,
            reveal: None,
            left_at: 0,
            drag_from_us: None,
            has_read_more: false,
            export: Export::default(),
            scroll: Scroll::default(),
        }
    }
}

impl Reading {
    /// Takes what is new; answers whether there is more.
    pub(super) fn follow_book(&mut self, book: &LogBook) -> bool {
        let kept = book.numbers();
        self.current = self.current.filter(|number| kept.contains(number));
        self.anchor = self.anchor.filter(|number| kept.contains(number));
        if self.current.is_none() {
            self.detail = false;
        }
        if self.follows {
            self.left_at = self.index.next();
        }
        self.index.follow(book, self.paused_at)
    }

    /// Shows these lines alone, from the end.
    pub(super) fn show_only(&mut self, criteria: LogCriteria) {
        *self = Self { export: self.export.clone(), ..Self::default() };
        self.index.set_criteria(criteria);
    }

    /// Changes what is shown; the line at the top, or the chosen one, stays in sight.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut LogCriteria)) {
        let mut criteria = self.index.criteria().clone();
        change(&mut criteria);
        if criteria == *self.index.criteria() {
            return;
        }
        self.index.set_criteria(criteria);
        if !self.follows {
            self.reveal = self.current.or(self.scroll.top);
        }
    }

    /// Shows all lines again.
    pub(super) fn show_all(&mut self) {
        self.only_found = false;
        self.change(|criteria| *criteria = LogCriteria::default());
    }

    /// Goes on at the end, with what came meanwhile.
    pub(super) fn go_to_end(&mut self) {
        self.paused_at = None;
        self.follows = true;
        self.reveal = None;
        self.scroll.end = -1.0;
    }

    /// Lets go of the end, so that what is in sight stays.
    pub(super) fn let_go(&mut self) {
        if self.follows {
            self.follows = false;
            self.left_at = self.index.next();
        }
    }

    /// Halts, or goes on.
    pub(super) fn set_paused(&mut self, paused: bool) {
        if paused {
            self.paused_at = Some(self.index.next());
        } else {
            self.go_to_end();
        }
    }

    /// How many lines came since the view let go of the end or was halted, of those that are shown; all of them while
    /// it is halted.
    pub(super) fn new_lines(&self, book: &LogBook) -> usize {
        match self.paused_at {
            Some(paused_at) => usize::try_from(book.numbers().end.saturating_sub(paused_at)).unwrap_or(0),
            None if self.follows => 0,
            None => self.index.len() - self.index.place(self.left_at),
        }
    }

    /// Searches for what is typed.
    pub(super) fn search_typed(&mut self) {
        let typed = self.typed.trim().to_owned();
        self.index.set_search(&typed);
        let text = if self.only_found { typed } else { String::new() };
        self.change(|criteria| criteria.text = text);
    }

    /// Goes to the next place of the searched text, or to the one before.
    pub(super) fn go_to_found(&mut self, forward: bool) {
        let from = self.current.or(self.scroll.top.filter(|_| !self.follows));
        // Who is at the end of the log wants the latest first.
        let forward = forward && from.is_some();
        if let Some(number) = self.index.next_found(from, forward) {
            self.choose(number, false);
        }
    }

    /// Chooses a line; with `extend`, all up to it from where the choice began.
    pub(super) fn choose(&mut self, number: u64, extend: bool) {
        if !extend || self.anchor.is_none() {
            self.anchor = Some(number);
        }
        self.current = Some(number);
        self.reveal = Some(number);
        self.let_go();
    }

    /// The lines that are chosen.
    pub(super) fn chosen(&self) -> Option<RangeInclusive<u64>> {
        let current = self.current?;
        let anchor = self.anchor.unwrap_or(current);
        Some(current.min(anchor)..=current.max(anchor))
    }

    /// The line whose fields are shown.
    pub(super) fn detail_of(&self) -> Option<u64> {
        self.current.filter(|_| self.detail)
    }
}
