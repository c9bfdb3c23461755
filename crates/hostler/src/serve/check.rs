//! `hostler check`: whether it could be served, without serving it.

use std::path::PathBuf;
use std::process::ExitCode;

use hostler_channel::{Interface, Loaded};
use hostler_supervisor::{Failure, Options};

use super::{Served, code_of, preflight, translate};
use crate::{INTERNAL, extension, fail, say};

/// Looks at what serving would need, imports the application in a process of its own, and says how that went. All is told, and the exit code
/// is the one that `run` would end with.
pub(crate) fn check(served: &Served, extension: PathBuf) -> ExitCode {
    let extension = match extension::open(extension) {
        Ok(extension) => Some(extension),
        Err(error) => return fail(&error, INTERNAL),
    };
    let findings = preflight::look(&served.settings);
    for warning in &findings.warnings {
        say(&format!("warning: {warning}"));
    }
    for wrong in findings.mistakes.iter().chain(&findings.missing) {
        say(wrong);
    }
    let options = Options { extension, ..translate::supervisor(served, translate::Strength::ONE, 1) };
    let imported = match hostler_supervisor::check(options) {
        Ok(loaded) => told(served, &loaded),
        Err(failure) => {
            say_failure(&failure);
            ExitCode::from(code_of(&failure))
        }
    };
    findings.code().map_or(imported, ExitCode::from)
}

/// Says what was imported, and what will run it.
fn told(served: &Served, loaded: &Loaded) -> ExitCode {
    let runs = match (loaded.interface, &loaded.event_loop) {
        (Interface::Asgi, Some(event_loop)) => format!("ASGI, on the event loop of {event_loop}"),
        (Interface::Asgi, None) => "ASGI".to_owned(),
        (Interface::Wsgi | Interface::Auto, _) => "WSGI".to_owned(),
    };
    let Served { application, python, .. } = served;
    say(&format!(
        "{} imports: an application for {runs}, on Python {} ({}: {})",
        application.application,
        loaded.python,
        python.path.display(),
        python.reason
    ));
    ExitCode::SUCCESS
}

fn say_failure(failure: &Failure) {
    say(&failure.to_string());
    if let Failure::Import { traceback: Some(traceback), .. } = failure {
        say(traceback.trim_end());
    }
}
