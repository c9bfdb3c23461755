//! What was wrong with settings, and where.

use std::fmt;
use std::path::PathBuf;

use crate::meta::SettingMeta;

/// Where a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// On the command line.
    CommandLine,
    /// In an environment variable.
    Environment {
        /// The variable.
        name: &'static str,
    },
}

impl Place {
    /// What the setting is called there.
    pub(crate) fn name_of(&self, meta: &SettingMeta) -> String {
        match self {
            Self::File { .. } => format!("`{}`", meta.key),
            Self::CommandLine => match meta.options.first() {
                Some(option) => format!("--{option}"),
                None => meta.placeholder.to_owned(),
            },
            Self::Environment { name } => format!("${name}"),
        }
    }
}

/// What is wrong, for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The file is not TOML.
    Syntax,
    /// There is no such setting.
    Key {
        /// What was written.
        key: String,
        /// The one that was meant, as far as that can be told.
        nearest: Option<&'static str>,
    },
    /// The setting does not take this value.
    Value {
        /// The setting.
        key: &'static str,
    },
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// What kind it is.
    pub what: Wrong,
    /// What is wrong, what was found and what to write instead; without a full stop.
    pub message: String,
    /// The same without what was found, which may be a secret that was written in the wrong place; `None` where the message quotes no value.
    pub public: Option<String>,
}

impl Mistake {
    /// With its place, for everybody: no value of a setting is in it.
    #[must_use]
    pub fn in_public(&self) -> String {
        self.placed(self.public.as_ref().unwrap_or(&self.message))
    }

    fn placed(&self, message: &str) -> String {
        match &self.place {
            Place::File { path, line } => format!("{}:{line}: {message}", path.display()),
            Place::CommandLine => format!("command line: {message}"),
            Place::Environment { .. } => format!("environment: {message}"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.placed(&self.message))
    }
}

/// All mistakes of all sources; shown one a line. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// For everybody, one a line: no value of a setting is in it.
    #[must_use]
    pub fn in_public(&self) -> String {
        self.0.iter().map(Mistake::in_public).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{mistake}")?;
        }
        Ok(())
    }
}
