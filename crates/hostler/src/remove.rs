//! `hostler remove`: takes away what `hostler new` wrote, and leaves what a person changed unless that is asked for. What is not ours to
//! write, on another machine or as another user than root, is taken away by hostlerd.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use hostler_instances::{Change, Name, Plan, Step, Unit};

use crate::install::{Manager, Refusal, Report, Target, ended, run, target};
use crate::manage;
use hostler_project::Surroundings;

const NAME: &str = "NAME";
const PURGE: &str = "purge";

/// The words of the command.
pub(crate) fn command() -> Command {
    Command::new("remove")
        .about("Stop an instance for good, and take away what `hostler new` wrote for it")
        .arg(Arg::new(NAME).required(true).help("What it is called"))
        .args(target::places())
        .args([manage::daemon::words::host(), manage::daemon::words::no_ask()])
        .arg(target::flag(
            PURGE,
            "Also what was changed by hand, all drop-ins of its units, and its own data, cache and logs below /var",
        ))
}

/// What hostlerd is asked for, where the files are not for us to take away.
pub(crate) fn request(matches: &ArgMatches) -> Option<manage::daemon::Request> {
    let here = ["root", "dry-run", PURGE].iter().any(|option| {
        matches.value_source(option).is_some_and(|source| source != clap::parser::ValueSource::DefaultValue)
    });
    let far = matches.contains_id("host");
    let others = target::given(matches, "system") && !rustix::process::geteuid().is_root() && !here;
    (far || others).then(|| manage::daemon::words::removal(matches, here))
}

/// Does what the words say.
pub(crate) fn command_run(matches: &ArgMatches, surroundings: &Surroundings) -> ExitCode {
    ended(asked(matches, surroundings))
}

fn asked(matches: &ArgMatches, surroundings: &Surroundings) -> Result<(), Refusal> {
    let target = target::read(matches, surroundings)?;
    let name = target::name(matches.get_one::<String>(NAME).map(String::as_str).unwrap_or_default())?;
    remove(&name, target::given(matches, PURGE), &target)
}

fn remove(name: &Name, purge: bool, target: &Target) -> Result<(), Refusal> {
    let mut report = Report::new(target.json, target.dry_run);
    let places = &target.places;
    let manager = Manager::of(target)?;
    let steps = Plan::nothing(name, places).compare(places, purge)?;
    let leftovers = if purge { leftovers(name, target) } else { Vec::new() };
    if steps.is_empty() && leftovers.is_empty() {
        report.line(&format!("nothing to remove: there are no files of {name}"));
        report.removed(name);
        return Ok(());
    }
    let units = [Unit::Socket.of(name), Unit::Service.of(name)];
    // Before the files go: they say what has to be stopped.
    let templates = [Unit::Socket, Unit::Service].iter().all(|unit| places.template(*unit).is_some());
    let units = units.each_ref().map(String::as_str);
    let end = if templates { manager.end(&units) } else { Vec::new() };
    if target.dry_run {
        end.iter().for_each(|command| report.command(command));
        steps.iter().for_each(|step| report.planned(step, false));
        leftovers.iter().for_each(|path| report.gone(path));
        manager.notice().iter().for_each(|command| report.command(command));
        report.removed(name);
        return Ok(());
    }
    run(&end, &mut report)?;
    run(&manager.forget(&units), &mut report)?;
    for step in &steps {
        step.take(places)?;
        report.done(step, None);
    }
    for path in &leftovers {
        let disk = places.on_disk(path);
        let gone = if disk.is_dir() && !disk.is_symlink() {
            std::fs::remove_dir_all(&disk)
        } else {
            std::fs::remove_file(&disk)
        };
        match gone {
            // The last of our files takes its directory along.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Refusal::system(format!("{}: {error}", disk.display())));
            }
            _ => report.gone(path),
        }
    }
    run(&manager.notice(), &mut report)?;
    if steps.iter().any(kept) {
        report.line("what was changed by hand is left: take it away yourself, or with --purge");
    }
    report.removed(name);
    Ok(())
}

fn kept(step: &Step) -> bool {
    step.change == Change::Kept
}

/// What stays behind: other drop-ins of its units, and what systemd keeps for the service.
fn leftovers(name: &Name, target: &Target) -> Vec<PathBuf> {
    let places = &target.places;
    let units = [Unit::Socket, Unit::Service].map(|unit| places.drop_ins(name, unit));
    let all = units.into_iter().chain(places.data(name));
    all.filter(|path| places.on_disk(path).symlink_metadata().is_ok()).collect()
}
