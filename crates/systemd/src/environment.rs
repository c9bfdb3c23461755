//! A snapshot of the environment, and the reading of its variables.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use thiserror::Error;

/// The environment as it was at one moment. Taken once, first thing in `main`, and passed to whoever reads from it.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: HashMap<OsString, OsString>,
}

/// A variable whose value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the environment variable {name} is \"{value}\", which is not {expected}; systemd sets it: start the service anew"
)]
pub struct VariableError {
    /// Which variable.
    pub name: &'static str,
    /// Its value; bytes that are not UTF-8 are replaced.
    pub value: String,
    /// What it should be, such as "a number".
    pub expected: &'static str,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable; an empty one counts as absent.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable that is text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, VariableError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.to_str().map(Some).ok_or_else(|| self.wrong(name, "text in UTF-8"))
    }

    /// The value of a variable that is a decimal number.
    ///
    /// # Errors
    /// It is something else, or does not fit into 64 bits.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, VariableError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        // `str::parse` alone would also take a sign.
        let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| self.wrong(name, "a number"))
    }

    /// The error for a value that was found wrong.
    pub(crate) fn wrong(&self, name: &'static str, expected: &'static str) -> VariableError {
        let value = self.get(name).map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        VariableError { name, value, expected }
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn values_are_checked_and_empty_ones_are_absent() {
        let latin = OsString::from_vec(vec![0xe9]);
        let environment: Environment =
            [("EMPTY", OsString::new()), ("N", "7".into()), ("SIGN", "+7".into()), ("LATIN", latin)]
                .into_iter()
                .collect();
        assert_eq!(environment.text("EMPTY"), Ok(None));
        assert_eq!(environment.number("N"), Ok(Some(7)));
        assert!(environment.text("LATIN").is_err());
        let message = environment.number("SIGN").unwrap_err().to_string();
        assert!(message.contains("SIGN is \"+7\", which is not a number"), "{message}");
    }
}
