//! A number, or as many as the machine has cores.

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// How many of something: a number, or one for each core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountOrAuto {
    /// As many as the process may use cores.
    Auto,
    /// This many.
    Count(u32),
}

impl CountOrAuto {
    /// The number, where the process may use `cores` cores; never 0.
    #[must_use]
    pub fn resolve(self, cores: usize) -> usize {
        match self {
            Self::Auto => cores.max(1),
            Self::Count(count) => (count as usize).max(1),
        }
    }
}

impl Value for CountOrAuto {
    const KIND: Kind = Kind::CountOrAuto;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input {
            Input::Word(text) | Input::Text(text) if text == "auto" => Ok(Self::Auto),
            Input::Word(word) if word.trim().parse::<i64>().is_err() => Err(wrong(&Self::KIND, input)),
            Input::Word(_) | Input::Integer { .. } => u32::from_input(input).map(Self::Count),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn measure(&self) -> Option<u64> {
        match self {
            Self::Auto => None,
            Self::Count(count) => Some(u64::from(*count)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(match self {
            Self::Auto => "\"auto\"".to_owned(),
            Self::Count(count) => count.to_string(),
        })
    }
}
