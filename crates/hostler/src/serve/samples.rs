//! What an instance was like over the last day, in spans of ten seconds and of a minute: some 190 KiB at most, kept as it comes.

use std::collections::VecDeque;
use std::time::Duration;

use hostler_bus::{Sample, Samples};
use hostler_router::Statistics;

/// Spans of ten seconds: an hour, and what is to be gone with the next minute.
const SHORT: usize = 360;
/// Spans of a minute: a day.
const LONG: usize = 1440;
/// How many short ones make a long one.
const MINUTE: usize = 6;

/// How an instance is at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// Microseconds since 1970.
    pub(super) at_us: u64,
    /// On a clock that nobody sets.
    pub(super) clock: Duration,
    /// All that was counted until then.
    pub(super) statistics: Statistics,
    /// Processor time used until then.
    pub(super) cpu: Duration,
    pub(super) memory_bytes: u64,
    pub(super) queued: u32,
    pub(super) in_flight: u32,
    pub(super) workers_busy: u32,
    pub(super) workers_ready: u32,
    pub(super) workers_wanted: u32,
    pub(super) generation: u64,
}

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    short: VecDeque<Sample>,
    long: VecDeque<Sample>,
    /// The end of the last short span, and of the last long one.
    ends: Option<(Moment, Moment)>,
    /// Short spans since the last long one.
    since_long: usize,
}

impl Recorder {
    /// A span ends now. The first call only begins one.
    pub(super) fn record(&mut self, now: Moment) {
        let Some((short, long)) = &mut self.ends else {
            self.ends = Some((now.clone(), now));
            return;
        };
        self.short.push_back(span(short, &now));
        self.since_long += 1;
        if self.since_long >= MINUTE {
            let mut minute = span(long, &now);
            for sample in self.short.iter().rev().take(self.since_long) {
                minute.queued = minute.queued.max(sample.queued);
                minute.in_flight = minute.in_flight.max(sample.in_flight);
                minute.connections = minute.connections.max(sample.connections);
                minute.workers_busy = minute.workers_busy.max(sample.workers_busy);
            }
            self.since_long = 0;
            self.long.push_back(minute);
            *long = now.clone();
            // Whole minutes go, so that no moment is in spans of both lengths, or in none.
            while self.short.len() > SHORT {
                self.short.drain(..MINUTE);
            }
            if self.long.len() > LONG {
                self.long.pop_front();
            }
        }
        *short = now;
    }

    /// All spans that ended after that moment, the oldest first: minutes, as far as the short ones are gone.
    pub(super) fn since(&self, since_us: u64) -> Samples {
        let first = self.short.front().map_or(0, |sample| sample.at_us);
        let minutes = self.long.iter().filter(|sample| sample.at_us < first);
        let mut samples = Samples::default();
        minutes.chain(&self.short).filter(|sample| sample.at_us > since_us).for_each(|sample| samples.push(sample));
        samples
    }
}

/// What was between two moments.
fn span(from: &Moment, to: &Moment) -> Sample {
    let (before, after) = (&from.statistics, &to.statistics);
    let responses = |class: usize| small(after.statuses[class].saturating_sub(before.statuses[class]));
    let times = after.application_time.since(&before.application_time);
    let waits = after.queue_time.since(&before.queue_time);
    let us = |ns: Option<u64>| small(ns.unwrap_or(0) / 1000);
    Sample {
        at_us: to.at_us,
        seconds: to.clock.saturating_sub(from.clock).as_secs_f64(),
        responses_1xx: responses(1),
        responses_2xx: responses(2),
        responses_3xx: responses(3),
        responses_4xx: responses(4),
        responses_5xx: responses(5),
        p50_us: us(times.quantile(0.5)),
        p95_us: us(times.quantile(0.95)),
        p99_us: us(times.quantile(0.99)),
        queue_p95_us: us(waits.quantile(0.95)),
        queued: to.queued,
        in_flight: to.in_flight,
        connections: small(after.connections),
        workers_busy: to.workers_busy,
        workers_ready: to.workers_ready,
        workers_wanted: to.workers_wanted,
        memory_bytes: to.memory_bytes,
        cpu_seconds: to.cpu.saturating_sub(from.cpu).as_secs_f64(),
        generation: to.generation,
    }
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment `ticks` spans of ten seconds after the start, with a request of a millisecond in each second.
    fn moment(ticks: u64) -> Moment {
        let mut statistics = Statistics::default();
        statistics.statuses[2] = ticks * 10;
        (0..ticks * 10).for_each(|_| statistics.application_time.record(1_000_000));
        Moment {
            at_us: 1_000_000_000 + ticks * 10_000_000,
            clock: Duration::from_secs(ticks * 10),
            statistics,
            cpu: Duration::from_millis(ticks * 20),
            queued: (ticks % 7) as u32,
            ..Moment::default()
        }
    }

    #[test]
    fn a_span_is_what_happened_in_it() {
        let mut recorder = Recorder::default();
        recorder.record(moment(5));
        assert!(recorder.since(0).is_empty());
        recorder.record(moment(6));
        let sample = recorder.since(0).get(0).unwrap();
        assert_eq!((sample.responses_2xx, sample.responses_5xx, sample.seconds), (10, 0, 10.0));
        assert!((1000..1063).contains(&sample.p50_us), "{sample:?}");
        assert!((sample.cpu_seconds - 0.02).abs() < 1e-9 && (sample.rate() - 1.0).abs() < 1e-9);
        assert_eq!(recorder.since(sample.at_us).len(), 0, "only what is newer");
    }

    #[test]
    fn each_request_is_in_one_span_however_long_it_goes_on() {
        let mut recorder = Recorder::default();
        let mut statistics = Statistics::default();
        // Two days.
        for ticks in 0..2 * 8640 {
            statistics.statuses[2] = ticks * 10;
            let moment = Moment {
                at_us: (ticks + 1) * 10_000_000,
                clock: Duration::from_secs(ticks * 10),
                statistics: statistics.clone(),
                ..Moment::default()
            };
            recorder.record(moment);
            if ticks % 977 == 0 {
                let all = recorder.since(0);
                let counted: u64 = all.iter().map(|sample| sample.responses()).sum();
                let seconds: f64 = all.iter().map(|sample| sample.seconds).sum();
                assert_eq!(counted as f64, seconds, "a request a second, after {ticks}");
                assert!(all.at_us.is_sorted());
                if ticks > 8640 {
                    assert!(seconds >= 86_000.0, "{seconds}");
                }
            }
        }
        assert!(recorder.short.len() <= SHORT + MINUTE && recorder.long.len() <= LONG);
    }

    #[test]
    fn a_minute_has_the_most_of_its_moments() {
        let mut recorder = Recorder::default();
        (0..=6).for_each(|ticks| recorder.record(moment(ticks)));
        assert_eq!(recorder.long.front().map(|minute| (minute.queued, minute.responses_2xx)), Some((6, 60)));
    }
}
