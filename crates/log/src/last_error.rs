//! The last error that was logged, in one line: for whoever asks how it goes.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::fields::Fields;

/// A longer line is cut, in characters.
const LINE_LIMIT: usize = 400;

/// An event of severity error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedError {
    /// When.
    pub at: SystemTime,
    /// What, in one line: the message, with the field `error` or the last line of the detail, which names an exception.
    pub message: String,
}

#[derive(Debug, Default)]
pub(crate) struct LastError(Mutex<Option<LoggedError>>);

impl LastError {
    pub(crate) fn set(&self, fields: &Fields) {
        let error = LoggedError { at: SystemTime::now(), message: line(fields) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn get(&self) -> Option<LoggedError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn line(fields: &Fields) -> String {
    let named = fields.pairs.iter().find(|(name, _)| *name == "error").map(|(_, value)| value.to_string());
    let last = || fields.detail.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let message = fields.message.lines().next().unwrap_or_default();
    let text = match named.or_else(last) {
        Some(reason) if !message.contains(&reason) => format!("{message}: {reason}"),
        _ => message.to_owned(),
    };
    // Whoever shows it shows one line.
    let mut line: String =
        text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(LINE_LIMIT + 1).collect();
    if line.chars().count() > LINE_LIMIT {
        line = line.chars().take(LINE_LIMIT).chain(['…']).collect();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Value;

    #[test]
    fn an_error_is_one_line_that_names_the_exception() {
        let mut fields = Fields { message: "the application failed".to_owned(), ..Fields::default() };
        assert_eq!(line(&fields), "the application failed");
        fields.detail =
            "Traceback (most recent call last):\n  File \"a.py\"\nValueError: no\tsuch thing\n\n".to_owned();
        assert_eq!(line(&fields), "the application failed: ValueError: no such thing");
        fields.pairs = vec![("worker", Value::Text("1".to_owned())), ("error", Value::Text("no module".to_owned()))];
        assert_eq!(line(&fields), "the application failed: no module");
        fields.message = "x".repeat(500);
        assert_eq!(line(&fields).chars().count(), LINE_LIMIT + 1);
        let last = LastError::default();
        assert_eq!(last.get(), None);
        last.set(&fields);
        assert!(last.get().unwrap().message.ends_with('…'));
    }
}
