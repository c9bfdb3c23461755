//! Writing instances and taking them away, for `hostler new`, `hostler remove` and `hostler import`: whose instances, what is shown
//! before and after, which commands of systemd follow. What an instance is on disk is known by `hostler-instances`.

mod report;
pub(crate) mod show;
mod systemctl;
mod taken;
pub(crate) mod target;

use std::process::ExitCode;

use hostler_instances::{Change, Failed, Instance, Places, Plan, Step, Unit};
use serde::Serialize;

use crate::{FAILED, USAGE, say};

pub(crate) use report::{MadeOf, Report};
pub(crate) use systemctl::{Manager, run};
pub(crate) use target::Target;

/// A file or a command of the system fails (sysexits.h: EX_OSERR).
pub(crate) const SYSTEM: u8 = 71;

/// Why nothing, or not all, was done: lines for people, and the exit code.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) code: u8,
}

impl Refusal {
    pub(crate) fn usage(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: USAGE }
    }

    pub(crate) fn system(message: impl ToString) -> Self {
        Self { message: message.to_string(), code: SYSTEM }
    }
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        let hint = match failed.source.kind() {
            std::io::ErrorKind::PermissionDenied => {
                ". For an instance of the system, be root; for one of your own, use --user"
            }
            _ => "",
        };
        Self::system(format!("{failed}{hint}"))
    }
}

/// The exit code, when the message was told.
pub(crate) fn ended(outcome: Result<(), Refusal>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            say(&refusal.message);
            ExitCode::from(refusal.code)
        }
    }
}

/// Writes an instance, or shows what would be written, and has systemd take notice of it.
pub(crate) fn write(instance: &Instance, target: &Target, report: &mut Report) -> Result<(), Refusal> {
    let places = &target.places;
    let plan = Plan::of(instance, places).map_err(Refusal::usage)?;
    let steps = plan.compare(places, target.force)?;
    let refused: Vec<&Step> = steps.iter().filter(|step| matches!(step.change, Change::Refused(_))).collect();
    if !refused.is_empty() {
        return Err(Refusal { message: refusal(&refused, places), code: FAILED });
    }
    let changed = steps.iter().any(|step| !matches!(step.change, Change::Same | Change::Kept));
    let manager = Manager::of(target)?;
    let socket = Unit::Socket.of(&instance.name);
    let mut commands = if changed { manager.notice() } else { Vec::new() };
    commands.extend(manager.begin(&socket, target.enable, target.start)?);
    let taken = taken::look(instance, target, &manager)?;
    taken.iter().for_each(|sentence| report.line(&format!("  note: {sentence}")));
    report.notes(&taken);
    if target.dry_run {
        steps.iter().for_each(|step| report.planned(step, true));
        commands.iter().for_each(|command| report.command(command));
        return Ok(());
    }
    for step in &steps {
        let copy = step.take(places)?;
        report.done(step, copy.as_deref());
    }
    if !changed {
        report.line(&format!("nothing to write: all files of {} are as they should be", instance.name));
    }
    run(&commands, report)
}

fn refusal(refused: &[&Step], places: &Places) -> String {
    let mut lines = Vec::new();
    for step in refused {
        let Change::Refused(difference) = &step.change else { continue };
        lines.push(format!(
            "{} was changed since it was written, or by somebody else:",
            places.on_disk(&step.path).display()
        ));
        lines.extend(difference.lines().map(|line| format!("  {line}")));
    }
    lines.push(
        "nothing was written. Make the change by hand, or use --force, which keeps a copy of what is there".to_owned(),
    );
    lines.join("\n")
}

/// An answer for a program, on standard output.
pub(crate) fn show_json(answer: &impl Serialize) {
    // Maps with keys that are no text, and numbers that are none, are what cannot be written: an answer has neither.
    if let Ok(text) = serde_json::to_string_pretty(answer) {
        crate::show(&text);
    }
}
