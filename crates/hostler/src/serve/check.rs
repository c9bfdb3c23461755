//! `hostler check`: whether it could be served, without serving it.

use std::process::ExitCode;

use hostler_channel::{Interface, Loaded};
use hostler_supervisor::Failure;

use super::{Served, code_of, preflight, translate};
use crate::say;

/// Looks at what serving would need, imports the application in a process of its own, and says how that went. All is told, and the exit code
/// is the one that `run` would end with.
pub(crate) fn check(served: &Served) -> ExitCode {
    let findings = preflight::look(&served.settings);
    for warning in &findings.warnings {
        say(&format!("warning: {warning}"));
    }
    for wrong in findings.mistakes.iter().chain(&findings.missing) {
        say(wrong);
    }
    let imported = match hostler_supervisor::check(translate::supervisor(served, translate::Strength::ONE, 1)) {
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
