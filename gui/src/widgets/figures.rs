//! Figures as people read them: three digits that matter, with a unit.

/// A number with three digits that matter: `0.42`, `7.1`, `84`, `312`.
fn three(value: f64) -> String {
    match value {
        value if value == 0.0 || value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Something a second: `0 /s`, `7.10 /s`, `1.24 k/s`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if rate < 0.005 => "0 /s".to_owned(),
        rate if rate < 999.5 => format!("{} /s", three(rate)),
        rate if rate < 999_500.0 => format!("{} k/s", three(rate / 1e3)),
        rate => format!("{} M/s", three(rate / 1e6)),
    }
}

/// How many: `0`, `9,999`, `84.2 k`, `3.10 M`.
#[must_use]
pub fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..10_000 => format!("{},{:03}", number / 1_000, number % 1_000),
        10_000..999_500 => format!("{} k", three(number as f64 / 1e3)),
        _ => format!("{} M", three(number as f64 / 1e6)),
    }
}

/// A share, or processors in per cent of one core: `0 %`, `2.5 %`, `84 %`, `312 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent < 0.05 => "0 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A size in bytes: `0 B`, `812 KiB`, `312 MiB`, `1.20 GiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 999.5 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{} {unit}", three(value)) };
        }
        value /= 1024.0;
    }
    format!("{} TiB", three(value))
}

/// A short length of time: `84 µs`, `7.10 ms`, `1.25 s`, `2 min 5 s`.
#[must_use]
pub fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..999_500 => format!("{} ms", three(microseconds as f64 / 1e3)),
        999_500..60_000_000 => format!("{} s", three(microseconds as f64 / 1e6)),
        _ => age(microseconds),
    }
}

/// A longer length of time, by its two greatest units: `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
#[must_use]
pub fn age(microseconds: u64) -> String {
    let seconds = microseconds / 1_000_000;
    let pair = |one: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{one} {unit}"),
        rest => format!("{one} {unit} {rest} {small}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => pair(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long ago a moment was: `just now`, `3 min ago`, `2 d ago`.
#[must_use]
pub fn ago(now_us: u64, then_us: u64) -> String {
    let seconds = now_us.saturating_sub(then_us) / 1_000_000;
    match seconds {
        0..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// The local date and time of a moment: `2026-11-21 15:02:07`.
#[must_use]
pub fn date_time(at_us: u64) -> String {
    local(at_us, "%Y-%m-%d %H:%M:%S")
}

/// The local date of a moment: `Saturday 21 November 2026`.
#[must_use]
pub fn date(at_us: u64) -> String {
    local(at_us, "%A %-d %B %Y")
}

/// The local time of a moment: `15:02:07`.
#[must_use]
pub fn time(at_us: u64) -> String {
    local(at_us, "%H:%M:%S")
}

/// The local date and time of a moment by a pattern of strftime(3): `%H:%M:%S.%3f`.
#[must_use]
pub fn local(at_us: u64, form: &str) -> String {
    let moment = i64::try_from(at_us).ok().and_then(|at_us| jiff::Timestamp::from_microsecond(at_us).ok());
    match moment {
        Some(moment) => moment.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let rates = [(0.0, "0 /s"), (0.42, "0.42 /s"), (7.1, "7.10 /s"), (84.23, "84.2 /s"), (999.9, "1.00 k/s")];
        for (value, text) in rates {
            assert_eq!(rate(value), text);
        }
        for (value, text) in [(0, "0"), (9_999, "9,999"), (84_210, "84.2 k"), (3_100_000, "3.10 M")] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [(0, "0 B"), (1_023, "1.00 KiB"), (327_155_712, "312 MiB"), (1 << 40, "1.00 TiB")] {
            assert_eq!(bytes(value), text);
        }
        for (value, text) in [(84, "84 µs"), (7_100, "7.10 ms"), (1_250_000, "1.25 s"), (125_000_000, "2 min 5 s")] {
            assert_eq!(duration(value), text);
        }
        assert_eq!(age(2 * 86_400_000_000), "2 d");
        assert_eq!(ago(10_000_000, 9_000_000), "just now");
        assert_eq!(ago(7_200_000_000, 0), "2 h ago");
    }
}
