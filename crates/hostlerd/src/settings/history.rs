//! Former texts of each settings file: a directory an instance, with one file a revision.
//!
//! A file is named `NUMBER-REVISION`; its first line is a JSON object (when, who, why), the rest is the text. Numbers count up. At most
//! [`KEPT`] are kept. A text is kept before it is written, and settled when the instance has taken it: one whose end nobody saw, because the
//! daemon was killed, is told from the others ([`History::left`]).
//!
//! Going back is a change as any other, and the text that came back is kept once more, with the number of the one that it is again. The next
//! undo goes on from there: so undoing walks back, and what was undone can be had back.
//!
//! An instance that is removed takes its history with it ([`History::part`]): another one that is called so later begins its own.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hostler_bus::daemon::RevisionInfo;
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::file::{Stored, revision};
use crate::metrics::now_us;

/// How many revisions of a file are kept.
const KEPT: usize = 50;

/// The directory of histories that belong to no instance any more; no instance is called so.
const PARTED: &str = ".removed";
/// How many of them are kept of one name.
const PARTED_KEPT: usize = 3;

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
    /// The number of the text that this one is again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<u64>,
    /// Whether it was to be written, and nobody has said since that the instance took it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pending: bool,
    /// The revision that it was to replace, while that is pending; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    former: String,
}

/// A text that was to be written, and nobody saw what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The text.
    pub stored: Stored,
    /// The one that it was to replace; with an empty revision where there was no file.
    pub former: Stored,
    /// When, in microseconds since 1970.
    pub at_us: u64,
}

/// A text that was kept, and what coming back to it takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The text.
    pub stored: Stored,
    /// The change that is taken back, in a few words: `set workers`. Where the text is asked for by its revision: how that came about.
    pub summary: String,
    /// Its number, for the text that is it again; none for one that was refused.
    pub again: Option<u64>,
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
        if self.good().last().is_some_and(|(last, _)| last.revision == stored.revision) {
            return Ok(());
        }
        self.add(stored, user, summary, None, None)
    }

    /// Keeps a text that is about to be written in place of `former`; [`History::settle`] says that the instance took it. `again` is the
    /// number of the text that it is again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(
        &self,
        stored: &Stored,
        former: &Stored,
        user: Option<u32>,
        summary: &str,
        again: Option<u64>,
    ) -> io::Result<()> {
        self.add(stored, user, summary, again, Some(former))
    }

    /// Says that the latest text is in the settings file, and taken by the instance, or to be taken when it starts.
    ///
    /// # Errors
    /// When it cannot be written: it is [`History::left`] then.
    pub fn settle(&self) -> io::Result<()> {
        let all = self.all();
        let Some((one, mut head, text)) =
            all.last().and_then(|one| read(&one.path).map(|(head, text)| (one, head, text)))
        else {
            return Ok(());
        };
        head.end();
        super::file::replace(&one.path, &format!("{}\n{text}", serde_json::to_string(&head)?))
    }

    /// The latest text, if nobody saw what became of it: it is under way, or the daemon was killed then.
    #[must_use]
    pub fn left(&self) -> Option<Left> {
        let all = self.all();
        let last = all.last()?;
        let (head, text) = read(&last.path).filter(|(head, _)| head.pending)?;
        let former = match head.former.as_str() {
            "" => Stored::none(),
            former => Stored { revision: former.to_owned(), text: self.text(former)? },
        };
        Some(Left { stored: Stored { revision: last.revision.clone(), text }, former, at_us: head.at_us })
    }

    /// Whether it has that revision, however it ended.
    #[must_use]
    pub fn knows(&self, revision: &str) -> bool {
        self.all().iter().any(|one| one.revision == revision)
    }

    /// Parts it from the instance, which is removed, or another one by now: it is kept beside the others, where no client reads it. The
    /// last few of a name stay.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn part(&self) -> io::Result<()> {
        let (Some(histories), Some(name)) = (self.directory.parent(), self.directory.file_name()) else {
            return Ok(());
        };
        if !self.directory.exists() {
            return Ok(());
        }
        let parted = histories.join(PARTED);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&parted)?;
        // No name of an instance has an @ in it; the figures sort by time.
        let prefix = format!("{}@", name.to_string_lossy());
        fs::rename(&self.directory, parted.join(format!("{prefix}{:020}", now_us())))?;
        let of_name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let mut all: Vec<String> = fs::read_dir(&parted)?.filter_map(of_name).collect();
        all.retain(|one| one.starts_with(&prefix));
        all.sort();
        for old in all.iter().rev().skip(PARTED_KEPT) {
            // The next one tries again.
            let _ = fs::remove_dir_all(parted.join(old));
        }
        Ok(())
    }

    fn add(
        &self,
        stored: &Stored,
        user: Option<u32>,
        summary: &str,
        again: Option<u64>,
        former: Option<&Stored>,
    ) -> io::Result<()> {
        let all = self.all();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let (pending, former) = (former.is_some(), former.map(|former| former.revision.clone()).unwrap_or_default());
        let (at_us, summary, refused) = (now_us(), summary.to_owned(), String::new());
        let head = Head { at_us, user, summary, refused, again, pending, former };
        let number = all.last().map_or(1, |last| last.number + 1);
        let path = self.directory.join(format!("{number:08}-{}", stored.revision));
        super::file::replace(&path, &format!("{}\n{}", serde_json::to_string(&head)?, stored.text))?;
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
        head.end();
        super::file::replace(&one.path, &format!("{}\n{text}", serde_json::to_string(&head)?))
    }

    /// The text of a revision, the latest of that digest.
    #[must_use]
    pub fn text(&self, revision: &str) -> Option<String> {
        let all = self.all();
        read(&all.iter().rev().find(|one| one.revision == revision)?.path).map(|(_, text)| text)
    }

    /// Where undoing leads from what the settings file holds now: the text before its last change. If that was a going back, the one before
    /// the text that came back; if it is an edit that was not kept yet, what was kept last. What was refused is passed over.
    #[must_use]
    pub fn before(&self, current: &str) -> Option<Former> {
        let good = self.good();
        let last = good.len().checked_sub(1)?;
        let (earlier, summary) = match good[last].0.revision == current {
            false => (&good[..], "an edit by hand".to_owned()),
            true => {
                let mut at = last;
                while let Some(number) = good[at].1.again {
                    // Numbers count up, so that this ends; what is not kept any more has nothing before it that is.
                    at = good[..at].iter().rposition(|(one, _)| one.number == number)?;
                }
                (&good[..at], good[at].1.summary.clone())
            }
        };
        let (one, _) = earlier.iter().rev().find(|(one, _)| one.revision != current)?;
        let (_, text) = read(&one.path)?;
        let stored = Stored { revision: one.revision.clone(), text };
        Some(Former { stored, summary, again: Some(one.number) })
    }

    /// The latest text of a revision.
    #[must_use]
    pub fn of_revision(&self, revision: &str) -> Option<Former> {
        let all = self.all();
        let one = all.iter().rev().find(|one| one.revision == revision)?;
        let (head, text) = read(&one.path)?;
        let again = head.is_good().then_some(one.number);
        Some(Former { stored: Stored { revision: one.revision.clone(), text }, summary: head.summary, again })
    }

    /// All that are not refused, the latest last.
    fn good(&self) -> Vec<(Kept, Head)> {
        let good = |one: Kept| read(&one.path).map(|(head, _)| (one, head)).filter(|(_, head)| head.is_good());
        self.all().into_iter().filter_map(good).collect()
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
                again: head.again.is_some(),
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

impl Head {
    fn is_good(&self) -> bool {
        self.refused.is_empty() && !self.pending
    }

    /// It is known what became of it.
    fn end(&mut self) {
        self.pending = false;
        self.former.clear();
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
        assert_eq!(before(&history, "a = 2\n"), Some(stored("a = 1\n")));
        assert_eq!(before(&history, "a = 9\n"), Some(stored("a = 2\n")), "an edit that nobody kept yet");
    }

    fn before(history: &History, text: &str) -> Option<Stored> {
        history.before(&revision(text)).map(|former| former.stored)
    }

    /// As a daemon does it: goes back, and keeps what came back.
    fn go_back(history: &History, former: &Former) {
        history.begin(&former.stored, &Stored::none(), None, "back", former.again).unwrap();
        history.settle().unwrap();
    }

    #[test]
    fn undoing_walks_back_and_a_revision_can_be_had_again() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        for number in 1..=4 {
            history.keep(&stored(&format!("a = {number}\n")), None, &format!("set {number}")).unwrap();
        }
        let undo = |current: &str| {
            let former = history.before(&revision(current))?;
            go_back(&history, &former);
            Some((former.stored.text, former.summary))
        };
        let told = |text: &str, summary: &str| Some((text.to_owned(), summary.to_owned()));
        assert_eq!(undo("a = 4\n"), told("a = 3\n", "set 4"));
        assert_eq!(undo("a = 3\n"), told("a = 2\n", "set 3"));
        // A change in between is taken back first, and then it goes on.
        history.keep(&stored("a = 7\n"), None, "set 7").unwrap();
        assert_eq!(undo("a = 7\n"), told("a = 2\n", "set 7"));
        assert_eq!(undo("a = 2\n"), told("a = 1\n", "set 2"));
        assert_eq!(undo("a = 1\n"), None);
        // All of it is still there.
        let former = history.of_revision(&revision("a = 7\n")).unwrap();
        assert_eq!((former.stored.text.as_str(), former.summary.as_str()), ("a = 7\n", "set 7"));
        go_back(&history, &former);
        assert_eq!(undo("a = 7\n"), told("a = 2\n", "set 7"));
        assert_eq!(history.of_revision("0000"), None);
    }

    #[test]
    fn what_nobody_saw_the_end_of_is_nothing_to_come_back_to() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        let (one, two, three) = (stored("a = 1\n"), stored("a = 2\n"), stored("a = 3\n"));
        history.begin(&one, &Stored::none(), None, "set 1", None).unwrap();
        assert_eq!(history.left().unwrap().former, Stored::none());
        history.settle().unwrap();
        assert_eq!(history.left(), None);
        history.begin(&two, &one, None, "set 2", None).unwrap();
        // The daemon is killed here.
        let left = history.left().unwrap();
        assert_eq!((&left.stored, &left.former), (&two, &one));
        assert_eq!(before(&history, "a = 2\n"), Some(one.clone()), "as an edit by hand");
        history.refuse(&two.revision, "it was not in the file").unwrap();
        assert_eq!(history.left(), None);
        let all = history.list(&one.revision);
        assert_eq!(all[0].refused, "it was not in the file");
        assert!(all[1].current, "{all:?}");
        assert_eq!(before(&history, "a = 1\n"), None);
        history.begin(&three, &one, None, "set 3", None).unwrap();
        history.settle().unwrap();
        assert_eq!(before(&history, "a = 3\n"), Some(one));
    }

    #[test]
    fn who_is_called_like_one_that_was_removed_has_nothing_of_it() {
        let state = tempfile::tempdir().unwrap();
        let history = History::of(state.path(), "shop");
        history.part().unwrap();
        for life in 0..5 {
            history.keep(&stored(&format!("secret = {life}\n")), None, "removed").unwrap();
            history.part().unwrap();
            assert_eq!(history.list(""), []);
            assert!(!history.knows(&revision(&format!("secret = {life}\n"))));
        }
        let kept = fs::read_dir(state.path().join("history/.removed")).unwrap().count();
        assert_eq!(kept, PARTED_KEPT);
        assert_eq!(crate::scope::Scope::names(&state.path().join("history"), ""), [""; 0], "none is an instance's");
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
        assert_eq!(before(&history, "a = 2\n"), Some(stored("a = 1\n")));
        history.keep(&stored("a = 4\n"), None, "set a").unwrap();
        assert_eq!(before(&history, "a = 4\n"), Some(stored("a = 2\n")));
        let latest = history.list("").swap_remove(0);
        assert!(latest.difference.contains("-a = 2\n+a = 4\n"), "{}", latest.difference);
        // Later it is taken after all.
        history.keep(&stored("a = 3\n"), None, "set a").unwrap();
        history.keep(&stored("a = 5\n"), None, "set a").unwrap();
        assert_eq!(before(&history, "a = 5\n"), Some(stored("a = 3\n")));
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
