//! Names and pairs: variables of the environment, names of header fields, paths of URLs.

use std::fmt;

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// A variable for the workers' environment, written `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name: not empty, without `=`.
    pub name: String,
    /// Its value, which may be empty.
    pub value: String,
}

impl Value for Variable {
    const KIND: Kind = Kind::Variable;

    fn from_input(input: &Input) -> Result<Self, String> {
        match input.text().map(|text| (text, text.split_once('='))) {
            Some((text, _)) if text.contains('\0') => Err("has a NUL character in it".to_owned()),
            Some((_, Some((name, value)))) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", format!("{}={}", self.name, self.value)))
    }
}

/// Declares a value that is a text of one form, kept as it was written.
macro_rules! text_value {
    ($(#[$documentation:meta])* $name:ident, $fits:expr) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The whole of it, as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Value for $name {
            const KIND: Kind = Kind::$name;

            fn from_input(input: &Input) -> Result<Self, String> {
                let fits: fn(&str) -> bool = $fits;
                match input.text() {
                    Some(text) if fits(text) => Ok(Self(text.to_owned())),
                    _ => Err(wrong(&Self::KIND, input)),
                }
            }

            fn render(&self) -> Option<String> {
                Some(format!("{:?}", self.0))
            }
        }
    };
}

text_value! {
    /// The name of a header field, a token of RFC 9110 section 5.6.2.
    HeaderName, |text| !text.is_empty() && text.bytes().all(is_of_a_token)
}

text_value! {
    /// The path of a URL at which an application is mounted, decoded: `/shop`. It begins with a slash and does not end with one.
    UrlPath, |text| text.starts_with('/') && !text.ends_with('/') && !text.contains(char::is_control)
}

text_value! {
    /// What a request asks for, as it is written in its first line (RFC 9112 section 3.2.1): `/health/?full=1`.
    // A fragment never leaves the browser, and other bytes have to be percent-encoded.
    RequestTarget,
    |text| text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

text_value! {
    /// The name of a Python module: `package.module`.
    ModuleName, |text| text.split('.').all(is_identifier)
}

impl HeaderName {
    /// For the defaults of declarations, which a test checks.
    pub(crate) fn declared(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl RequestTarget {
    /// The path, percent-encoded; it begins with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once('?').map_or(self.as_str(), |(path, _)| path)
    }

    /// What stands behind the first question mark, which is not part of it; empty without one.
    #[must_use]
    pub fn query(&self) -> &str {
        self.0.split_once('?').map_or("", |(_, query)| query)
    }
}

fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether it is an identifier of Python's, as nearly as matters for a message: letters, digits and underscores, no digit first.
fn is_identifier(word: &str) -> bool {
    word.starts_with(|character: char| character.is_alphabetic() || character == '_')
        && word.chars().all(|character| character.is_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        let read = |text: &str| Variable::from_input(&Input::Word(text.to_owned()));
        assert_eq!(read("A=b=c"), Ok(Variable { name: "A".into(), value: "b=c".into() }));
        assert_eq!(read("A="), Ok(Variable { name: "A".into(), value: String::new() }));
        assert!(read("A").is_err());
        assert!(read("=b").is_err());
    }

    #[test]
    fn a_header_name_is_a_token() {
        let read = |text: &str| HeaderName::from_input(&Input::Word(text.to_owned()));
        assert!(read("X-Request-Id").is_ok());
        for text in ["", "X Request", "X:", "é", "X\r\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_module_is_named_with_dots() {
        let read = |text: &str| ModuleName::from_input(&Input::Word(text.to_owned()));
        assert_eq!(read("site.hooks").map(|name| name.as_str().to_owned()), Ok("site.hooks".to_owned()));
        for text in ["", "a.", ".a", "gunicorn.conf.py.", "a/b.py", "a-b", "1a", "a:b"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_a_request_asks_for_is_a_path_and_a_query() {
        let read = |text: &str| RequestTarget::from_input(&Input::Word(text.to_owned()));
        for (text, path, query) in
            [("/", "/", ""), ("/health/", "/health/", ""), ("/a%20b?x=1&y=?", "/a%20b", "x=1&y=?"), ("/a?", "/a", "")]
        {
            let target = read(text).unwrap();
            assert_eq!((target.path(), target.query()), (path, query));
        }
        for text in ["", "health", "?x", "/a b", "/a#b", "/ä", "/a\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_mount_point_begins_with_a_slash_and_ends_without() {
        let read = |text: &str| UrlPath::from_input(&Input::Word(text.to_owned()));
        assert_eq!(read("/a/b").map(|path| path.as_str().to_owned()), Ok("/a/b".to_owned()));
        for text in ["", "/", "a", "/a/", "/a\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
