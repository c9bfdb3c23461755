//! Replacing workers that served their time: the replacement first, the old one let go when that is ready.
//!
//! ```text
//!   wish ──a place is free──► replacement starts ──ready──► the old one is let go, the replacement has its seat
//!     ▲                            │
//!     └──────── back-off ──died────┘        the old one serves all the while; if it dies, the replacement has its seat
//! ```

use super::event::{Action, Remark};
use super::state::{State, back_off};
use super::{Machine, Phase, Rest};
use crate::status::RecycleReason;

impl Machine {
    pub(super) fn recycle(&mut self, worker: u16) {
        let now = self.now;
        if let Some(entry) = self.workers.get_mut(usize::from(worker)) {
            entry.wish(RecycleReason::ByHand, now);
        }
    }

    pub(super) fn measured(&mut self, worker: u16, pid: u32, memory: u64) {
        let now = self.now;
        let (Some(limit), Some(entry)) = (self.limits.recycling.max_memory, self.workers.get_mut(usize::from(worker)))
        else {
            return;
        };
        // A fresh process that served nothing would only be followed by another of its size.
        if entry.pid == Some(pid) && memory > limit && entry.served > 0 {
            entry.wish(RecycleReason::MaxMemory { memory, limit }, now);
        }
    }

    /// Starts as many replacements as may be on their way at once.
    pub(super) fn recycle_next(&mut self) {
        let able = self.phase == Phase::Serving && self.rest == Rest::Awake && self.broken.is_none();
        if !able || self.now < self.recycle_not_before {
            return;
        }
        while self.recyclings() < self.most_recyclings()
            && let (Some(place), Some(worker)) = (self.free_place(), self.next_wish())
        {
            self.spawn(place);
            self.workers[usize::from(place)].replaces = Some(worker);
            let entry = &mut self.workers[usize::from(worker)];
            if let (Some((reason, _)), Some(pid), false) = (entry.wish, entry.pid, entry.wish_told) {
                entry.wish_told = true;
                self.actions.push(Action::Remark(Remark::Recycling { worker, pid, reason }));
            }
        }
    }

    pub(super) fn most_recyclings(&self) -> u16 {
        if self.rolling.is_some() { 1 } else { (self.wanted / 4).max(1) }
    }

    /// Replacements that are not ready, and old workers that are not gone.
    pub(super) fn recyclings(&self) -> u16 {
        let entries = self.workers.iter();
        // No more than there are places.
        entries.filter(|entry| entry.replaces.is_some() || (entry.released && entry.wish.is_some())).count() as u16
    }

    /// Whose wish is the oldest, of those that still serve.
    fn next_wish(&self) -> Option<u16> {
        let places = (0u16..).zip(&self.workers);
        places
            .filter(|(place, entry)| {
                entry.state == State::Ready && entry.is_seat() && self.replacement_of(*place).is_none()
            })
            .filter_map(|(place, entry)| Some((entry.wish?.1, place)))
            .min()
            .map(|(_, place)| place)
    }

    pub(super) fn replacement_of(&self, worker: u16) -> Option<u16> {
        let mut places = (0u16..).zip(&self.workers);
        places.find(|(_, entry)| entry.replaces == Some(worker)).map(|(place, _)| place)
    }

    /// When it is tried again, if anybody waits for that.
    pub(super) fn recycling_due(&self) -> Option<std::time::Duration> {
        (self.recycle_not_before > self.now && self.next_wish().is_some()).then_some(self.recycle_not_before)
    }

    /// A replacement is gone that never was ready; the worker it was meant for goes on.
    pub(super) fn replacement_failed(&mut self, worker: u16) {
        self.replacement_failures = self.replacement_failures.saturating_add(1);
        let delay = back_off(self.replacement_failures.saturating_add(1), false);
        self.recycle_not_before = self.now + delay;
        self.actions.push(Action::Remark(Remark::ReplacementFailed { worker, delay }));
    }

    /// A replacement is ready.
    pub(super) fn take_over(&mut self, worker: u16) {
        if let Some(old) = self.workers[usize::from(worker)].replaces.take() {
            self.replacement_failures = 0;
            self.let_go(old);
        }
    }
}
