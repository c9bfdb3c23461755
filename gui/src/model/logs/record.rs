//! What a line says beside its message: severity, fields; and the line as text or as JSON.

use hostler_bus::daemon::LogLine;

use super::message::plain;

/// How severe a line is, in the steps that people choose between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Severity {
    /// 7: debug.
    #[default]
    Debug,
    /// 5 and 6: notice, informational.
    Info,
    /// 4: warning.
    Warning,
    /// 0 to 3: emergency, alert, critical, error.
    Error,
}

impl Severity {
    /// All, the least severe first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// That of a priority of syslog(3).
    #[must_use]
    pub fn of(priority: u32) -> Self {
        match priority {
            0..=3 => Self::Error,
            4 => Self::Warning,
            5 | 6 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Its letter, for those who see no colours.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Debug => "D",
            Self::Info => "I",
            Self::Warning => "W",
            Self::Error => "E",
        }
    }
}

/// A field by its plain name. The journal has Hostler's own with `hostler_` before them.
#[must_use]
pub fn field<'a>(line: &'a LogLine, name: &str) -> Option<&'a str> {
    let own = |key: &str| key.strip_prefix("hostler_") == Some(name);
    let found = line.fields.get(name).or_else(|| line.fields.iter().find(|(key, _)| own(key)).map(|(_, value)| value));
    found.map(String::as_str)
}

/// All fields by their plain names, with what every line has: for a pane of details, and for filters.
#[must_use]
pub fn fields(line: &LogLine) -> Vec<(String, String)> {
    let mut all = vec![("priority".to_owned(), priority_in_words(line.priority).to_owned())];
    if !line.identifier.is_empty() {
        all.push(("identifier".to_owned(), line.identifier.clone()));
    }
    if line.pid != 0 {
        all.push(("pid".to_owned(), line.pid.to_string()));
    }
    let plain_name = |key: &str| key.strip_prefix("hostler_").unwrap_or(key).to_owned();
    all.extend(line.fields.iter().map(|(key, value)| (plain_name(key), value.clone())));
    all
}

/// The names of syslog(3).
fn priority_in_words(priority: u32) -> &'static str {
    match priority {
        0 => "emergency",
        1 => "alert",
        2 => "critical",
        3 => "error",
        4 => "warning",
        5 => "notice",
        6 => "info",
        _ => "debug",
    }
}

/// The line as journalctl(1) would print it, in local time; the lines of its message behind the first are set in.
#[must_use]
pub fn as_text(line: &LogLine) -> String {
    let when = moment(line.time_us, "%Y-%m-%d %H:%M:%S.%3f");
    let who = match (line.identifier.as_str(), line.pid) {
        ("", 0) => String::new(),
        (name, 0) => format!(" {name}"),
        (name, pid) => format!(" {name}[{pid}]"),
    };
    let message = plain(&line.message).lines().collect::<Vec<_>>().join("\n    ");
    format!("{when} {}{who}: {message}", Severity::of(line.priority).word().to_uppercase())
}

/// The line as one JSON object on one line, with the fields of [`LogLine`].
#[must_use]
pub fn as_json(line: &LogLine) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

/// The local date and time of a moment by the pattern of strftime(3).
fn moment(at_us: u64, form: &str) -> String {
    let moment = i64::try_from(at_us).ok().and_then(|at_us| jiff::Timestamp::from_microsecond(at_us).ok());
    moment.map_or_else(String::new, |moment| moment.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_plain_names() {
        let fields_of = |pairs: &[(&str, &str)]| LogLine {
            fields: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            priority: 4,
            pid: 7,
            ..LogLine::default()
        };
        let line = fields_of(&[("hostler_worker", "2"), ("request_id", "ab")]);
        assert_eq!((field(&line, "worker"), field(&line, "request_id")), (Some("2"), Some("ab")));
        assert_eq!(field(&line, "generation"), None);
        let names: Vec<_> = fields(&line).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(names, ["priority=warning", "pid=7", "worker=2", "request_id=ab"]);
    }

    #[test]
    fn a_line_is_copied_as_text_and_as_json() {
        let line = LogLine {
            time_us: 1_000_000,
            priority: 3,
            message: "bad\nTrace\n  x".to_owned(),
            identifier: "hostler".to_owned(),
            pid: 9,
            ..LogLine::default()
        };
        let text = as_text(&line);
        assert!(text.ends_with(" ERROR hostler[9]: bad\n    Trace\n      x"), "{text}");
        assert_eq!(serde_json::from_str::<LogLine>(&as_json(&line)).unwrap(), line);
    }
}
