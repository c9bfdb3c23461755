//! `hostler new`: an instance for the project of a directory. What it is made of is found by reading files: nothing of the project is
//! run, as whoever asks may be root.

mod far;
mod next;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use hostler_instances::{Entry, Instance, Name, Scope};
use hostler_project::account::{self, Wish};
use hostler_project::{Project, Surroundings, port};
use hostler_settings::Profile;

use crate::install::{self, MadeOf, Refusal, Report, Target, ended, target};
use crate::manage;

pub(crate) use far::request;
pub(crate) use next::next;

const NAME: &str = "NAME";
const DIRECTORY: &str = "directory";
const APP: &str = "app";
const BIND: &str = "bind";
const PROFILE: &str = "profile";
const NO_NETWORK: &str = "no-network";
const RUN_AS: &str = "run-as";
const WRITABLE: &str = "writable";

/// The words of the command.
pub(crate) fn command() -> Command {
    Command::new("new")
        .about("Write an instance for the project of a directory: its settings, and what its systemd units need")
        .arg(Arg::new(NAME).required(true).help("What it is called: letters, digits, - _ ."))
        .arg(path(DIRECTORY, "DIR").help("The directory of the project; without it, the current one"))
        .arg(
            Arg::new(APP)
                .long(APP)
                .value_name("APP")
                .help("The application, as package.module:attribute; without it, the obvious one"),
        )
        .args(unit_options())
        .args(target::places())
        .args(target::beginning())
        .args([manage::daemon::words::host(), manage::daemon::words::no_ask()])
}

/// What the units of an instance take; for `hostler import` as well.
pub(crate) fn unit_options() -> Vec<Arg> {
    vec![
        Arg::new(BIND)
            .long(BIND)
            .short('b')
            .value_name("ADDRESS")
            .action(clap::ArgAction::Append)
            .help("Where to listen; may be given more than once [default: unix:/run/hostler/NAME.sock; with --user a free port]"),
        Arg::new(PROFILE)
            .long(PROFILE)
            .value_parser(PossibleValuesParser::new(Profile::ALL.iter().map(|profile| profile.word())))
            .default_value("standard")
            .help("How much of the system is kept from it; later: hostler set NAME profile=…"),
        target::flag(NO_NETWORK, "No network but its own sockets; later: hostler set NAME network=…"),
        Arg::new(RUN_AS)
            .long(RUN_AS)
            .value_name("USER[:GROUP]")
            .help("As whom it runs [default: a user of its own that exists while it runs, where that one can read the project]"),
        path(WRITABLE, "DIR")
            .action(clap::ArgAction::Append)
            .help("A directory that it may write; may be given more than once"),
    ]
}

fn path(name: &'static str, placeholder: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).value_parser(value_parser!(PathBuf))
}

/// What was asked of the units.
#[derive(Debug, Default)]
pub(crate) struct UnitOptions {
    pub(crate) addresses: Vec<String>,
    /// The settings that say what is kept from it, where that is not what the templates say.
    pub(crate) confinement: Vec<Entry>,
    pub(crate) wish: Wish,
}

impl UnitOptions {
    pub(crate) fn read(matches: &ArgMatches, surroundings: &Surroundings) -> Self {
        let word = |name: &str| matches.get_one::<String>(name).cloned();
        let profile = word(PROFILE).filter(|word| word != Profile::Standard.word());
        let profile = profile.map(|word| Entry::new("profile", word));
        let network = target::given(matches, NO_NETWORK).then(|| Entry::new("network", false));
        let writable = matches.get_many::<PathBuf>(WRITABLE).into_iter().flatten();
        Self {
            addresses: matches.get_many::<String>(BIND).into_iter().flatten().cloned().collect(),
            confinement: profile.into_iter().chain(network).collect(),
            wish: Wish { run_as: word(RUN_AS), writable: writable.map(|path| surroundings.absolute(path)).collect() },
        }
    }
}

/// Does what the words say.
pub(crate) fn command_run(matches: &ArgMatches, surroundings: &Surroundings) -> ExitCode {
    ended(asked(matches, surroundings))
}

fn asked(matches: &ArgMatches, surroundings: &Surroundings) -> Result<(), Refusal> {
    let target = target::read(matches, surroundings)?;
    let word = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let name = target::name(word(NAME).unwrap_or_default())?;
    let options = UnitOptions::read(matches, surroundings);
    let directory = matches.get_one::<PathBuf>(DIRECTORY).cloned().unwrap_or_default();
    let project = hostler_project::find(&surroundings.absolute(&directory), word(APP), &target.places, surroundings)
        .map_err(Refusal::usage)?;
    make(&name, &project, &options, &target)
}

fn make(name: &Name, project: &Project, options: &UnitOptions, target: &Target) -> Result<(), Refusal> {
    let mut report = Report::new(target.json, target.dry_run);
    tell(name, project, &report);
    let (instance, reason) = instance(
        name,
        hostler_project::settings(project, target.places.scope()),
        &project.directory,
        project.python.as_deref(),
        options,
        target,
    )?;
    report.line(&format!("  runs as    {reason}"));
    for note in &project.notes {
        report.line(&format!("  note: {note}"));
    }
    report.notes(&project.notes);
    report.made_of(MadeOf {
        application: project.application.clone(),
        framework: project.framework.map(ToOwned::to_owned),
        directory: project.directory.clone(),
        python: Some(project.python_reason.clone()),
        runs_as: reason,
    });
    install::write(&instance, target, &mut report)?;
    if !target.dry_run {
        report.line(&next(&instance, target, &project.statics));
    }
    report.written(name);
    Ok(())
}

fn tell(name: &Name, project: &Project, report: &Report) {
    let framework = project.framework.map(|framework| format!(" of {framework}")).unwrap_or_default();
    report.line(&format!("{name}: an application{framework}, {}", project.application));
    if let Some(reason) = &project.reason {
        report.line(&format!("  found      {reason}"));
    }
    report.line(&format!("  directory  {}", project.directory.display()));
    report.line(&format!("  python     {}", project.python_reason));
}

/// The instance with these settings, and as whom it runs, in words. `python` is what its interpreter really is.
pub(crate) fn instance(
    name: &Name,
    mut settings: Vec<Entry>,
    directory: &Path,
    python: Option<&Path>,
    options: &UnitOptions,
    target: &Target,
) -> Result<(Instance, String), Refusal> {
    let places = &target.places;
    let (account, reason) = account::choose(&options.wish, directory, python, places).map_err(Refusal::usage)?;
    let addresses = match (options.addresses.is_empty(), places.scope()) {
        (true, Scope::User) => vec![port::of(name, places).map_err(Refusal::system)?],
        _ => options.addresses.clone(),
    };
    settings.retain(|entry| options.confinement.iter().all(|other| other.key != entry.key));
    settings.extend(options.confinement.iter().cloned());
    let instance = Instance { name: name.clone(), settings, addresses, account };
    Ok((instance, reason))
}
