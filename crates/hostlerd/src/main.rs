//! The command `hostlerd`: its words, its log, its exit code.

mod log;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use hostlerd::{Scope, run};
use tracing_subscriber::filter::LevelFilter;

/// Wrong words (sysexits.h: EX_USAGE).
const USAGE: u8 = 64;
/// The bus cannot be had (sysexits.h: EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;

/// So many threads work on files beside the one that answers: its unit allows few tasks.
const FILE_THREADS: usize = 8;

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Standard output may be closed, and then there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let level = if matches.get_flag("debug") { LevelFilter::DEBUG } else { LevelFilter::INFO };
    log::begin(level);
    match scope(&matches).and_then(|scope| serve(scope, &matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hostlerd: {error:#}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn command() -> Command {
    let directory = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("DIR").value_parser(value_parser!(PathBuf)).help(help).hide(true)
    };
    Command::new("hostlerd")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Manages the instances of Hostler over D-Bus; started by the bus when somebody calls")
        .arg(Arg::new("user").long("user").action(ArgAction::SetTrue).help("Manage the user's own, on the session bus"))
        .arg(Arg::new("debug").long("debug").action(ArgAction::SetTrue).help("Log what it does"))
        .arg(
            Arg::new("idle")
                .long("idle")
                .value_name("SECONDS")
                .value_parser(value_parser!(u64).range(1..=86_400))
                .default_value("60")
                .help("Leave when nobody has called for so long"),
        )
        .arg(directory("settings", "Where settings files are"))
        .arg(directory("runtime", "Where control sockets are"))
        .arg(directory("state", "Where former settings are kept"))
}

/// The scope, with the directories that the command line names: for tests and image builds.
fn scope(matches: &ArgMatches) -> anyhow::Result<Scope> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let mut scope = if matches.get_flag("user") { Scope::user(variable)? } else { Scope::system(variable) };
    let named = |name: &str, place: &mut PathBuf| {
        if let Some(path) = matches.get_one::<PathBuf>(name) {
            place.clone_from(path);
        }
    };
    named("settings", &mut scope.settings);
    named("runtime", &mut scope.runtime);
    named("state", &mut scope.state);
    Ok(scope)
}

fn serve(scope: Scope, matches: &ArgMatches) -> anyhow::Result<()> {
    let idle = Duration::from_secs(matches.get_one::<u64>("idle").copied().unwrap_or(60));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(FILE_THREADS).build()?;
    runtime.block_on(run(scope, idle)).map(drop)
}
