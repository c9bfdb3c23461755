//! Points in time as people write and read them, in the time zone of this machine.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// Microseconds since 1970 (UTC) of what somebody typed: `10m`, `2h 30m` (ago), `today`, `yesterday`, `2026-03-01`,
/// `2026-03-01 14:00`, `14:00` (today), or a timestamp with its offset.
///
/// # Errors
/// When it is none of those; for people.
pub(super) fn moment(word: &str, now_us: u64) -> Result<u64, String> {
    let zone = TimeZone::system();
    let now = zoned(now_us, &zone);
    let midnight = |day: Option<Zoned>| day.and_then(|day| day.start_of_day().ok());
    let civil = |moment: DateTime| moment.to_zoned(zone.clone()).ok();
    let word = word.trim();
    let found = match word {
        "now" => Some(now.clone()),
        "today" => midnight(Some(now.clone())),
        "yesterday" => midnight(now.yesterday().ok()),
        _ => None,
    };
    let found = found
        .or_else(|| {
            word.trim_end_matches(" ago").parse::<SignedDuration>().ok().and_then(|ago| now.checked_sub(ago.abs()).ok())
        })
        .or_else(|| word.parse::<Timestamp>().ok().map(|moment| moment.to_zoned(zone.clone())))
        .or_else(|| word.parse::<DateTime>().ok().and_then(civil))
        .or_else(|| word.parse::<Date>().ok().and_then(|day| civil(day.at(0, 0, 0, 0))))
        // A bare number would be an hour.
        .or_else(|| {
            word.contains(':')
                .then(|| word.parse::<Time>().ok())
                .flatten()
                .and_then(|time| civil(now.date().to_datetime(time)))
        });
    found.and_then(|moment| u64::try_from(moment.timestamp().as_microsecond()).ok()).ok_or_else(|| {
        "a time is `10m` or `2h 30m` ago, `today`, `yesterday`, `14:00`, `2026-03-01` or `2026-03-01 14:00`".to_owned()
    })
}

fn zoned(us: u64, zone: &TimeZone) -> Zoned {
    let moment = i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    moment.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// `2026-03-01 14:00:00`.
pub(super) fn shown(us: u64) -> String {
    zoned(us, &TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = 1_790_000_000_000_000;
        assert_eq!(moment("10m", now), Ok(now - 600_000_000));
        assert_eq!(moment("2h 30m ago", now), Ok(now - 9_000_000_000));
        assert_eq!(moment("now", now), Ok(now));
        assert_eq!(moment("2026-03-01T14:00:00Z", now), Ok(1_772_373_600_000_000));
        for local in ["2026-03-01 14:00", "2026-03-01 14:00:07", "2026-03-01"] {
            let text = shown(moment(local, now).unwrap());
            assert!(text.starts_with(local), "{local}: {text}");
        }
        assert!(shown(moment("14:00", now).unwrap()).ends_with(" 14:00:00"));
        assert!(moment("today", now).unwrap() <= now && moment("yesterday", now) < moment("today", now));
        for wrong in ["", "soon", "2026-13-01", "10", "-"] {
            assert!(moment(wrong, now).unwrap_err().contains("`10m`"), "{wrong}");
        }
    }
}
