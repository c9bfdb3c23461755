//! `hostler completion SHELL`: a script that has the shell ask this program, so that it knows the verbs, the options and the
//! instances of the program that is installed.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_complete::env::{CompleteEnv, Shells};

use crate::{INTERNAL, say};

/// What the script sets when it asks.
const VARIABLE: &str = "HOSTLER_COMPLETE";

const SHELL: &str = "SHELL";

pub(crate) fn command() -> Command {
    Command::new("completion").about("Write a script with which a shell completes commands, options and instances").arg(
        Arg::new(SHELL)
            .required(true)
            .value_parser(PossibleValuesParser::new(["bash", "zsh", "fish"]))
            .help("bash: eval \"$(hostler completion bash)\" in ~/.bashrc"),
    )
}

/// Answers a shell, if one asks, and ends the process then.
pub(crate) fn answer(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Writes the script.
pub(crate) fn run(matches: &ArgMatches) -> ExitCode {
    let shell = matches.get_one::<String>(SHELL).map_or("", String::as_str);
    let mut script = Vec::new();
    let written = Shells::builtins()
        .completer(shell)
        .map(|completer| completer.write_registration(VARIABLE, "hostler", "hostler", "hostler", &mut script));
    match written {
        Some(Ok(())) => {
            super::super::write(&String::from_utf8_lossy(&script));
            ExitCode::SUCCESS
        }
        _ => {
            say(&format!("no script can be written for {shell}"));
            ExitCode::from(INTERNAL)
        }
    }
}
