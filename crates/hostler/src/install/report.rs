//! What is told of files and commands: to people in lines, as it happens; to a program in one object, when all is done.

use std::path::{Path, PathBuf};

use hostler_instances::{Change, Name, Step};
use serde::Serialize;

use super::show;

/// What is told, and what was.
pub(crate) struct Report {
    json: bool,
    answer: Answer,
}

/// What a program is told.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Answer {
    /// What was done, in one line; where nothing was to be changed, what would be.
    message: String,
    /// Whether nothing was to be changed.
    dry_run: bool,
    /// What the instance was made of; none where it was taken away.
    #[serde(flatten)]
    made_of: Option<MadeOf>,
    /// What people are told besides, a sentence each.
    notes: Vec<String>,
    /// All files of the instance, as the running system sees them.
    files: Vec<File>,
    /// The commands that were run, or would be.
    commands: Vec<String>,
}

/// What an instance was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct MadeOf {
    pub(crate) application: String,
    /// As `Django`; none where none is known.
    pub(crate) framework: Option<String>,
    pub(crate) directory: PathBuf,
    /// Which Python runs it, and why.
    pub(crate) python: Option<String>,
    /// As whom it runs, and why.
    pub(crate) runs_as: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct File {
    path: PathBuf,
    change: &'static str,
    /// What it is, or would be: a text, or where a link leads. None where it goes or stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Where what was there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<PathBuf>,
}

impl Report {
    pub(crate) fn new(json: bool, dry_run: bool) -> Self {
        Self { json, answer: Answer { dry_run, ..Answer::default() } }
    }

    /// A line for people.
    pub(crate) fn line(&self, text: &str) {
        if !self.json {
            crate::show(text);
        }
    }

    /// Whether the answer is for a program, which is told nothing else.
    pub(crate) fn is_for_a_program(&self) -> bool {
        self.json
    }

    /// What the instance is made of, for a program: people were told in their own words.
    pub(crate) fn made_of(&mut self, made_of: MadeOf) {
        self.answer.made_of = Some(made_of);
    }

    /// What a person should know, for a program.
    pub(crate) fn notes(&mut self, notes: &[String]) {
        self.answer.notes.extend_from_slice(notes);
    }

    /// A step that was not taken.
    pub(crate) fn planned(&mut self, step: &Step, with_content: bool) {
        if !self.json {
            show::step(step, with_content);
        }
        self.file(step, None);
    }

    /// A step that was taken.
    pub(crate) fn done(&mut self, step: &Step, copy: Option<&Path>) {
        if !self.json {
            show::done(step, copy);
        }
        self.file(step, copy);
    }

    /// Something else of the instance's that went, or would.
    pub(crate) fn gone(&mut self, path: &Path) {
        self.line(&format!("{} {}", if self.answer.dry_run { "would remove" } else { "removed" }, path.display()));
        self.answer.files.push(File { path: path.to_owned(), change: "remove", content: None, copy: None });
    }

    /// A command that is about to be run, or would be.
    pub(crate) fn command(&mut self, command: &[String]) {
        let command = command.join(" ");
        self.line(&format!("{} {command}", if self.answer.dry_run { "would run" } else { "running" }));
        self.answer.commands.push(command);
    }

    /// All is told of an instance that was written.
    pub(crate) fn written(self, name: &Name) {
        let changed = self.answer.files.iter().any(|file| !["same", "kept"].contains(&file.change));
        let message = match (changed, self.answer.dry_run) {
            (false, _) => format!("nothing to write: all files of {name} are as they should be"),
            (true, true) => format!("{name} would be written"),
            (true, false) => format!("{name} is written"),
        };
        self.end(message);
    }

    /// All is told of an instance that was taken away.
    pub(crate) fn removed(self, name: &Name) {
        let kept = self.answer.files.iter().any(|file| file.change == "kept");
        let message = match (self.answer.files.is_empty(), self.answer.dry_run) {
            (true, _) => format!("nothing to remove: there are no files of {name}"),
            (false, true) => format!("{name} would be removed"),
            (false, false) => format!("{name} is removed"),
        };
        self.end(if kept { format!("{message}, but for what was changed by hand") } else { message });
    }

    fn end(mut self, message: String) {
        if self.json {
            self.answer.message = message;
            super::show_json(&self.answer);
        }
    }

    fn file(&mut self, step: &Step, copy: Option<&Path>) {
        let (change, writes) = match step.change {
            Change::Create => ("create", true),
            Change::Update => ("update", true),
            Change::Replace => ("replace", true),
            Change::Remove => ("remove", false),
            Change::Same => ("same", false),
            // What is refused ends the command before.
            Change::Kept | Change::Refused(_) => ("kept", false),
        };
        let content = writes.then(|| show::content(&step.goal)).flatten();
        let copy = copy.map(Path::to_owned);
        self.answer.files.push(File { path: step.path.clone(), change, content, copy });
    }
}

#[cfg(test)]
mod tests {
    use hostler_instances::Goal;

    use super::*;

    fn step(path: &str, goal: Goal, change: Change) -> Step {
        Step { path: path.into(), goal, change }
    }

    #[test]
    fn a_program_is_told_of_each_file() {
        let mut report = Report::new(true, false);
        report.done(&step("/etc/a", Goal::Text("text\n".into()), Change::Replace), Some(Path::new("/etc/a.old")));
        report.done(&step("/etc/b", Goal::Link("/usr/c".into()), Change::Create), None);
        report.done(&step("/etc/c", Goal::Text("text\n".into()), Change::Same), None);
        report.gone(Path::new("/var/d"));
        report.command(&["systemctl".to_owned(), "daemon-reload".to_owned()]);
        let answer = serde_json::to_value(&report.answer).unwrap();
        assert_eq!(
            answer,
            serde_json::json!({
                "message": "", "dry_run": false, "notes": [], "commands": ["systemctl daemon-reload"],
                "files": [
                    { "path": "/etc/a", "change": "replace", "content": "text\n", "copy": "/etc/a.old" },
                    { "path": "/etc/b", "change": "create", "content": "/usr/c" },
                    { "path": "/etc/c", "change": "same" },
                    { "path": "/var/d", "change": "remove" },
                ],
            })
        );
    }
}
