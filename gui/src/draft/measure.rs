//! Lengths of time and sizes: a number with a unit, as they are typed and as they are shown.

use hostler_bus::daemon::Form;

/// Units of time, in microseconds.
const TIMES: [(&str, u64); 5] =
    [("ms", 1_000), ("s", 1_000_000), ("min", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];
/// Units of size, in bytes.
const SIZES: [(&str, u64); 5] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// The units that a form has, the smallest first; empty for one that has none.
#[must_use]
pub fn units(form: Form) -> &'static [(&'static str, u64)] {
    match form {
        Form::Duration => &TIMES,
        Form::Bytes => &SIZES,
        _ => &[],
    }
}

/// The unit of a plain number.
fn plain_unit(form: Form) -> &'static str {
    if form == Form::Bytes { "B" } else { "s" }
}

/// The number and the unit of what was typed.
#[must_use]
pub fn split(form: Form, word: &str) -> (String, &'static str) {
    // `ms` before `s`, `KiB` before `B`; of the times, `m` is a minute as well.
    let mut longest_first: Vec<&(&str, u64)> = units(form).iter().collect();
    longest_first.sort_by_key(|(unit, _)| std::cmp::Reverse(unit.len()));
    for (unit, _) in longest_first {
        if let Some(number) = word.strip_suffix(unit).filter(|number| is_number(number.trim_end())) {
            return (number.trim_end().to_owned(), unit);
        }
    }
    match word.strip_suffix('m').filter(|number| form == Form::Duration && is_number(number.trim_end())) {
        Some(number) => (number.trim_end().to_owned(), "min"),
        None => (word.to_owned(), plain_unit(form)),
    }
}

/// A number with a unit as one word. What is no number stays as it was typed, so that a unit behind it counts.
#[must_use]
pub fn join(form: Form, number: &str, unit: &str) -> String {
    if number.is_empty() {
        // Nothing but the unit: it is wrong, and the unit is not lost while one types.
        unit.to_owned()
    } else if !is_number(number) || unit == plain_unit(form) {
        number.to_owned()
    } else {
        format!("{number}{unit}")
    }
}

/// A number with the greatest unit that leaves it whole.
#[must_use]
pub fn shown(form: Form, measure: u64) -> (String, &'static str) {
    let found = units(form).iter().rev().find(|(_, factor)| measure != 0 && measure.is_multiple_of(*factor));
    match found {
        Some((unit, factor)) => ((measure / factor).to_string(), unit),
        None if measure == 0 => ("0".to_owned(), plain_unit(form)),
        None => ((measure as f64 / 1e6).to_string(), "s"),
    }
}

/// The measure of a word: microseconds, bytes, or the number itself; none where it is no such thing.
#[must_use]
pub fn measure(form: Form, word: &str) -> Option<u64> {
    if units(form).is_empty() {
        return word.trim().parse().ok();
    }
    let (number, unit) = split(form, word.trim());
    let factor = units(form).iter().find(|(name, _)| *name == unit)?.1;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let number = number.parse::<f64>().ok().filter(|_| form == Form::Duration && is_number(&number))?;
    Some((number * factor as f64).round() as u64)
}

/// Digits with at most one point. Empty is one: it is what a field has before the first digit.
fn is_number(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_digit() || character == '.')
        && text.chars().filter(|character| *character == '.').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_as_it_is_typed() {
        for (form, words) in [
            (Form::Duration, ["30", "1.5", "250ms", "5min", "0.", "2h", "min", "h", "abc", "7d"].as_slice()),
            (Form::Bytes, ["4094", "64KiB", "16MiB", "KiB", "1TiB", "lots"].as_slice()),
        ] {
            for word in words {
                let (number, unit) = split(form, word);
                assert_eq!(join(form, &number, unit), *word, "{number:?} {unit}");
            }
        }
        assert_eq!(split(Form::Duration, "5m"), ("5".to_owned(), "min"));
        assert_eq!(split(Form::Duration, "5 min"), ("5".to_owned(), "min"));
        assert_eq!(join(Form::Duration, "5m", "s"), "5m", "a unit that was typed counts");
        assert_eq!(join(Form::Bytes, "64KiB", "MiB"), "64KiB");
    }

    #[test]
    fn measures_are_shown_with_the_unit_that_fits() {
        for (form, value, expected) in [
            (Form::Duration, 0, ("0", "s")),
            (Form::Duration, 30_000_000, ("30", "s")),
            (Form::Duration, 3_600_000_000, ("1", "h")),
            (Form::Duration, 90_000_000, ("90", "s")),
            (Form::Duration, 250_000, ("250", "ms")),
            (Form::Duration, 1_500_000, ("1500", "ms")),
            (Form::Duration, 7, ("0.000007", "s")),
            (Form::Bytes, 0, ("0", "B")),
            (Form::Bytes, 4_094, ("4094", "B")),
            (Form::Bytes, 262_144, ("256", "KiB")),
        ] {
            let (number, unit) = shown(form, value);
            assert_eq!((number.as_str(), unit), expected);
            assert_eq!(measure(form, &join(form, &number, unit)), Some(value));
        }
    }

    #[test]
    fn words_that_mean_the_same_measure_the_same() {
        assert_eq!(measure(Form::Duration, "60s"), measure(Form::Duration, "1min"));
        assert_eq!(measure(Form::Bytes, "1024KiB"), measure(Form::Bytes, "1MiB"));
        assert_eq!(measure(Form::Count, " 8 "), Some(8));
        for (form, word) in [
            (Form::Duration, "soon"),
            (Form::Duration, ""),
            (Form::Duration, "1.2.3"),
            (Form::Bytes, "1.5MiB"),
            (Form::Bytes, "99999999999999999999TiB"),
            (Form::Count, "-1"),
        ] {
            assert_eq!(measure(form, word), None, "{word}");
        }
    }
}
