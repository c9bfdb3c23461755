//! A histogram of times with fixed buckets, each a sixteenth of the power of two it lies in: any quantile is right to 6.25 percent.
//!
//! Values are nanoseconds. Below 16 each has a bucket of its own; what is longer than [`LONGEST`] counts as that.

use serde::{Deserialize, Serialize};

/// Buckets in each power of two, as a power of two.
const PARTS: u32 = 4;
/// The longest time told apart: 2^42 ns, 73 minutes.
pub const LONGEST: u64 = (1 << 42) - 1;
/// Number of buckets.
const BUCKETS: usize = bucket_of(LONGEST) + 1;

/// How often times of each length were recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Histogram {
    counts: Box<[u64]>,
    sum: u64,
}

/// A histogram as it is written out: the buckets that are not empty, by their number, and the sum.
#[derive(Serialize, Deserialize)]
struct Written {
    counts: Vec<(usize, u64)>,
    sum: u64,
}

impl From<Histogram> for Written {
    fn from(histogram: Histogram) -> Self {
        let counts = histogram.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        Self { counts, sum: histogram.sum }
    }
}

impl From<Written> for Histogram {
    fn from(written: Written) -> Self {
        let mut histogram = Self { sum: written.sum, ..Self::default() };
        for (bucket, count) in written.counts {
            // One that does not exist is of a version with others.
            if let Some(own) = histogram.counts.get_mut(bucket) {
                *own = own.saturating_add(count);
            }
        }
        histogram
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), sum: 0 }
    }
}

const fn bucket_of(value: u64) -> usize {
    let value = if value > LONGEST { LONGEST } else { value };
    let bits = u64::BITS - value.leading_zeros();
    if bits <= PARTS {
        return value as usize;
    }
    // The first bit says which power of two, the next ones which part of it.
    let power = bits - PARTS;
    ((power as usize) << PARTS) + ((value >> (power - 1)) as usize & ((1 << PARTS) - 1))
}

/// The longest time that falls into a bucket.
const fn end_of(bucket: usize) -> u64 {
    let (power, part) = (bucket >> PARTS, bucket & ((1 << PARTS) - 1));
    if power == 0 {
        return part as u64;
    }
    let first = ((1 << PARTS) + part as u64) << (power - 1);
    first + (1 << (power - 1)) - 1
}

impl Histogram {
    /// Counts one time, in nanoseconds.
    pub fn record(&mut self, ns: u64) {
        if let Some(count) = self.counts.get_mut(bucket_of(ns)) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(ns.min(LONGEST));
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all that were recorded, in nanoseconds; exact, if none was longer than [`LONGEST`].
    pub fn sum_ns(&self) -> u64 {
        self.sum
    }

    /// The time that `share` (0 to 1) of all recorded ones do not exceed, in nanoseconds: the end of its bucket. `None` of an empty one.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((count as f64 * share.clamp(0.0, 1.0)).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let reached = |counted: &u64| {
            seen += counted;
            seen >= rank
        };
        self.counts.iter().position(reached).map(end_of)
    }

    /// How many were at most so many nanoseconds, judged by whole buckets: never more than there were, and all below 15/16 of `ns`.
    pub fn at_most(&self, ns: u64) -> u64 {
        if ns >= LONGEST {
            return self.count();
        }
        let whole = (0..BUCKETS).take_while(|bucket| end_of(*bucket) <= ns);
        whole.map(|bucket| self.counts[bucket]).sum()
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// What was recorded since `earlier`, which this one was then.
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, then)| now.saturating_sub(*then));
        Self { counts: counts.collect(), sum: self.sum.saturating_sub(earlier.sum) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Times of all magnitudes.
    fn times() -> impl Strategy<Value = Vec<u64>> {
        let time = (0u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift);
        proptest::collection::vec(time, 1..200)
    }

    fn of(times: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        times.iter().for_each(|time| histogram.record(*time));
        histogram
    }

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut next = 0;
        for bucket in 0..BUCKETS {
            assert_eq!((bucket_of(next), bucket_of(end_of(bucket))), (bucket, bucket));
            next = end_of(bucket) + 1;
        }
        assert_eq!(next, LONGEST + 1);
    }

    #[test]
    fn an_empty_one_has_no_quantiles() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.quantile(0.5), empty.at_most(u64::MAX)), (0, None, 0));
    }

    proptest! {
        #[test]
        fn a_bucket_is_a_sixteenth_wide(value in 0..=LONGEST) {
            let end = end_of(bucket_of(value));
            prop_assert!(value <= end && end - value <= value / 16);
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_times(times in times(), share in 0.0..=1.0f64) {
            let mut sorted: Vec<u64> = times.iter().map(|time| (*time).min(LONGEST)).collect();
            sorted.sort_unstable();
            let rank = (sorted.len() as f64 * share).ceil() as usize;
            let exact = sorted[rank.max(1) - 1];
            let found = of(&times).quantile(share).unwrap();
            prop_assert!(exact <= found && found - exact <= exact / 16, "{exact} {found}");
        }

        #[test]
        fn as_many_are_at_most_a_time_as_were_recorded(times in times(), bound in any::<u64>()) {
            let histogram = of(&times);
            let exact = |bound: u64| times.iter().filter(|time| (**time).min(LONGEST) <= bound).count() as u64;
            prop_assert!(histogram.at_most(bound) <= exact(bound));
            prop_assert!(histogram.at_most(bound) >= exact(bound.min(LONGEST) / 16 * 15));
            prop_assert_eq!(histogram.at_most(u64::MAX), times.len() as u64);
        }

        #[test]
        fn parts_make_the_whole(first in times(), second in times()) {
            let both = of(&[first.clone(), second.clone()].concat());
            let mut merged = of(&first);
            merged.merge(&of(&second));
            prop_assert_eq!(&merged, &both);
            prop_assert_eq!(both.since(&of(&first)), of(&second));
        }
    }
}
