//! The shapes that values of settings have, and the words for them in mistakes and in `--help`.

use std::time::Duration;

use crate::values::{duration, size};

/// The shape of a setting's value. It alone decides how the value is shown, and what a form offers for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number without a unit.
    Count,
    /// A whole number, or `"auto"`.
    CountOrAuto,
    /// A whole number, `"auto"`, or two bounds.
    Workers,
    /// A size in bytes; measured in bytes.
    Bytes,
    /// A length of time; written in seconds, measured in microseconds.
    Duration,
    /// Any text.
    Text,
    /// The path of a file or directory.
    Path,
    /// The path of a log file, or `"-"` for the process' own stream.
    LogFile,
    /// `package.module:attribute`.
    Application,
    /// Permission bits, written in octal.
    Mode,
    /// `user`, `user:group` or `:group`.
    Owner,
    /// `NAME=VALUE`.
    Variable,
    /// An address, a network as `10.0.0.0/8`, or `*`.
    Peers,
    /// The path of a URL: a slash before, none behind.
    UrlPath,
    /// What a request asks for, in origin form (RFC 9112 section 3.2.1): a path, and a query if there is one.
    RequestTarget,
    /// The name of an HTTP header field.
    HeaderName,
    /// The name of a Python module: `package.module`.
    ModuleName,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any number of these.
    List(&'static Kind),
}

impl Kind {
    /// What is wanted, for a mistake: `a whole number`.
    #[must_use]
    pub fn wanted(&self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Count => "a whole number".to_owned(),
            Self::CountOrAuto => "a whole number or \"auto\"".to_owned(),
            Self::Workers => "a whole number, \"auto\", or bounds as { min = 1, max = 8 } or \"1..8\"".to_owned(),
            Self::Bytes => "a size in bytes, as 65536 or \"64KiB\"".to_owned(),
            Self::Duration => "a time in seconds, as 30 or 0.5, or with a unit, as \"5m\"".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::LogFile => "the path of a file, or \"-\"".to_owned(),
            Self::Application => "an application as \"package.module:attribute\"".to_owned(),
            Self::Mode => "permission bits in octal, as 0o660 or \"660\"".to_owned(),
            Self::Owner => "an owner as \"user\", \"user:group\" or \":group\"".to_owned(),
            Self::Variable => "a variable as \"NAME=VALUE\"".to_owned(),
            Self::Peers => "an address, a network as \"10.0.0.0/8\", or \"*\"".to_owned(),
            Self::UrlPath => "a path with a slash before it and none behind, as \"/shop\"".to_owned(),
            Self::RequestTarget => "a path as it stands in a request, as \"/health/\" or \"/health?full=1\"".to_owned(),
            Self::HeaderName => "the name of a header field, as \"X-Request-Id\"".to_owned(),
            Self::ModuleName => "the name of a module as \"package.module\", without \".py\"".to_owned(),
            Self::Choice(words) => format!("one of {}", quoted(words)),
            Self::List(_) => "a list".to_owned(),
        }
    }

    /// The word that stands for the value in `--help`.
    #[must_use]
    pub fn placeholder(&self) -> &'static str {
        match self {
            Self::Boolean => "BOOL",
            Self::Count => "N",
            Self::CountOrAuto => "N|auto",
            Self::Workers => "N|auto|MIN..MAX",
            Self::Bytes => "BYTES",
            Self::Duration => "SECONDS",
            Self::Text => "TEXT",
            Self::Path => "PATH",
            Self::LogFile => "FILE",
            Self::Application => "APP",
            Self::Mode => "MODE",
            Self::Owner => "USER:GROUP",
            Self::Variable => "NAME=VALUE",
            Self::Peers => "PEERS",
            Self::UrlPath => "PATH",
            Self::RequestTarget => "PATH",
            Self::HeaderName => "NAME",
            Self::ModuleName => "MODULE",
            Self::Choice(_) => "WORD",
            Self::List(item) => item.placeholder(),
        }
    }

    /// Shows a measure of this kind (see [`crate::Value::measure`]) as it would be written.
    #[must_use]
    pub fn show(&self, measure: u64) -> String {
        match self {
            Self::Bytes => size::render(measure),
            Self::Duration => duration::render(Duration::from_micros(measure)),
            _ => measure.to_string(),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}
