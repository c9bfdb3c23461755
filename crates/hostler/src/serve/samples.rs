//! What an instance was like over the last day, in spans of ten seconds and of a minute: some 190 KiB at most, kept as it comes.
//!
//! It goes on where another process left it. Then a span that was not over is gone on with, unless the gap between both was long; and so is a
//! minute. Of a minute that two processes share, the highest times of its spans stand for those of all its requests, which nobody knows any more.

use std::collections::VecDeque;
use std::time::Duration;

use hostler_bus::{Gap, Sample, Samples};
use hostler_router::Statistics;

/// Spans of ten seconds: an hour, and what is to be gone with the next minute.
const SHORT: usize = 360;
/// Spans of a minute: a day.
pub(super) const LONG: usize = 1440;
/// How many short ones make a long one.
const MINUTE: usize = 6;
/// So many short ones there are at most, with those of the minute under way.
pub(super) const SHORT_MOST: usize = SHORT + MINUTE;
/// So many times in which no server ran are kept.
pub(super) const GAPS: usize = 512;
/// What is older goes.
const DAY_US: u64 = 86_400_000_000;
/// A span shorter than that was not over, in seconds.
const WHOLE: f64 = 9.0;
/// What a longer gap parts is two spans and two minutes, else each would tell of both sides of it.
const PARTS_US: u64 = 60_000_000;

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

/// A span, and the number of its minute, by any process: clocks on walls are set back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbered {
    pub(super) minute: u64,
    pub(super) sample: Sample,
}

/// What is kept beyond the end of the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spans {
    /// Those of ten seconds; whole minutes, and those of the minute under way.
    pub(super) short: VecDeque<Numbered>,
    /// Those of a minute.
    pub(super) long: VecDeque<Numbered>,
    /// When no server ran.
    pub(super) gaps: VecDeque<Gap>,
    /// The minute under way.
    pub(super) minute: u64,
}

/// What is kept, and how it goes on.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    spans: Spans,
    /// The end of the last short span, and of the last long one.
    ends: Option<(Moment, Moment)>,
    /// The last short span was not over when the process before ended.
    continues: bool,
    /// What other processes recorded of the minute under way.
    carried: Option<Sample>,
}

impl Recorder {
    /// Goes on after another process, and after that gap.
    pub(super) fn after(mut spans: Spans, gap: Option<Gap>) -> Self {
        let begun = spans.under_way().map(|one| one.sample).reduce(|first, then| join(&first, then));
        let unfinished = spans.under_way().last().is_some_and(|one| one.sample.seconds < WHOLE);
        let parts = gap.is_some_and(|gap| gap.to_us.saturating_sub(gap.from_us) >= PARTS_US);
        let recorder = |spans, continues, carried| Self { spans, ends: None, continues, carried };
        if let Some(gap) = gap {
            spans.gaps.push_back(gap);
            if spans.gaps.len() > GAPS {
                spans.gaps.pop_front();
            }
        }
        match begun {
            Some(minute) if parts => {
                spans.end_minute(minute);
                recorder(spans, false, None)
            }
            carried => recorder(spans, unfinished, carried),
        }
    }

    /// A span ends now. The first call only begins one.
    pub(super) fn record(&mut self, now: Moment) {
        let Some((short, long)) = &mut self.ends else {
            self.ends = Some((now.clone(), now));
            return;
        };
        let spans = &mut self.spans;
        let mut sample = span(short, &now);
        if std::mem::take(&mut self.continues)
            && let Some(last) = spans.short.pop_back()
        {
            sample = join(&last.sample, sample);
        }
        spans.short.push_back(Numbered { minute: spans.minute, sample });
        if spans.under_way().count() >= MINUTE {
            let mut minute = span(long, &now);
            if let Some(before) = self.carried.take() {
                minute = join(&before, minute);
            }
            spans.end_minute(minute);
            *long = now.clone();
        }
        spans.forget(now.at_us);
        *short = now;
    }

    /// What is kept.
    pub(super) fn spans(&self) -> &Spans {
        &self.spans
    }

    /// All spans that ended after that moment, the oldest first: minutes, as far as the short ones are gone. And all gaps.
    pub(super) fn since(&self, since_us: u64) -> Samples {
        let Spans { short, long, gaps, minute } = &self.spans;
        let first = short.front().map_or(*minute, |one| one.minute);
        let minutes = long.iter().filter(|one| one.minute < first);
        let mut samples = Samples::default();
        let all = minutes.chain(short).map(|one| &one.sample);
        all.filter(|sample| sample.at_us > since_us).for_each(|sample| samples.push(sample));
        samples.gaps = gaps.iter().filter(|gap| gap.to_us > since_us).copied().collect();
        samples
    }
}

impl Spans {
    /// The short ones of the minute under way, the oldest first.
    fn under_way(&self) -> impl Iterator<Item = &Numbered> {
        let begin = self.short.partition_point(|one| one.minute < self.minute);
        self.short.range(begin..)
    }

    /// The minute under way is over. It has the most of its moments.
    fn end_minute(&mut self, mut minute: Sample) {
        for Numbered { sample, .. } in self.under_way() {
            minute.queued = minute.queued.max(sample.queued);
            minute.in_flight = minute.in_flight.max(sample.in_flight);
            minute.connections = minute.connections.max(sample.connections);
            minute.workers_busy = minute.workers_busy.max(sample.workers_busy);
        }
        self.long.push_back(Numbered { minute: self.minute, sample: minute });
        self.minute += 1;
        if self.long.len() > LONG {
            self.long.pop_front();
        }
        // Whole minutes go, so that no moment is in spans of both lengths, or in none.
        while self.short.len() > SHORT
            && let Some(oldest) = self.short.front().map(|one| one.minute)
        {
            let kept = self.short.partition_point(|one| one.minute <= oldest);
            self.short.drain(..kept);
        }
    }

    /// What is older than a day goes.
    fn forget(&mut self, now_us: u64) {
        let first = now_us.saturating_sub(DAY_US);
        let own = self.minute;
        for (spans, own) in [(&mut self.short, own), (&mut self.long, u64::MAX)] {
            while spans.front().is_some_and(|one| one.sample.at_us < first && one.minute < own) {
                spans.pop_front();
            }
        }
        while self.gaps.front().is_some_and(|gap| gap.to_us < first) {
            self.gaps.pop_front();
        }
    }
}

/// Two spans that follow each other, as one: the moments at its end are those of the second.
fn join(first: &Sample, then: Sample) -> Sample {
    Sample {
        seconds: first.seconds + then.seconds,
        responses_1xx: first.responses_1xx.saturating_add(then.responses_1xx),
        responses_2xx: first.responses_2xx.saturating_add(then.responses_2xx),
        responses_3xx: first.responses_3xx.saturating_add(then.responses_3xx),
        responses_4xx: first.responses_4xx.saturating_add(then.responses_4xx),
        responses_5xx: first.responses_5xx.saturating_add(then.responses_5xx),
        p50_us: first.p50_us.max(then.p50_us),
        p95_us: first.p95_us.max(then.p95_us),
        p99_us: first.p99_us.max(then.p99_us),
        queue_p95_us: first.queue_p95_us.max(then.queue_p95_us),
        cpu_seconds: first.cpu_seconds + then.cpu_seconds,
        ..then
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
        assert!(recorder.spans.short.len() <= SHORT_MOST && recorder.spans.long.len() <= LONG);
    }

    #[test]
    fn a_minute_has_the_most_of_its_moments() {
        let mut recorder = Recorder::default();
        (0..=6).for_each(|ticks| recorder.record(moment(ticks)));
        let minute = recorder.spans.long.front().map(|one| one.sample);
        assert_eq!(minute.map(|minute| (minute.queued, minute.responses_2xx)), Some((6, 60)));
    }

    fn gap(from_us: u64, to_us: u64) -> Gap {
        Gap { from_us, to_us, why: hostler_bus::Absence::Restarted }
    }

    /// A process that serves from one second to another, with a request a second, after others that did so until `from`, where it left off.
    fn process(spans: Spans, gap: Option<Gap>, seconds: std::ops::Range<u64>) -> Spans {
        let mut recorder = Recorder::after(spans, gap);
        let at = |second: u64| {
            let mut statistics = Statistics::default();
            statistics.statuses[2] = second;
            let clock = Duration::from_secs(second - seconds.start);
            Moment { at_us: 1_000_000_000 + second * 1_000_000, clock, statistics, ..Moment::default() }
        };
        seconds.clone().step_by(10).for_each(|second| recorder.record(at(second)));
        recorder.record(at(seconds.end));
        recorder.spans
    }

    #[test]
    fn each_request_is_in_one_span_however_often_the_server_is_restarted() {
        let (mut spans, mut second, mut served) = (Spans::default(), 0, 0);
        // Three hours, in which it runs between no time and three minutes, for gaps of up to two minutes.
        for turn in 0_u64.. {
            let (runs, rests) = (turn * 37 % 180, turn * 53 % 120);
            spans = process(spans, None, second..second + runs.max(1));
            second += runs.max(1);
            served += runs.max(1);
            let told = Recorder::after(spans.clone(), None).since(0);
            let counted: u64 = told.iter().map(|sample| sample.responses()).sum();
            let seconds: f64 = told.iter().map(|sample| sample.seconds).sum();
            assert_eq!((counted, seconds), (served, served as f64), "turn {turn}");
            assert!(spans.short.len() <= SHORT_MOST, "{}", spans.short.len());
            let from = 1_000_000_000 + second * 1_000_000;
            // What is gapped is counted by nobody.
            spans = Recorder::after(spans, Some(gap(from, from + rests * 1_000_000))).spans;
            if second > 10_800 {
                break;
            }
        }
    }

    #[test]
    fn a_span_goes_on_after_a_short_gap_and_not_after_a_long_one() {
        let before = process(Spans::default(), None, 0..3);
        assert_eq!((before.short.len(), before.long.len()), (1, 0));
        let at = 1_003_000_000;
        let short = process(before.clone(), Some(gap(at, at + 59_000_000)), 3..7);
        let seconds: Vec<f64> = short.short.iter().map(|one| one.sample.seconds).collect();
        assert_eq!((seconds, short.long.len(), short.gaps.len()), (vec![7.0], 0, 1));
        let long = process(before, Some(gap(at, at + 60_000_000)), 3..7);
        let seconds: Vec<f64> = long.short.iter().map(|one| one.sample.seconds).collect();
        assert_eq!((seconds, long.long.len(), long.minute), (vec![3.0, 4.0], 1, 1));
    }

    #[test]
    fn a_minute_that_two_share_has_all_of_both() {
        let first = process(Spans::default(), None, 0..35);
        let both = process(first, Some(gap(1_035_000_000, 1_036_000_000)), 35..70);
        let minute = &both.long.front().unwrap().sample;
        assert_eq!((minute.responses_2xx, minute.seconds), (65, 65.0));
    }

    #[test]
    fn hundreds_of_short_lives_are_few_spans() {
        let mut spans = Spans::default();
        for second in 0..500 {
            let at = 1_000_000_000 + second * 1_000_000;
            spans = process(spans, Some(gap(at, at)), second..second + 1);
        }
        // Of nine seconds and of a minute.
        assert!(spans.short.len() < 70 && spans.long.len() < 12, "{} and {}", spans.short.len(), spans.long.len());
        assert_eq!(spans.gaps.len(), 500);
    }

    #[test]
    fn what_is_older_than_a_day_goes_when_it_goes_on() {
        let before = process(Spans::default(), None, 0..200);
        let woke = 200 + 86_400;
        let slept = gap(1_200_000_000, 1_000_000_000 + woke * 1_000_000);
        let spans = process(before, Some(slept), woke..woke + 90);
        let first = Recorder::after(spans.clone(), None).since(0).get(0).unwrap();
        assert!(first.at_us >= 1_000_000_000 + (90 + 200) * 1_000_000, "{first:?}");
        assert_eq!(spans.gaps, [slept]);
    }
}
