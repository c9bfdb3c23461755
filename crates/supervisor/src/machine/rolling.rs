//! Rolling: all workers are followed by ones that are started anew, one after the other, the replacement first.
//!
//! ```text
//!   Roll ──► each worker that serves and is of before wishes for a replacement (see `recycling`), one at a time ──none is left──► Rolled
//!                │ a process started since does not get ready
//!                └──► no more are replaced; those that were stay ──► Rolled, with the failure
//! ```
//!
//! Each roll has a number, and each process that of the last roll before it was started: who died meanwhile was followed by a new process anyway.
//! While it goes on the number of workers stays, and nothing sleeps: at most one process more than workers are wanted lives.

use super::event::{Action, Rolled};
use super::state::State;
use super::{Condition, Failure, Machine, Phase, Rest};
use crate::status::RecycleReason;

/// A roll that goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Roll {
    pub(super) replaced: u16,
}

impl Machine {
    /// Begins to replace all workers; one that goes on begins again.
    pub(super) fn roll(&mut self) {
        self.end_roll(None, false);
        if self.condition() != Condition::Serving || self.ready_seats() == 0 {
            self.actions.push(Action::Rolled(Rolled { replaced: 0, of: 0, failure: None, complete: false }));
            return;
        }
        self.roll_number += 1;
        self.rolling = Some(Roll::default());
        self.replacement_failures = 0;
        self.recycle_not_before = self.now;
        // A replacement that is of before would only be replaced itself.
        for place in 0..self.limits.places {
            let entry = &mut self.workers[usize::from(place)];
            if entry.replaces.take().is_some() {
                self.let_go(place);
            }
        }
    }

    /// Ends a roll: as many as were replaced stay so.
    pub(super) fn end_roll(&mut self, failure: Option<Failure>, complete: bool) {
        let Some(Roll { replaced }) = self.rolling.take() else { return };
        for worker in &mut self.workers {
            if matches!(worker.wish, Some((RecycleReason::Rolling, _))) && !worker.released {
                worker.wish = None;
            }
        }
        let of = self.wanted.max(replaced);
        self.actions.push(Action::Rolled(Rolled { replaced, of, failure, complete }));
    }

    /// Has the next ones replaced, or ends the roll when none is left.
    pub(super) fn roll_on(&mut self) {
        if self.rolling.is_none() {
            return;
        }
        if self.phase != Phase::Serving || self.rest != Rest::Awake || self.broken.is_some() {
            self.end_roll(self.broken.clone(), false);
            return;
        }
        let (now, number) = (self.now, self.roll_number);
        let mut left = false;
        for worker in self.workers.iter_mut().filter(|worker| worker.is_seat()) {
            let is_new = worker.roll == number && worker.state == State::Ready;
            left |= !is_new;
            if worker.roll != number {
                worker.wish(RecycleReason::Rolling, now);
            }
        }
        if !left && self.seats() >= self.wanted {
            self.end_roll(None, true);
        }
    }

    /// A process in this place did not get ready: one that was started for a roll ends it.
    pub(super) fn roll_failed(&mut self, worker: u16, failure: &Failure) {
        if self.rolling.is_some() && self.workers[usize::from(worker)].roll == self.roll_number {
            self.end_roll(Some(failure.clone()), false);
        }
    }

    /// A process in this place is ready.
    pub(super) fn roll_counts(&mut self, worker: u16) {
        if let Some(roll) = &mut self.rolling
            && self.workers[usize::from(worker)].roll == self.roll_number
        {
            roll.replaced = roll.replaced.saturating_add(1);
        }
    }
}
