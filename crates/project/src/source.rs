//! What the top level of a Python file binds, told by reading and not by importing it. It knows as much of Python's
//! grammar as is needed to tell a statement from a string, a comment and the inside of brackets, and no more: what
//! stands inside of `if`, `try` or a function is not seen.

/// What a name is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A function with parameters that have no default; calling it without any would fail.
    FunctionWithParameters,
    /// A function that can be called without arguments.
    Function,
    /// Whatever else: a value, a class, an import.
    Object,
}

/// The statements of a file's top level, each joined to one line, without comments.
pub struct Source {
    statements: Vec<String>,
}

impl Source {
    /// Reads the text of a module.
    pub fn parse(text: &str) -> Self {
        Self { statements: statements(text) }
    }

    /// What `name` is bound to by the last statement that binds it; `None` where none does, or where it is `None`.
    pub fn binding(&self, name: &str) -> Option<Binding> {
        self.statements.iter().rev().find_map(|statement| binding(statement, name)).flatten()
    }

    /// Whether `name` is, by the last statement that binds it, a plain function that an application's two arguments are
    /// not meant for: it needs none, and has no room for two or the name of a factory. One with a decorator is whatever
    /// the decorator makes of it, and what is told of an `async` one may be wrong.
    pub fn is_factory(&self, name: &str) -> bool {
        let Some(last) = self.statements.iter().rposition(|statement| binding(statement, name).is_some()) else {
            return false;
        };
        let decorated = last.checked_sub(1).is_some_and(|before| self.statements[before].starts_with('@'));
        let parameters = self.statements[last].strip_prefix("def ").and_then(|definition| definition.split_once('('));
        let Some((_, parameters)) = parameters.filter(|(_, parameters)| !decorated && !needs_arguments(parameters))
        else {
            return false;
        };
        let all = split_parameters(parameters);
        let by_place: Vec<&str> = all.iter().map(|parameter| parameter.trim()).filter(|text| *text != "/").collect();
        let any_number = by_place.iter().any(|text| text.starts_with('*') && !text.starts_with("**") && *text != "*");
        let room = by_place.iter().take_while(|text| !text.is_empty() && !text.starts_with('*')).count();
        let called_so = ["create", "make", "build", "get"].iter().any(|verb| name.split('_').next() == Some(*verb));
        !any_number && (room < 2 || called_so)
    }

    /// The last part of the name that is called to make the value of `name`: `FastAPI` for `name = fastapi.FastAPI(…)`; `None` where no call
    /// makes it.
    pub fn constructor(&self, name: &str) -> Option<&str> {
        let last = self.statements.iter().rev().find(|statement| binding(statement, name).is_some())?;
        assignment(last, name)?;
        let (before, _) = last.split_once('(')?;
        let (_, called) = before.rsplit_once('=')?;
        called.trim().rsplit('.').next()
    }

    /// The text that `name` is assigned, where that is a plain string.
    pub fn string(&self, name: &str) -> Option<&str> {
        quoted(self.value(name)?)
    }

    /// The expression that `name` is assigned, as it is written.
    pub fn value(&self, name: &str) -> Option<&str> {
        let value = |statement: &'_ String| {
            let (target, _) = statement.split_once('=')?;
            (target.trim() == name).then_some(target.len() + 1)
        };
        self.statements.iter().rev().find_map(|statement| value(statement).map(|start| statement[start..].trim()))
    }
}

/// The inside of a string literal that is all of `text`.
pub fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inside = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inside.contains([quote, '\\'])).then_some(inside)
}

/// `None`: the statement does not bind the name. `Some(None)`: it binds it to `None`.
fn binding(statement: &str, name: &str) -> Option<Option<Binding>> {
    let word = |text: &str, word: &str| {
        text.strip_prefix(word).filter(|rest| rest.starts_with([' ', '\t'])).map(|rest| rest.trim_start().to_owned())
    };
    if let Some(definition) =
        word(statement, "async").and_then(|rest| word(&rest, "def")).or_else(|| word(statement, "def"))
    {
        let (defined, parameters) = definition.split_once('(')?;
        let needed = needs_arguments(parameters);
        return (defined.trim() == name).then_some(Some(if needed {
            Binding::FunctionWithParameters
        } else {
            Binding::Function
        }));
    }
    if let Some(class) = word(statement, "class") {
        return (class.split(['(', ':']).next()?.trim() == name).then_some(Some(Binding::Object));
    }
    let imported = match word(statement, "from") {
        Some(rest) => rest.split_once(" import").map(|(_, names)| names.to_owned()),
        None => word(statement, "import"),
    };
    if let Some(names) = imported {
        let bound = |part: &str| part.split_once(" as ").map_or(part, |(_, alias)| alias).trim() == name;
        let names = names.replace(['(', ')'], " ");
        return names.split(',').any(|part| bound(part.trim())).then_some(Some(Binding::Object));
    }
    assignment(statement, name)
}

/// `app = …`, `app: Type = …`, `app = application = …`.
fn assignment(statement: &str, name: &str) -> Option<Option<Binding>> {
    let mut rest = statement;
    let mut bound = false;
    while let Some((target, value)) = rest.split_once('=') {
        let target = target.split(':').next().unwrap_or_default().trim();
        let plain = target.chars().all(|character| character.is_alphanumeric() || character == '_');
        // `==` compares; `+=`, `a.b =` and the `=` inside of a call leave no plain name before it.
        if !plain || target.is_empty() || value.starts_with('=') {
            break;
        }
        bound |= target == name;
        rest = value;
    }
    bound.then_some((rest.trim() != "None").then_some(Binding::Object))
}

/// The parameters of a list, which begins behind its opening bracket.
fn split_parameters(parameters: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let mut parameter = String::new();
    let mut all = Vec::new();
    for character in parameters.chars() {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                all.push(std::mem::take(&mut parameter));
                continue;
            }
            _ => {}
        }
        parameter.push(character);
    }
    all.push(parameter);
    all
}

/// Whether a parameter list (behind its opening bracket) has parameters without a default.
fn needs_arguments(parameters: &str) -> bool {
    split_parameters(parameters).iter().map(|parameter| parameter.trim()).any(|parameter| {
        !(parameter.is_empty() || parameter == "/" || parameter.starts_with('*') || parameter.contains('='))
    })
}

/// Splits a file into the logical lines (Python reference, section 2.1.5) that begin in the first column.
fn statements(text: &str) -> Vec<String> {
    let rest = text.trim_start_matches('\u{feff}');
    let kept = !rest.starts_with([' ', '\t']);
    let mut scanner = Scanner { rest, statements: Vec::new(), current: String::new(), depth: 0, kept };
    while scanner.step() {}
    scanner.end_of_line();
    scanner.statements
}

struct Scanner<'a> {
    rest: &'a str,
    statements: Vec<String>,
    current: String,
    /// How many brackets are open.
    depth: usize,
    /// Whether the current logical line began in the first column.
    kept: bool,
}

impl Scanner<'_> {
    fn step(&mut self) -> bool {
        let Some(character) = self.rest.chars().next() else {
            return false;
        };
        match character {
            '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            '"' | '\'' => {
                let length = string_length(self.rest, character);
                self.current.push_str(&self.rest[..length].replace('\n', " "));
                self.skip(length);
            }
            '\\' if self.rest[1..].starts_with(['\n', '\r']) => {
                self.current.push(' ');
                self.skip(self.rest.find('\n').map_or(self.rest.len(), |newline| newline + 1));
            }
            '\n' if self.depth == 0 => {
                self.end_of_line();
                self.skip(1);
                self.kept = !self.rest.starts_with([' ', '\t']);
            }
            _ => {
                match character {
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.current.push(if character.is_whitespace() { ' ' } else { character });
                self.skip(character.len_utf8());
            }
        }
        true
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.current);
        if self.kept && !line.trim().is_empty() {
            self.statements.push(line.trim().to_owned());
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

/// The length in bytes of the string literal that `text` begins with. One that does not end takes the rest of its line,
/// or of the file where it is a triple one.
fn string_length(text: &str, quote: char) -> usize {
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let (fence, many_lines) = if text.starts_with(&triple) { (triple, true) } else { (quote.to_string(), false) };
    let mut position = fence.len();
    while let Some(rest) = text.get(position..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(&fence) {
            return position + fence.len();
        }
        if rest.starts_with('\n') && !many_lines {
            return position;
        }
        let escaped = if rest.starts_with('\\') { 1 } else { 0 };
        position += rest.chars().take(1 + escaped).map(char::len_utf8).sum::<usize>();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, name: &str) -> Option<Binding> {
        Source::parse(text).binding(name)
    }

    #[test]
    fn all_ways_to_bind_a_name() {
        for text in [
            "app = Flask(__name__)",
            "app: Flask = Flask(__name__, static_folder='x')",
            "app = application = Flask(__name__)",
            "application = app = Flask(__name__)",
            "app=Flask(a=1)",
            "class app(Base):\n    pass",
            "from site import app",
            "from site import (\n    other,\n    factory as app,\n)",
            "import site.app as app",
            "x = 1\r\napp = 2\r\n",
            "app = \\\n    Flask(__name__)",
            "\u{feff}app = 1",
        ] {
            assert_eq!(bound(text, "app"), Some(Binding::Object), "{text}");
        }
        assert_eq!(bound("def app(environ, start_response):\n    pass", "app"), Some(Binding::FunctionWithParameters));
        assert_eq!(bound("async def app(scope, receive, send): ...", "app"), Some(Binding::FunctionWithParameters));
    }

    #[test]
    fn what_only_looks_like_a_binding() {
        for text in [
            "",
            "    app = 1",
            "\"\"\"\napp = Flask()\n\"\"\"",
            "'''it''s\napp = 1\n'''",
            "# app = 1",
            "f(\napp = 1\n)",
            "if x:\n    app = 1",
            "def f():\n    app = 1",
            "app.config['x'] = 1",
            "app == 1",
            "x = f(app=1)",
            "from app import x",
            "import app.views",
            "apps = 1",
            "from site import app as other",
            "app = None",
            "app: Flask",
        ] {
            assert_eq!(bound(text, "app"), None, "{text}");
        }
    }

    #[test]
    fn the_last_binding_counts() {
        assert_eq!(bound("app = None\napp = Flask()", "app"), Some(Binding::Object));
    }

    #[test]
    fn factories_are_told_from_functions_with_parameters() {
        for parameters in [
            "",
            "config=None",
            "*, config=None",
            "*args, **kwargs",
            "config: dict[str, int] = {}",
            "\n    a=1,\n    b=(1, 2),\n",
        ] {
            assert_eq!(
                bound(&format!("def create_app({parameters}) -> Flask:\n    pass"), "create_app"),
                Some(Binding::Function),
                "{parameters}"
            );
        }
        for parameters in ["config", "config, debug=False", "*, config", "config: dict[str, int]"] {
            assert_eq!(
                bound(&format!("def create_app({parameters}):\n    pass"), "create_app"),
                Some(Binding::FunctionWithParameters),
                "{parameters}"
            );
        }
    }

    #[test]
    fn factories_are_told_from_applications() {
        let factory = |text: &str, name: &str| Source::parse(text).is_factory(name);
        for text in [
            "def create_app():\n    pass",
            "def create_app(config=None):\n    pass",
            "def create_app(config=None, debug=False) -> Flask:\n    pass",
            "def create_app(*, config=None, debug=False):\n    pass",
            "def create_app(**settings): pass",
            "create_app = None\ndef create_app(\n): pass\nx = 1",
        ] {
            assert!(factory(text, "create_app"), "{text}");
        }
        for text in [
            "",
            "def app(environ, start_response): pass",
            "def app(environ=None, start_response=None): pass",
            "def app(*arguments): pass",
            "def app(request): pass",
            "def app(): pass\napp = wrap(app)",
            "@decorator\ndef app(): pass",
            "async def app(): pass",
            "class app: pass",
            "from x import app",
        ] {
            assert!(!factory(text, "app"), "{text}");
        }
        assert!(factory("def app(): pass", "app"));
    }

    #[test]
    fn what_makes_a_value_is_read() {
        for text in [
            "api = FastAPI()",
            "api: FastAPI = fastapi.FastAPI(title='(x)')",
            "api = 1\napp = api = FastAPI(\n    a=1,\n)",
        ] {
            assert_eq!(Source::parse(text).constructor("api"), Some("FastAPI"), "{text}");
        }
        for text in ["", "api = FastAPI", "from x import api", "import api", "def api(): pass", "x = FastAPI()"] {
            assert_eq!(Source::parse(text).constructor("api"), None, "{text}");
        }
        assert_eq!(Source::parse("api = FastAPI()\napi = wrap(api)").constructor("api"), Some("wrap"));
    }

    #[test]
    fn strings_are_read() {
        let source = Source::parse("WSGI_APPLICATION = 'site.wsgi.application'  # made by Django\nX = f('a')\n");
        assert_eq!(source.string("WSGI_APPLICATION"), Some("site.wsgi.application"));
        assert_eq!(source.string("X"), None);
        assert_eq!(source.string("Y"), None);
    }

    #[test]
    fn broken_files_do_no_harm() {
        for text in ["\"", "'''", "\\", "(((", ")))\napp = 1", "'\\", "é = 'é", "#", "app ='''\\"] {
            let _ = Source::parse(text).binding("app");
        }
    }
}
