//! The states of one place for a worker, and how long to wait before it is filled again.

use std::time::Duration;

use crate::Recycling;
use crate::ended::Cause;
use crate::status::{Failure, RecycleReason, Restarts};

/// The first delay; it doubles with each further death.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// The longest delay.
pub(crate) const BACK_OFF_LONGEST: Duration = Duration::from_secs(30);
/// A worker that was ready for so long is healthy: its earlier deaths are forgotten.
pub(crate) const HEALTHY: Duration = Duration::from_secs(30);

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// Not started yet, or gone for good.
    Absent,
    /// Loading the application.
    Starting,
    /// Serving.
    Ready,
    /// Finishing what it runs, or exiting by itself.
    Retiring,
    /// Being killed.
    Killed,
    /// Waiting to be started again because it keeps dying.
    Backoff,
}

/// What a worker is doing, in full. `until` is when patience ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    Absent,
    /// To be filled when there is a keeper to do it.
    Waiting,
    /// The process is asked for.
    Spawning,
    Starting {
        until: Duration,
    },
    Ready,
    /// Hangs; was asked for its stacks.
    Condemned {
        until: Duration,
    },
    /// Said that it failed; exits by itself.
    Leaving {
        until: Duration,
    },
    /// Was told to stop.
    Retiring {
        until: Duration,
    },
    /// Was sent SIGTERM.
    Terminating {
        until: Duration,
    },
    /// Was sent SIGKILL.
    Killed,
    Backoff {
        until: Duration,
    },
}

impl State {
    pub(super) fn deadline(self) -> Option<Duration> {
        match self {
            Self::Starting { until }
            | Self::Condemned { until }
            | Self::Leaving { until }
            | Self::Retiring { until }
            | Self::Terminating { until }
            | Self::Backoff { until } => Some(until),
            Self::Absent | Self::Waiting | Self::Spawning | Self::Ready | Self::Killed => None,
        }
    }

    pub(super) fn public(self) -> WorkerState {
        match self {
            Self::Absent => WorkerState::Absent,
            Self::Waiting | Self::Spawning | Self::Starting { .. } => WorkerState::Starting,
            Self::Ready => WorkerState::Ready,
            Self::Leaving { .. } | Self::Retiring { .. } | Self::Terminating { .. } => WorkerState::Retiring,
            Self::Condemned { .. } | Self::Killed => WorkerState::Killed,
            Self::Backoff { .. } => WorkerState::Backoff,
        }
    }
}

/// One place for a worker.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    pub(super) state: State,
    /// When that state began.
    pub(super) since: Duration,
    /// Present exactly while a process is to be waited for.
    pub(super) pid: Option<u32>,
    /// What will be said when that process ends.
    pub(super) cause: Cause,
    /// Why it said that it failed.
    pub(super) failure: Option<Failure>,
    pub(super) ready_since: Option<Duration>,
    /// Its process finished requests.
    pub(super) proven: bool,
    /// Deaths since the last that came after [`HEALTHY`], or of a process that was proven.
    pub(super) deaths: u32,
    /// It is not among those that are wanted any more: when its process is gone the place is free.
    pub(super) released: bool,
    /// It is to take over from the worker in this place, and is not among those that are wanted before it is ready.
    pub(super) replaces: Option<u16>,
    /// The number of the last roll before its process was asked for.
    pub(super) roll: u64,
    /// Why it is to be replaced, and since when that is known.
    pub(super) wish: Option<(RecycleReason, Duration)>,
    /// The recycling was told of.
    pub(super) wish_told: bool,
    pub(super) budget: Budget,
    /// As last seen: requests its process finished, and runs.
    pub(super) served: u64,
    pub(super) running: u32,
    /// What runs past its time in its process.
    pub(super) overdue: Vec<Overdue>,
    /// Of all processes that had this place.
    pub(super) restarts: Restarts,
}

/// Something that runs past its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overdue {
    /// `None` for what keeps an event loop from turning.
    pub(super) request: Option<u64>,
    /// When it is looked at.
    pub(super) look: Duration,
    /// It had the time to end by itself, or by the exception.
    pub(super) hopeless: bool,
}

/// How long one process may serve, with its share of the jitter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    pub(super) requests: Option<u64>,
    pub(super) lifetime: Option<Duration>,
}

impl Budget {
    /// `luck` is any random number.
    fn draw(recycling: &Recycling, luck: u64) -> Self {
        // Two draws from one number: halves that have nothing to do with each other.
        let (first, second) = (luck >> 32, luck & u64::from(u32::MAX));
        let share =
            |most: u64, draw: u64| u64::try_from(((u128::from(most) + 1) * u128::from(draw)) >> 32).unwrap_or(most);
        let jitter = u64::try_from(recycling.max_lifetime_jitter.as_millis()).unwrap_or(u64::MAX);
        Self {
            requests: recycling
                .max_requests
                .map(|most| most.saturating_add(share(recycling.max_requests_jitter, first))),
            lifetime: recycling
                .max_lifetime
                .map(|longest| longest.saturating_add(Duration::from_millis(share(jitter, second)))),
        }
    }
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            state: State::Absent,
            since: Duration::ZERO,
            pid: None,
            cause: Cause::Unasked,
            failure: None,
            ready_since: None,
            proven: false,
            deaths: 0,
            released: false,
            replaces: None,
            roll: 0,
            wish: None,
            wish_told: false,
            budget: Budget::default(),
            served: 0,
            running: 0,
            overdue: Vec::new(),
            restarts: Restarts::default(),
        }
    }
}

impl Worker {
    /// A new process has this place.
    pub(super) fn begin(&mut self, pid: u32, recycling: &Recycling, luck: u64) {
        self.pid = Some(pid);
        self.cause = Cause::Unasked;
        self.failure = None;
        self.ready_since = None;
        self.proven = false;
        self.budget = Budget::draw(recycling, luck);
        self.served = 0;
        self.running = 0;
        self.overdue.clear();
    }

    /// Whether it is one of those that are wanted, whatever becomes of its process.
    pub(super) fn is_seat(&self) -> bool {
        self.state != State::Absent && !self.released && self.replaces.is_none()
    }

    /// When it will have served for as long as it may.
    pub(super) fn lifetime_ends(&self) -> Option<Duration> {
        match (self.state, self.wish, self.ready_since, self.budget.lifetime) {
            (State::Ready, None, Some(since), Some(lifetime)) => Some(since.saturating_add(lifetime)),
            _ => None,
        }
    }

    /// When it is to be looked at whether what ran past its time has ended.
    pub(super) fn look_due(&self) -> Option<Duration> {
        let serves = matches!(self.state, State::Ready | State::Retiring { .. });
        self.overdue.iter().filter(|_| serves).map(|overdue| overdue.look).min()
    }

    /// Has it replaced, unless that is so already.
    pub(super) fn wish(&mut self, reason: RecycleReason, now: Duration) {
        if self.state == State::Ready && self.wish.is_none() && !self.released {
            self.wish = Some((reason, now));
            self.wish_told = false;
        }
    }

    /// Frees the place.
    pub(super) fn vacate(&mut self, now: Duration) {
        *self = Self { since: now, restarts: self.restarts, ..Self::default() };
    }

    /// Counts the end of its process by its cause.
    pub(super) fn count_end(&mut self) {
        let restarts = &mut self.restarts;
        match (self.cause, self.wish) {
            (Cause::RequestTimeout, _) => restarts.timed_out += 1,
            (Cause::OutOfMemory(_), _) => restarts.out_of_memory += 1,
            (Cause::Failed | Cause::BootTimeout, _) => restarts.failed_at_boot += 1,
            (Cause::Unasked, _) if self.ready_since.is_none() => restarts.failed_at_boot += 1,
            (Cause::Unasked, _) => restarts.crashed += 1,
            (Cause::Retired, Some((reason, _))) => restarts.count_recycled(reason),
            (Cause::Retired | Cause::Stop, _) if self.state == State::Killed => restarts.killed_at_stop += 1,
            (Cause::Retired | Cause::Stop, _) => {}
        }
    }

    /// Counts the death of its process, or of the attempt to start one; returns whether it had been ready.
    pub(super) fn count_death(&mut self, now: Duration) -> bool {
        let ready_since = self.ready_since.take();
        // A request that ran too long, or killed it, says nothing about the next process: only what cannot start is slowed down.
        let proven = std::mem::take(&mut self.proven) || self.cause == Cause::RequestTimeout;
        if proven || ready_since.is_some_and(|since| now.saturating_sub(since) >= HEALTHY) {
            self.deaths = 0;
        }
        self.deaths = self.deaths.saturating_add(1);
        ready_since.is_some()
    }
}

/// How long to wait after the death number `deaths` (from 1) in a row.
pub(super) fn back_off(deaths: u32, was_ready: bool) -> Duration {
    match deaths {
        0 | 1 if was_ready => Duration::ZERO,
        0 | 1 => BACK_OFF_FIRST,
        // The first death of a worker that served costs no wait, so its second is the first to wait.
        more => BACK_OFF_FIRST.saturating_mul(1 << (more - 2).min(16)).min(BACK_OFF_LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_and_is_bounded() {
        let delays: Vec<u128> = (1..=10).map(|deaths| back_off(deaths, true).as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600]);
        assert_eq!(back_off(1, false), BACK_OFF_FIRST);
        assert_eq!(back_off(u32::MAX, true), BACK_OFF_LONGEST);
    }
    #[test]
    fn the_jitter_is_spread_over_its_whole_range() {
        let recycling = Recycling {
            max_requests: Some(100),
            max_requests_jitter: 9,
            max_lifetime: Some(Duration::from_secs(10)),
            max_lifetime_jitter: Duration::from_secs(5),
            max_memory: None,
        };
        let least = Budget::draw(&recycling, 0);
        assert_eq!((least.requests, least.lifetime), (Some(100), Some(Duration::from_secs(10))));
        let most = Budget::draw(&recycling, u64::MAX);
        assert_eq!((most.requests, most.lifetime), (Some(109), Some(Duration::from_secs(15))));
        let none = Budget::draw(&Recycling::default(), u64::MAX);
        assert_eq!((none.requests, none.lifetime), (None, None));
    }
}
