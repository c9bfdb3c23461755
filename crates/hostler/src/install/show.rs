//! What is told of files and commands: one line each, and the whole text where it is only a question of what would be.

use std::path::Path;

use hostler_instances::{Change, Step};

use super::content;

/// Steps that were not taken.
pub(crate) fn steps(steps: &[Step], with_content: bool) {
    for step in steps {
        crate::show(&line(step, "would "));
        if with_content
            && !matches!(step.change, Change::Same | Change::Kept)
            && let Some(text) = content(&step.goal)
        {
            crate::show(&indented(&text));
        }
    }
}

/// Commands that were not run.
pub(crate) fn commands(commands: &[Vec<String>]) {
    for command in commands {
        crate::show(&format!("would run {}", command.join(" ")));
    }
}

/// A step that was taken.
pub(crate) fn done(step: &Step, copy: Option<&Path>) {
    crate::show(&line(step, ""));
    if let Some(copy) = copy {
        crate::show(&format!("          what was there is kept as {}", copy.display()));
    }
}

fn line(step: &Step, would: &str) -> String {
    let path = step.path.display();
    let past = would.is_empty();
    match &step.change {
        Change::Create | Change::Update | Change::Replace if past => format!("wrote {path}"),
        Change::Create => format!("{would}write {path}:"),
        Change::Update | Change::Replace => format!("{would}write {path} anew:"),
        Change::Remove if past => format!("removed {path}"),
        Change::Remove => format!("{would}remove {path}"),
        Change::Same => format!("unchanged {path}"),
        Change::Kept | Change::Refused(_) => format!("left {path}, which was changed by hand"),
    }
}

/// The text with a margin, so that it is told from what is said of it.
pub(crate) fn indented(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
