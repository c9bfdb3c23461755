//! What people have for gunicorn, uvicorn and uWSGI, as Hostler's settings, and what could not be carried over. It only
//! reads; a `gunicorn.conf.py` is run by the project's own Python, in a process of its own with a limit of time.

mod command;
mod convert;
mod gathered;
mod gunicorn;
mod gunicorn_conf;
mod report;
mod rule;
mod unit;
mod uvicorn;
mod uwsgi;
mod uwsgi_file;

use std::path::{Path, PathBuf};

use hostler_project::Surroundings;

use command::Where;

pub use gathered::{Gathered, Loss, Told, UnitFacts};
pub use report::lines;

/// Parts of names of variables whose values others should not see.
const SECRETS: [&str; 5] = ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "PRIVATE"];

/// Reads all sources, and adds what a server takes from where it is started.
///
/// # Errors
/// When one of them cannot be read or is nothing that can be imported; the words say which and what to do.
pub fn gather(sources: &[String], surroundings: &Surroundings) -> Result<Gathered, String> {
    let mut gathered = read(sources, surroundings)?;
    complete(&mut gathered, surroundings);
    secrets(&mut gathered);
    Ok(gathered)
}

/// Reads all sources, one after the other: what a later one says wins.
fn read(sources: &[String], surroundings: &Surroundings) -> Result<Gathered, String> {
    let mut gathered = Gathered::default();
    let directory = &surroundings.directory;
    let variables: Vec<(String, String)> = surroundings
        .variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned())))
        .collect();
    let at = |place| Where { place, directory, variables: &[] };
    // A command line is the whole rest, or one source with spaces in it.
    let mut rest = sources;
    while let Some((source, behind)) = rest.split_first() {
        let path = surroundings.absolute(Path::new(source));
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if let Some(line) = command::line(rest) {
            command::take(&mut gathered, &line, &at("the command line"))?;
            break;
        }
        let line = shlex::split(source)
            .filter(|words| words.len() > 1 && !path.exists())
            .and_then(|words| command::line(&words));
        match (ending, line) {
            (_, Some(line)) => command::take(&mut gathered, &line, &at("the command line"))?,
            ("service" | "socket", _) => unit::take(&mut gathered, &path)?,
            ("ini" | "xml" | "yaml" | "yml", _) => command::uwsgi_configuration(&mut gathered, &path, &variables)?,
            ("py", _) if !path.is_file() => return Err(format!("{}: there is no such file", path.display())),
            ("py", _) => {
                let directory = path.parent().unwrap_or(directory);
                let venv = [".venv", "venv"].map(|name| directory.join(name)).into_iter().find(|venv| venv.is_dir());
                command::configuration(&mut gathered, &path, directory, venv.as_deref(), &[])?;
            }
            _ if source.contains('/') && !path.exists() => {
                return Err(format!("{}: there is no such file", path.display()));
            }
            _ => return Err(unknown(source)),
        }
        if matches!(ending, "py" | "ini" | "xml" | "yaml" | "yml") && gathered.text_of("chdir").is_none() {
            let directory = path.parent().unwrap_or(directory).display().to_string();
            gathered.set("chdir", directory.into())?;
        }
        rest = behind;
    }
    Ok(gathered)
}

fn unknown(source: &str) -> String {
    format!(
        "{source}: that is nothing which can be imported. Give a gunicorn.conf.py, a file of uWSGI (.ini, .xml, .yaml), a unit \
         (.service, .socket), or a command line: hostler import -- gunicorn -w 4 app:app"
    )
}

/// What a server takes from where it is started.
fn complete(gathered: &mut Gathered, surroundings: &Surroundings) {
    if gathered.text_of("chdir").is_none() {
        let directory = surroundings.directory.display().to_string();
        gathered.turn_to("the current directory", &surroundings.directory);
        // A directory is always taken.
        let _ = gathered.set("chdir", directory.into());
    }
    let directory = PathBuf::from(gathered.text_of("chdir").unwrap_or_default());
    if gathered.text_of("venv").is_none() {
        let venv = [".venv", "venv"]
            .map(|name| directory.join(name))
            .into_iter()
            .find(|venv| venv.join("pyvenv.cfg").is_file());
        if let Some(venv) = venv {
            gathered.turn_to("the directory", &directory);
            let _ = gathered.set("venv", venv.display().to_string().into());
        }
    }
}

/// Files of settings can be read by everybody on the machine.
fn secrets(gathered: &mut Gathered) {
    let entries = gathered.settings();
    let variables = entries.iter().find(|entry| entry.key == "env").and_then(|entry| entry.value.as_array().cloned());
    for variable in variables.into_iter().flatten() {
        let name = variable.as_str().and_then(|text| text.split('=').next()).unwrap_or_default().to_owned();
        if SECRETS.iter().any(|part| name.to_ascii_uppercase().contains(part)) {
            let why = "everybody on this machine can read the settings: put it into a file for root alone, and name that in a drop-in \
                       (EnvironmentFile=, or LoadCredential= and $CREDENTIALS_DIRECTORY)";
            gathered.tell(Loss::Look, &format!("env {name}"), why);
        }
    }
}

#[cfg(test)]
mod tests;
