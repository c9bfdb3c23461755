//! What a directory holds: the application, its virtual environment, what else a person should know. Files are read, nothing is run.

use std::path::{Path, PathBuf};

use hostler_instances::{Entry, Places, Scope};
use hostler_settings::{App, Application, Input, Settings, Value};

use crate::statics::{self, Statics};
use crate::{Surroundings, application, framework, reading};

/// The oldest minor version of Python 3 that the extension serves.
const OLDEST: u32 = 9;

/// Why a directory is no project that can be served, and what to do, in one or a few lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoProject(pub String);

/// A project, with the paths that the running system sees.
#[derive(Debug)]
pub struct Project {
    /// The application, as `package.module:attribute`.
    pub application: String,
    /// Why this one, where it was not named.
    pub reason: Option<String>,
    /// The directory, an absolute path of the running system.
    pub directory: PathBuf,
    /// The framework; none where the file does not show it.
    pub framework: Option<&'static str>,
    /// Its virtual environment.
    pub venv: Option<PathBuf>,
    /// What its interpreter is behind all links.
    pub python: Option<PathBuf>,
    /// Which interpreter it is, and why that.
    pub python_reason: String,
    /// Where its static files are.
    pub statics: Vec<Statics>,
    /// What else a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// The project of `directory`, a path of the running system. `app` names the application, where it is not to be found.
///
/// # Errors
/// When the directory, an application or a fit Python is not there.
pub fn find(
    directory: &Path,
    app: Option<&str>,
    places: &Places,
    surroundings: &Surroundings,
) -> Result<Project, NoProject> {
    // `.` and `..` would look odd in a file; links stay what they are, for they may be how releases are switched.
    let directory = clean(directory);
    let disk = places.on_disk(&directory);
    let named = app.map(|app| Application::from_input(&Input::Word(app.to_owned())));
    let named = named.transpose().map_err(|wrong| NoProject(format!("--app {wrong}")))?;
    let settings =
        Settings { app: App { app: named, chdir: Some(disk.clone()), ..App::default() }, ..Settings::default() };
    if !disk.is_dir() {
        return Err(NoProject(format!(
            "{}: there is no such directory. Name the project's with --directory",
            disk.display()
        )));
    }
    let located = application::locate(&settings, surroundings).map_err(|error| {
        let hint = if app.is_none() {
            "\nfor hostler new: --app package.module:attribute, or another --directory DIR"
        } else {
            ""
        };
        NoProject(format!("{error}{hint}"))
    })?;
    let module = &located.application.module;
    let framework = framework::of(&disk, module);
    let environment = environment(&directory, &disk, places.is_image(), surroundings)?;
    let package = module.split('.').next().unwrap_or(module);
    Ok(Project {
        application: located.application.to_string(),
        reason: located.reason.clone(),
        framework,
        statics: statics::find(&disk, &directory, package, framework),
        notes: notes(&directory, &disk, app, module, places.scope()),
        directory,
        venv: environment.venv,
        python: environment.python,
        python_reason: environment.reason,
    })
}

/// The settings of an instance that serves a project.
#[must_use]
pub fn settings(project: &Project, scope: Scope) -> Vec<Entry> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut entries =
        vec![Entry::new("app", project.application.as_str()), Entry::new("chdir", text(&project.directory))];
    entries.extend(project.venv.as_deref().map(|venv| Entry::new("venv", text(venv))));
    // A server has its cores for this; whoever develops has other things to run on them.
    if scope == Scope::System {
        entries.push(Entry::new("workers", "auto"));
    }
    entries
}

fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => drop(cleaned.pop()),
            std::path::Component::CurDir => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

struct Environment {
    venv: Option<PathBuf>,
    python: Option<PathBuf>,
    reason: String,
}

/// The virtual environment in the directory, or of `$VIRTUAL_ENV`.
fn environment(
    directory: &Path,
    disk: &Path,
    image: bool,
    surroundings: &Surroundings,
) -> Result<Environment, NoProject> {
    let mut venvs: Vec<(PathBuf, PathBuf, String)> = [".venv", "venv"]
        .into_iter()
        .map(|name| (directory.join(name), disk.join(name), format!("{name} of the project")))
        .collect();
    if let Some(active) = surroundings.variable("VIRTUAL_ENV").filter(|_| !image) {
        let active = surroundings.absolute(active.as_ref());
        venvs.push((active.clone(), active, "$VIRTUAL_ENV".to_owned()));
    }
    for (venv, disk, place) in venvs {
        let Ok(configuration) = reading::text(&disk.join("pyvenv.cfg")) else { continue };
        let python = disk.join("bin/python");
        let there = if image { python.symlink_metadata().is_ok() } else { python.exists() };
        if !there {
            return Err(NoProject(format!(
                "{}: there is no Python in it. Make it anew: python3 -m venv --clear {}",
                disk.display(),
                venv.display()
            )));
        }
        let version = version(&configuration);
        if let Some((3, minor)) = version
            && minor < OLDEST
        {
            return Err(NoProject(format!(
                "{} has Python 3.{minor}; Hostler needs 3.{OLDEST} or later",
                disk.display()
            )));
        }
        let shown = version.map(|(major, minor)| format!(", Python {major}.{minor}")).unwrap_or_default();
        return Ok(Environment {
            reason: format!("{} ({place}{shown})", venv.display()),
            python: python.canonicalize().ok().filter(|_| !image),
            venv: Some(venv),
        });
    }
    let reason = "python3 of the service's $PATH: there is no .venv or venv in the directory".to_owned();
    Ok(Environment { venv: None, python: None, reason })
}

/// The version that pyvenv.cfg tells, as venv, virtualenv and uv write it.
fn version(configuration: &str) -> Option<(u32, u32)> {
    let value = configuration.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "version" | "version_info").then(|| value.trim().to_owned())
    })?;
    let mut parts = value.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn notes(directory: &Path, disk: &Path, app: Option<&str>, module: &str, scope: Scope) -> Vec<String> {
    let mut notes = Vec::new();
    let temporary = ["/tmp", "/var/tmp"].into_iter().find(|temporary| directory.starts_with(temporary));
    if let Some(temporary) = temporary.filter(|_| scope == Scope::System) {
        notes.push(format!(
            "the service has a {temporary} of its own (PrivateTmp=yes), and does not see the project there: move it, as to /srv"
        ));
    }
    if let Some(database) = database(disk).filter(|_| scope == Scope::System) {
        notes.push(format!(
            "{database} is in the project, where the service cannot write: it has /var/lib/hostler/NAME, and what --writable names, \
             if --run-as is a user that may write it"
        ));
    }
    if app.is_some()
        && !disk.join(format!("{}.py", module.replace('.', "/"))).is_file()
        && !disk.join(module.replace('.', "/")).is_dir()
    {
        notes.push(format!("{module} is not in the directory; that is right if it is installed in the environment"));
    }
    notes
}

fn database(disk: &Path) -> Option<String> {
    let names = std::fs::read_dir(disk).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".sqlite3") || name.ends_with(".db")).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_environments() {
        for (text, expected) in [
            ("home = /usr/bin\nversion = 3.11.2\n", Some((3, 11))),
            ("version_info = 3.8.10.final.0", Some((3, 8))),
            ("home = /usr/bin", None),
            ("version = x", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_are_cleaned_and_links_stay() {
        assert_eq!(clean(Path::new("/srv/./shop/../blog/")), Path::new("/srv/blog"));
    }
}
