//! The types that a setting can have: one small trait, and the plain types. Types of our own are in `values/`.

use std::path::PathBuf;

use crate::input::Input;
use crate::kind::Kind;

/// A type that a setting can have.
pub trait Value: Sized {
    /// Its shape.
    const KIND: Kind;
    /// Whether it may be unset.
    const OPTIONAL: bool = false;

    /// Makes the value of what was written. The error says what is wanted and what was found, without the key and
    /// without a full stop.
    ///
    /// # Errors
    /// When the input has the wrong type or shape.
    fn from_input(input: &Input) -> Result<Self, String>;

    /// What a range applies to: bytes, microseconds or the plain number; `None` where no range applies.
    fn measure(&self) -> Option<u64> {
        None
    }

    /// The value as it is written in a file; `None` where it is unset.
    fn render(&self) -> Option<String>;
}

/// The mistake of a wrong type: what is wanted and what was found.
pub(crate) fn wrong(kind: &Kind, input: &Input) -> String {
    let mut message = format!("wants {}, found {}", kind.wanted(), input.describe());
    if let (Kind::Count | Kind::CountOrAuto | Kind::Workers | Kind::Boolean, Input::Text(text)) = (kind, input)
        && (text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok())
    {
        message.push_str(": take the quotation marks away");
    }
    message
}

impl Value for bool {
    const KIND: Kind = Kind::Boolean;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input {
            Input::Boolean(truth) => Ok(*truth),
            Input::Word(word) => word.to_ascii_lowercase().parse().map_err(|_| wrong(&Self::KIND, input)),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for u32 {
    const KIND: Kind = Kind::Count;

    fn from_input(input: &Input) -> Result<Self, String> {
        let number = match input {
            Input::Integer { value, .. } => Some(*value),
            Input::Word(word) => word.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| wrong(&Self::KIND, input))?;
        // A number below zero is out of any range, and one above 32 bits of every range declared so far.
        u32::try_from(number).map_err(|_| format!("is out of range: {number}"))
    }

    fn measure(&self) -> Option<u64> {
        Some(u64::from(*self))
    }

    fn render(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input.text() {
            Some(text) if text.contains('\0') => Err("has a NUL character in it".to_owned()),
            Some(text) => Ok(text.to_owned()),
            None => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Path;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input.text() {
            Some("") => Err("wants a path, found an empty text".to_owned()),
            Some(text) if text.contains('\0') => Err("has a NUL character in it".to_owned()),
            Some(text) => Ok(Self::from(text)),
            None => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.display().to_string()))
    }
}

/// An unset setting; an empty text unsets it again, so that the command line can take back what a file says.
impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input.text() {
            Some("") => Ok(None),
            _ => T::from_input(input).map(Some),
        }
    }

    fn measure(&self) -> Option<u64> {
        self.as_ref().and_then(T::measure)
    }

    fn render(&self) -> Option<String> {
        self.as_ref().and_then(T::render)
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);

    fn from_input(input: &Input) -> Result<Self, String> {
        let Input::List(items) = input else {
            return Err(wrong(&Self::KIND, input));
        };
        let many = items.len() > 1;
        let read = |(index, item): (usize, &Input)| match (item.text(), T::from_input(item)) {
            (Some(""), _) => Err(format!("item {} is empty", index + 1)),
            (_, Err(message)) if many => Err(format!("item {}: {message}", index + 1)),
            (_, value) => value,
        };
        items.iter().enumerate().map(read).collect()
    }

    fn render(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::render).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}
