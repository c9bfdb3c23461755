//! `hostler edit`: the settings file in the person's editor, checked before it is applied.

use std::io::{IsTerminal, Write, stdin};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use super::settings::tell_problems;
use super::{Failed, Session};
use crate::{USAGE, say};
use hostler_project::Surroundings;

/// What is tried where the environment names no editor: that of Debian's alternatives, and those that most systems have.
const EDITORS: [&str; 3] = ["editor", "nano", "vi"];

impl Session<'_> {
    pub(super) async fn edit(&self) -> Result<(), Failed> {
        let name = &self.request.name;
        let settings = self.client.settings(name).await?;
        let (revision, before) = settings.text().await?;
        // For the user alone: settings may hold secrets. A directory with a plain name in it, which the editor shows.
        let directory = tempfile::Builder::new()
            .prefix("hostler-edit-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| local(&error))?;
        let file = directory.path().join(format!("{name}.toml"));
        std::fs::write(&file, &before).map_err(|error| local(&error))?;
        loop {
            open(&file, self.surroundings)?;
            let after = std::fs::read_to_string(&file).map_err(|error| local(&error))?;
            if after == before {
                return self.done(&format!("nothing changed in the settings of {name}"));
            }
            let problems = settings.validate_text(after.clone()).await?;
            if problems.is_empty() {
                let applied = match settings.apply_text(revision, after).await {
                    Ok(job) => self.finish(job).await,
                    Err(failed) => Err(failed.into()),
                };
                return match applied {
                    Ok(outcome) => self.outcome(&outcome),
                    Err(failed) => Err(kept(directory, &file, failed)),
                };
            }
            tell_problems(&problems);
            if !again() {
                keep(directory, &file);
                say(&format!("nothing was changed in the settings of {name}"));
                return Err(Failed::Told(USAGE));
            }
        }
    }
}

fn local(error: &std::io::Error) -> Failed {
    Failed::Local(format!("the settings cannot be edited: {error}"))
}

/// What was typed is not lost with the failure.
fn kept(directory: tempfile::TempDir, file: &Path, failed: Failed) -> Failed {
    keep(directory, file);
    failed
}

fn keep(directory: tempfile::TempDir, file: &Path) {
    let _ = directory.keep();
    say(&format!("what you wrote is kept in {}", file.display()));
}

/// Whether somebody wants to mend it.
fn again() -> bool {
    if !stdin().is_terminal() {
        return false;
    }
    // Who has closed it is asked nothing.
    let _ = write!(std::io::stderr(), "hostler: edit it again? [Y/n] ").and_then(|()| std::io::stderr().flush());
    let mut line = String::new();
    matches!(stdin().read_line(&mut line), Ok(1..)) && !line.trim().to_lowercase().starts_with('n')
}

/// Waits until the editor has ended.
fn open(file: &Path, surroundings: &Surroundings) -> Result<(), Failed> {
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(|name| surroundings.variable(name));
    let ended = match named {
        // It may have options, as `code --wait`, so that a shell reads it, as git and systemctl do.
        Some(words) => {
            let mut script = words.to_owned();
            script.push(" \"$1\"");
            Command::new("/bin/sh").arg("-c").arg(script).arg("sh").arg(file).status().map_err(|error| local(&error))?
        }
        None => first_of(&EDITORS, file)?,
    };
    if ended.success() {
        Ok(())
    } else {
        Err(Failed::Local(format!("the editor failed ({ended}); nothing was changed")))
    }
}

fn first_of(editors: &[&str], file: &Path) -> Result<ExitStatus, Failed> {
    for editor in editors {
        match Command::new(editor).arg(file).status() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            ended => return ended.map_err(|error| local(&error)),
        }
    }
    Err(Failed::Usage("no editor was found: name one in $EDITOR".to_owned()))
}
