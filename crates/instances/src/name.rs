//! The names that instances may have. A name stands, as it is, in the names of units, in paths and in socket addresses.

use std::fmt;
use std::str::FromStr;

/// The longest name. The control socket of a user's instance, `/run/user/4294967295/hostler/NAME/control.sock`, is to fit
/// into the 108 bytes of an address (unix(7)).
const LONGEST: usize = 64;

/// How the names of the users begin that exist while an instance of the system runs. Not `hostler-`, so that an instance called `web` is not
/// taken for the group of the proxies.
pub(crate) const USER_PREFIX: &str = "hostler_";
/// systemd takes no longer name for a user.
const USER_LONGEST: usize = 31;

/// Endings that are those of the instance's files, and not part of its name.
const ENDINGS: [&str; 4] = [".toml", ".service", ".socket", ".sock"];

/// The name of an instance.
///
/// Letters, digits, `-`, `_` and `.`, of which the first is a letter or a digit: what systemd takes in a unit's name
/// without escaping (systemd-escape(1)), less what would mean something else there or in a path (`@`, `:`, `\`, `%`, `/`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing.
    #[error("the name of an instance is empty")]
    Empty,
    /// Too long.
    #[error(
        "the name `{0}` is longer than {LONGEST} characters: the path of its control socket would not fit into an address"
    )]
    Long(String),
    /// The first character.
    #[error("the name `{name}` begins with `{first}`: it has to begin with a letter or a digit")]
    First {
        /// The name.
        name: String,
        /// Its first character.
        first: char,
    },
    /// Another character.
    #[error(
        "the name `{name}` has `{}` in it: units of systemd and paths are called by it, so take letters, digits, `-`, `_` and `.`{}",
        shown(*character), suggestion.as_ref().map(|name| format!(", as in `{name}`")).unwrap_or_default()
    )]
    Character {
        /// The name.
        name: String,
        /// The character.
        character: char,
        /// A name that would do.
        suggestion: Option<String>,
    },
    /// The name of a file.
    #[error("the name `{name}` ends in {ending}: give the name alone, `{}`", name.trim_end_matches(ending))]
    Ending {
        /// The name.
        name: String,
        /// How it ends.
        ending: &'static str,
    },
}

impl Name {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the user that the system's template names for it (`User=hostler_%i`) is one that systemd makes (systemd.exec(5),
    /// `DynamicUser=`; "User/Group Name Syntax" of systemd).
    #[must_use]
    pub fn makes_user(&self) -> bool {
        USER_PREFIX.len() + self.0.len() <= USER_LONGEST && !self.0.contains('.')
    }
}

/// A character as a person can read it: what is not printed is escaped.
fn shown(character: char) -> String {
    if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = || text.to_owned();
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if let Some(character) = text.chars().find(|character| !allowed(*character)) {
            return Err(NameError::Character { name: name(), character, suggestion: suggestion(text) });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::First { name: name(), first });
        }
        if text.len() > LONGEST {
            return Err(NameError::Long(name()));
        }
        if let Some(ending) = ENDINGS.into_iter().find(|ending| text.ends_with(ending)) {
            return Err(NameError::Ending { name: name(), ending });
        }
        Ok(Self(name()))
    }
}

fn allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// The same with hyphens for what is not allowed.
fn suggestion(text: &str) -> Option<String> {
    let replaced: String = text.chars().map(|character| if allowed(character) { character } else { '-' }).collect();
    let trimmed = replaced.trim_matches(|character: char| !character.is_ascii_alphanumeric());
    let parts: Vec<&str> = trimmed.split('-').filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        text.parse::<Name>().unwrap_err().to_string()
    }

    #[test]
    fn what_names_units_and_paths_is_taken() {
        for name in ["shop", "my-site", "shop_2", "example.org", "0", "A.b-C"] {
            assert_eq!(name.parse::<Name>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused_with_another_name() {
        assert_eq!(told(""), "the name of an instance is empty");
        assert!(told("a/b").ends_with("as in `a-b`"), "{}", told("a/b"));
        assert!(told("../etc").contains("has `/` in it"));
        assert!(told("a b%c").ends_with("as in `a-b-c`"));
        assert!(told("shop@1").contains("has `@` in it"));
        assert!(told("a\nb").contains("has `\\n` in it"));
        let accented = told("é");
        assert!(accented.contains("has `é` in it") && accented.ends_with("take letters, digits, `-`, `_` and `.`"));
        assert!(told("a\\b").contains("has `\\` in it"));
        assert!(told("..").contains("begins with `.`"));
        assert!(told("-x").contains("begins with `-`"));
        assert_eq!(told("shop.toml"), "the name `shop.toml` ends in .toml: give the name alone, `shop`");
        assert!(told(&"a".repeat(65)).contains("longer than 64"));
        assert!("a".repeat(64).parse::<Name>().is_ok());
    }

    #[test]
    fn not_each_name_makes_a_user() {
        let makes = |text: &str| text.parse::<Name>().unwrap().makes_user();
        assert!(makes("shop") && makes("Shop-2_x") && makes(&"a".repeat(23)));
        assert!(!makes("shop.example.org") && !makes(&"a".repeat(24)));
        let unit = include_str!("../../../systemd/system/hostler@.service");
        assert!(unit.contains(&format!("\nUser={USER_PREFIX}%i\n")));
    }
}
