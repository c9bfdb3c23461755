//! How many workers the load asks for: a pure decision on one sample a second. No IO, no clock.
//!
//! # Primer
//!
//! *Up, quickly*: requests that wait too long, or workers that are all busy while requests wait, for three seconds (one, when they
//! wait very long), add half as many again. While those added are not ready yet nothing more is added: a slow import would
//! otherwise run the number up to its end.
//!
//! *Down, slowly*: when one worker fewer would still be busy at most half of the time, and that for a minute on end, one goes.
//!
//! The two cannot take turns under a steady load: what is left after a step down is at most half busy, and a step up needs nearly all
//! busy, or a queue.

use std::time::Duration;

use crate::Scaling;

/// Who waits so long in the queue waits too long.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// Who waits so long waits far too long.
const VERY_LONG_WAIT: Duration = Duration::from_secs(1);
/// Workers are nearly all busy at this share of their time.
const FULL: f64 = 0.9;
/// Those left after a step down may be busy for this share of their time.
const HALF: f64 = 0.5;
/// For how long there must be too few.
const UP_AFTER: Duration = Duration::from_secs(3);
/// The same, when requests wait far too long.
const UP_SOON_AFTER: Duration = Duration::from_secs(1);
/// For how long there must be too many.
const DOWN_AFTER: Duration = Duration::from_secs(60);

/// What was seen in the last second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Requests that wait for a worker.
    pub(crate) queued: u32,
    /// The longest that one waited.
    pub(crate) longest_wait: Duration,
    /// Share of the workers' time, from 0 to 1.
    pub(crate) busy: f64,
    /// Workers that are ready.
    pub(crate) workers: u16,
}

/// Another number of workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) wanted: u16,
    /// For people.
    pub(crate) reason: String,
}

/// Remembers for how long there have been too few workers, or too many.
#[derive(Debug)]
pub(crate) struct Scaler {
    bounds: Scaling,
    few_since: Option<Duration>,
    many_since: Option<Duration>,
}

impl Scaler {
    pub(crate) fn new(bounds: Scaling) -> Self {
        Self { bounds, few_since: None, many_since: None }
    }

    /// The number of workers to begin with, or to wake up with.
    pub(crate) fn least(&self) -> u16 {
        self.bounds.min.max(1).min(self.most())
    }

    fn most(&self) -> u16 {
        self.bounds.max.max(self.bounds.min).max(1)
    }

    /// Forgets what was seen: the number was changed by somebody else.
    pub(crate) fn reset(&mut self) {
        self.few_since = None;
        self.many_since = None;
    }

    /// Takes in a sample, while `wanted` workers are wanted; `now` is the time since any fixed moment.
    pub(crate) fn take(&mut self, now: Duration, wanted: u16, sample: &Sample) -> Option<Decision> {
        if sample.workers < wanted {
            // Somebody who will help is on the way.
            self.reset();
            return None;
        }
        let waits = sample.longest_wait >= LONG_WAIT;
        if waits || (sample.busy >= FULL && sample.queued > 0) {
            self.many_since = None;
            self.too_few(now, wanted, sample)
        } else {
            self.few_since = None;
            self.too_many(now, wanted, sample)
        }
    }

    fn too_few(&mut self, now: Duration, wanted: u16, sample: &Sample) -> Option<Decision> {
        let held = now.saturating_sub(*self.few_since.get_or_insert(now));
        let needed = if sample.longest_wait >= VERY_LONG_WAIT { UP_SOON_AFTER } else { UP_AFTER };
        if held < needed || wanted >= self.most() {
            return None;
        }
        self.reset();
        let more = (wanted / 2).max(1);
        let seconds = held.as_secs();
        let reason = if sample.longest_wait >= LONG_WAIT {
            format!("requests waited {} ms in the queue for {seconds} s", sample.longest_wait.as_millis())
        } else {
            format!("workers were {:.0} % busy and requests waited, for {seconds} s", sample.busy * 100.0)
        };
        Some(Decision { wanted: wanted.saturating_add(more).min(self.most()), reason })
    }

    fn too_many(&mut self, now: Duration, wanted: u16, sample: &Sample) -> Option<Decision> {
        let fewer = wanted.saturating_sub(1);
        let enough = sample.busy * f64::from(sample.workers) <= HALF * f64::from(fewer);
        // A number that was set by hand may be on either side of the bounds, and stays there until the load says otherwise.
        if sample.queued > 0 || !enough || fewer < self.least() {
            self.many_since = None;
            return None;
        }
        let held = now.saturating_sub(*self.many_since.get_or_insert(now));
        if held < DOWN_AFTER {
            return None;
        }
        self.many_since = Some(now);
        let reason =
            format!("one worker fewer was enough for {} s ({:.0} % busy)", held.as_secs(), sample.busy * 100.0);
        Some(Decision { wanted: fewer, reason })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Scaling = Scaling { min: 1, max: 8 };

    fn sample(workers: u16, queued: u32, wait_ms: u64, busy: f64) -> Sample {
        Sample { queued, longest_wait: Duration::from_millis(wait_ms), busy, workers }
    }

    /// What the scaler says to the same sample, second by second; the number follows at once.
    fn run(
        scaler: &mut Scaler,
        from: u64,
        seconds: u64,
        wanted: &mut u16,
        of: impl Fn(u16) -> Sample,
    ) -> Vec<(u64, Decision)> {
        let mut told = Vec::new();
        for second in from..from + seconds {
            if let Some(decision) = scaler.take(Duration::from_secs(second), *wanted, &of(*wanted)) {
                *wanted = decision.wanted;
                told.push((second, decision));
            }
        }
        told
    }

    #[test]
    fn a_queue_adds_workers_soon_and_says_why() {
        let mut scaler = Scaler::new(BOUNDS);
        let mut wanted = 2;
        let told = run(&mut scaler, 100, 20, &mut wanted, |workers| sample(workers, 3, 120, 1.0));
        let reason = "requests waited 120 ms in the queue for 3 s".to_owned();
        assert_eq!(told[0], (103, Decision { wanted: 3, reason }));
        assert_eq!(told.iter().map(|(_, decision)| decision.wanted).collect::<Vec<_>>(), [3, 4, 6, 8]);
        assert_eq!(told[1].0, 107, "each step is given its time");

        let mut wanted = 2;
        let told = run(&mut Scaler::new(BOUNDS), 0, 2, &mut wanted, |workers| sample(workers, 3, 1500, 1.0));
        assert_eq!(told[0].0, 1);

        let mut wanted = 2;
        let told = run(&mut Scaler::new(BOUNDS), 0, 4, &mut wanted, |workers| sample(workers, 1, 20, 0.95));
        assert_eq!(told[0].1.reason, "workers were 95 % busy and requests waited, for 3 s");
    }

    #[test]
    fn nothing_is_added_while_the_last_are_on_their_way_or_for_a_short_burst() {
        let mut wanted = 2;
        let told = run(&mut Scaler::new(BOUNDS), 0, 600, &mut wanted, |_| sample(1, 90, 5000, 1.0));
        assert_eq!(told, []);
        let mut scaler = Scaler::new(BOUNDS);
        for second in 0..600 {
            let wait = if second % 4 == 0 { 0 } else { 400 };
            let told = scaler.take(Duration::from_secs(second), 2, &sample(2, 1, wait, 0.5));
            assert_eq!(told, None);
        }
    }

    #[test]
    fn idle_workers_go_one_a_minute_down_to_the_least() {
        let mut scaler = Scaler::new(Scaling { min: 0, max: 8 });
        let mut wanted = 4;
        let told = run(&mut scaler, 0, 600, &mut wanted, |workers| sample(workers, 0, 0, 0.01));
        assert_eq!(
            told.iter().map(|(second, told)| (*second, told.wanted)).collect::<Vec<_>>(),
            [(60, 3), (120, 2), (180, 1)]
        );
        assert_eq!(told[0].1.reason, "one worker fewer was enough for 60 s (1 % busy)");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        /// Under a steady load the number goes one way only, and comes to rest.
        #[test]
        fn a_steady_load_makes_no_flapping(
            work in 0.0f64..12.0, first in 1u16..10, min in 0u16..4, more in 0u16..8, boot in 0u64..20,
        ) {
            let bounds = Scaling { min, max: (min + more).max(1) };
            let mut scaler = Scaler::new(bounds);
            let (mut wanted, mut ready) = (first.clamp(min.max(1), bounds.max), Vec::new());
            let mut steps = Vec::new();
            for second in 0..2000 {
                // Those added are ready `boot` seconds later.
                ready.retain(|due| *due > second);
                let workers = wanted - (ready.len() as u16).min(wanted);
                let load = if workers == 0 { 1.0 } else { work / f64::from(workers) };
                let seen = sample(workers, u32::from(load > 0.95), if load >= 1.0 { 3000 } else { 0 }, load.min(1.0));
                if let Some(decision) = scaler.take(Duration::from_secs(second), wanted, &seen) {
                    prop_assert!((min.max(1)..=bounds.max).contains(&decision.wanted));
                    prop_assert_ne!(decision.wanted, wanted);
                    for _ in wanted..decision.wanted {
                        ready.push(second + boot);
                    }
                    steps.push((second, i32::from(decision.wanted) - i32::from(wanted)));
                    wanted = decision.wanted;
                }
            }
            let turns = steps.windows(2).filter(|pair| (pair[0].1 > 0) != (pair[1].1 > 0)).count();
            // The step up may be too large by some, and is then taken back once.
            prop_assert!(turns <= 1, "{steps:?}");
            prop_assert!(steps.iter().all(|(second, _)| *second < 1000), "{steps:?}");
        }

        /// Whatever comes, the bounds hold, each step says why, and a step down is a minute away from any other.
        #[test]
        fn the_bounds_hold_and_no_step_down_follows_soon(
            samples in prop::collection::vec((0u16..10, 0u32..5, 0u64..2000, 0.0f64..=1.0), 0..600), min in 0u16..4,
        ) {
            let bounds = Scaling { min, max: min + 5 };
            let mut scaler = Scaler::new(bounds);
            let mut wanted = scaler.least();
            let mut last = None;
            for (second, (workers, queued, wait, busy)) in (0u64..).zip(samples) {
                let Some(decision) = scaler.take(Duration::from_secs(second), wanted, &sample(workers, queued, wait, busy)) else {
                    continue;
                };
                prop_assert!((min.max(1)..=bounds.max).contains(&decision.wanted));
                prop_assert!(!decision.reason.is_empty());
                if decision.wanted < wanted {
                    prop_assert!(last.is_none_or(|last| second - last >= 60));
                }
                last = Some(second);
                wanted = decision.wanted;
            }
        }
    }
}
