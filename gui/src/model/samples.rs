//! What was measured of an instance over time, for plots: the last ten minutes as it was measured, the last hour by ten
//! seconds, the last day by the minute.

use std::collections::VecDeque;

use hostler_bus::{Gap, Observed, Status};

const SECOND_US: u64 = 1_000_000;
const MINUTE_US: u64 = 60 * SECOND_US;
/// How many samples are kept as they were measured: ten minutes by the second, so that what is looked at closely is still
/// there when it is older than five.
const FINE_LIMIT: usize = 600;
/// How many by ten seconds: an hour.
const MIDDLE_LIMIT: usize = 360;
/// How many by the minute: a day.
const COARSE_LIMIT: usize = 1440;

/// What was measured at one moment, or since the sample before.
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
    /// How many processors the whole instance used, 1 for one core throughout; none where that was not counted.
    pub cpu: Option<f64>,
}

impl Sample {
    /// Requests answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rates.iter().sum()
    }
}

impl From<hostler_bus::Sample> for Sample {
    fn from(span: hostler_bus::Sample) -> Self {
        let responses =
            [span.responses_1xx, span.responses_2xx, span.responses_3xx, span.responses_4xx, span.responses_5xx];
        let rate = |count: u32| if span.seconds > 0.0 { f64::from(count) / span.seconds } else { 0.0 };
        Self {
            at_us: span.at_us,
            rates: responses.map(rate),
            p50_us: span.p50_us.into(),
            p95_us: span.p95_us.into(),
            p99_us: span.p99_us.into(),
            queued: span.queued,
            busy: span.workers_busy,
            ready: span.workers_ready,
            memory_bytes: span.memory_bytes,
            // The server alone uses some, so 0 is that of an instance of an older version.
            cpu: (span.seconds > 0.0 && span.cpu_seconds > 0.0).then(|| span.cpu_seconds / span.seconds),
        }
    }
}

/// The samples of one instance.
#[derive(Clone, Debug)]
pub struct Samples {
    fine: VecDeque<Sample>,
    middle: Steps,
    coarse: Steps,
    counted: Option<Counted>,
    gaps: Vec<Gap>,
}

/// What was counted at the last look.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at_us: u64,
    /// The server process that counts.
    pid: u32,
    responses: [u64; 5],
    cpu_seconds: f64,
}

impl Default for Samples {
    fn default() -> Self {
        Self {
            fine: VecDeque::new(),
            middle: Steps::new(10 * SECOND_US, MIDDLE_LIMIT),
            coarse: Steps::new(MINUTE_US, COARSE_LIMIT),
            counted: None,
            gaps: Vec::new(),
        }
    }
}

impl Samples {
    /// Those of the last ten minutes, the oldest first; of an instance that is looked at more rarely, of a longer time.
    pub fn fine(&self) -> impl DoubleEndedIterator<Item = &Sample> + ExactSizeIterator {
        self.fine.iter()
    }

    /// Those that fit a plot that begins at a moment, the oldest first: the finest that reach so far. The first ones may be
    /// older than that.
    #[must_use]
    pub fn since(&self, first_us: u64, now_us: u64) -> &VecDeque<Sample> {
        // An instance that is younger than the span has a plot as others have.
        let reaches = |samples: &VecDeque<Sample>| samples.front().is_some_and(|sample| sample.at_us <= first_us);
        match now_us.saturating_sub(first_us) {
            ..=300_000_000 => &self.fine,
            300_000_001..=600_000_000 if reaches(&self.fine) => &self.fine,
            300_000_001..=3_600_000_000 => &self.middle.samples,
            _ => &self.coarse.samples,
        }
    }

    /// When its server did not run, as the instance itself tells, the oldest first.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Takes what the instance told of such times; it knows all that are kept.
    pub fn take_gaps(&mut self, gaps: Vec<Gap>) {
        if !gaps.is_empty() {
            self.gaps = gaps;
        }
    }

    /// The latest.
    #[must_use]
    pub fn last(&self) -> Option<&Sample> {
        self.fine.back()
    }

    /// Takes what a status says of a moment.
    pub fn take_status(&mut self, at_us: u64, status: &Status) {
        let observed = &status.observed;
        let responses = responses(observed);
        let now = Counted { at_us, pid: observed.pid, responses, cpu_seconds: observed.cpu_seconds };
        let before = self.counted.replace(now).filter(|before| before.pid == observed.pid && before.at_us < at_us);
        self.push(Sample {
            at_us,
            rates: rates(before, at_us, observed, responses),
            p50_us: observed.p50_us,
            p95_us: observed.p95_us,
            p99_us: observed.p99_us,
            queued: observed.queued,
            busy: observed.workers_busy,
            ready: observed.workers_ready,
            memory_bytes: observed.memory_bytes,
            cpu: before.and_then(|before| cpu(before, at_us, observed.cpu_seconds)),
        });
    }

    /// Takes one sample, which has to be later than the others.
    pub fn push(&mut self, sample: Sample) {
        if self.fine.back().is_some_and(|last| last.at_us >= sample.at_us) {
            return;
        }
        self.middle.push(sample);
        self.coarse.push(sample);
        self.fine.push_back(sample);
        keep(&mut self.fine, FINE_LIMIT);
    }

    /// Takes what was measured by others, the oldest first: all that is older than the first of its own, and longer steps
    /// where those have more.
    pub fn take_past(&mut self, past: Vec<Sample>) {
        let Some(last) = past.last().map(|sample| sample.at_us) else { return };
        let own = std::mem::take(&mut self.fine);
        let first = own.front().map_or(u64::MAX, |sample| sample.at_us);
        for steps in [&mut self.middle, &mut self.coarse] {
            let own = std::mem::replace(steps, Steps::new(steps.width_us, steps.limit)).samples;
            // Of a step that is under way both have a part: theirs is the longer one.
            for sample in past.iter().chain(own.iter().filter(|sample| sample.at_us > last)) {
                steps.push(*sample);
            }
        }
        for sample in past.into_iter().filter(|sample| sample.at_us < first).chain(own) {
            if self.fine.back().is_none_or(|last| last.at_us < sample.at_us) {
                self.fine.push_back(sample);
                keep(&mut self.fine, FINE_LIMIT);
            }
        }
    }
}

/// Requests answered, by class of status.
fn responses(observed: &Observed) -> [u64; 5] {
    if observed.responses.is_empty() {
        // An instance of an older version does not tell them apart.
        return [0, observed.requests_total, 0, 0, 0];
    }
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| observed.responses.get(class).copied().unwrap_or_default())
}

/// Requests answered a second since the look before, by class; without one, as the instance says of the last minute.
fn rates(before: Option<Counted>, at_us: u64, observed: &Observed, now: [u64; 5]) -> [f64; 5] {
    if let Some(before) = before {
        let seconds = (at_us - before.at_us) as f64 / 1e6;
        return std::array::from_fn(|class| now[class].saturating_sub(before.responses[class]) as f64 / seconds);
    }
    let all: u64 = now.iter().sum();
    now.map(|class| if all == 0 { 0.0 } else { observed.requests_per_second * class as f64 / all as f64 })
}

/// How many processors were used since the look before; none where the instance, an older one, does not count that.
fn cpu(before: Counted, at_us: u64, cpu_seconds: f64) -> Option<f64> {
    let seconds = (at_us - before.at_us) as f64 / 1e6;
    (cpu_seconds > 0.0).then(|| (cpu_seconds - before.cpu_seconds).max(0.0) / seconds)
}

/// Samples by steps of the same length.
#[derive(Clone, Debug)]
struct Steps {
    width_us: u64,
    limit: usize,
    samples: VecDeque<Sample>,
    /// How many the last one was made from.
    merged: u32,
}

impl Steps {
    fn new(width_us: u64, limit: usize) -> Self {
        Self { width_us, limit, samples: VecDeque::new(), merged: 0 }
    }

    fn push(&mut self, sample: Sample) {
        match self.samples.back_mut() {
            Some(last) if last.at_us >= sample.at_us => {}
            Some(last) if last.at_us / self.width_us == sample.at_us / self.width_us => {
                *last = merge(last, self.merged, sample);
                self.merged += 1;
            }
            _ => {
                self.samples.push_back(sample);
                self.merged = 1;
                keep(&mut self.samples, self.limit);
            }
        }
    }
}

/// One more sample into a step that was made from so many: rates are averages; of times and queues the worst is what one looks for.
fn merge(step: &Sample, merged: u32, sample: Sample) -> Sample {
    let weight = f64::from(merged);
    let mean = |before: f64, now: f64| (before * weight + now) / (weight + 1.0);
    Sample {
        at_us: sample.at_us,
        rates: std::array::from_fn(|class| mean(step.rates[class], sample.rates[class])),
        p50_us: mean(step.p50_us as f64, sample.p50_us as f64).round() as u64,
        p95_us: step.p95_us.max(sample.p95_us),
        p99_us: step.p99_us.max(sample.p99_us),
        queued: step.queued.max(sample.queued),
        busy: step.busy.max(sample.busy),
        ready: sample.ready,
        memory_bytes: step.memory_bytes.max(sample.memory_bytes),
        cpu: match (step.cpu, sample.cpu) {
            (Some(before), Some(now)) => Some(mean(before, now)),
            (before, now) => now.or(before),
        },
    }
}

/// Lets go of the oldest beyond a limit.
fn keep<T>(values: &mut VecDeque<T>, limit: usize) {
    while values.len() > limit {
        values.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: u64, rate: f64, p99_us: u64) -> Sample {
        Sample { at_us: second * SECOND_US, rates: [0.0, rate, 0.0, 0.0, 0.0], p99_us, ..Sample::default() }
    }

    const MINUTES_5: u64 = 300 * SECOND_US;
    const HOUR: u64 = 3_600 * SECOND_US;
    const DAY: u64 = 86_400 * SECOND_US;

    fn seconds<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<u64> {
        samples.map(|sample| sample.at_us / SECOND_US).collect()
    }

    #[test]
    fn steps_have_averages_of_rates_and_the_worst_of_times() {
        let mut samples = Samples::default();
        for (second, rate) in [(10, 1.0), (11, 2.0), (12, 6.0), (20, 9.0)] {
            samples.push(sample(second, rate, second * 100));
        }
        let middle: Vec<Sample> = samples.since(0, HOUR).iter().copied().collect();
        assert_eq!(seconds(middle.iter()), [12, 20]);
        assert!((middle[0].rate() - 3.0).abs() < 1e-9 && (middle[1].rate() - 9.0).abs() < 1e-9);
        assert_eq!((middle[0].p99_us, samples.since(0, DAY).len(), samples.fine().len()), (1200, 1, 4));
        // What is not later is passed over.
        samples.push(sample(20, 99.0, 0));
        assert_eq!(samples.fine().len(), 4);
    }

    #[test]
    fn a_day_is_kept_and_no_more() {
        let mut samples = Samples::default();
        for second in 0..100_000 {
            samples.push(sample(second, 1.0, 1));
        }
        assert_eq!(samples.fine().len(), FINE_LIMIT);
        let kept = [MINUTES_5, HOUR, 6 * HOUR, DAY].map(|span_us| samples.since(0, span_us).len());
        assert_eq!(kept, [FINE_LIMIT, MIDDLE_LIMIT, COARSE_LIMIT, COARSE_LIMIT]);
    }

    #[test]
    fn the_past_comes_before_what_was_seen() {
        let mut samples = Samples::default();
        for second in [1000, 1001, 1002] {
            samples.push(sample(second, 5.0, 1));
        }
        samples.take_past(Vec::new());
        samples.take_past((0..=100).map(|step| sample(step * 10, 1.0, 1)).collect());
        assert_eq!(seconds(samples.fine()).last_chunk(), Some(&[980, 990, 1000, 1001, 1002]));
        assert_eq!(seconds(samples.since(0, HOUR).iter()).last_chunk(), Some(&[990, 1002]));
        let before = seconds(samples.since(0, HOUR).iter());
        // The same once more changes nothing.
        samples.take_past((0..=100).map(|step| sample(step * 10, 1.0, 1)).collect());
        assert_eq!(seconds(samples.since(0, HOUR).iter()), before);
        assert_eq!(samples.fine().len(), 103);
    }

    #[test]
    fn gaps_are_those_that_were_told_last() {
        let gap = |from_us| Gap { from_us, to_us: from_us + 5, why: hostler_bus::Absence::Asleep };
        let mut samples = Samples::default();
        samples.take_gaps(vec![gap(1)]);
        samples.take_gaps(Vec::new());
        assert_eq!(samples.gaps(), [gap(1)], "one of an older version tells of none");
        samples.take_gaps(vec![gap(1), gap(9)]);
        assert_eq!(samples.gaps(), [gap(1), gap(9)]);
    }

    #[test]
    fn rates_come_from_what_was_counted_meanwhile() {
        let status = |pid, requests_total| Status {
            observed: Observed { pid, requests_total, requests_per_second: 7.0, ..Observed::default() },
            ..Status::default()
        };
        let mut samples = Samples::default();
        let mut rate = |second: u64, pid, total| {
            samples.take_status(second * SECOND_US, &status(pid, total));
            samples.last().map(|sample| sample.rate().round() as u64)
        };
        assert_eq!(rate(1, 1, 100), Some(7), "nothing to compare with: as the instance says");
        assert_eq!(rate(2, 1, 120), Some(20));
        assert_eq!(rate(6, 1, 160), Some(10));
        assert_eq!(rate(7, 2, 3), Some(7), "another process counts anew");
        assert_eq!(rate(8, 2, 3), Some(0));
        // Processor time alike: half a core, then an instance that does not count it.
        let used = |cpu_seconds| Status {
            observed: Observed { pid: 3, cpu_seconds, ..Observed::default() },
            ..Status::default()
        };
        let mut processors = Samples::default();
        for (second, seconds, cpu) in [(1, 10.0, None), (3, 11.0, Some(0.5)), (4, 11.0, Some(0.0)), (5, 0.0, None)] {
            processors.take_status(second * SECOND_US, &used(seconds));
            assert_eq!(processors.last().and_then(|sample| sample.cpu), cpu, "second {second}");
        }
        // By class, where the instance tells them apart.
        let classes = |ok, failed| {
            let mut status = status(2, 0);
            status.observed.responses = [("2xx".to_owned(), ok), ("5xx".to_owned(), failed)].into();
            status
        };
        samples.take_status(9 * SECOND_US, &classes(100, 3));
        samples.take_status(11 * SECOND_US, &classes(120, 4));
        assert_eq!(samples.last().map(|sample| sample.rates), Some([0.0, 10.0, 0.0, 0.0, 0.5]));
    }
}
