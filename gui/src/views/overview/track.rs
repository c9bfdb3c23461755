//! What plots draw: the samples of a span of time, cut into runs where nothing was measured.

use serde::{Deserialize, Serialize};

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

    /// Between the labels of the time axis, in seconds.
    #[must_use]
    pub fn step(self) -> u64 {
        match self {
            Self::Minutes5 => 60,
            Self::Hour => 600,
            Self::Hours6 => 3_600,
            Self::Day => 14_400,
        }
    }

    /// How far apart two samples may be to belong together: two and a half times what is usual, which is up to 10 seconds
    /// in the last hour, and a minute before.
    fn gap_us(self) -> u64 {
        match self {
            Self::Minutes5 | Self::Hour => 25 * SECOND_US,
            _ => 150 * SECOND_US,
        }
    }
}

/// The samples of a span of time, in runs without gaps, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Track {
    runs: Vec<Vec<Sample>>,
}

impl Track {
    /// Those of the range that ends now.
    #[must_use]
    pub(super) fn new(samples: &Samples, range: Range, now_us: u64) -> Self {
        let span_us = range.seconds() * SECOND_US;
        let first = now_us.saturating_sub(span_us);
        let within = |sample: &&Sample| sample.at_us >= first && sample.at_us <= now_us + SECOND_US;
        Self::cut(samples.over(span_us).iter().filter(within), range.gap_us())
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let track = Track::new(&samples, Range::Minutes5, 1_070 * SECOND_US);
        assert_eq!(track.runs().map(<[Sample]>::len).collect::<Vec<_>>(), [10, 5]);
        assert_eq!(track.at(1_003.2).map(|sample| sample.busy), Some(1_003));
        assert_eq!(track.at(1_030.0), None, "nothing was measured then");
        assert!((track.most(|sample| f64::from(sample.busy)) - 1_064.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_older_than_the_range_is_left_out() {
        let samples = samples([1_000, 1_290, 1_295, 1_299]);
        assert_eq!(Track::new(&samples, Range::Minutes5, 1_400 * SECOND_US).samples().count(), 3);
        assert!(Track::new(&samples, Range::Minutes5, 9_000 * SECOND_US).is_empty());
    }

    #[test]
    fn longer_ranges_have_longer_steps() {
        let samples = samples(60_000..60_290);
        for (range, steps) in [(Range::Minutes5, 290), (Range::Hour, 29), (Range::Hours6, 5), (Range::Day, 5)] {
            let track = Track::new(&samples, range, 60_290 * SECOND_US);
            assert_eq!(track.samples().count(), steps, "{range:?}");
            assert_eq!(track.samples().next_back().map(|sample| sample.busy), Some(60_289));
            assert_eq!(track.runs().count(), 1);
        }
    }

    #[test]
    fn a_line_is_cut_where_it_has_no_value() {
        let track = Track::new(&samples([1_000, 1_001, 1_003, 1_005, 1_006]), Range::Minutes5, 1_010 * SECOND_US);
        let lines = track.lines(|sample| (sample.p50_us > 0).then_some(1.0));
        assert_eq!(lines, [vec![[1_001.0, 1.0], [1_003.0, 1.0], [1_005.0, 1.0]]]);
    }
}
