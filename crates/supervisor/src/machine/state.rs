//! The states of one worker, and how long to wait before it is started again.

use std::time::Duration;

use crate::ended::Cause;

/// The first delay; it doubles with each further death.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// The longest delay.
pub(crate) const BACK_OFF_LONGEST: Duration = Duration::from_secs(10);
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
            Self::Absent | Self::Spawning | Self::Ready | Self::Killed => None,
        }
    }

    pub(super) fn public(self) -> WorkerState {
        match self {
            Self::Absent => WorkerState::Absent,
            Self::Spawning | Self::Starting { .. } => WorkerState::Starting,
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
    pub(super) ready_since: Option<Duration>,
    /// Its process finished requests.
    pub(super) proven: bool,
    /// Deaths since the last that came after [`HEALTHY`], or of a process that was proven.
    pub(super) deaths: u32,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            state: State::Absent,
            since: Duration::ZERO,
            pid: None,
            cause: Cause::Unasked,
            ready_since: None,
            proven: false,
            deaths: 0,
        }
    }
}

impl Worker {
    /// A new process has this place.
    pub(super) fn begin(&mut self, pid: u32) {
        self.pid = Some(pid);
        self.cause = Cause::Unasked;
        self.ready_since = None;
        self.proven = false;
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
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(back_off(1, false), BACK_OFF_FIRST);
        assert_eq!(back_off(u32::MAX, true), BACK_OFF_LONGEST);
    }
}
