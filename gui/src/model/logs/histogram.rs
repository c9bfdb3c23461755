//! How many lines were logged when, by severity. The bins grow with the time that they cover, so that there are never
//! many of them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::record::Severity;

/// How many bins cover the whole time, at most.
const BINS: u64 = 600;

/// How many lines were logged when.
#[derive(Clone, Debug)]
pub struct LogHistogram {
    /// How long a bin is.
    bin_us: u64,
    /// By number of the bin: debug and info, warnings, errors.
    bins: BTreeMap<u64, [u32; 3]>,
}

impl Default for LogHistogram {
    fn default() -> Self {
        Self { bin_us: 250_000, bins: BTreeMap::new() }
    }
}

impl LogHistogram {
    /// Counts a line.
    pub fn add(&mut self, time_us: u64, severity: Severity) {
        let counts = self.bins.entry(time_us / self.bin_us).or_default();
        counts[class(severity)] += 1;
        while self.span().is_some_and(|span| span.end - span.start > BINS) {
            self.bin_us *= 2;
            for (bin, counts) in std::mem::take(&mut self.bins) {
                let merged = self.bins.entry(bin / 2).or_default();
                for (sum, count) in merged.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
        }
    }

    /// Forgets what was logged before a moment, as far as whole bins tell.
    pub fn forget_before(&mut self, time_us: u64) {
        let first = time_us / self.bin_us;
        while self.bins.first_key_value().is_some_and(|(bin, _)| *bin < first) {
            self.bins.pop_first();
        }
    }

    /// The time that is covered, in microseconds since 1970 (UTC); none while there is no line.
    #[must_use]
    pub fn time_us(&self) -> Option<Range<u64>> {
        self.span().map(|span| span.start * self.bin_us..span.end * self.bin_us)
    }

    /// The counts by bars that cover a time, and how long each of them is in microseconds: debug and info, warnings, errors.
    /// There are as many bars as are asked for, or fewer; the first begins at or before the time.
    #[must_use]
    pub fn bars(&self, time_us: &Range<u64>, wanted: usize) -> (u64, Vec<[u32; 3]>) {
        let (first, last) = (time_us.start / self.bin_us, time_us.end.div_ceil(self.bin_us));
        let bins = last.saturating_sub(first).max(1);
        let bins_a_bar = bins.div_ceil(wanted.max(1) as u64).max(1);
        let mut counts = vec![[0; 3]; usize::try_from(bins.div_ceil(bins_a_bar)).unwrap_or(1).min(wanted.max(1))];
        for (bin, of_bin) in self.bins.range(first..first + bins) {
            let bar = usize::try_from((bin - first) / bins_a_bar).unwrap_or(usize::MAX);
            for (sum, count) in counts.get_mut(bar).into_iter().flatten().zip(of_bin) {
                *sum += count;
            }
        }
        (bins_a_bar * self.bin_us, counts)
    }

    /// The beginning of the bin that a moment is in.
    #[must_use]
    pub fn start_us(&self, time_us: u64) -> u64 {
        time_us / self.bin_us * self.bin_us
    }

    fn span(&self) -> Option<Range<u64>> {
        let (first, _) = self.bins.first_key_value()?;
        let (last, _) = self.bins.last_key_value()?;
        Some(*first..*last + 1)
    }
}

fn class(severity: Severity) -> usize {
    match severity {
        Severity::Debug | Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_grow_with_the_time() {
        let mut histogram = LogHistogram::default();
        assert_eq!((histogram.time_us(), histogram.bars(&(0..10_000_000), 10).1), (None, vec![[0; 3]; 10]));
        for second in 0..86_400 {
            let severity = if second % 3_600 == 0 { Severity::Error } else { Severity::Info };
            histogram.add(second * 1_000_000, severity);
        }
        assert!(histogram.bins.len() as u64 <= BINS);
        let (bar_us, bars) = histogram.bars(&(0..86_400_000_000), 100);
        assert!(bars.len() <= 100 && bar_us * bars.len() as u64 >= 86_400_000_000, "{bar_us} x {}", bars.len());
        let sum = |class: usize| bars.iter().map(|bar| u64::from(bar[class])).sum::<u64>();
        assert_eq!((sum(0), sum(1), sum(2)), (86_400 - 24, 0, 24));
        let covered = histogram.time_us().unwrap();
        assert!(covered.start == 0 && covered.end >= 86_399_000_000, "{covered:?}");
        histogram.forget_before(43_200_000_000);
        assert!(histogram.time_us().unwrap().start > 42_000_000_000);
    }

    #[test]
    fn lines_that_come_late_count_where_they_were_logged() {
        let mut histogram = LogHistogram::default();
        histogram.add(10_000_000, Severity::Info);
        histogram.add(1_000_000, Severity::Warning);
        assert_eq!(histogram.bars(&(0..20_000_000), 1).1, [[1, 1, 0]]);
        let (bar_us, bars) = histogram.bars(&(0..20_000_000), 20);
        assert_eq!((bar_us, bars.len(), bars[1], bars[10]), (1_000_000, 20, [0, 1, 0], [1, 0, 0]));
    }
}
