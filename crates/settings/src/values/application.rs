//! Which application is meant: `package.module:attribute`.

use std::fmt;

use crate::input::Input;
use crate::kind::Kind;
use crate::value::{Value, wrong};

/// An application as gunicorn names it: a module, and in it an attribute or a call of a factory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The dotted name of the module.
    pub module: String,
    /// The attribute (`app`, `site.app`) or the call (`create_app()`, `create_app("prod")`); `None` where only the
    /// module was named.
    pub target: Option<String>,
}

impl fmt::Display for Application {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Some(target) => write!(formatter, "{}:{target}", self.module),
            None => formatter.write_str(&self.module),
        }
    }
}

impl Value for Application {
    const KIND: Kind = Kind::Application;

    fn from_input(input: &Input) -> Result<Self, String> {
        let text = input.text().ok_or_else(|| wrong(&Self::KIND, input))?.trim();
        let (module, target) = match text.split_once(':') {
            Some((module, target)) => (module.trim(), Some(target.trim())),
            None => (text, None),
        };
        if module.contains('/') || module.strip_suffix(".py").is_some_and(|stem| !stem.is_empty()) {
            let dotted = module.trim_start_matches("./").trim_end_matches(".py").replace('/', ".");
            let rest = target.unwrap_or("app");
            return Err(format!(
                "wants the name of a module, found the path of a file `{module}`: write {dotted}:{rest}"
            ));
        }
        // PEP 3131 lets letters of any script into names.
        let name = |part: &str| {
            part.chars().all(|character| character.is_alphanumeric() || character == '_')
                && !part.starts_with(|first: char| first.is_numeric())
                && !part.is_empty()
        };
        let called = target.map(|target| target.split_once('(').map_or(target, |(callee, _)| callee));
        let closed = target.is_none_or(|target| !target.contains('(') || target.ends_with(')'));
        if !module.split('.').all(name) || !called.is_none_or(|callee| callee.split('.').all(name)) || !closed {
            return Err(wrong(&Self::KIND, input));
        }
        Ok(Self { module: module.to_owned(), target: target.map(str::to_owned) })
    }

    fn render(&self) -> Option<String> {
        Some(format!("{:?}", self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Application, String> {
        Application::from_input(&Input::Word(text.to_owned()))
    }

    #[test]
    fn modules_attributes_and_factories() {
        for text in [
            "app:app",
            "package.module:site.app",
            "wsgi",
            "a.b:create_app()",
            r#"a:create_app("x:y", debug=True)"#,
            "größe:app",
        ] {
            assert_eq!(read(text).map(|application| application.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_names_no_application_is_refused() {
        for text in ["", ":app", "app:", "a..b:app", "1a:app", "a b:app", "app:create_app(", "app:a-b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_is_answered_with_its_module() {
        assert!(read("site/app.py").is_err_and(|message| message.ends_with("write site.app:app")));
        assert!(read("./app.py:main").is_err_and(|message| message.ends_with("write app:main")));
    }
}
