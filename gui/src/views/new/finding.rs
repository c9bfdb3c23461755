//! Looking into a folder, or into another server's files, in a thread of its own: a disk may hang.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hostler_bus::daemon::Reach;
use hostler_import::Loss;
use hostler_instances::{Entry, Name, Places};
use hostler_project::account::{self, Wish};
use hostler_project::{Surroundings, port};

use super::draft::{Draft, name_for};
use crate::draft::words_of;

/// Where the packages are installed.
const PREFIX: &str = "/usr";
/// How many folders are offered.
const FOLDER_LIMIT: usize = 200;

/// What is looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The folder of a project.
    Folder(PathBuf),
    /// Files, or one command line, of another server.
    Other(String),
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// The form, filled.
    pub draft: Draft,
    /// What it is made of, with a word for each.
    pub facts: Vec<(&'static str, String)>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// What could not be carried over as it was, and why.
    pub lost: Vec<(Loss, String)>,
}

/// An answer that another thread will put here.
#[derive(Clone, Debug)]
pub(super) struct Awaited<T>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Awaited<T> {
    /// Begins the work; `wake` is called when it is done.
    pub(super) fn begin(work: impl FnOnce() -> T + Send + 'static, wake: impl FnOnce() + Send + 'static) -> Self {
        let place = Arc::new(Mutex::new(None));
        let far = Arc::clone(&place);
        std::thread::spawn(move || {
            let answer = work();
            *far.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            wake();
        });
        Self(place)
    }

    /// The answer, once, when it is there.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The process's own surroundings.
#[must_use]
pub(super) fn surroundings() -> Surroundings {
    Surroundings {
        variables: std::env::vars_os().collect(),
        directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        executable: std::env::current_exe().unwrap_or_default(),
    }
}

/// Looks.
///
/// # Errors
/// When there is nothing to serve; the words say what to do.
pub(super) fn look(
    source: &Source,
    reach: &Reach,
    surroundings: &Surroundings,
    taken: &[String],
) -> Result<Found, String> {
    let places = places(reach, surroundings)?;
    let taken = |name: &str| taken.iter().any(|one| one == name);
    let mut found = match source {
        Source::Folder(directory) => folder(directory, &places, surroundings, taken)?,
        Source::Other(words) => other(words, surroundings, taken)?,
    };
    let draft = &mut found.draft;
    draft.profile = "standard".to_owned();
    draft.enable = true;
    draft.start = true;
    if reach.user && draft.addresses.is_empty() {
        let name: Name = draft.name.parse().map_err(|error| format!("{error}"))?;
        draft.addresses = port::of(&name, &places).unwrap_or_default();
    }
    Ok(found)
}

fn places(reach: &Reach, surroundings: &Surroundings) -> Result<Places, String> {
    if !reach.user {
        return Ok(Places::system(Path::new("/"), Path::new(PREFIX)));
    }
    let (configuration, runtime) =
        surroundings.user_directories().ok_or("neither $XDG_CONFIG_HOME nor $HOME names a directory")?;
    Ok(Places::user(Path::new("/"), Path::new(PREFIX), &configuration, &runtime))
}

fn folder(
    directory: &Path,
    places: &Places,
    surroundings: &Surroundings,
    taken: impl Fn(&str) -> bool,
) -> Result<Found, String> {
    let project = hostler_project::find(directory, None, places, surroundings).map_err(|error| error.to_string())?;
    let mut draft = Draft { name: name_for(&project.directory, taken), ..Draft::default() };
    for entry in hostler_project::settings(&project, places.scope()) {
        place(&mut draft, &entry);
    }
    let mut facts = vec![("Application", project.application.clone())];
    facts.extend(project.framework.map(|framework| ("Framework", framework.to_owned())));
    facts.push(("Python", project.python_reason.clone()));
    facts.extend(
        project.statics.iter().map(|files| ("Static files", format!("{} at {}", files.directory.display(), files.url))),
    );
    let mut notes = project.notes.clone();
    match account::choose(&Wish::default(), &project.directory, project.python.as_deref(), places) {
        Ok((account, reason)) => {
            facts.push(("Runs as", reason));
            draft.run_as = account.user.unwrap_or_default();
            draft.sees_homes = account.sees_homes;
        }
        Err(error) => notes.push(error.to_string()),
    }
    Ok(Found { draft, facts, notes, lost: Vec::new() })
}

fn other(words: &str, surroundings: &Surroundings, taken: impl Fn(&str) -> bool) -> Result<Found, String> {
    let sources = shlex::split(words).ok_or("a quotation mark is not closed")?;
    let gathered = hostler_import::gather(&sources, surroundings)?;
    let mut draft = Draft { addresses: gathered.addresses.join(" "), ..Draft::default() };
    for entry in gathered.settings() {
        place(&mut draft, &entry);
    }
    draft.name = name_for(Path::new(&draft.directory), taken);
    let group = gathered.unit.group.as_ref().map(|group| format!(":{group}")).unwrap_or_default();
    draft.run_as = gathered.unit.user.as_ref().map(|user| format!("{user}{group}")).unwrap_or_default();
    let carried = draft.more.iter().map(|(key, words)| ("Setting", format!("{key} = {}", words.join(", "))));
    let facts = carried.collect();
    let mut lost: Vec<(Loss, String)> =
        gathered.told.iter().map(|told| (told.loss, format!("{} ({}): {}", told.what, told.place, told.why))).collect();
    let beside = "it belongs to the unit: add it with systemctl edit";
    lost.extend(
        gathered.unit.environment_files.iter().map(|file| (Loss::Lost, format!("EnvironmentFile={file}: {beside}"))),
    );
    lost.extend(
        gathered.unit.writable.iter().map(|path| (Loss::Lost, format!("ReadWritePaths={}: {beside}", path.display()))),
    );
    Ok(Found { draft, facts, notes: Vec::new(), lost })
}

/// Puts a setting into its field, or to the others.
fn place(draft: &mut Draft, entry: &Entry) {
    let words = words_of(&entry.value);
    let first = words.first().cloned().unwrap_or_default();
    match entry.key.as_str() {
        "app" => draft.app = first,
        "chdir" => draft.directory = first,
        "venv" => draft.venv = first,
        "workers" => draft.workers = first,
        key if !words.is_empty() => draft.more.push((key.to_owned(), words)),
        _ => {}
    }
}

/// The folders that what was typed may go on with, in their order.
#[must_use]
pub(super) fn folders(typed: &str) -> Vec<String> {
    let (parent, beginning) = match typed.rsplit_once('/') {
        Some(("", beginning)) => ("/", beginning),
        Some((parent, beginning)) => (parent, beginning),
        None => return Vec::new(),
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(beginning) && (!name.starts_with('.') || beginning.starts_with('.')));
    let mut paths: Vec<String> =
        names.map(|name| format!("{}/{name}", parent.trim_end_matches('/'))).take(FOLDER_LIMIT).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const USER: Reach = Reach { user: true, host: None };

    fn home() -> (tempfile::TempDir, Surroundings) {
        let home = tempfile::tempdir().unwrap();
        let variables = [("HOME".into(), home.path().into())].into();
        let surroundings = Surroundings { variables, directory: home.path().into(), executable: PathBuf::new() };
        (home, surroundings)
    }

    #[test]
    fn the_form_is_filled_from_a_folder() {
        let (home, surroundings) = home();
        let folder = home.path().join("Notes");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("main.py"), "from fastapi import FastAPI\napp = FastAPI()\n").unwrap();
        let found = look(&Source::Folder(folder.clone()), &USER, &surroundings, &[]).unwrap();
        assert_eq!((found.draft.name.as_str(), found.draft.app.as_str()), ("notes", "main:app"));
        assert_eq!(found.draft.directory, folder.display().to_string());
        assert!(found.draft.addresses.starts_with("127.0.0.1:"), "{:?}", found.draft.addresses);
        assert!(found.facts.contains(&("Framework", "FastAPI".to_owned())));
        assert_eq!(found.draft.problems(&USER, |_| false), []);
    }

    #[test]
    fn a_folder_without_an_application_says_what_to_do() {
        let (home, surroundings) = home();
        let error = look(&Source::Folder(home.path().into()), &USER, &surroundings, &[]).unwrap_err();
        assert!(error.contains("found no application"), "{error}");
    }

    #[test]
    fn another_servers_command_line_is_carried_over() {
        let (home, surroundings) = home();
        let words = "gunicorn -w 3 --max-requests 500 --worker-tmp-dir /dev/shm -b 127.0.0.1:9000 shop.wsgi";
        let found = look(&Source::Other(words.to_owned()), &USER, &surroundings, &[]).unwrap();
        assert_eq!((found.draft.workers.as_str(), found.draft.addresses.as_str()), ("3", "127.0.0.1:9000"));
        assert!(found.draft.more.contains(&("max_requests".to_owned(), vec!["500".to_owned()])), "{:?}", found.draft);
        assert!(found.lost.iter().any(|(_, line)| line.contains("worker_tmp_dir") || line.contains("worker-tmp-dir")));
        assert_eq!(found.draft.directory, home.path().display().to_string());
    }

    #[test]
    fn folders_go_on_with_what_was_typed() {
        let (home, _) = home();
        for name in ["shop", "shed", "blog", ".hidden"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        let at = home.path().display();
        assert_eq!(folders(&format!("{at}/sh")), [format!("{at}/shed"), format!("{at}/shop")]);
        assert_eq!(folders(&format!("{at}/")).len(), 3);
        assert_eq!(folders("relative"), Vec::<String>::new());
    }
}
