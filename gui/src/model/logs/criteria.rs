//! Which lines are shown.

use std::collections::BTreeMap;
use std::ops::Range;

use hostler_bus::daemon::LogLine;

use super::record::{Severity, field};

/// Which lines are shown: those that meet all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCriteria {
    /// The least severity.
    pub severity: Severity,
    /// A text in the message, upper and lower case alike; empty for any.
    pub text: String,
    /// Fields by their plain names, with the values that they must have. `pid` and `identifier` count as fields.
    pub fields: BTreeMap<String, String>,
    /// The time, in microseconds since 1970 (UTC).
    pub time_us: Option<Range<u64>>,
}

impl LogCriteria {
    /// Whether a line meets all but the time.
    #[must_use]
    pub fn admits(&self, line: &LogLine) -> bool {
        Severity::of(line.priority) >= self.severity
            && self.fields.iter().all(|(name, value)| has(line, name, value))
            && (self.text.is_empty() || find(&line.message, &self.text).is_some())
    }

    /// Whether a line was logged in the time.
    #[must_use]
    pub fn is_in_time(&self, line: &LogLine) -> bool {
        self.time_us.as_ref().is_none_or(|time_us| time_us.contains(&line.time_us))
    }

    /// Whether all lines meet it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

fn has(line: &LogLine, name: &str, value: &str) -> bool {
    match name {
        "pid" => line.pid.to_string() == value,
        "identifier" => line.identifier == value,
        // A request's id stands in the message of lines that have no fields, as those that the application prints.
        "request_id" => field(line, name).map_or_else(|| line.message.contains(value), |own| own == value),
        _ => field(line, name) == Some(value),
    }
}

/// Where a text first stands in another, upper and lower case alike: the bytes. An empty text stands nowhere.
#[must_use]
pub fn find(message: &str, text: &str) -> Option<Range<usize>> {
    matches(message, text).next()
}

/// All places where a text stands in another, upper and lower case alike, from left to right and apart from each other.
pub fn matches<'a>(message: &'a str, text: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let found = next(message, text, from)?;
        from = found.end;
        Some(found)
    })
}

fn next(message: &str, text: &str, from: usize) -> Option<Range<usize>> {
    let first = text.chars().next()?;
    if text.is_ascii() {
        let (bytes, wanted) = (message.as_bytes(), text.as_bytes());
        let (lower, upper) = (wanted[0].to_ascii_lowercase(), wanted[0].to_ascii_uppercase());
        let last = bytes.len().checked_sub(wanted.len())?;
        return (from..=last)
            .find(|start| {
                (bytes[*start] == lower || bytes[*start] == upper)
                    && bytes[*start..*start + wanted.len()].eq_ignore_ascii_case(wanted)
            })
            .map(|start| start..start + wanted.len());
    }
    let alike = |one: char, other: char| one == other || one.to_lowercase().eq(other.to_lowercase());
    message[from..].char_indices().filter(|(_, character)| alike(*character, first)).find_map(|(offset, _)| {
        let start = from + offset;
        let mut rest = message[start..].char_indices();
        for wanted in text.chars() {
            let (_, found) = rest.next()?;
            if !alike(found, wanted) {
                return None;
            }
        }
        Some(start..start + rest.next().map_or(message.len() - start, |(length, _)| length))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(priority: u32, message: &str, fields: &[(&str, &str)]) -> LogLine {
        LogLine {
            priority,
            message: message.to_owned(),
            fields: fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..LogLine::default()
        }
    }

    #[test]
    fn a_line_has_to_meet_all() {
        let lines = [
            line(3, "Worker died", &[("hostler_worker", "2")]),
            line(6, "worker is ready", &[("hostler_worker", "1")]),
            line(6, "GET / 200 request_id=7f3a", &[]),
            line(7, "detail", &[("request_id", "7f3a"), ("hostler_worker", "2")]),
        ];
        let admitted = |criteria: LogCriteria| -> Vec<usize> {
            (0..lines.len()).filter(|index| criteria.admits(&lines[*index])).collect()
        };
        let fields = |name: &str, value: &str| LogCriteria {
            fields: [(name.to_owned(), value.to_owned())].into(),
            ..LogCriteria::default()
        };
        assert_eq!(admitted(LogCriteria::default()), [0, 1, 2, 3]);
        assert_eq!(admitted(LogCriteria { severity: Severity::Warning, ..LogCriteria::default() }), [0]);
        assert_eq!(admitted(LogCriteria { text: "WORKER".to_owned(), ..LogCriteria::default() }), [0, 1]);
        assert_eq!(admitted(fields("worker", "2")), [0, 3]);
        assert_eq!(admitted(fields("request_id", "7f3a")), [2, 3]);
        assert_eq!(admitted(LogCriteria { severity: Severity::Info, ..fields("worker", "2") }), [0]);
    }

    #[test]
    fn case_does_not_matter_in_any_script() {
        assert_eq!(find("Größe: ÄRGER", "ärger"), Some(9..15));
        assert_eq!(find("abcABC", "C"), Some(2..3));
        assert_eq!(matches("abcABC", "bc").collect::<Vec<_>>(), [1..3, 4..6]);
        assert_eq!(matches("ÄäÄ", "ä").collect::<Vec<_>>(), [0..2, 2..4, 4..6]);
        assert_eq!(find("short", "longer than it"), None);
        assert_eq!(find("aé", "é"), Some(1..3));
        assert_eq!(find("anything", ""), None);
    }
}
