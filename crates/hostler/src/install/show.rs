//! What is told of files and commands: one line each, and the whole text where it is only a question of what would be.

use std::path::Path;

use hostler_instances::{Change, Goal, Step};

/// A step that was not taken.
pub(super) fn step(step: &Step, with_content: bool) {
    crate::show(&line(step, "would "));
    if with_content && !matches!(step.change, Change::Same | Change::Kept) {
        match &step.goal {
            Goal::Link(target) => crate::show(&indented(&format!("(a link to {})", target.display()))),
            goal => content(goal).iter().for_each(|text| crate::show(&indented(text))),
        }
    }
}

/// What a step would write, or where its link leads.
pub(super) fn content(goal: &Goal) -> Option<String> {
    match goal {
        Goal::Text(text) => Some(text.clone()),
        Goal::Link(target) => Some(target.to_string_lossy().into_owned()),
        Goal::Nothing => None,
    }
}

/// A step that was taken.
pub(super) fn done(step: &Step, copy: Option<&Path>) {
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
