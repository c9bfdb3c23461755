//! The words of the command line: which command, and its settings. The options themselves come from the declarations
//! of `hostler-settings`.

mod gunicorn;
mod wrong;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, value_parser};
use hostler_settings::{Mistakes, Place, Reading, Settings, command_line};

use crate::refusal::shown;
use crate::{import, manage, new, remove};
use hostler_project::Surroundings;

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To serve, or to look whether it could be done.
    Serve(Verb, Box<Settings>, Places),
    /// Something of an instance that runs.
    Manage(manage::Request),
    /// To upgrade all instances that run.
    UpgradeAll(manage::all::Request),
    /// Something of an instance that the daemon knows.
    Daemon(Box<manage::daemon::Request>),
    /// A script that completes command lines.
    Completion(Box<ArgMatches>),
    /// To write an instance, or to take one away.
    Install(Install, Box<ArgMatches>),
}

/// What is to be done with the files of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Install {
    /// Write one for a project.
    New,
    /// Take one away.
    Remove,
    /// Make settings of those of another server.
    Import,
}

/// What is to be done with settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Serve, in the foreground, with options.
    Run,
    /// Serve, in the foreground, with a file.
    Serve,
    /// Look whether it could be served.
    Check,
}

/// Why there is nothing to be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// A command line that asks for help or the version: clap knows how to answer.
    #[error(transparent)]
    Words(clap::Error),
    /// Not a command line of ours.
    #[error("{0}")]
    Wrong(String),
    #[error("{}: {}. Name a TOML file with settings that can be read", path.display(), no_file(path, source))]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Settings(#[from] Mistakes),
}

/// Says what the system said, and where it is about a right, whose and what to do about it.
fn no_file(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::PermissionDenied => hostler_project::why_not(path, source),
        _ => source.to_string(),
    }
}

/// Where the settings that were given stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    all: BTreeMap<&'static str, Place>,
    file: Option<PathBuf>,
}

impl Places {
    /// Those of what was read; `file` is where it was read from, if from one.
    pub(crate) fn of_reading(reading: &Reading, file: Option<PathBuf>) -> Self {
        Self { all: reading.places().clone(), file }
    }

    /// How a message about this setting begins, as `/etc/hostler/shop.toml:3: `: with the file alone where it is about no single one; empty
    /// where it was not given.
    pub(crate) fn of(&self, key: &str) -> String {
        match (self.all.get(key), &self.file) {
            (Some(place), _) => shown(place),
            (None, Some(file)) if key.is_empty() => format!("{}: ", file.display()),
            (None, _) => String::new(),
        }
    }
}

/// Reads a command line, the program's name first, and the file that it names.
///
/// # Errors
/// When the words, the file or the settings are not as they should be; all mistakes of settings at once.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>, surroundings: &Surroundings) -> Result<Asked, Refused> {
    let words: Vec<OsString> = words.into_iter().collect();
    let matches = command().try_get_matches_from(&words).map_err(|error| refused(error, &words))?;
    let (verb, matches) = match matches.subcommand() {
        Some(("run", matches)) => (Verb::Run, matches),
        Some(("serve", matches)) => (Verb::Serve, matches),
        Some(("check", matches)) => (Verb::Check, matches),
        Some(("new", matches)) if let Some(request) = new::request(matches) => {
            return Ok(Asked::Daemon(Box::new(request)));
        }
        Some(("new", matches)) => return Ok(Asked::Install(Install::New, Box::new(matches.clone()))),
        Some(("remove", matches)) if let Some(request) = remove::request(matches) => {
            return Ok(Asked::Daemon(Box::new(request)));
        }
        Some(("remove", matches)) => return Ok(Asked::Install(Install::Remove, Box::new(matches.clone()))),
        Some(("import", matches)) => return Ok(Asked::Install(Install::Import, Box::new(matches.clone()))),
        Some(("completion", matches)) => return Ok(Asked::Completion(Box::new(matches.clone()))),
        Some(("upgrade", matches)) if let Some(request) = manage::all::request(matches) => {
            return Ok(Asked::UpgradeAll(request));
        }
        Some((name, matches)) if let Some(request) = manage::daemon::request(name, matches) => {
            return Ok(Asked::Daemon(Box::new(request)));
        }
        Some((name, matches)) if let Some(request) = manage::words::request(name, matches) => {
            return Ok(Asked::Manage(request));
        }
        // clap lets no other through; if it did, this is what it would say.
        _ => {
            return Err(refused(command().error(ErrorKind::InvalidSubcommand, "unknown command"), &words));
        }
    };
    let (settings, places) = settings(matches, surroundings)?;
    Ok(Asked::Serve(verb, Box::new(settings), places))
}

/// The file that a command line names, as it names it.
pub(crate) fn settings_file(words: &[OsString]) -> Option<PathBuf> {
    let matches = command().try_get_matches_from(words).ok()?;
    let (_, matches) = matches.subcommand()?;
    matches.try_get_one::<PathBuf>(FILE).ok().flatten().cloned()
}

/// The instance that a command line serves, by its file.
pub(crate) fn instance_of(words: impl IntoIterator<Item = OsString>) -> Option<String> {
    let words: Vec<OsString> = words.into_iter().collect();
    Some(settings_file(&words)?.file_stem()?.to_string_lossy().into_owned())
}

fn refused(error: clap::Error, words: &[OsString]) -> Refused {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Refused::Words(error)
        }
        _ => {
            let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            Refused::Wrong(wrong::message(&error, &command(), &words))
        }
    }
}

fn settings(matches: &ArgMatches, surroundings: &Surroundings) -> Result<(Settings, Places), Refused> {
    let mut reading = Reading::new();
    reading.environment(|name| surroundings.variable(name).map(|value| value.to_string_lossy().into_owned()));
    // `run` has no such argument, which is not a mistake here.
    let file = matches.try_get_one::<PathBuf>(FILE).ok().flatten();
    if let Some(path) = file {
        let text =
            text_of(&surroundings.absolute(path)).map_err(|source| Refused::File { path: path.clone(), source })?;
        reading.file(path, &text);
    }
    reading.command_line(matches);
    let places = Places::of_reading(&reading, file.cloned());
    Ok((reading.finish()?, places))
}

fn text_of(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

const FILE: &str = "FILE";

/// The whole command line.
pub(crate) fn command() -> Command {
    let file = || {
        Arg::new(FILE).value_name("FILE.toml").value_parser(value_parser!(PathBuf)).help("The file with the settings")
    };
    Command::new("hostler")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves Python web applications")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(120)
        .subcommand(
            Command::new("run")
                .about("Serve an application in the foreground; without one named, the obvious one of the directory")
                .args(command_line::positional())
                .args(command_line::arguments()),
        )
        .subcommand(
            Command::new("serve")
                .about("Serve, in the foreground, what a file of settings says; options win over the file")
                .arg(file().required(true))
                .args(command_line::arguments()),
        )
        .subcommand(
            Command::new("check")
                .about("Read the settings, import the application in a process of its own, and report")
                .arg(file().long("file"))
                .args(command_line::positional())
                .args(command_line::arguments()),
        )
        .subcommands([new::command(), remove::command(), import::command()])
        .subcommands(manage::words::commands())
        .subcommand(manage::daemon::completion::command())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hostler_settings::Workers;

    fn read_line(line: &str, surroundings: &Surroundings) -> Result<(Verb, Settings), Refused> {
        match read(line.split_whitespace().map(OsString::from), surroundings)? {
            Asked::Serve(verb, settings, _) => Ok((verb, *settings)),
            other => panic!("{other:?} is not for serving"),
        }
    }

    fn told(line: &str) -> String {
        read_line(line, &Surroundings::default()).unwrap_err().to_string()
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn run_takes_options_and_an_application() {
        let (verb, settings) = read_line("hostler run -w 4 -b :9000 site:app", &Surroundings::default()).unwrap();
        assert_eq!(verb, Verb::Run);
        assert_eq!(settings.pool.workers, Workers::Count(4));
        assert_eq!(settings.app.app.map(|app| app.to_string()).as_deref(), Some("site:app"));
        let (_, settings) = read_line("hostler run", &Surroundings::default()).unwrap();
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn serve_and_check_read_the_file_and_options_win() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("site.toml"), "workers = 2\nthreads = 2\napp = \"a:b\"\n").unwrap();
        let mut surroundings = Surroundings { directory: directory.path().to_owned(), ..Surroundings::default() };
        surroundings.variables.insert("WEB_CONCURRENCY".into(), "9".into());
        for line in ["hostler serve site.toml --threads 5", "hostler check --file site.toml --threads 5"] {
            let (_, settings) = read_line(line, &surroundings).unwrap();
            assert_eq!((settings.pool.workers, settings.pool.threads), (Workers::Count(2), 5));
        }
        let (_, settings) = read_line("hostler check --file site.toml c:d", &surroundings).unwrap();
        assert_eq!(settings.app.app.map(|app| app.to_string()).as_deref(), Some("c:d"));
        let (_, settings) = read_line("hostler run", &surroundings).unwrap();
        assert_eq!(settings.pool.workers, Workers::Count(9), "gunicorn's variable");
        std::fs::write(directory.path().join("site.toml"), "worker = 2\nthreads = 0\n").unwrap();
        let told = read_line("hostler serve site.toml -t x", &surroundings).unwrap_err().to_string();
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(told.starts_with("site.toml:1: unknown key `worker`: did you mean `workers`?"), "{told}");
    }

    #[test]
    fn what_is_unknown_is_answered_with_the_nearest() {
        assert_eq!(
            told("hostler run --worker 2"),
            "unknown option --worker: did you mean --workers?\nsee `hostler help run`"
        );
        assert_eq!(told("hostler runn"), "unknown command `runn`: did you mean `run`?\nsee `hostler help`");
        assert_eq!(
            told("hostler run --logfile=-"),
            "unknown option --logfile: did you mean --log-file?\nsee `hostler help run`"
        );
        for far in ["--nothing", "-x", "--xyz=5", "--app"] {
            let option = far.split('=').next().unwrap();
            assert_eq!(
                told(&format!("hostler check {far}")),
                format!("unknown option {option}\nsee `hostler help check`")
            );
        }
        assert!(told("hostler serve absent.toml").starts_with("absent.toml: No such file or directory"));
        assert_eq!(
            told("hostler serve"),
            "the following required arguments were not provided: <FILE.toml>\nsee `hostler help serve`"
        );
        assert_eq!(told("hostler run a:b c:d"), "unexpected argument `c:d`\nsee `hostler help run`");
        assert!(told("hostler run --workers").starts_with("a value is required for '--workers <N|auto|MIN..MAX>'"));
    }

    #[test]
    fn what_belongs_elsewhere_is_told_where() {
        assert!(
            told("hostler site:app")
                .starts_with("unknown command `site:app`: to serve an application, `hostler run site:app`")
        );
        assert!(told("hostler site.toml").contains("`hostler serve site.toml`"));
        assert!(told("hostler run --version").starts_with("--version stands alone: use `hostler --version`"));
        assert!(told("hostler -w 4 site:app").starts_with("options follow the command, as in `hostler run -w …`"));
        for (line, right) in [
            ("hostler -H host list", "`hostler list -H HOST`"),
            ("hostler --host=host status shop", "`hostler list --host HOST`"),
            ("hostler --user list", "`hostler list --user`"),
            ("hostler --json list", "`hostler list --json`"),
        ] {
            assert!(told(line).starts_with(&format!("options follow the command, as in {right}\n")), "{}", told(line));
        }
        assert!(
            told("hostler new -- shop --dry-run")
                .starts_with("unexpected argument `--dry-run`: options stand before `--`")
        );
    }

    #[test]
    fn options_of_gunicorn_are_known() {
        for line in ["hostler run -k gevent a:b", "hostler run -kgevent a:b", "hostler -k gevent a:b"] {
            assert!(told(line).starts_with("gunicorn's -k is not part of Hostler: Hostler needs none: "), "{line}");
        }
        assert!(told("hostler run -D").contains("let systemd do that: "));
        let file = told("hostler run --config=gunicorn.conf.py");
        assert!(
            file.starts_with("gunicorn's --config is not part of Hostler: `hostler import` makes a TOML file"),
            "{file}"
        );
        let known = wrong::names(command().find_subcommand("run").unwrap());
        for option in known {
            assert_eq!(gunicorn::answer(&option), None, "it is Hostler's too");
        }
    }

    #[test]
    fn what_is_asked_of_instances_needs_no_settings() {
        let line = ["hostler", "scale", "3", "--socket", "/x"].map(OsString::from);
        let Asked::Manage(request) = read(line, &Surroundings::default()).unwrap() else { panic!("it manages") };
        assert_eq!((request.verb, request.socket), (manage::Verb::Scale(3), Some(PathBuf::from("/x"))));
        assert!(told("hostler scale").starts_with("the following required arguments were not provided: <N>"));
        assert!(told("hostler scale many").starts_with("invalid value 'many' for '<N>'"));
        let told_level = told("hostler log-level shop loud");
        assert!(told_level.contains("loud") && told_level.contains("debug, info, warning, error"), "{told_level}");
        assert_eq!(told("hostler statsu"), "unknown command `statsu`: did you mean `status`?\nsee `hostler help`");
        assert!(told("hostler top -n 2").contains("--json"), "{}", told("hostler top -n 2"));
        for (line, whose) in [
            ("hostler upgrade --all", manage::all::Whose::Everybody),
            ("hostler upgrade --all --user --json", manage::all::Whose::Own),
            ("hostler upgrade --system --all", manage::all::Whose::Machine),
        ] {
            let read = read(line.split(' ').map(OsString::from), &Surroundings::default()).unwrap();
            let Asked::UpgradeAll(request) = read else { panic!("{read:?} is not for all") };
            assert_eq!((request.whose, request.json), (whose, line.ends_with("--json")));
        }
        for other in ["shop", "--socket /x", "-H far"] {
            assert!(told(&format!("hostler upgrade --all {other}")).contains("cannot be used with"), "{other}");
        }
        for line in ["stacks 1", "scale 2", "recycle 1", "log-level", "enable shop", "disable shop", "top -n 2"] {
            let words = format!("hostler {line} --json");
            assert!(read(words.split(' ').map(OsString::from), &Surroundings::default()).is_ok(), "{words}");
        }
    }

    #[test]
    fn help_and_version_are_answers() {
        assert!(told("hostler --version").starts_with("hostler 0."));
        let help = told("hostler help run");
        assert!(help.contains("Usage: hostler run [OPTIONS] [APP]") && help.contains("Workers:"), "{help}");
    }
}
