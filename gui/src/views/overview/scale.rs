//! The axes: where their lines are, and what is written at them. Times are local ones.

use egui_plot::GridMark;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::zoom::Span;
use crate::widgets::figures;

/// How many lines an axis of values has, about.
const LINES: f64 = 4.0;
const MIB: f64 = 1_048_576.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Something a second.
    Rate,
    /// A length of time in microseconds.
    Time,
    /// Bytes.
    Bytes,
    /// How many.
    Count,
    /// Processors, shown in per cent of one core.
    Cores,
}

impl Quantity {
    /// A value with its unit, as precise as one reads it.
    #[must_use]
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Rate => figures::rate(value),
            Self::Time => figures::duration(value as u64),
            Self::Bytes => figures::bytes(value as u64),
            Self::Count => figures::count(value as u64),
            Self::Cores => figures::percent(value),
        }
    }

    /// A value at the axis with its unit: no more digits than the lines need.
    #[must_use]
    pub(super) fn mark(self, value: f64) -> String {
        if value == 0.0 {
            return "0".to_owned();
        }
        let (value, unit) = match self {
            Self::Rate if value < 1e3 => (value, "/s"),
            Self::Rate if value < 1e6 => (value / 1e3, "k/s"),
            Self::Rate => (value / 1e6, "M/s"),
            Self::Time if value < 1e3 => (value, "µs"),
            Self::Time if value < 1e6 => (value / 1e3, "ms"),
            Self::Time => (value / 1e6, "s"),
            Self::Bytes if value < 1024.0 * MIB => (value / MIB, "MiB"),
            Self::Bytes => (value / MIB / 1024.0, "GiB"),
            Self::Count => (value, ""),
            Self::Cores => (value * 100.0, "%"),
        };
        let digits = format!("{value:.2}");
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        if unit.is_empty() { digits.to_owned() } else { format!("{digits} {unit}") }
    }
}

/// An axis of values from 0 on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// Where it ends.
    pub(super) top: f64,
    /// Between two lines.
    pub(super) step: f64,
}

impl Scale {
    /// One that has room for a value, and lines at round numbers.
    #[must_use]
    pub(super) fn new(quantity: Quantity, most: f64) -> Self {
        let (unit, least) = match quantity {
            Quantity::Rate => (1.0, 1.0),
            Quantity::Time => (1.0, 1_000.0),
            Quantity::Bytes if most >= 1024.0 * MIB => (1024.0 * MIB, MIB),
            Quantity::Bytes => (MIB, MIB),
            Quantity::Count => (1.0, 4.0),
            Quantity::Cores => (0.01, 0.1),
        };
        let most = (most * 1.08).max(least) / unit;
        let mut step = round_up(most / LINES);
        if quantity == Quantity::Count {
            step = step.max(1.0);
        }
        Self { top: (most / step).ceil() * step * unit, step: step * unit }
    }

    /// Its lines.
    #[must_use]
    pub(super) fn marks(self) -> Vec<GridMark> {
        let lines = (self.top / self.step).round() as u32;
        (0..=lines).map(|line| GridMark { value: f64::from(line) * self.step, step_size: self.step }).collect()
    }
}

/// The least of 1, 2, 5, 10, 20… (and 0.5, 0.2…) that is not below a value.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let digit = value / power;
    let digit = [1.0, 2.0, 5.0].into_iter().find(|round| digit <= *round + 1e-9).unwrap_or(10.0);
    digit * power
}

/// How far apart the lines of the time axis may be, in seconds.
const STEPS: [i64; 16] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800];
/// How many there are at most.
const TIMES: f64 = 6.0;

/// Between two lines of the time axis, in seconds.
fn time_step(span: Span) -> i64 {
    STEPS.into_iter().find(|step| span.length() / *step as f64 <= TIMES + 1e-6).unwrap_or(28_800)
}

/// The lines of the time axis: at whole seconds, minutes or hours of local time, in seconds since 1970.
#[must_use]
pub(super) fn time_marks(span: Span, zone: &TimeZone) -> Vec<GridMark> {
    let now = span.last.floor() as i64;
    let Ok(moment) = Timestamp::from_second(now) else { return Vec::new() };
    let offset = i64::from(zone.to_offset(moment).seconds());
    let step = time_step(span);
    let first = (span.first.ceil() as i64 + offset).div_euclid(step) + 1;
    let last = (now + offset).div_euclid(step);
    (first..=last).map(|number| GridMark { value: (number * step - offset) as f64, step_size: step as f64 }).collect()
}

/// A moment at the time axis, as exact as its lines: `15:02`, `15:02:30`.
#[must_use]
pub(super) fn time_mark(seconds: f64, step_seconds: f64, zone: &TimeZone) -> String {
    clock(seconds, if step_seconds < 60.0 { "%H:%M:%S" } else { "%H:%M" }, zone)
}

/// A moment to the second: `15:02:07`.
#[must_use]
pub(super) fn second_mark(seconds: f64, zone: &TimeZone) -> String {
    clock(seconds, "%H:%M:%S", zone)
}

fn clock(seconds: f64, form: &str, zone: &TimeZone) -> String {
    match Timestamp::from_second(seconds.round() as i64) {
        Ok(moment) => moment.to_zoned(zone.clone()).strftime(form).to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::overview::track::Range;

    #[test]
    fn axes_end_at_round_numbers_and_have_room() {
        for (quantity, most, top, step) in [
            (Quantity::Rate, 62.0, 80.0, 20.0),
            (Quantity::Rate, 0.0, 1.0, 0.5),
            (Quantity::Time, 64_000.0, 80_000.0, 20_000.0),
            (Quantity::Bytes, 312.0 * MIB, 400.0 * MIB, 100.0 * MIB),
            (Quantity::Count, 1.0, 4.0, 1.0),
            (Quantity::Cores, 0.7, 0.8, 0.2),
            (Quantity::Cores, 3.4, 4.0, 1.0),
        ] {
            let scale = Scale::new(quantity, most);
            assert!(scale.top >= most, "{quantity:?}");
            assert!((scale.top - top).abs() < 1e-6 && (scale.step - step).abs() < 1e-6, "{quantity:?}: {scale:?}");
        }
        assert_eq!(Scale { top: 4.0, step: 2.0 }.marks().len(), 3);
    }

    #[test]
    fn marks_have_units_and_no_idle_digits() {
        for (quantity, value, text) in [
            (Quantity::Rate, 0.0, "0"),
            (Quantity::Rate, 0.5, "0.5 /s"),
            (Quantity::Rate, 1_500.0, "1.5 k/s"),
            (Quantity::Time, 20_000.0, "20 ms"),
            (Quantity::Time, 1_500_000.0, "1.5 s"),
            (Quantity::Bytes, 300.0 * MIB, "300 MiB"),
            (Quantity::Bytes, 2048.0 * MIB, "2 GiB"),
            (Quantity::Count, 4.0, "4"),
            (Quantity::Cores, 0.05, "5 %"),
            (Quantity::Cores, 4.0, "400 %"),
        ] {
            assert_eq!(quantity.mark(value), text);
        }
    }

    #[test]
    fn time_is_marked_at_whole_local_steps() {
        // 2026-11-21 15:00:20 UTC, half past the hour in a zone of five and a half hours.
        let now_us = 1_795_273_220_000_000;
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).expect("an offset"));
        let labels = |span| -> Vec<String> {
            let marks = time_marks(span, &zone);
            marks.iter().map(|mark| time_mark(mark.value, mark.step_size, &zone)).collect()
        };
        assert_eq!(labels(Span::of(Range::Minutes5, now_us)), ["20:26", "20:27", "20:28", "20:29", "20:30"]);
        assert_eq!(labels(Span::of(Range::Day, now_us)), ["00:00", "04:00", "08:00", "12:00", "16:00", "20:00"]);
        let now = now_us as f64 / 1e6;
        let close = Span { first: now - 40.0, last: now };
        assert_eq!(labels(close), ["20:29:50", "20:30:00", "20:30:10", "20:30:20"]);
    }
}
