//! The words of the management verbs on the command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use hostler_bus::LogLevel;

use super::daemon::words::{name, whose};
use super::{Request, Verb, all, daemon};

pub(super) const SOCKET: &str = "socket";
const JSON: &str = "json";
const WORKER: &str = "WORKER";
const COUNT: &str = "N";
/// How often `hostler top` looks.
pub(super) const TIMES: &str = "times";
pub(super) const LEVEL: &str = "LEVEL";

/// As many workers as the setting `workers` takes.
const WORKERS_MOST: u32 = 512;

/// The verbs, as commands.
pub(crate) fn commands() -> Vec<Command> {
    let worker = || {
        let number = |word: &str| number(word, u32::MAX).map_err(|_| "a worker is named by its number".to_owned());
        Arg::new(WORKER).value_parser(number).help("Its number, as `hostler workers` shows it")
    };
    let count = Arg::new(COUNT).required(true).value_parser(|word: &str| number(word, WORKERS_MOST));
    let levels = PossibleValuesParser::new(LogLevel::ALL.iter().map(|level| level.as_str()));
    vec![
        named(answering("status", "Show what an instance is told to do, and what it does")),
        named(answering("reload", "Read settings and code anew; answers when they serve, or tells why they do not")),
        named(answering("rollback", "Bring the previous good generation back")),
        named(answering(
            "upgrade",
            "Start the program anew, as after an update of it, and leave the sockets to it; answers when it serves",
        ))
        .arg(all::argument()),
        named(answering("workers", "List the workers")),
        named(answering("requests", "List the requests that are under way, with their age")),
        // A number alone is no name but a worker, also of the instance with that socket.
        named(answering("stacks", "Show the Python stacks of a worker, or of all"))
            .mut_arg(daemon::words::NAME, |_| name())
            .arg(worker()),
        named(answering("scale", "Set the number of workers until the next reload"))
            .allow_missing_positional(true)
            .arg(count.help("How many workers there should be")),
        named(answering("recycle", "Replace a worker; its successor is started first"))
            .allow_missing_positional(true)
            .arg(worker().required(true)),
        // A level alone is no name, also of the instance with that socket.
        named(answering("log-level", "Show the log level, or set it until the next reload"))
            .mut_arg(daemon::words::NAME, |_| name())
            .arg(Arg::new(LEVEL).value_parser(levels).hide_possible_values(true).help("debug, info, warning or error")),
        named(answering(
            "top",
            "Watch an instance: q quits, r reloads, the arrow keys choose a worker, s shows its stack, k recycles it",
        ))
        .mut_arg(JSON, |json| json.help("Write what is seen as JSON each second, an object a line; needs no terminal"))
        .arg(
            Arg::new(TIMES)
                .short('n')
                .value_name(COUNT)
                .requires(JSON)
                .value_parser(|word: &str| number(word, u32::MAX))
                .help("End after that many of them"),
        ),
    ]
    .into_iter()
    .chain(daemon::words::commands())
    .collect()
}

/// A whole number that is not greater than that.
pub(super) fn number(word: &str, most: u32) -> Result<u32, String> {
    let wanted = || format!("it wants a whole number between 0 and {most}");
    word.parse().ok().filter(|number| *number <= most).ok_or_else(wanted)
}

/// One that takes the name of an instance as well, which is then asked through the daemon.
fn named(command: Command) -> Command {
    let whose = whose().map(|option| option.conflicts_with(SOCKET));
    command.arg(name().conflicts_with(SOCKET)).args(whose)
}

fn verb(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).arg(
        Arg::new(SOCKET)
            .long("socket")
            .value_name("PATH")
            .value_parser(value_parser!(PathBuf))
            .help("The control socket of the instance; without it, the only instance there is"),
    )
}

fn answering(name: &'static str, about: &'static str) -> Command {
    verb(name, about)
        .arg(Arg::new(JSON).long("json").action(ArgAction::SetTrue).help("Write the answer as JSON, for programs"))
}

/// What a command of [`commands`] asks; `None` for the name of another.
pub(crate) fn request(name: &str, matches: &ArgMatches) -> Option<Request> {
    let number = |argument| matches.get_one::<u32>(argument).copied();
    let verb = match name {
        "status" => Verb::Status,
        "reload" => Verb::Reload,
        "rollback" => Verb::Rollback,
        "upgrade" => Verb::Upgrade,
        "workers" => Verb::Workers,
        "requests" => Verb::Requests,
        "stacks" => Verb::Stacks(stacks_of(matches)),
        "scale" => Verb::Scale(number(COUNT)?),
        "recycle" => Verb::Recycle(number(WORKER)?),
        "log-level" => Verb::LogLevel(daemon::words::level_of(matches)),
        "top" => Verb::Top(number(TIMES)),
        _ => return None,
    };
    let socket = matches.get_one::<PathBuf>(SOCKET).cloned();
    // Not every verb has the option.
    let json = matches.try_get_one::<bool>(JSON).ok().flatten().copied().unwrap_or(false);
    Some(Request { verb, socket, json })
}

/// The worker whose stacks are asked for: a number where a name could stand, when there is nothing else.
fn stacks_of(matches: &ArgMatches) -> Option<u32> {
    let alone = || matches.get_one::<String>(daemon::words::NAME)?.parse().ok();
    matches.get_one::<u32>(WORKER).copied().or_else(alone)
}
