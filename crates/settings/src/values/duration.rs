//! Lengths of time: seconds as a number, or a text with a unit.

use std::time::Duration;

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// One second as a measure (microseconds), for ranges.
pub(crate) const SECOND: u64 = 1_000_000;
/// One hour as a measure.
pub(crate) const HOUR: u64 = 3600 * SECOND;
/// One day as a measure.
pub(crate) const DAY: u64 = 24 * HOUR;

const UNITS: [(&str, f64); 6] = [("ms", 0.001), ("min", 60.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl Value for Duration {
    const KIND: Kind = Kind::Duration;

    fn from_input(input: &Input) -> Result<Self, String> {
        let seconds = match input {
            Input::Integer { value, .. } => Some(*value as f64),
            Input::Float(number) => Some(*number),
            Input::Word(text) | Input::Text(text) => seconds(text.trim()),
            _ => None,
        };
        let seconds = seconds.ok_or_else(|| wrong(&Self::KIND, input))?;
        if seconds < 0.0 {
            return Err(format!("wants a time, found {}, which is below zero", input.describe()));
        }
        Self::try_from_secs_f64(seconds).map_err(|_| wrong(&Self::KIND, input))
    }

    /// In microseconds. A time that is not zero measures at least one, so that it is not taken for zero.
    fn measure(&self) -> Option<u64> {
        let micros = u64::try_from(self.as_micros()).unwrap_or(u64::MAX);
        Some(if self.is_zero() { 0 } else { micros.max(1) })
    }

    fn render(&self) -> Option<String> {
        Some(render(*self))
    }
}

/// Seconds, with a fraction only where there is one.
pub(crate) fn render(duration: Duration) -> String {
    duration.as_secs_f64().to_string()
}

fn seconds(text: &str) -> Option<f64> {
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number.trim_end(), *factor)))
        .unwrap_or((text, 1.0));
    // Rust would also read `inf`, `nan` and `1e9`, which nobody means.
    let plain = !number.is_empty()
        && number.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | '-'));
    if plain { number.parse::<f64>().ok().map(|number| number * factor) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Result<Duration, String> {
        Duration::from_input(&Input::Word(text.to_owned()))
    }

    #[test]
    fn numbers_are_seconds_and_units_are_understood() {
        for (text, expected) in [
            ("30", 30_000),
            ("0.5", 500),
            ("30s", 30_000),
            ("250ms", 250),
            ("5m", 300_000),
            ("5 min", 300_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(word(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        assert_eq!(Duration::from_input(&Input::Float(1.5)), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "abc", "-1", "inf", "nan", "1e3", "5 weeks", "1.2.3"] {
            assert!(word(text).is_err(), "{text}");
        }
        assert!(Duration::from_input(&Input::Float(f64::NAN)).is_err());
        assert!(Duration::from_input(&Input::Float(f64::INFINITY)).is_err());
        assert!(Duration::from_input(&Input::Boolean(true)).is_err());
    }

    #[test]
    fn the_shortest_time_is_not_zero() {
        assert_eq!(Duration::from_nanos(1).measure(), Some(1));
        assert_eq!(Duration::ZERO.measure(), Some(0));
    }
}
