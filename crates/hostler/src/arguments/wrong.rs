//! What is said of words that are no command line of Hostler's: what is wrong, what may have been meant, and where help
//! is. clap finds them; its own words end in a dump of the usage, and it takes options for near that are far.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::gunicorn;

/// A word is near another when as many letters at most have to be changed, or when they are as similar at least.
const NEAR_DISTANCE: usize = 2;
const NEAR_SIMILARITY: f64 = 0.85;

/// The message about wrong words: lines without a prefix. `words` are the command line's, the program's name first.
pub(super) fn message(error: &Error, command: &Command, words: &[String]) -> String {
    let verb = words.get(1).and_then(|word| command.find_subcommand(word));
    let said = match error.kind() {
        ErrorKind::UnknownArgument => unknown(text(error, ContextKind::InvalidArg), command, verb),
        ErrorKind::InvalidSubcommand => {
            unknown_command(text(error, ContextKind::InvalidSubcommand).or(words.get(1).map(String::as_str)), command)
        }
        _ => as_said(error),
    };
    let help = verb.map_or_else(|| "hostler help".to_owned(), |verb| format!("hostler help {}", verb.get_name()));
    format!("{said}\nsee `{help}`")
}

fn unknown(word: Option<&str>, command: &Command, verb: Option<&Command>) -> String {
    let word = word.unwrap_or_default();
    let option = word.split('=').next().unwrap_or(word);
    if !option.starts_with('-') {
        return format!("unexpected argument `{word}`");
    }
    // After `--` all words are arguments, those that look like options as well.
    if verb.is_some_and(|verb| names(verb).iter().any(|name| name == option)) {
        return format!("unexpected argument `{word}`: options stand before `--`");
    }
    if verb.is_none()
        && let Some(example) = ["list", "new"].into_iter().find(|name| has(command, name, option))
    {
        return format!(
            "options follow the command, as in `hostler {example} {option}{}`",
            placeholder(command, example, option)
        );
    }
    if let Some(answer) = gunicorn::answer(option) {
        return answer;
    }
    if verb.is_some() && ["--version", "-V"].contains(&option) {
        return format!("{option} stands alone: use `hostler --version`");
    }
    let known = names(verb.unwrap_or(command));
    if let Some(near) = nearest(option, known.iter().map(String::as_str)) {
        return format!("unknown option {option}: did you mean {near}?");
    }
    let run = command.find_subcommand("run").map(names).unwrap_or_default();
    if verb.is_none() && run.iter().any(|name| name == option) {
        return format!("options follow the command, as in `hostler run {option} …`");
    }
    format!("unknown option {option}")
}

/// Whether a command has an option.
fn has(command: &Command, name: &str, option: &str) -> bool {
    command.find_subcommand(name).is_some_and(|verb| names(verb).iter().any(|known| known == option))
}

/// What stands after an option of a command, where it takes a value: ` HOST`.
fn placeholder(command: &Command, name: &str, option: &str) -> String {
    let bare = option.trim_start_matches('-');
    let argument = command.find_subcommand(name).and_then(|verb| {
        verb.get_arguments().find(|one| {
            one.get_long() == Some(bare) || one.get_short().is_some_and(|letter| bare == letter.to_string())
        })
    });
    let value = argument.and_then(|one| one.get_value_names()?.first());
    value.map(|value| format!(" {value}")).unwrap_or_default()
}

fn unknown_command(word: Option<&str>, command: &Command) -> String {
    let word = word.unwrap_or_default();
    let commands = command.get_subcommands().map(Command::get_name).chain(["help"]);
    match nearest(word, commands) {
        Some(near) => format!("unknown command `{word}`: did you mean `{near}`?"),
        None if word.contains(':') => {
            format!("unknown command `{word}`: to serve an application, `hostler run {word}`")
        }
        None if word.ends_with(".toml") => {
            format!("unknown command `{word}`: to serve what a file says, `hostler serve {word}`")
        }
        None => format!("unknown command `{word}`"),
    }
}

/// What clap says before it shows the usage, in one line.
fn as_said(error: &Error) -> String {
    let all = error.to_string();
    let first = all.split("\n\n").next().unwrap_or_default();
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

/// All options of a command, as they are written.
pub(super) fn names(command: &Command) -> Vec<String> {
    let long = command.get_arguments().flat_map(|argument| argument.get_long_and_visible_aliases().unwrap_or_default());
    let short = command.get_arguments().filter_map(clap::Arg::get_short);
    long.map(|name| format!("--{name}")).chain(short.map(|letter| format!("-{letter}"))).collect()
}

/// The known word that is nearest, where one is near. Single letters are near none.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bare = |text: &str| text.trim_start_matches('-').to_lowercase();
    let written = bare(word);
    let near = |known: &&str| {
        let (long, known) = (known.len() > 2, bare(known));
        // Of a short word, two letters are most of it.
        let distance = NEAR_DISTANCE.min(written.chars().count() / 2);
        long && (strsim::damerau_levenshtein(&written, &known) <= distance
            || strsim::jaro_winkler(&written, &known) >= NEAR_SIMILARITY)
    };
    let similarity = |known: &str| strsim::jaro_winkler(&written, &bare(known));
    known
        .filter(near)
        .filter(|_| written.chars().count() > 1)
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)))
}
