//! Times in log lines, always UTC: a line can be compared with those of any machine, and no hour comes twice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `2026-11-21T04:00:00` or `21/Nov/2026:04:00:00 +0000`, formatted once a second.
#[derive(Debug)]
pub(crate) struct SecondCache {
    second: Option<u64>,
    text: String,
    format: fn(&Civil) -> String,
}

impl SecondCache {
    /// Apache's form (`%t` without its brackets). The offset is +0000: the time is UTC.
    pub(crate) fn common() -> Self {
        SecondCache { second: None, text: String::new(), format: common }
    }

    /// RFC 3339 up to the second, with no fraction and no offset.
    pub(crate) fn rfc3339() -> Self {
        SecondCache { second: None, text: String::new(), format: rfc3339 }
    }

    pub(crate) fn text(&mut self, since_epoch: Duration) -> &str {
        let second = since_epoch.as_secs();
        if self.second != Some(second) {
            self.text = (self.format)(&Civil::from_epoch(second));
            self.second = Some(second);
        }
        &self.text
    }
}

/// Since 1970; zero for a clock that is set before.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A date and time of day in UTC.
#[derive(Debug, PartialEq, Eq)]
struct Civil {
    year: u64,
    month: usize,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days to a date as in Howard Hinnant's `civil_from_days`: years begin in March, eras have 400 years.
    fn from_epoch(seconds: u64) -> Self {
        let days = seconds / 86_400 + 719_468;
        let era = days / 146_097;
        let day_of_era = days % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Civil {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month: month as usize,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

fn common(civil: &Civil) -> String {
    let month = MONTHS.get(civil.month - 1).copied().unwrap_or_default();
    format!(
        "{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000",
        civil.day, civil.year, civil.hour, civil.minute, civil.second
    )
}

fn rfc3339(civil: &Civil) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let mut cache = SecondCache::rfc3339();
        for (second, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_704_067_199, "2023-12-31T23:59:59"),
            (1_704_067_200, "2024-01-01T00:00:00"),
            (4_107_542_400, "2100-03-01T00:00:00"),
        ] {
            assert_eq!(cache.text(Duration::from_secs(second)), expected);
            assert_eq!(cache.text(Duration::from_secs(second)), expected);
        }
        assert_eq!(SecondCache::common().text(Duration::new(1_795_233_600, 999)), "21/Nov/2026:04:00:00 +0000");
        // The farthest time there is neither overflows nor panics.
        assert!(!cache.text(Duration::MAX).is_empty());
        assert_eq!(since_epoch(UNIX_EPOCH - Duration::from_secs(1)), Duration::ZERO);
    }
}
