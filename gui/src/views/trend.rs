//! The requests a second of the last minutes, as the small lines of sidebar and list show them.

use crate::model::Samples;

/// How far back the lines go.
const SPAN_US: u64 = 300_000_000;
/// How many points they have.
const POINTS: usize = 36;

/// The mean rate of each part of the last five minutes, the oldest first; nothing before the first sample. A part in
/// which nothing was measured is as the one before.
#[must_use]
pub fn rates(samples: &Samples, now_us: u64) -> Vec<f64> {
    let from_us = now_us.saturating_sub(SPAN_US);
    let mut sums = [(0.0, 0_u32); POINTS];
    for sample in samples.fine().rev().take_while(|sample| sample.at_us > from_us) {
        let place = (sample.at_us - from_us) as usize * POINTS / SPAN_US as usize;
        let (sum, count) = &mut sums[place.min(POINTS - 1)];
        *sum += sample.rate();
        *count += 1;
    }
    let mut last = None;
    sums.into_iter()
        .filter_map(|(sum, count)| {
            if count > 0 {
                last = Some(sum / f64::from(count));
            }
            last
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sample, example};

    #[test]
    fn a_line_has_as_many_points_as_there_was_time() {
        let mut samples = Samples::default();
        assert!(rates(&samples, example::NOW_US).is_empty());
        for second in 0..100_u64 {
            let at_us = example::NOW_US - (100 - second) * 1_000_000;
            samples.push(Sample { at_us, rates: [0.0, 5.0, 0.0, 0.0, 0.0], ..Sample::default() });
        }
        let line = rates(&samples, example::NOW_US);
        assert_eq!(line.len(), 12);
        assert!(line.iter().all(|rate| *rate == 5.0));
    }
}
