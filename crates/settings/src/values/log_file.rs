//! Where a log goes.

use std::path::PathBuf;

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFile {
    /// `-`: the process' own stream, which one is said by the setting.
    Stream,
    /// A file, appended to.
    Path(PathBuf),
}

impl Value for LogFile {
    const KIND: Kind = Kind::LogFile;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input.text() {
            Some("-") => Ok(Self::Stream),
            Some(_) => PathBuf::from_input(input).map(Self::Path),
            None => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        match self {
            Self::Stream => Some("\"-\"".to_owned()),
            Self::Path(path) => path.render(),
        }
    }
}
