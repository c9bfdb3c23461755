//! Former texts of each settings file: a directory an instance, with one file a revision.
//!
//! A file is named `NUMBER-REVISION`; its first line is a JSON object (when, who, why), the rest is the text. Numbers count up. At most
//! [`KEPT`] are kept.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hostler_bus::daemon::RevisionInfo;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::file::{Stored, revision};

/// How many revisions of a file are kept.
const KEPT: usize = 50;

/// The history of one instance's settings.
#[derive(Clone, Debug)]
pub struct History {
    directory: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    at_us: u64,
    user: Option<u32>,
    summary: String,
    /// Why the instance did not take it; empty when it did.
    #[serde(default)]
    refused: String,
}

/// One that is kept.
struct Kept {
    number: u64,
    revision: String,
    path: PathBuf,
}

impl History {
    /// That of the instance called so; `state` is the daemon's directory.
    #[must_use]
    pub fn of(state: &Path, name: &str) -> Self {
        Self { directory: state.join("history").join(name) }
    }

    /// Keeps a text, unless it is the latest one that was not refused.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, stored: &Stored, user: Option<u32>, summary: &str) -> io::Result<()> {
        let all = self.all();
        if all.iter().rev().find(|one| one.is_good()).is_some_and(|last| last.revision == stored.revision) {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let at_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let head = serde_json::to_string(&Head { at_us, user, summary: summary.to_owned(), refused: String::new() })?;
        let number = all.last().map_or(1, |last| last.number + 1);
        let path = self.directory.join(format!("{number:08}-{}", stored.revision));
        super::file::replace(&path, &format!("{head}\n{}", stored.text))?;
        for old in all.iter().rev().skip(KEPT - 1) {
            // The next one tries again.
            let _ = fs::remove_file(&old.path);
        }
        Ok(())
    }

    /// Marks the latest text of that revision as one that the instance did not take, and why: it was in the file for a moment only,
    /// and is nothing to come back to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn refuse(&self, revision: &str, why: &str) -> io::Result<()> {
        let all = self.all();
        let Some(one) = all.iter().rev().find(|one| one.revision == revision) else { return Ok(()) };
        let Some((mut head, text)) = read(&one.path) else { return Ok(()) };
        head.refused = why.replace('\n', " ");
        super::file::replace(&one.path, &format!("{}\n{text}", serde_json::to_string(&head)?))
    }

    /// The text of a revision, the latest of that digest.
    #[must_use]
    pub fn text(&self, revision: &str) -> Option<String> {
        let all = self.all();
        read(&all.iter().rev().find(|one| one.revision == revision)?.path).map(|(_, text)| text)
    }

    /// The revision before that one, and its text; of several alike, the one before the latest. What was refused is passed over.
    #[must_use]
    pub fn before(&self, revision: &str) -> Option<Stored> {
        let mut all = self.all();
        all.retain(Kept::is_good);
        let at = all.iter().rposition(|one| one.revision == revision)?;
        let (_, text) = read(&all.get(at.checked_sub(1)?)?.path)?;
        Some(Stored { revision: super::file::revision(&text), text })
    }

    /// All that are kept, the latest first.
    #[must_use]
    pub fn list(&self, current: &str) -> Vec<RevisionInfo> {
        let mut before = String::new();
        let mut infos = Vec::new();
        for one in self.all() {
            let Some((head, text)) = read(&one.path) else { continue };
            infos.push(RevisionInfo {
                revision: one.revision,
                at_us: head.at_us,
                user: head.user,
                summary: head.summary,
                difference: difference(&before, &text),
                current: false,
                refused: head.refused.clone(),
            });
            // What was refused was taken back: the next change was made from the text before it.
            if head.refused.is_empty() {
                before = text;
            }
        }
        infos.reverse();
        if let Some(latest) = infos.iter_mut().find(|one| one.refused.is_empty()) {
            latest.current = latest.revision == current;
        }
        infos
    }

    fn all(&self) -> Vec<Kept> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        let kept = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            let (number, revision) = path.file_name()?.to_str()?.split_once('-')?;
            Some(Kept { number: number.parse().ok()?, revision: revision.to_owned(), path: path.clone() })
        };
        let mut all: Vec<Kept> = entries.filter_map(kept).collect();
        all.sort_by_key(|one| one.number);
        all
    }
}

impl Kept {
    fn is_good(&self) -> bool {
        read(&self.path).is_some_and(|(head, _)| head.refused.is_empty())
    }
}

fn read(path: &Path) -> Option<(Head, String)> {
    let text = fs::read_to_string(path).ok()?;
    let (head, text) = text.split_once('\n')?;
    let known = path.file_name()?.to_str()?.split_once('-')?.1 == revision(text);
    known.then_some((serde_json::from_str(head).ok()?, text.to_owned()))
}

/// What changed between two texts, as a unified diff; empty when nothing did.
#[must_use]
pub fn difference(before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).header("before", "after").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Stored {
        Stored { text: text.to_owned(), revision: revision(text) }
    }

    #[test]
    fn kept_listed_and_found() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        assert_eq!(history.list(""), []);
        history.keep(&stored("a = 1\n"), None, "edited by hand").unwrap();
        history.keep(&stored("a = 1\n"), Some(0), "again").unwrap();
        history.keep(&stored("a = 2\n"), Some(1000), "set a").unwrap();
        let all = history.list(&revision("a = 2\n"));
        let told: Vec<_> = all.iter().map(|one| (one.summary.as_str(), one.user, one.current)).collect();
        assert_eq!(told, [("set a", Some(1000), true), ("edited by hand", None, false)]);
        assert!(all[0].difference.contains("-a = 1\n+a = 2\n"), "{}", all[0].difference);
        assert_eq!(history.text(&revision("a = 1\n")).as_deref(), Some("a = 1\n"));
        assert_eq!(history.before(&revision("a = 2\n")), Some(stored("a = 1\n")));
        assert_eq!(history.before(&revision("a = 1\n")), None);
    }

    #[test]
    fn what_was_refused_is_shown_and_passed_over() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        for text in ["a = 1\n", "a = 2\n", "a = 3\n"] {
            history.keep(&stored(text), None, "set a").unwrap();
        }
        history.refuse(&revision("a = 3\n"), "it does not\nimport").unwrap();
        // The file has the second text again, which is kept already.
        history.keep(&stored("a = 2\n"), None, "edited by hand").unwrap();
        let told: Vec<_> =
            history.list(&revision("a = 2\n")).into_iter().map(|one| (one.refused, one.current)).collect();
        let told: Vec<_> = told.iter().map(|(refused, current)| (refused.as_str(), *current)).collect();
        assert_eq!(told, [("it does not import", false), ("", true), ("", false)]);
        assert_eq!(history.before(&revision("a = 2\n")), Some(stored("a = 1\n")));
        assert_eq!(history.before(&revision("a = 3\n")), None, "it is not what the file holds");
        history.keep(&stored("a = 4\n"), None, "set a").unwrap();
        assert_eq!(history.before(&revision("a = 4\n")), Some(stored("a = 2\n")));
        let latest = history.list("").swap_remove(0);
        assert!(latest.difference.contains("-a = 2\n+a = 4\n"), "{}", latest.difference);
        // Later it is taken after all.
        history.keep(&stored("a = 3\n"), None, "set a").unwrap();
        history.keep(&stored("a = 5\n"), None, "set a").unwrap();
        assert_eq!(history.before(&revision("a = 5\n")), Some(stored("a = 3\n")));
    }

    #[test]
    fn no_more_than_the_limit_and_nothing_damaged() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        for number in 0..KEPT + 7 {
            history.keep(&stored(&format!("a = {number}\n")), None, "x").unwrap();
        }
        assert_eq!(history.all().len(), KEPT);
        let last = history.all().pop().unwrap();
        fs::write(&last.path, "{}\nforged").unwrap();
        assert_eq!(history.text(&last.revision), None, "its digest does not fit");
    }
}
