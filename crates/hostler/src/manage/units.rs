//! Numbers with units, as people read them.

/// `0 B`, `1023 B`, `1.5 KiB`, `120 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    // What would be rounded to 1024 is shown as one of the next unit.
    while amount >= 1023.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{} {}", if unit == 0 { bytes.to_string() } else { short(amount) }, UNITS[unit])
}

/// A short time: `850 µs`, `12.5 ms`, `1.5 s`; from a minute on as [`long`].
pub(crate) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..999_500 => format!("{} ms", short(us as f64 / 1e3)),
        999_500..59_500_000 => format!("{} s", short(us as f64 / 1e6)),
        _ => long(us),
    }
}

/// A long time in its two greatest units: `3s`, `5m 20s`, `2d 4h`.
pub(crate) fn long(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// How long requests take, as a percentile tells it, in microseconds; 0 is that of none: `–`.
pub(crate) fn latency(us: u64) -> String {
    if us == 0 { "–".to_owned() } else { time(us) }
}

/// `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate: `0.3`, `12.5`, `1,234`.
pub(crate) fn rate(number: f64) -> String {
    if number < 99.5 { short(number) } else { count(number.round().max(0.0) as u64) }
}

/// One digit behind the point where that says something: `1.5`, `12.5`, `120`.
fn short(amount: f64) -> String {
    let text = if amount < 99.95 { format!("{amount:.1}") } else { format!("{amount:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let shown: Vec<String> =
            [0, 1023, 1024, 1536, 1_048_575, 125_829_120, 5 << 30, u64::MAX].map(bytes).into_iter().collect();
        assert_eq!(shown, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "1 MiB", "120 MiB", "5 GiB", "16777216 TiB"]);
    }

    #[test]
    fn times() {
        let shown = [0, 999, 1_000, 12_540, 999_499, 999_500, 59_400_000, 60_000_000, 7_384_000_000].map(time);
        assert_eq!(shown, ["0 µs", "999 µs", "1 ms", "12.5 ms", "999 ms", "1 s", "59.4 s", "1m 0s", "2h 3m"]);
        assert_eq!([3_999_999, 320_000_000, 187_200_000_000].map(long), ["3s", "5m 20s", "2d 4h"]);
        assert_eq!([0, 850].map(latency), ["–", "850 µs"]);
    }

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.25, 12.5, 99.6, 1234.4, f64::NAN].map(rate), ["0", "0.2", "12.5", "100", "1,234", "0"]);
    }
}
