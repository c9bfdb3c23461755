//! What `hostler top` shows, and what keys mean: pure, from what was seen of the instance.

use hostler_bus::{Status, Worker};

use super::screen::Key;
use crate::manage::Failed;
use crate::manage::line::{Line, Tone, harmless};
use crate::manage::show;
use crate::manage::units::{bytes, count, rate};

/// What was seen of the instance at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) status: Status,
    pub(super) workers: Vec<Worker>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Quit,
    Look,
    Reload,
    Stacks(u32),
    Recycle(u32),
}

/// What came of an order.
#[derive(Debug)]
pub(super) enum Told {
    Looked(Box<Seen>),
    /// It could not be looked at.
    Gone(Failed),
    Stacks {
        worker: u32,
        stacks: String,
    },
    Done(Result<String, String>),
}

/// What the lower part of the screen is for.
#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Workers,
    Stacks { worker: u32, lines: Vec<String>, first: usize },
    Asking { worker: u32 },
}

/// Lines above the table: headline, facts, requests, an empty one.
const ABOVE: usize = 4;
/// Lines below it: message and keys.
const BELOW: usize = 2;
/// Lines that a page key goes.
const PAGE: usize = 10;

/// All that is shown.
#[derive(Debug)]
pub(super) struct View {
    seen: Seen,
    mode: Mode,
    /// The place of the worker that is chosen: it stays chosen when others come and go.
    chosen: Option<u32>,
    message: (Tone, String),
    /// What is shown is what was seen last: it does not answer.
    away: bool,
}

impl View {
    pub(super) fn new(seen: Seen) -> Self {
        let chosen = seen.workers.first().map(|worker| worker.place);
        Self { seen, mode: Mode::Workers, chosen, message: (Tone::Plain, String::new()), away: false }
    }

    /// Takes in what came of an order.
    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Looked(seen) => {
                self.seen = *seen;
                if std::mem::take(&mut self.away) {
                    self.message = (Tone::Good, "it answers again".to_owned());
                }
                if self.index().is_none() {
                    self.chosen = self.seen.workers.first().map(|worker| worker.place);
                }
            }
            Told::Gone(failed) => {
                self.away = true;
                self.message = (Tone::Wary, format!("it is looked for again, as it was seen last: {failed}"));
            }
            Told::Stacks { worker, stacks } => {
                self.message = (Tone::Plain, String::new());
                let lines = harmless(&stacks).replace('\t', "    ").lines().map(ToOwned::to_owned).collect();
                self.mode = Mode::Stacks { worker, lines, first: 0 };
            }
            Told::Done(Ok(done)) => self.message = (Tone::Good, done),
            Told::Done(Err(reason)) => self.message = (Tone::Bad, reason),
        }
    }

    /// What a key asks for, if it is not about the view alone.
    pub(super) fn key(&mut self, key: Key) -> Option<Order> {
        if key == Key::Interrupt {
            return Some(Order::Quit);
        }
        match &mut self.mode {
            Mode::Asking { worker } => {
                let worker = *worker;
                self.mode = Mode::Workers;
                (key == Key::Letter('y')).then_some(Order::Recycle(worker))
            }
            Mode::Stacks { lines, first, .. } => {
                let last = lines.len().saturating_sub(1);
                match key {
                    Key::Up => *first = first.saturating_sub(1),
                    Key::Down => *first = last.min(*first + 1),
                    Key::PageUp => *first = first.saturating_sub(PAGE),
                    Key::PageDown => *first = last.min(*first + PAGE),
                    Key::Escape | Key::Letter('q' | 's') => self.mode = Mode::Workers,
                    Key::Interrupt | Key::Letter(_) => {}
                }
                None
            }
            Mode::Workers => self.key_among_workers(key),
        }
    }

    fn key_among_workers(&mut self, key: Key) -> Option<Order> {
        match key {
            Key::Letter('q') | Key::Escape => return Some(Order::Quit),
            Key::Letter('r') => {
                self.message = (Tone::Wary, "reloading…".to_owned());
                return Some(Order::Reload);
            }
            Key::Letter('s') => {
                let worker = self.chosen?;
                self.message = (Tone::Wary, format!("asking worker {worker} for its stacks…"));
                return Some(Order::Stacks(worker));
            }
            Key::Letter('k') => self.mode = Mode::Asking { worker: self.chosen? },
            Key::Up => self.choose(|index| index.saturating_sub(1)),
            Key::Down => self.choose(|index| index + 1),
            Key::PageUp => self.choose(|index| index.saturating_sub(PAGE)),
            Key::PageDown => self.choose(|index| index + PAGE),
            Key::Interrupt | Key::Letter(_) => {}
        }
        None
    }

    fn choose(&mut self, go: impl Fn(usize) -> usize) {
        let last = self.seen.workers.len().saturating_sub(1);
        let index = go(self.index().unwrap_or(0)).min(last);
        self.chosen = self.seen.workers.get(index).map(|worker| worker.place);
    }

    /// Where the chosen worker stands.
    fn index(&self) -> Option<usize> {
        self.seen.workers.iter().position(|worker| Some(worker.place) == self.chosen)
    }

    /// The lines of a screen, as many as it has; the screen cuts them to its width.
    pub(super) fn lines(&self, height: usize, now_us: u64) -> Vec<Line> {
        let mut lines = self.head(now_us);
        let room = height.saturating_sub(ABOVE + BELOW);
        let mut middle = match &self.mode {
            Mode::Stacks { worker, lines, first } => stacks(*worker, lines, *first, room),
            Mode::Workers | Mode::Asking { .. } => self.table(room, now_us),
        };
        middle.resize(room, Line::default());
        lines.append(&mut middle);
        lines.extend(self.foot());
        lines
    }

    fn head(&self, now_us: u64) -> Vec<Line> {
        let status = &self.seen.status;
        let observed = &status.observed;
        let workers = format!("{} of {} workers ready", observed.workers_ready, observed.workers_wanted);
        let facts = [
            workers,
            format!("generation {}", observed.generation),
            format!("{} connections", count(observed.connections.into())),
            bytes(observed.memory_bytes),
        ];
        let load = [
            format!("{} requests/s", rate(observed.requests_per_second)),
            format!("{} running", observed.in_flight),
            format!("{} queued", observed.queued),
            show::times(status),
        ];
        let headline = show::headline(status, now_us).and(Tone::Faint, &format!("  {}", status.configured.application));
        vec![
            show::why(observed, headline),
            Line::plain(&facts.join("  ")),
            Line::plain(&load.join("  ")),
            Line::default(),
        ]
    }

    /// The workers, as many as there is room for, the chosen one among them.
    fn table(&self, room: usize, now_us: u64) -> Vec<Line> {
        let mut rows = show::workers(&self.seen.workers, now_us);
        let Some(index) = self.index() else { return rows };
        let heading = rows.remove(0);
        if let Some(row) = rows.get_mut(index) {
            *row = std::mem::take(row).all(Tone::Chosen);
        }
        let shown = room.saturating_sub(1);
        let first = (index + 1).saturating_sub(shown);
        std::iter::once(heading).chain(rows.into_iter().skip(first).take(shown)).take(room).collect()
    }

    fn foot(&self) -> [Line; BELOW] {
        let keys = match self.mode {
            Mode::Workers => "q quit  r reload  ↑↓ choose  s stacks  k recycle",
            Mode::Stacks { .. } => "q back  ↑↓ scroll",
            Mode::Asking { .. } => "y recycle  any other key: leave it",
        };
        let message = match self.mode {
            Mode::Asking { worker } => Line::toned(Tone::Wary, &format!("recycle worker {worker}? (y/n)")),
            _ => Line::toned(self.message.0, &self.message.1),
        };
        [message, Line::toned(Tone::Faint, keys)]
    }
}

fn stacks(worker: u32, lines: &[String], first: usize, room: usize) -> Vec<Line> {
    let title = Line::toned(Tone::Strong, &format!("stacks of worker {worker}"));
    std::iter::once(title).chain(lines.iter().skip(first).map(|line| Line::plain(line))).take(room).collect()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
