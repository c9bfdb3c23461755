//! The words of the verbs that go over a bus.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use hostler_bus::LogLevel;
use hostler_bus::daemon::{Change, LogFilter, NewInstance};

use super::super::words::{LEVEL, TIMES, number};
use super::{Act, Request, Undo, Whose, names, when};

pub(in crate::manage) const NAME: &str = "NAME";
pub(in crate::manage) const USER: &str = "user";
pub(in crate::manage) const SYSTEM: &str = "system";
pub(in crate::manage) const HOST: &str = "host";
const NO_ASK: &str = "no-ask-password";
pub(in crate::manage) const JSON: &str = "json";
const PAIRS: &str = "KEY=VALUE";
const KEY: &str = "KEY";
const REVISION: &str = "REVISION";
const TO: &str = "to";
/// As many lines as hostlerd gives at once.
const LINES_MOST: u32 = 100_000;

/// The words for priorities, each at the place of its number (syslog(3)).
const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];

/// The verbs, as commands. Those that a control socket answers as well are in [`crate::manage::words`].
pub(in crate::manage) fn commands() -> Vec<Command> {
    let json = || Arg::new(JSON).long("json").action(ArgAction::SetTrue).help("Write the answer as JSON, for programs");
    let named = |verb: &'static str, about: &'static str| {
        Command::new(verb).about(about).arg(name().required(true)).args(whose())
    };
    vec![
        Command::new("list").about("List all instances, of the machine and of the user").args(whose()).arg(json()),
        named("start", "Start an instance, its socket and its service; answers when it serves").arg(json()),
        named("stop", "Stop an instance, its socket and its service").arg(json()),
        named("restart", "Stop and start its service; whoever connects meanwhile waits").arg(json()),
        named("enable", "Let its socket start with the system or the session, so that requests start it").arg(json()),
        named("disable", "End that; what runs goes on").arg(json()),
        named("wake", "Start an instance that is asleep").arg(json()),
        named("sleep", "Stop its processes; the next request starts them").arg(json()),
        set_command(named("set", "Change settings; a running instance takes them, or all stays as it was")).arg(json()),
        named("get", "Show settings, and where they come from")
            .arg(Arg::new(KEY).add(names::keys("")).help("One setting, whose value alone is shown"))
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("Those that nobody set as well"))
            .arg(json()),
        named("edit", "Open its settings file in $EDITOR; it is checked before it is applied").arg(json()),
        named("history", "List what was changed in its settings")
            .arg(Arg::new("diff").long("diff").short('d').action(ArgAction::SetTrue).help("Show each change"))
            .arg(json()),
        named("undo", "Take back the last change of its settings; again, the one before that")
            .arg(Arg::new(REVISION).help("Take back this revision and all after it, as `hostler history` shows them"))
            .arg(
                Arg::new(TO)
                    .long(TO)
                    .value_name(REVISION)
                    .conflicts_with(REVISION)
                    .help("Bring the very text of this revision back, older or undone"),
            )
            .arg(json()),
        logs_command(named("logs", "Show its log")).arg(json()),
        named("doctor", "Say why it is slow, asleep or failing, and what mends it").arg(json()),
    ]
}

/// The name of an instance.
pub(in crate::manage) fn name() -> Arg {
    Arg::new(NAME).help("The instance, as `hostler list` shows it").add(names::completer())
}

/// Whose instances.
pub(in crate::manage) fn whose() -> [Arg; 4] {
    [
        Arg::new(USER).long("user").action(ArgAction::SetTrue).conflicts_with(SYSTEM).help("The user's own instances"),
        Arg::new(SYSTEM).long("system").action(ArgAction::SetTrue).help("The machine's instances"),
        host(),
        no_ask(),
    ]
}

/// Another machine.
pub(crate) fn host() -> Arg {
    Arg::new(HOST)
        .long(HOST)
        .short('H')
        .value_name("HOST")
        .value_parser(NonEmptyStringValueParser::new())
        .help("Those of another machine, reached with ssh")
}

/// That no password is asked for.
pub(crate) fn no_ask() -> Arg {
    Arg::new(NO_ASK)
        .long(NO_ASK)
        .action(ArgAction::SetTrue)
        .help("Ask nobody for a password: what would take one is refused")
}

/// Whether another machine is named.
pub(crate) fn is_far(matches: &ArgMatches) -> bool {
    matches.contains_id(HOST)
}

/// What `hostler new` asks of hostlerd, or what is wrong with it.
pub(crate) fn creation(matches: &ArgMatches, name: String, made: Result<(Change, NewInstance), String>) -> Request {
    let act = made.map_or_else(Act::Wrong, |(change, new)| Act::Create(change, Box::new(new)));
    written(matches, name, act)
}

/// What `hostler remove` asks of hostlerd; `here` says that there are options for this machine's files only.
pub(crate) fn removal(matches: &ArgMatches, here: bool) -> Request {
    let act = match here {
        true => Act::Wrong(
            "--root, --dry-run and --purge are for the files of this machine, not for those of -H".to_owned(),
        ),
        false => Act::Remove,
    };
    written(matches, matches.get_one::<String>(NAME).cloned().unwrap_or_default(), act)
}

/// What is asked about the files of an instance.
fn written(matches: &ArgMatches, name: String, act: Act) -> Request {
    let flag = |name| matches.get_one::<bool>(name).copied().unwrap_or(false);
    let whose = Whose { user: Some(flag(USER)), host: matches.get_one::<String>(HOST).cloned() };
    Request { name, act, whose, json: flag(JSON), ask: !flag(NO_ASK) }
}

fn set_command(command: Command) -> Command {
    command
        .arg(
            Arg::new(PAIRS)
                .num_args(0..)
                .action(ArgAction::Append)
                .required_unless_present("unset")
                .value_parser(pair)
                .add(names::keys("="))
                .help("A setting and its value; a list is set by several of one key"),
        )
        .arg(
            Arg::new("unset")
                .long("unset")
                .value_name("KEY")
                .add(names::keys(""))
                .action(ArgAction::Append)
                .help("Take a setting out of the file"),
        )
}

fn logs_command(command: Command) -> Command {
    let option = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    command
        .arg(Arg::new("follow").long("follow").short('f').action(ArgAction::SetTrue).help("Go on with what comes"))
        .arg(
            option("lines", "N")
                .short('n')
                .value_parser(|word: &str| number(word, LINES_MOST))
                .help("At most the last so many lines; 500 without it"),
        )
        .arg(option("since", "TIME").value_parser(moment).help("From then on: `10m` ago, `2026-03-01 14:00`, `today`"))
        .arg(option("until", "TIME").value_parser(moment).help("Until then"))
        .arg(
            option("priority", "WORD")
                .short('p')
                .value_parser(PossibleValuesParser::new(PRIORITIES))
                .help("What is at least that severe"),
        )
        .arg(option("grep", "TEXT").help("Lines that contain this text"))
        .arg(option("request", "ID").help("Lines about this request"))
}

/// `KEY=VALUE`; options' names are taken for those of settings.
fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().replace('-', "_"), value.to_owned())),
        _ => Err("a setting is changed as KEY=VALUE, as in `workers=4`".to_owned()),
    }
}

fn moment(word: &str) -> Result<u64, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
    when::moment(word, now)
}

/// What a command asks over a bus; `None` for one that does not, or names no instance and no bus.
pub(in crate::manage) fn request(verb: &str, matches: &ArgMatches) -> Option<Request> {
    // Not every verb has every word.
    let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
    let text = |name| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let number = |name| matches.try_get_one::<u32>(name).ok().flatten().copied();
    let user = match (flag(USER), flag(SYSTEM)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let whose = Whose { user, host: text(HOST) };
    let (json, ask) = (flag(JSON), !flag(NO_ASK));
    let name = text(NAME);
    if verb == "list" || (verb == "status" && name.is_none() && whose != Whose::default()) {
        return Some(Request { name: String::new(), act: Act::List, whose, json, ask });
    }
    let (mut name, mut worker) = (name, number("WORKER"));
    let mut level = None;
    if verb == "log-level" {
        (name, level) = named_level(matches);
    }
    let is_name = match verb {
        "stacks" => name.as_deref().is_some_and(|name| worker.is_some() || name.parse::<u32>().is_err()),
        "log-level" => name.is_some(),
        // The other verbs have clap say it.
        _ => false,
    };
    if is_name && matches.contains_id("socket") {
        let act = Act::Wrong("an instance is named by its name or by its socket, not by both".to_owned());
        return Some(Request { name: name.unwrap_or_default(), act, whose, json, ask });
    }
    if verb == "stacks" && worker.is_none() {
        // A number alone is that of a worker, as it was before instances had names here.
        match name.as_deref().map(str::parse::<u32>) {
            Some(Ok(_)) if whose == Whose::default() => return None,
            Some(Ok(number)) => (name, worker) = (None, Some(number)),
            _ => {}
        }
    }
    if name.is_none() && whose == Whose::default() {
        return None;
    }
    let act = match verb {
        "status" => Act::Status,
        "workers" => Act::Workers,
        "requests" => Act::Requests,
        "stacks" => Act::Stacks(worker),
        "scale" => Act::Scale(number("N")?),
        "recycle" => Act::Recycle(worker?),
        "start" => Act::Start,
        "stop" => Act::Stop,
        "restart" => Act::Restart,
        "reload" => Act::Reload,
        "rollback" => Act::Rollback,
        "upgrade" => Act::Upgrade,
        "log-level" => match level {
            Some(Err(wrong)) => Act::Wrong(wrong),
            level => Act::LogLevel(level.and_then(Result::ok)),
        },
        "top" => Act::Top(number(TIMES)),
        "enable" => Act::Enable(true),
        "disable" => Act::Enable(false),
        "wake" => Act::Wake,
        "sleep" => Act::Sleep,
        "set" => Act::Set(change(matches)),
        "get" => Act::Get { key: text(KEY).map(|key| key.replace('-', "_")), all: flag("all") },
        "edit" => Act::Edit,
        "history" => Act::History { difference: flag("diff") },
        "undo" => Act::Undo(match (text(REVISION), text(TO)) {
            (Some(digits), _) => Undo::From(digits),
            (_, Some(digits)) => Undo::To(digits),
            (None, None) => Undo::Last,
        }),
        "logs" => Act::Logs(filter(matches)),
        "doctor" => Act::Doctor,
        _ => return None,
    };
    Some(Request { name: name.unwrap_or_default(), act, whose, json, ask })
}

/// The instance that `log-level` names, and the level: one word alone is a level where it is one.
fn named_level(matches: &ArgMatches) -> (Option<String>, Option<Result<LogLevel, String>>) {
    let name = matches.get_one::<String>(NAME).cloned();
    let level = |word: &str| match LogLevel::from(word) {
        LogLevel::Unknown => {
            let words: Vec<&str> = LogLevel::ALL.iter().map(|level| level.as_str()).collect();
            Err(format!("`{word}` is no log level: it is one of {}", words.join(", ")))
        }
        level => Ok(level),
    };
    match (name, matches.get_one::<String>(LEVEL)) {
        (Some(word), None) if level(&word).is_ok() => (None, Some(level(&word))),
        (name, word) => (name, word.map(|word| level(word))),
    }
}

/// The level that `log-level` sets.
pub(in crate::manage) fn level_of(matches: &ArgMatches) -> Option<LogLevel> {
    named_level(matches).1.and_then(Result::ok)
}

fn change(matches: &ArgMatches) -> Change {
    let mut change = Change::default();
    for (key, value) in matches.get_many::<(String, String)>(PAIRS).into_iter().flatten() {
        match change.set.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.clone()),
            None => change.set.push((key.clone(), vec![value.clone()])),
        }
    }
    let unset = matches.get_many::<String>("unset").into_iter().flatten();
    change.unset = unset.map(|key| key.replace('-', "_")).collect();
    change
}

fn filter(matches: &ArgMatches) -> LogFilter {
    let text = |name| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let priority = PRIORITIES.iter().position(|word| *word == text("priority"));
    LogFilter {
        follow: matches.get_flag("follow"),
        since_us: matches.get_one("since").copied(),
        until_us: matches.get_one("until").copied(),
        priority: priority.map(|number| number as u32),
        text: text("grep"),
        request: text("request"),
        lines: matches.get_one("lines").copied(),
        cursor: String::new(),
    }
}
