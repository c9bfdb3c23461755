//! How many workers there are to be, compared with those there are: started, let go, sent to sleep, woken.

use std::cmp::Reverse;
use std::time::Duration;

use super::event::{Action, Remark, Seen};
use super::state::{State, Worker};
use super::{Machine, Phase, Rest};
use crate::Scaling;
use crate::ended::Cause;
use crate::scaling::Sample;
use crate::status::{Change, RecycleReason};

impl Machine {
    /// Acts on the difference between what should be and what is. Changes nothing when there is none.
    pub(super) fn reconcile(&mut self) {
        if !matches!(self.phase, Phase::Booting | Phase::Serving) {
            return;
        }
        while self.seats() > self.target() {
            let Some(worker) = self.most_dispensable() else { break };
            self.release(worker);
        }
        while self.seats() < self.hoped_for() {
            let Some(place) = self.free_place() else { break };
            self.spawn(place);
        }
        self.roll_on();
        self.recycle_next();
        self.reconcile_keeper();
    }

    /// How many workers are wanted now.
    pub(super) fn target(&self) -> u16 {
        if self.rest == Rest::Asleep { 0 } else { self.wanted }
    }

    /// How many may be tried for: while nothing that is started becomes ready, one at a time shows when that is over.
    pub(super) fn hoped_for(&self) -> u16 {
        if self.broken.is_some() { self.target().min(1) } else { self.target() }
    }

    /// Workers that count, in whatever state.
    pub(super) fn seats(&self) -> u16 {
        count(&self.workers, Worker::is_seat)
    }

    pub(super) fn ready_seats(&self) -> u16 {
        count(&self.workers, |worker| worker.is_seat() && worker.state == State::Ready)
    }

    pub(super) fn free_place(&self) -> Option<u16> {
        (0u16..).zip(&self.workers).find(|(_, worker)| worker.state == State::Absent).map(|(place, _)| place)
    }

    /// The one to let go first: those that do not serve, then idle ones, each time the youngest.
    fn most_dispensable(&self) -> Option<u16> {
        let rank = |worker: &Worker| match worker.state {
            State::Condemned { .. } | State::Leaving { .. } | State::Killed => 0,
            State::Backoff { .. } | State::Waiting => 1,
            State::Absent | State::Spawning | State::Starting { .. } => 2,
            State::Ready if worker.running == 0 => 3,
            State::Ready | State::Retiring { .. } | State::Terminating { .. } => 4,
        };
        let seats = (0u16..).zip(&self.workers).filter(|(_, worker)| worker.is_seat());
        seats
            .min_by_key(|(place, worker)| {
                (rank(worker), Reverse(worker.ready_since.unwrap_or(worker.since)), Reverse(*place))
            })
            .map(|(place, _)| place)
    }

    /// Lets a worker go for good, and with it whatever was to replace it.
    pub(super) fn release(&mut self, worker: u16) {
        if let Some(replacement) = self.replacement_of(worker) {
            self.workers[usize::from(replacement)].replaces = None;
            self.let_go(replacement);
        }
        self.let_go(worker);
    }

    pub(super) fn let_go(&mut self, worker: u16) {
        self.workers[usize::from(worker)].released = true;
        self.dismiss(worker, true, Cause::Retired);
    }

    pub(super) fn loaded(&mut self, seen: &Seen) {
        self.note_running(seen);
        for (place, worker) in self.workers.iter_mut().enumerate() {
            worker.served = seen.served.get(place).copied().unwrap_or(0);
            if let Some(limit) = worker.budget.requests
                && worker.served >= limit
            {
                worker.wish(RecycleReason::MaxRequests { served: worker.served, limit }, self.now);
            }
        }
        if !self.may_change() {
            return;
        }
        self.consider_sleep(seen, None);
        if self.rest == Rest::Awake {
            self.follow_load(seen);
        }
    }

    /// Memory is short: sleeps before its time, when nothing came for as long as `idle`.
    pub(super) fn doze(&mut self, seen: &Seen, idle: Duration) {
        self.note_running(seen);
        if self.may_change() {
            self.consider_sleep(seen, Some(idle));
        }
    }

    fn note_running(&mut self, seen: &Seen) {
        for (place, worker) in self.workers.iter_mut().enumerate() {
            worker.running = seen.load.running.get(place).copied().unwrap_or(0);
        }
    }

    /// Whether the number of workers may change for what was seen.
    fn may_change(&self) -> bool {
        let works = self.phase == Phase::Serving && self.rest == Rest::Awake && self.broken.is_none();
        works && self.rolling.is_none()
    }

    fn follow_load(&mut self, seen: &Seen) {
        let workers = self.ready_seats();
        let (Some(scaler), Some(busy)) = (&mut self.scaler, seen.load.busy) else { return };
        let sample = Sample { queued: seen.load.queued, longest_wait: seen.load.longest_wait, busy, workers };
        if let Some(decision) = scaler.take(self.now, self.wanted, &sample) {
            self.want(decision.wanted, decision.reason);
        }
    }

    pub(super) fn scale(&mut self, workers: u16) {
        if let Some(scaler) = &mut self.scaler {
            scaler.reset();
        }
        self.want(workers, "set by hand".to_owned());
    }

    fn want(&mut self, workers: u16, reason: String) {
        let workers = workers.clamp(1, self.ceiling());
        if workers != self.wanted {
            let remark = Remark::Scaled { from: self.wanted, to: workers, reason: reason.clone() };
            self.actions.push(Action::Remark(remark));
            self.wanted = workers;
            self.reason = reason;
        }
    }

    /// The most workers: one place is kept for replacements, where there are places to spare.
    pub(crate) fn ceiling(&self) -> u16 {
        let places = self.limits.places;
        places.saturating_sub(1).max(self.limits.workers).min(places)
    }

    /// Sleeps after `idle_timeout`, or earlier when nothing came for as long as `early`.
    fn consider_sleep(&mut self, seen: &Seen, early: Option<Duration>) {
        let may = self.limits.scaling.is_none_or(|Scaling { min, .. }| min == 0);
        let (Some(limit), Some(idle), true) = (self.limits.idle_timeout, seen.idle, may) else { return };
        let limit = early.map_or(limit, |early| limit.min(early));
        // Whoever was just woken is given the time to be asked something.
        let idle = idle.min(self.now.saturating_sub(self.awake_since));
        let busy = seen.load.queued > 0 || self.workers.iter().any(|worker| worker.running > 0);
        if idle >= limit && !busy {
            self.sleep(idle);
        }
    }

    fn sleep(&mut self, idle: Duration) {
        self.rest = Rest::Asleep;
        if let Some(scaler) = &mut self.scaler {
            scaler.reset();
            self.wanted = scaler.least();
            self.reason = "as few as are allowed, after the sleep".to_owned();
        }
        self.actions.extend([Action::Remark(Remark::Asleep { idle }), Action::Tell(Change::Asleep)]);
    }

    /// As a sleep, but that the keeper stays, with the application as it has imported it.
    pub(super) fn park(&mut self) {
        if self.phase != Phase::Serving || self.rest != Rest::Awake {
            return;
        }
        self.rest = Rest::Asleep;
        self.parked = true;
        self.actions.extend([Action::Remark(Remark::Parked), Action::Tell(Change::Asleep)]);
    }

    pub(super) fn wake(&mut self) {
        self.parked = false;
        if self.phase == Phase::Serving && self.rest == Rest::Asleep {
            self.rest = Rest::Waking { since: self.now };
            self.actions.push(Action::Remark(Remark::Woken));
        }
    }

    /// A worker is ready.
    pub(super) fn awake(&mut self) {
        if let Rest::Waking { since } = self.rest {
            self.rest = Rest::Awake;
            self.awake_since = self.now;
            let after = self.now.saturating_sub(since);
            self.actions.extend([Action::Remark(Remark::Awake { after }), Action::Tell(Change::Awake)]);
        }
    }
}

fn count(workers: &[Worker], wanted: impl Fn(&Worker) -> bool) -> u16 {
    // There are as many as places, whose number is a u16.
    workers.iter().filter(|worker| wanted(worker)).count() as u16
}
