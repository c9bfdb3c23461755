//! What was measured of an instance over time, for plots: the last five minutes by the second, the last day by the minute.

use std::collections::VecDeque;

use hostler_bus::Status;

/// How many samples are kept: five minutes by the second.
const FINE_LIMIT: usize = 300;
/// How many coarse ones: a day by the minute.
const COARSE_LIMIT: usize = 1440;
const MINUTE_US: u64 = 60_000_000;

/// What was measured at one moment, or on average since the sample before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, in microseconds since 1970 (UTC).
    pub at_us: u64,
    /// Requests answered a second, by class of status: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub rates: [f64; 5],
    /// The median time of requests, in microseconds.
    pub p50_us: u64,
    /// The time that 95 of 100 did not exceed.
    pub p95_us: u64,
    /// The time that 99 of 100 did not exceed.
    pub p99_us: u64,
    /// Requests that wait for a worker.
    pub queued: u32,
    /// Workers that run a request.
    pub busy: u32,
    /// Workers that can take requests.
    pub ready: u32,
    /// Memory of the whole instance in bytes.
    pub memory_bytes: u64,
}

impl Sample {
    /// Requests answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rates.iter().sum()
    }
}

/// The samples of one instance.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
}

impl Samples {
    /// Those of the last five minutes, the oldest first.
    pub fn fine(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.fine.iter()
    }

    /// Those of the last day by the minute, the oldest first.
    pub fn coarse(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.coarse.iter()
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Sample> {
        self.fine.back()
    }

    /// Takes what a status says of a moment.
    pub fn take_status(&mut self, at_us: u64, status: &Status) {
        let observed = &status.observed;
        self.push(Sample {
            at_us,
            rates: [0.0, observed.requests_per_second, 0.0, 0.0, 0.0],
            p50_us: observed.p50_us,
            p95_us: observed.p95_us,
            p99_us: observed.p99_us,
            queued: observed.queued,
            busy: observed.in_flight.min(observed.workers_ready),
            ready: observed.workers_ready,
            memory_bytes: observed.memory_bytes,
        });
    }

    /// Takes one sample, which has to be later than the others.
    pub fn push(&mut self, sample: Sample) {
        if self.fine.back().is_some_and(|last| last.at_us >= sample.at_us) {
            return;
        }
        if self.coarse.back().is_none_or(|last| last.at_us / MINUTE_US < sample.at_us / MINUTE_US) {
            self.coarse.push_back(sample);
            keep(&mut self.coarse, COARSE_LIMIT);
        }
        self.fine.push_back(sample);
        keep(&mut self.fine, FINE_LIMIT);
    }

    /// Takes what was measured before the first of its own.
    pub fn take_past(&mut self, past: Vec<Sample>) {
        let first = self.fine.front().map_or(u64::MAX, |sample| sample.at_us);
        let own: Vec<Sample> = self.fine.drain(..).collect();
        self.coarse.clear();
        for sample in past.into_iter().filter(|sample| sample.at_us < first).chain(own) {
            self.push(sample);
        }
    }
}

/// Something that happened to an instance, as plots mark it.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When, in microseconds since 1970 (UTC).
    pub at_us: u64,
    /// What kind.
    pub kind: HappeningKind,
    /// What, in one line.
    pub message: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// A new generation serves.
    Reloaded,
    /// A generation was thrown away.
    ReloadFailed,
    /// The service was started.
    Started,
    /// A worker was replaced against its will.
    WorkerReplaced,
    /// Settings were changed.
    Configured,
    /// It went to sleep.
    Slept,
}

/// Lets go of the oldest beyond a limit.
fn keep<T>(values: &mut VecDeque<T>, limit: usize) {
    while values.len() > limit {
        values.pop_front();
    }
}
