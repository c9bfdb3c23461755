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

/// What zsh's script lacks to lie in a directory of `fpath`: there it is read at the first completion, which it has to answer.
const BY_NAME: &str = "\
# Read by name, as from a directory of fpath, it has been called to complete.
[[ ${funcstack[1]} == _hostler ]] && _clap_dynamic_completer_hostler \"$@\"
";

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
    match script(shell) {
        Some(script) => {
            super::super::write(&script);
            ExitCode::SUCCESS
        }
        None => {
            say(&format!("no script can be written for {shell}"));
            ExitCode::from(INTERNAL)
        }
    }
}

/// The script for a shell.
fn script(shell: &str) -> Option<String> {
    let mut script = Vec::new();
    Shells::builtins()
        .completer(shell)?
        .write_registration(VARIABLE, "hostler", "hostler", "hostler", &mut script)
        .ok()?;
    let mut script = String::from_utf8(script).ok()?;
    if shell == "zsh" {
        script.push_str(BY_NAME);
    }
    Some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_that_packages_hold_are_these() {
        for (shell, file) in [("bash", "bash/hostler"), ("zsh", "zsh/_hostler"), ("fish", "fish/hostler.fish")] {
            let path = format!("{}/../../completions/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = format!("{}\n", script(shell).unwrap().trim_end_matches('\n'));
            if std::env::var_os("HOSTLER_UPDATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            let stored = std::fs::read_to_string(&path).unwrap();
            assert!(stored == text, "{path} is out of date: run HOSTLER_UPDATE=1 cargo test -p hostler");
        }
    }
}
