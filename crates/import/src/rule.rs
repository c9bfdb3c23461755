//! What becomes of another server's settings: a rule for each, in one table a server. A rule says what is known of the key, and its
//! conversion gives the value that Hostler takes.

use toml_edit::Value;

use super::gathered::Gathered;

/// A value as another server has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// Not set.
    Nothing,
    Truth(bool),
    Number(f64),
    Text(String),
    List(Vec<String>),
}

/// What becomes of a setting.
#[derive(Clone, Copy)]
pub(crate) enum Fate {
    /// It is a setting of Hostler's: its key, and how the value is made.
    Key(&'static str, fn(&Given) -> Result<Value, String>),
    /// More than a value is made of it. The error is why it is not carried over.
    Into(fn(&mut Gathered, &Given) -> Result<(), String>),
    /// Nothing is lost without it: why.
    Needless(&'static str),
    /// Hostler has nothing of the kind: what can be done instead.
    Without(&'static str),
}

/// One setting of another server.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Its key, and the options that say the same, with spaces between them.
    pub(crate) names: &'static str,
    /// Whether its option has a value.
    pub(crate) valued: bool,
    pub(crate) fate: Fate,
}

/// A setting whose option has a value.
pub(crate) const fn valued(names: &'static str, fate: Fate) -> Rule {
    Rule { names, valued: true, fate }
}

/// A setting whose option stands alone.
pub(crate) const fn alone(names: &'static str, fate: Fate) -> Rule {
    Rule { names, valued: false, fate }
}

impl Rule {
    /// Its key.
    pub(crate) fn key(&self) -> &'static str {
        self.names.split(' ').next().unwrap_or(self.names)
    }
}

/// The rule for a key or an option.
pub(crate) fn rule(rules: &'static [Rule], name: &str) -> Option<&'static Rule> {
    rules.iter().find(|rule| rule.names.split(' ').any(|known| known == name))
}

impl Given {
    /// Whether it says no more than that nothing is said.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing | Self::Truth(false) => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Truth(true) | Self::Number(_) => false,
        }
    }

    /// Makes it a list, or a longer one.
    pub(crate) fn push(&mut self, item: String) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::List(mut items) => {
                items.push(item);
                Self::List(items)
            }
            other => Self::List(vec![other.shown(), item]),
        };
    }

    /// As a person would write it, in one line.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Truth(truth) => truth.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.replace(['\n', '\r'], " "),
            Self::List(items) => items.join(", ").replace(['\n', '\r'], " "),
        }
    }

    /// The text; of a list, its last item.
    pub(crate) fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.trim().to_owned()),
            Self::Number(number) => Ok(number.to_string()),
            Self::Truth(truth) => Ok(truth.to_string()),
            Self::List(items) => items.last().cloned().ok_or_else(|| "has no value".to_owned()),
            Self::Nothing => Err("has no value".to_owned()),
        }
    }

    /// The items, with commas between them in a text.
    pub(crate) fn items(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.clone(),
            Self::Nothing => Vec::new(),
            other => {
                let text = other.shown();
                text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
            }
        }
    }

    pub(crate) fn number(&self) -> Result<f64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            other => {
                let text = other.text()?;
                text.parse().map_err(|_| format!("`{text}` is not a number"))
            }
        }
    }

    pub(crate) fn truth(&self) -> Result<bool, String> {
        match self {
            Self::Truth(truth) => Ok(*truth),
            Self::Number(number) => Ok(*number != 0.0),
            other => match other.text()?.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(true),
                "false" | "0" | "no" | "off" => Ok(false),
                text => Err(format!("`{text}` is neither true nor false")),
            },
        }
    }
}
