//! `hostler import`: what people have for gunicorn, uvicorn and uWSGI, as Hostler's settings, and what could not be carried over.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use hostler_import::{Gathered, Loss, gather, lines};
use hostler_instances::{Entry, compose};
use hostler_project::Surroundings;
use serde::Serialize;
use toml_edit::{Array, Value};

use crate::install::{self, MadeOf, Refusal, Report, ended, target};
use crate::new::{UnitOptions, instance, next, unit_options};
use crate::say;

const SOURCE: &str = "SOURCE";
const NAME: &str = "name";

/// The words of the command.
pub(crate) fn command() -> Command {
    Command::new("import")
        .about("Make Hostler's settings of those of gunicorn, uvicorn or uWSGI, and say what could not be carried over")
        .override_usage("hostler import [OPTIONS] SOURCE…\n       hostler import [OPTIONS] -- gunicorn WORDS…")
        .arg(
            Arg::new(SOURCE)
                .required(true)
                .num_args(1..)
                .action(ArgAction::Append)
                .help("gunicorn.conf.py, an ini, XML or YAML file of uWSGI, a .service or .socket unit; or a command line: `-- gunicorn -w 4 app:app`"),
        )
        .arg(
            Arg::new(NAME)
                .long(NAME)
                .value_name("NAME")
                .help("Write an instance of this name, as `hostler new` does; without it, the settings go to standard output"),
        )
        .args(unit_options())
        .args(target::places())
        .args(target::beginning())
}

/// Does what the words say.
pub(crate) fn command_run(matches: &ArgMatches, surroundings: &Surroundings) -> ExitCode {
    ended(asked(matches, surroundings))
}

fn asked(matches: &ArgMatches, surroundings: &Surroundings) -> Result<(), Refusal> {
    let sources: Vec<String> = matches.get_many::<String>(SOURCE).into_iter().flatten().cloned().collect();
    let mut gathered = gather(&sources, surroundings).map_err(Refusal::usage)?;
    match matches.get_one::<String>(NAME) {
        Some(name) => write(name, &mut gathered, matches, surroundings),
        None => print(&mut gathered, matches),
    }
}

/// What a program is told.
#[derive(Serialize)]
struct Imported {
    /// The text of a settings file.
    settings: String,
    /// What people are told of what is lost, and what is to be looked at, in lines.
    notes: Vec<String>,
}

/// The settings as a file, to standard output; what is lost to standard error.
fn print(gathered: &mut Gathered, matches: &ArgMatches) -> Result<(), Refusal> {
    for option in ["enable", "start", "force", "run-as", "writable", "user", "system", "root"] {
        if matches.value_source(option) == Some(clap::parser::ValueSource::CommandLine) {
            return Err(Refusal::usage(format!(
                "--{option} says how an instance is written: give it a name with --name NAME"
            )));
        }
    }
    let unit = std::mem::take(&mut gathered.unit);
    let mut lost = |what: String| {
        gathered.tell(Loss::Lost, &what, "it belongs to the unit: --name NAME writes it, else systemctl edit")
    };
    let facts = [unit.user.map(|user| format!("User={user}")), unit.group.map(|group| format!("Group={group}"))];
    facts.into_iter().flatten().for_each(&mut lost);
    unit.environment_files.iter().for_each(|file| lost(format!("EnvironmentFile={file}")));
    unit.writable.iter().for_each(|path| lost(format!("ReadWritePaths={}", path.display())));
    let mut entries = gathered.settings();
    if !gathered.addresses.is_empty() {
        let addresses: Array = gathered.addresses.iter().collect();
        let at = entries.iter().position(|entry| {
            !["app", "interface", "chdir", "pythonpath", "python", "venv"].contains(&entry.key.as_str())
        });
        entries.insert(at.unwrap_or(entries.len()), Entry::new("bind", Value::from(addresses)));
    }
    let head = "Written by `hostler import`. Look at it, then try it: hostler check --file FILE.toml";
    let (text, _) = compose(Path::new("import.toml"), head, &entries, &[]).map_err(Refusal::usage)?;
    if target::given(matches, "json") {
        install::show_json(&Imported { settings: text, notes: lines(&gathered.told) });
        return Ok(());
    }
    crate::show(text.trim_end_matches('\n'));
    tell(gathered);
    Ok(())
}

/// An instance with the settings.
fn write(
    name: &str,
    gathered: &mut Gathered,
    matches: &ArgMatches,
    surroundings: &Surroundings,
) -> Result<(), Refusal> {
    let name = target::name(name)?;
    let target = target::read(matches, surroundings)?;
    let mut options = UnitOptions::read(matches, surroundings);
    if options.addresses.is_empty() {
        options.addresses = gathered.addresses.clone();
    }
    let unit = std::mem::take(&mut gathered.unit);
    if target.places.scope() == hostler_instances::Scope::System {
        let group = unit.group.map(|group| format!(":{group}")).unwrap_or_default();
        options.wish.run_as = options.wish.run_as.or(unit.user.map(|user| format!("{user}{group}")));
        options.wish.writable.extend(unit.writable);
    } else if let Some(user) = unit.user {
        gathered.tell(Loss::Needless, &format!("User={user}"), "an instance of a user runs as that user");
    }
    let directory = PathBuf::from(gathered.text_of("chdir").unwrap_or_default());
    let python = gathered.text_of("venv").map(|venv| Path::new(&venv).join("bin/python"));
    let python = python.and_then(|python| python.canonicalize().ok());
    let (mut instance, reason) =
        instance(&name, gathered.settings(), &directory, python.as_deref(), &options, &target)?;
    instance.account.environment_files = unit.environment_files;
    let mut report = Report::new(target.json, target.dry_run);
    let application = gathered.text_of("app").unwrap_or_else(|| format!("the application of {}", directory.display()));
    report.line(&format!("{name}: {application}"));
    report.line(&format!("  runs as    {reason}"));
    if !target.json {
        tell(gathered);
    }
    report.notes(&lines(&gathered.told));
    report.made_of(MadeOf { application, framework: None, directory, python: None, runs_as: reason });
    install::write(&instance, &target, &mut report)?;
    if !target.dry_run {
        report.line(&next(&instance, &target, &[]));
    }
    report.written(&name);
    Ok(())
}

fn tell(gathered: &Gathered) {
    let lines = lines(&gathered.told);
    if !lines.is_empty() {
        say(&lines.join("\n"));
    }
}
