//! Command lines of other servers: which server it is, its words, and the files that they name.

use std::path::{Path, PathBuf};

use hostler_project::reading;

use super::gathered::{Gathered, Loss};
use super::rule::{Given, Rule, rule};
use super::{gunicorn, gunicorn_conf, uvicorn, uwsgi, uwsgi_file};

/// Directories of programs that belong to no virtual environment.
const SHARED: [&str; 4] = ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin"];

/// Programs that run another, which stands behind them with its own words, and their options that have a value.
const WRAPPERS: [(&str, &str); 9] = [
    ("env", "-u -C -S"),
    ("exec", ""),
    ("nice", "-n"),
    ("poetry", ""),
    ("pipenv", ""),
    ("uv", "--project --directory --with --python -p"),
    ("pdm", ""),
    ("dumb-init", ""),
    ("tini", ""),
];

/// A server whose command lines are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Gunicorn,
    Uvicorn,
    Uwsgi,
}

impl Server {
    fn of(program: &str) -> Option<Self> {
        match program.rsplit('/').next()? {
            "gunicorn" | "gunicorn3" => Some(Self::Gunicorn),
            "uvicorn" => Some(Self::Uvicorn),
            "uwsgi" | "uwsgi_python3" | "uwsgi-core" | "pyuwsgi" => Some(Self::Uwsgi),
            _ => None,
        }
    }

    fn rules(self) -> &'static [Rule] {
        match self {
            Self::Gunicorn => gunicorn::RULES,
            Self::Uvicorn => uvicorn::RULES,
            Self::Uwsgi => uwsgi::RULES,
        }
    }
}

/// A command line: the server, its words without the program, the environment it sets, and the program's virtual environment.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) server: Server,
    pub(crate) words: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) venv: Option<PathBuf>,
}

/// Finds the server in the words of a command; `None` where there is none that is known.
pub(crate) fn line(words: &[String]) -> Option<Line> {
    let mut variables = Vec::new();
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        let name = word.rsplit('/').next().unwrap_or(word);
        if let Some(server) = Server::of(word) {
            return Some(Line { server, words: behind.to_vec(), variables, venv: venv(word) });
        }
        if let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.starts_with('-') && !key.contains('/'))
        {
            variables.push((key.to_owned(), value.to_owned()));
            rest = behind;
        } else if name.starts_with("python") {
            let module = behind.iter().position(|word| word == "-m")?;
            let server = Server::of(behind.get(module + 1)?)?;
            return Some(Line { server, words: behind[module + 2..].to_vec(), variables, venv: venv(word) });
        } else if matches!(name, "sh" | "bash" | "dash") {
            let script = behind.iter().position(|word| word.starts_with('-') && word.ends_with('c'))?;
            // Of several commands, the last is the one that stays.
            let script =
                behind.get(script + 1)?.rsplit(['\n', ';', '&']).find(|part| !part.trim().is_empty())?.to_owned();
            let mut inner = line(&shlex::split(&script)?)?;
            inner.variables.splice(0..0, variables);
            return Some(inner);
        } else if let Some((_, valued)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) {
            rest = behind_options(behind, valued);
            // `poetry run`, `uv run`.
            rest = rest.strip_prefix(&["run".to_owned()][..]).map_or(rest, |behind| behind_options(behind, valued));
        } else {
            return None;
        }
    }
    None
}

fn behind_options<'a>(mut words: &'a [String], valued: &str) -> &'a [String] {
    while let Some((word, behind)) = words.split_first().filter(|(word, _)| word.starts_with('-')) {
        let has_value = valued.split(' ').any(|option| option == word);
        words = if has_value { behind.get(1..).unwrap_or_default() } else { behind };
    }
    words
}

/// The virtual environment that a program is in, by its path.
fn venv(program: &str) -> Option<PathBuf> {
    let bin = Path::new(program).parent().filter(|bin| bin.is_absolute() && bin.ends_with("bin"))?;
    (!SHARED.iter().any(|shared| bin == Path::new(shared))).then(|| bin.parent().map(Path::to_owned))?
}

/// Where a command line is run.
pub(crate) struct Where<'a> {
    pub(crate) place: &'a str,
    pub(crate) directory: &'a Path,
    pub(crate) variables: &'a [(String, String)],
}

/// Takes all that a command line says, and the files that it names: files first, as the command line wins.
pub(crate) fn take(gathered: &mut Gathered, line: &Line, at: &Where<'_>) -> Result<(), String> {
    gathered.turn_to(at.place, at.directory);
    if let Some(venv) = &line.venv {
        gathered.set("venv", venv.display().to_string().into())?;
    }
    let mut variables = at.variables.to_vec();
    variables.extend(line.variables.iter().cloned());
    let given = scan(line.server, &line.words);
    match line.server {
        Server::Gunicorn => gunicorn_line(gathered, line, &given, &variables, at)?,
        Server::Uvicorn => {
            each(gathered, line.server, &given);
            uvicorn::finish(gathered)?;
        }
        Server::Uwsgi => uwsgi_line(gathered, &given, &variables, at)?,
    }
    gathered.turn_to(at.place, at.directory);
    for (name, value) in &line.variables {
        let item: toml_edit::Array = [format!("{name}={value}")].into_iter().collect();
        gathered.set("env", item.into())?;
    }
    Ok(())
}

fn gunicorn_line(
    gathered: &mut Gathered,
    line: &Line,
    given: &[(String, Given)],
    variables: &[(String, String)],
    at: &Where<'_>,
) -> Result<(), String> {
    let named = given.iter().rev().find(|(name, _)| matches!(name.as_str(), "-c" | "--config"));
    let file = match named {
        Some((_, file)) => Some(at.directory.join(file.text()?.trim_start_matches("file:"))),
        None => Some(at.directory.join("gunicorn.conf.py")).filter(|file| file.is_file()),
    };
    if let Some(file) = file {
        if file.to_string_lossy().contains("python:") {
            return Err("a configuration as a module (python:NAME) is not read: name its file".to_owned());
        }
        configuration(gathered, &file, at.directory, line.venv.as_deref(), variables)?;
    }
    let arguments = variables.iter().find(|(name, _)| name == "GUNICORN_CMD_ARGS").map(|(_, words)| words);
    if let Some(words) = arguments {
        gathered.turn_to("GUNICORN_CMD_ARGS", at.directory);
        each(gathered, line.server, &scan(line.server, &shlex::split(words).unwrap_or_default()));
    }
    gathered.turn_to(at.place, at.directory);
    each(gathered, line.server, given);
    Ok(())
}

/// Takes what `gunicorn.conf.py` says.
pub(crate) fn configuration(
    gathered: &mut Gathered,
    file: &Path,
    directory: &Path,
    venv: Option<&Path>,
    variables: &[(String, String)],
) -> Result<(), String> {
    let python = gunicorn_conf::python(venv);
    let names = gunicorn_conf::read(&python, file, directory, variables)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    gathered.turn_to(&file.display().to_string(), directory);
    // gunicorn passes over names that are none of its settings, and files have names of their own.
    let known = names.iter().filter_map(|(name, given)| Some((rule(gunicorn::RULES, name)?, given)));
    known.for_each(|(rule, given)| gathered.take(rule, given));
    Ok(())
}

fn uwsgi_line(
    gathered: &mut Gathered,
    given: &[(String, Given)],
    variables: &[(String, String)],
    at: &Where<'_>,
) -> Result<(), String> {
    let is_file = |name: &str| matches!(name, "--ini" | "--xml" | "-x" | "--yaml" | "--yml" | "-y" | "app");
    for (_, file) in given.iter().filter(|(name, _)| is_file(name)) {
        uwsgi_configuration(gathered, &at.directory.join(file.text()?), variables)?;
    }
    gathered.turn_to(at.place, at.directory);
    let own: Vec<(String, Given)> = given.iter().filter(|(name, _)| !is_file(name)).cloned().collect();
    each(gathered, Server::Uwsgi, &own);
    uwsgi::finish(gathered)
}

/// Takes what a file of uWSGI's says.
pub(crate) fn uwsgi_configuration(
    gathered: &mut Gathered,
    file: &Path,
    variables: &[(String, String)],
) -> Result<(), String> {
    let shown = file.display();
    let text = reading::text(file).map_err(|error| format!("{shown}: {error}"))?;
    let variable = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let keys = uwsgi_file::read(file, &text, variable).map_err(|error| format!("{shown}: {error}"))?;
    gathered.turn_to(&shown.to_string(), file.parent().unwrap_or(Path::new("/")));
    // What is relative in it is so to the directory that it changes to.
    if let Some((_, directory)) = keys.iter().find(|(key, _)| key == "chdir") {
        gathered.base = gathered.base.join(directory.text()?);
    }
    for (key, given) in &keys {
        match rule(uwsgi::RULES, key) {
            Some(rule) => gathered.take(rule, given),
            // A key of the file's own, which another one refers to.
            None if text.contains(&format!("%({key})")) => {}
            None => gathered.unknown(key, given),
        }
    }
    uwsgi::finish(gathered)
}

fn each(gathered: &mut Gathered, server: Server, given: &[(String, Given)]) {
    for (name, value) in given {
        let name = match (server, name.as_str()) {
            (Server::Gunicorn, "app") => "wsgi_app",
            (_, name) => name,
        };
        match rule(server.rules(), name) {
            Some(rule) => gathered.take(rule, value),
            None if server == Server::Gunicorn && matches!(name, "-c" | "--config") => {}
            None => gathered.unknown(name, value),
        }
    }
    if given.iter().any(|(_, value)| value.shown().contains("${")) {
        gathered.tell(Loss::Look, "${…}", "it is written with a variable, which has to be put in by hand");
    }
}

/// Options and their values, in their order; what is none is `app`. An option that is given many times is so in the answer.
fn scan(server: Server, words: &[String]) -> Vec<(String, Given)> {
    let mut given: Vec<(String, Given)> = Vec::new();
    let mut words = words.iter().peekable();
    let mut push = |name: &str, value: Given| match given.iter_mut().find(|(known, _)| known == name) {
        Some((_, before)) => before.push(value.shown()),
        None => given.push((name.to_owned(), value)),
    };
    while let Some(word) = words.next() {
        if !word.starts_with('-') || word == "-" {
            push("app", Given::Text(word.clone()));
            continue;
        }
        if word == "--" {
            continue;
        }
        let (mut name, mut value) = match word.split_once('=').filter(|_| word.starts_with("--")) {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        let letters = !word.starts_with("--") && word.chars().count() > 2;
        if letters && rule(server.rules(), word).is_none() {
            // `-w4`, as well as `-w=4`.
            let end = word.char_indices().nth(2).map_or(word.len(), |(at, _)| at);
            name = word[..end].to_owned();
            value = Some(word[end..].trim_start_matches('=').to_owned());
        }
        let valued = match rule(server.rules(), &name) {
            Some(rule) => rule.valued,
            // Of an option that is not known, a word that is no option is taken for its value.
            None => {
                words.peek().is_some_and(|next| !next.starts_with('-')) && value.is_none() && server == Server::Uwsgi
            }
        };
        let value = match value {
            Some(value) => Given::Text(value),
            None if valued => words.next().map_or(Given::Truth(true), |value| Given::Text(value.clone())),
            None => Given::Truth(true),
        };
        push(&name, value);
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Line> {
        line(&shlex::split(text).unwrap())
    }

    #[test]
    fn servers_are_found_behind_what_runs_them() {
        for (text, server, venv) in [
            ("gunicorn a:b", Server::Gunicorn, None),
            ("/srv/shop/venv/bin/gunicorn -w 4 a:b", Server::Gunicorn, Some("/srv/shop/venv")),
            ("/usr/bin/uwsgi --ini x.ini", Server::Uwsgi, None),
            ("python3 -m uvicorn a:b", Server::Uvicorn, None),
            ("/v/bin/python -u -m gunicorn a:b", Server::Gunicorn, Some("/v")),
            ("sh -c 'cd /srv && exec /v/bin/uvicorn a:b'", Server::Uvicorn, Some("/v")),
            ("poetry run gunicorn a:b", Server::Gunicorn, None),
            ("uv run --project /x gunicorn a:b", Server::Gunicorn, None),
            ("env -u X A=b gunicorn a:b", Server::Gunicorn, None),
        ] {
            let line = found(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((line.server, line.venv.as_deref()), (server, venv.map(Path::new)), "{text}");
        }
        assert_eq!(found("A=b C=d gunicorn x").unwrap().variables.len(), 2);
        for text in ["", "nginx", "python3 manage.py runserver", "python3 -m http.server", "sh -c"] {
            assert!(found(text).is_none(), "{text}");
        }
    }

    #[test]
    fn words_are_taken_as_the_server_takes_them() {
        let words = shlex::split("-w4 --bind=:80 -b :81 --preload --bind :82 -t 30 a:b").unwrap();
        let given = scan(Server::Gunicorn, &words);
        let shown: Vec<String> = given.iter().map(|(name, given)| format!("{name}={}", given.shown())).collect();
        assert_eq!(shown, ["-w=4", "--bind=:80, :82", "-b=:81", "--preload=true", "-t=30", "app=a:b"]);
    }

    #[test]
    fn tables_have_each_name_once() {
        for rules in [gunicorn::RULES, uvicorn::RULES, uwsgi::RULES] {
            let names: Vec<&str> = rules.iter().flat_map(|rule| rule.names.split(' ')).collect();
            for name in &names {
                assert!(!name.is_empty());
                assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
            }
        }
    }
}
