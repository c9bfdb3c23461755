//! What is said when there is no good answer, and what can be done about it.

use std::io::{IsTerminal, stdin};

use hostler_bus::Error as InstanceError;
use hostler_bus::daemon::{Absent, Error};

use super::super::line::harmless;
use super::{Act, Failed, Request, agent};
use crate::manage;
use crate::say;

impl Request {
    /// What whoever was refused can do.
    fn missing(&self) -> &'static str {
        match (&self.whose.host, self.ask) {
            (Some(_), _) => {
                "nobody can be asked for a password on another machine: go there as root (-H root@HOST), or give the user the \
                 right with a polkit rule there"
            }
            (None, false) => {
                "nobody was asked for a password: leave --no-ask-password out, run this as root, or give the user the right \
                 with a polkit rule"
            }
            (None, true) => agent::missing(stdin().is_terminal()),
        }
    }
}

pub(super) fn tell(request: &Request, failed: &Failed) {
    let words = harmless(&failed.to_string());
    match failed {
        Failed::Told(_) => {}
        Failed::Daemon(error) | Failed::Top(manage::Failed::Daemon(error)) => tell_error(request, error, &words),
        Failed::Absent(Absent::NotInstalled { .. } | Absent::NoBus { .. }) => {
            say(&words);
            say(
                "an instance that runs is asked without it: `hostler status --socket PATH`, and so reload, workers, top",
            );
        }
        _ => say(&words),
    }
}

fn tell_error(request: &Request, error: &Error, words: &str) {
    match error {
        Error::Instance(InstanceError::ReloadFailed { traceback, .. }) => {
            let before = if request.act == Act::Upgrade { "server" } else { "generation" };
            say(&format!("the {before} before goes on: {words}"));
            if !traceback.is_empty() {
                crate::complain(harmless(traceback).trim_end());
            }
        }
        Error::Conflict { difference, .. } => {
            say(words);
            crate::complain(harmless(difference).trim_end());
        }
        Error::AuthenticationNeeded { purpose } => {
            say(&harmless(&format!("not authorized: to {purpose} takes authentication")));
            say(request.missing());
        }
        Error::NotAuthorized { .. } => {
            say(words);
            say(request.missing());
        }
        Error::NoInstance { .. } if matches!(request.act, Act::LogLevel(None)) => {
            say(words);
            say("a log level is debug, info, warning or error");
        }
        _ => say(words),
    }
}
