//! Permission bits, and owners, of files.

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// Permission bits, at most `0o777` (chmod(2), umask(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Value for Mode {
    const KIND: Kind = Kind::Mode;

    fn from_input(input: &Input) -> Result<Self, String> {
        let bits = match input {
            // A decimal 660 would be 0o1224: whoever wrote it meant something else.
            Input::Integer { value, octal } if *octal || (0..8).contains(value) => u32::try_from(*value).ok(),
            Input::Integer { value, .. } => {
                return Err(format!(
                    "wants {}, found the decimal number {value}: write 0o{value}",
                    Self::KIND.wanted()
                ));
            }
            Input::Word(text) | Input::Text(text) => octal(text.trim()),
            _ => None,
        };
        match bits {
            Some(bits) if bits <= 0o777 => Ok(Self(bits)),
            Some(_) => Err(format!("wants at most 0o777, found {}", input.describe())),
            None => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("0o{:03o}", self.0))
    }
}

/// Reads `0o22`, `022`, `660` and single digits. Two digits without a zero before them are refused: gunicorn reads them
/// as decimal, chmod as octal.
fn octal(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = digits.len() != text.len() || digits.starts_with('0') || matches!(digits.len(), 1 | 3);
    if octal && digits.bytes().all(|digit| digit.is_ascii_digit()) { u32::from_str_radix(digits, 8).ok() } else { None }
}

/// The owner of a socket file: `user`, `user:group` or `:group`; names or numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user; `None` leaves it as it is.
    pub user: Option<String>,
    /// The group; `None` leaves it as it is.
    pub group: Option<String>,
}

impl Value for Owner {
    const KIND: Kind = Kind::Owner;

    fn from_input(input: &Input) -> Result<Self, String> {
        let text = input.text().ok_or_else(|| wrong(&Self::KIND, input))?;
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let owner = Self { user: named(user), group: named(group) };
        let odd = |name: &Option<String>| name.as_ref().is_some_and(|name| name.contains([':', ' ', '/', '\0']));
        if odd(&owner.user) || odd(&owner.group) || (owner.user.is_none() && owner.group.is_none()) {
            return Err(wrong(&Self::KIND, input));
        }
        Ok(owner)
    }

    fn render(&self) -> Option<String> {
        let group = self.group.as_ref().map(|group| format!(":{group}")).unwrap_or_default();
        Some(format!("{:?}", format!("{}{group}", self.user.as_deref().unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_is_read_and_decimal_is_refused() {
        for (text, bits) in [("0o660", 0o660), ("0660", 0o660), ("660", 0o660), ("022", 0o22), ("0", 0), ("7", 7)] {
            assert_eq!(Mode::from_input(&Input::Word(text.into())), Ok(Mode(bits)), "{text}");
        }
        for text in ["22", "88", "0o888", "1777", "01777", "abc", "", "-1", "+77"] {
            assert!(Mode::from_input(&Input::Word(text.into())).is_err(), "{text}");
        }
        assert_eq!(Mode::from_input(&Input::Integer { value: 0o660, octal: true }), Ok(Mode(0o660)));
        let message = Mode::from_input(&Input::Integer { value: 660, octal: false }).unwrap_err();
        assert!(message.ends_with("found the decimal number 660: write 0o660"), "{message}");
    }

    #[test]
    fn owners_have_a_user_or_a_group_or_both() {
        let read = |text: &str| Owner::from_input(&Input::Text(text.into()));
        assert_eq!(read("www-data"), Ok(Owner { user: Some("www-data".into()), group: None }));
        assert_eq!(read("www:nginx"), Ok(Owner { user: Some("www".into()), group: Some("nginx".into()) }));
        assert_eq!(read(":33"), Ok(Owner { user: None, group: Some("33".into()) }));
        for text in ["", ":", "a:b:c", "a b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
