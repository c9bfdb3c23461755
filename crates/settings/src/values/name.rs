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

/// The name of a header field, a token of RFC 9110 section 5.6.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

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

impl Value for HeaderName {
    const KIND: Kind = Kind::HeaderName;

    fn from_input(input: &Input) -> Result<Self, String> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match input.text() {
            Some(text) if !text.is_empty() && text.bytes().all(token) => Ok(Self(text.to_owned())),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// The path of a URL at which an application is mounted, decoded: `/shop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPath(String);

impl UrlPath {
    /// The path; it begins with a slash and does not end with one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for UrlPath {
    const KIND: Kind = Kind::UrlPath;

    fn from_input(input: &Input) -> Result<Self, String> {
        let fits = |text: &str| text.starts_with('/') && !text.ends_with('/') && !text.contains(char::is_control);
        match input.text() {
            Some(text) if fits(text) => Ok(Self(text.to_owned())),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// What a request asks for, as it is written in its first line (RFC 9112 section 3.2.1): `/health/?full=1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTarget(String);

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

    /// The whole of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for RequestTarget {
    const KIND: Kind = Kind::RequestTarget;

    fn from_input(input: &Input) -> Result<Self, String> {
        // A fragment never leaves the browser, and other bytes have to be percent-encoded.
        let fits =
            |text: &str| text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        match input.text() {
            Some(text) if fits(text) => Ok(Self(text.to_owned())),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// The name of a Python module: `package.module`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName(String);

impl ModuleName {
    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for ModuleName {
    const KIND: Kind = Kind::ModuleName;

    fn from_input(input: &Input) -> Result<Self, String> {
        let word = |part: &str| {
            let letter = |character: char| character.is_alphabetic() || character == '_';
            part.starts_with(letter) && part.chars().all(|character| character.is_alphanumeric() || character == '_')
        };
        match input.text() {
            Some(text) if text.split('.').all(word) => Ok(Self(text.to_owned())),
            _ => Err(wrong(&Self::KIND, input)),
        }
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
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
