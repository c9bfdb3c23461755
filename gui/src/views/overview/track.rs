//! What plots draw: the samples of a span of time, cut into runs where nothing was measured.

use serde::{Deserialize, Serialize};

use super::zoom::Span;
use crate::model::{Sample, Samples};

const SECOND_US: u64 = 1_000_000;

/// How much time the plots show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Range {
    /// The last five minutes.
    #[default]
    Minutes5,
    /// The last hour.
    Hour,
    /// The last six hours.
    Hours6,
    /// The last day.
    Day,
}

impl Range {
    /// All, the shortest first.
    pub const ALL: [Self; 4] = [Self::Minutes5, Self::Hour, Self::Hours6, Self::Day];

    /// In short, for its button.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Minutes5 => "5 min",
            Self::Hour => "1 h",
            Self::Hours6 => "6 h",
            Self::Day => "24 h",
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Minutes5 => "the last 5 minutes",
            Self::Hour => "the last hour",
            Self::Hours6 => "the last 6 hours",
            Self::Day => "the last 24 hours",
        }
    }

    /// How long it is, in seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Self::Minutes5 => 300,
            Self::Hour => 3_600,
            Self::Hours6 => 21_600,
            Self::Day => 86_400,
        }
    }
}

/// The samples of a span of time, in runs without gaps, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    runs: Vec<Vec<Sample>>,
}

impl Track {
    /// Those of a span.
    #[must_use]
    pub(super) fn new(samples: &Samples, span: Span, now_us: u64) -> Self {
        let (first, last) = (micros(span.first), micros(span.last));
        let within = |sample: &&Sample| sample.at_us >= first && sample.at_us <= last + SECOND_US;
        // Two and a half times as far apart as is usual: up to 10 seconds in the last hour, a minute before.
        let gap = if now_us.saturating_sub(first) <= 3_600 * SECOND_US + SECOND_US { 25 } else { 150 };
        Self::cut(samples.since(first, now_us).iter().filter(within), gap * SECOND_US)
    }

    fn cut<'a>(samples: impl Iterator<Item = &'a Sample>, gap_us: u64) -> Self {
        let mut runs: Vec<Vec<Sample>> = Vec::new();
        for sample in samples {
            match runs.last_mut() {
                Some(run) if run.last().is_some_and(|last| sample.at_us - last.at_us <= gap_us) => run.push(*sample),
                _ => runs.push(vec![*sample]),
            }
        }
        Self { runs }
    }

    /// The runs.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Sample]> {
        self.runs.iter().map(Vec::as_slice)
    }

    /// All samples.
    pub(super) fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> {
        self.runs.iter().flatten()
    }

    /// Whether nothing was measured.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The sample of a run that is nearest to a moment; none where nothing was measured.
    #[must_use]
    pub(super) fn at(&self, seconds: f64) -> Option<&Sample> {
        let micros = seconds * 1e6;
        let distance = |sample: &Sample| (sample.at_us as f64 - micros).abs();
        let run = self.runs.iter().find(|run| match (run.first(), run.last()) {
            (Some(first), Some(last)) => {
                let slack = if first.at_us == last.at_us { 30e6 } else { 1e6 };
                micros >= first.at_us as f64 - slack && micros <= last.at_us as f64 + slack
            }
            _ => false,
        })?;
        run.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)))
    }

    /// The greatest of a value.
    #[must_use]
    pub(super) fn most(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        self.samples().map(value).fold(0.0, f64::max)
    }

    /// The runs of a line: seconds since 1970 and the value; where there is none, the line is cut as well.
    #[must_use]
    pub(super) fn lines(&self, value: impl Fn(&Sample) -> Option<f64>) -> Vec<Vec<[f64; 2]>> {
        let mut lines = Vec::new();
        for run in &self.runs {
            let mut line = Vec::new();
            for sample in run {
                match value(sample) {
                    Some(value) => line.push([sample.at_us as f64 / 1e6, value]),
                    None if line.is_empty() => {}
                    None => lines.push(std::mem::take(&mut line)),
                }
            }
            if !line.is_empty() {
                lines.push(line);
            }
        }
        lines
    }
}

/// To whole milliseconds, so that a range is as long as it says.
fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e3).round() as u64 * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(samples: &Samples, range: Range, now_us: u64) -> Track {
        Track::new(samples, Span::of(range, now_us), now_us)
    }

    fn samples(seconds: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        for second in seconds {
            samples.push(Sample {
                at_us: second * SECOND_US,
                p50_us: second % 2,
                busy: second as u32,
                ..Sample::default()
            });
        }
        samples
    }

    #[test]
    fn a_pause_in_measuring_is_a_gap() {
        let samples = samples((1_000..1_010).chain(1_060..1_065));
        let track = track(&samples, Range::Minutes5, 1_070 * SECOND_US);
        assert_eq!(track.runs().map(<[Sample]>::len).collect::<Vec<_>>(), [10, 5]);
        assert_eq!(track.at(1_003.2).map(|sample| sample.busy), Some(1_003));
        assert_eq!(track.at(1_030.0), None, "nothing was measured then");
        assert!((track.most(|sample| f64::from(sample.busy)) - 1_064.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_older_than_the_range_is_left_out() {
        let samples = samples([1_000, 1_290, 1_295, 1_299]);
        assert_eq!(track(&samples, Range::Minutes5, 1_400 * SECOND_US).samples().count(), 3);
        assert!(track(&samples, Range::Minutes5, 9_000 * SECOND_US).is_empty());
    }

    #[test]
    fn longer_ranges_have_longer_steps() {
        let samples = samples(60_000..60_290);
        for (range, steps) in [(Range::Minutes5, 290), (Range::Hour, 29), (Range::Hours6, 5), (Range::Day, 5)] {
            let track = track(&samples, range, 60_290 * SECOND_US);
            assert_eq!(track.samples().count(), steps, "{range:?}");
            assert_eq!(track.samples().next_back().map(|sample| sample.busy), Some(60_289));
            assert_eq!(track.runs().count(), 1);
        }
    }

    #[test]
    fn a_part_of_the_range_has_the_finest_samples_that_reach_so_far() {
        let samples = samples(60_000..67_200);
        let now = 67_200.0;
        for (ago, length, steps) in [(500.0, 60.0, 61), (3_000.0, 600.0, 60), (7_000.0, 1_800.0, 30)] {
            let span = Span { first: now - ago, last: now - ago + length };
            let track = Track::new(&samples, span, 67_200 * SECOND_US);
            assert!(track.samples().count().abs_diff(steps) <= 1, "{ago}: {}", track.samples().count());
            assert_eq!(track.runs().count(), 1);
        }
    }

    #[test]
    fn a_line_is_cut_where_it_has_no_value() {
        let track = track(&samples([1_000, 1_001, 1_003, 1_005, 1_006]), Range::Minutes5, 1_010 * SECOND_US);
        let lines = track.lines(|sample| (sample.p50_us > 0).then_some(1.0));
        assert_eq!(lines, [vec![[1_001.0, 1.0], [1_003.0, 1.0], [1_005.0, 1.0]]]);
    }
}
