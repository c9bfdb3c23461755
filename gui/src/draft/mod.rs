//! Changes of an instance's settings that are being made and not applied yet: pure, without a window.
//!
//! A draft is made over the settings of one revision. When another revision comes while there are changes, somebody else
//! changed the file: what only one side changed is taken from that side, and where both changed the same key the person
//! decides (a [`Clash`]).

mod measure;
mod preview;
mod words;

use std::collections::BTreeMap;

use hostler_bus::daemon::{Applied, Change, Form, Origin, SettingInfo, SettingValue};

use crate::bus::Settings;

pub use measure::{join, measure, shown, split, units};
pub use preview::{difference, difference_of, preview};
pub use words::{words, words_of, written};

/// What is to become of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// It is set to these words.
    Set(Vec<String>),
    /// It goes back to its default.
    Unset,
}

/// The changes by key.
pub type Edits = BTreeMap<String, Edit>;

/// A key that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// What it was, as it is written; none where it was unset.
    pub before: Option<String>,
    /// What somebody else made of it.
    pub theirs: Option<String>,
}

/// A change as it is shown before it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key.
    pub key: String,
    /// What it is now, as it is written; none while it is not in the file.
    pub before: Option<String>,
    /// What it becomes; none where it leaves the file.
    pub after: Option<String>,
    /// When that takes effect.
    pub applied: Applied,
    /// Whether it takes the right to deploy.
    pub decides_code: bool,
}

/// How far the changes are on their way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Sending {
    #[default]
    No,
    /// They were sent.
    Sent(Edits),
    /// They were applied, and the settings as they are now have not come yet.
    Applied(Edits),
}

/// Changes that are being made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    revision: String,
    base: BTreeMap<String, (Option<String>, Origin)>,
    edits: Edits,
    clashes: BTreeMap<String, Clash>,
    sending: Sending,
    number: u64,
}

impl Draft {
    /// Takes the settings as they are, of the first revision or of another one.
    pub fn follow(&mut self, settings: &Settings, schema: &[SettingInfo]) {
        let is_first = self.base.is_empty();
        if (!is_first && settings.revision == self.revision && self.same_values(settings))
            || matches!(self.sending, Sending::Sent(_))
        {
            return;
        }
        if let Sending::Applied(sent) = std::mem::take(&mut self.sending) {
            self.edits.retain(|key, edit| sent.get(key) != Some(edit));
        }
        let former = std::mem::replace(&mut self.base, base(&settings.values));
        self.revision.clone_from(&settings.revision);
        self.clashes.retain(|key, _| self.edits.contains_key(key));
        let mut done = Vec::new();
        for (key, edit) in &self.edits {
            let Some(info) = schema.iter().find(|info| info.key == *key) else { continue };
            let before = former.get(key).and_then(|(value, _)| value.clone());
            let theirs = self.base.get(key).and_then(|(value, _)| value.clone());
            if is_same(info, edit, theirs.as_deref()) {
                done.push(key.clone());
            } else if !is_first && before != theirs {
                let before = self.clashes.get(key).map_or(before, |clash| clash.before.clone());
                self.clashes.insert(key.clone(), Clash { before, theirs });
            }
        }
        for key in done {
            self.edits.remove(&key);
            self.clashes.remove(&key);
        }
        self.number += 1;
    }

    /// The revision that the changes are made over.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// A number that is greater after each change: which draft an answer is about.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The words that a form shows: those that were typed, else the value, else the default; none where all are unset.
    #[must_use]
    pub fn words(&self, info: &SettingInfo) -> Vec<String> {
        match self.edits.get(&info.key) {
            Some(Edit::Set(words)) => words.clone(),
            Some(Edit::Unset) => info.default.as_deref().map(words).unwrap_or_default(),
            None => self.value(info).map(words).unwrap_or_default(),
        }
    }

    /// Whether the words of a key are being changed, and not as they are in the settings.
    #[must_use]
    pub fn is_edited(&self, key: &str) -> bool {
        self.edits.contains_key(key)
    }

    /// Sets a key to words.
    pub fn set(&mut self, info: &SettingInfo, words: Vec<String>) {
        let edit = if info.optional && words.iter().all(String::is_empty) { Edit::Unset } else { Edit::Set(words) };
        self.edit(info, edit);
    }

    /// Takes a key out of the file.
    pub fn unset(&mut self, info: &SettingInfo) {
        self.edit(info, Edit::Unset);
    }

    fn edit(&mut self, info: &SettingInfo, edit: Edit) {
        let origin = self.base.get(&info.key).map_or(Origin::Default, |(_, origin)| *origin);
        // What is not in the file cannot leave it, and a text that is back as it was is no change.
        let idle = match &edit {
            Edit::Unset => origin == Origin::Default,
            Edit::Set(typed) => self.value(info).map(words).unwrap_or_default() == *typed,
        };
        if idle {
            self.edits.remove(&info.key);
            self.clashes.remove(&info.key);
        } else {
            self.edits.insert(info.key.clone(), edit);
        }
        self.number += 1;
    }

    /// Lets go of the change of a key.
    pub fn revert(&mut self, key: &str) {
        if self.edits.remove(key).is_some() {
            self.clashes.remove(key);
            self.number += 1;
        }
    }

    /// Lets go of all changes.
    pub fn discard(&mut self) {
        self.restore(Edits::new());
    }

    /// All changes that are being made: for undoing.
    #[must_use]
    pub fn edits(&self) -> &Edits {
        &self.edits
    }

    /// Makes these the changes.
    pub fn restore(&mut self, edits: Edits) {
        self.edits = edits;
        self.clashes.retain(|key, _| self.edits.contains_key(key));
        self.number += 1;
    }

    /// Whether both sides changed a key, and nobody decided yet.
    #[must_use]
    pub fn clash(&self, key: &str) -> Option<&Clash> {
        self.clashes.get(key)
    }

    /// How many keys nobody decided on.
    #[must_use]
    pub fn clashes(&self) -> usize {
        self.clashes.len()
    }

    /// Decides for the change that is being made.
    pub fn keep_mine(&mut self, key: &str) {
        self.clashes.remove(key);
        self.number += 1;
    }

    /// Decides for what somebody else made of a key.
    pub fn take_theirs(&mut self, key: &str) {
        self.revert(key);
    }

    /// What is changed, in the order of the schema. Words that mean the same as the value are no change.
    #[must_use]
    pub fn changes(&self, schema: &[SettingInfo]) -> Vec<Changed> {
        if matches!(self.sending, Sending::Applied(_)) {
            return Vec::new();
        }
        let changed = |info: &SettingInfo| -> Option<Changed> {
            let edit = self.edits.get(&info.key)?;
            let (value, origin) = self.base.get(&info.key).cloned().unwrap_or_default();
            if is_same(info, edit, value.as_deref()) && *edit != Edit::Unset {
                return None;
            }
            let after = match edit {
                Edit::Set(words) => Some(written(info, &sent(words))),
                Edit::Unset => None,
            };
            let before = value.filter(|_| origin == Origin::File);
            let (key, applied, decides_code) = (info.key.clone(), info.applied, info.decides_code);
            Some(Changed { key, before, after, applied, decides_code })
        };
        schema.iter().filter_map(changed).collect()
    }

    /// The change as it is sent.
    #[must_use]
    pub fn change(&self, schema: &[SettingInfo]) -> Change {
        let mut change = Change::default();
        for changed in self.changes(schema) {
            match self.edits.get(&changed.key) {
                Some(Edit::Set(words)) => change.set.push((changed.key, sent(words))),
                Some(Edit::Unset) => change.unset.push(changed.key),
                None => {}
            }
        }
        change
    }

    /// Whether nothing is being changed, and nothing is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match self.sending {
            Sending::No => self.edits.is_empty(),
            Sending::Sent(_) => false,
            Sending::Applied(_) => true,
        }
    }

    /// Notes that the changes were sent.
    pub fn sent(&mut self) {
        self.sending = Sending::Sent(self.edits.clone());
    }

    /// Whether they were sent, and nothing came back.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        matches!(self.sending, Sending::Sent(_))
    }

    /// Notes what came of it. What was applied is no change any more; else all is as before.
    pub fn answered(&mut self, applied: bool) {
        if let Sending::Sent(sent) = std::mem::take(&mut self.sending)
            && applied
        {
            self.sending = Sending::Applied(sent);
        }
    }

    fn value<'a>(&'a self, info: &'a SettingInfo) -> Option<&'a str> {
        let value = self.base.get(&info.key).and_then(|(value, _)| value.as_deref());
        value.or(info.default.as_deref())
    }

    fn same_values(&self, settings: &Settings) -> bool {
        settings.values.len() == self.base.len()
            && settings.values.iter().all(|value| {
                self.base.get(&value.key).is_some_and(|(text, origin)| *text == value.value && *origin == value.origin)
            })
    }
}

fn base(values: &[SettingValue]) -> BTreeMap<String, (Option<String>, Origin)> {
    values.iter().map(|value| (value.key.clone(), (value.value.clone(), value.origin))).collect()
}

/// Words without those at the end that nobody typed anything into.
fn sent(words: &[String]) -> Vec<String> {
    let filled = words.iter().rposition(|word| !word.trim().is_empty()).map_or(0, |place| place + 1);
    // The only word of what is no list is sent even if it is empty.
    if words.len() == 1 { words.to_vec() } else { words[..filled].to_vec() }
}

/// Whether an edit makes of a setting what it is.
fn is_same(info: &SettingInfo, edit: &Edit, value: Option<&str>) -> bool {
    let theirs = value.or(info.default.as_deref()).map(words).unwrap_or_default();
    match edit {
        Edit::Unset => value == info.default.as_deref(),
        Edit::Set(mine) => {
            let mine =
                if info.list { sent(mine).into_iter().filter(|word| !word.is_empty()).collect() } else { mine.clone() };
            mine == theirs || (mine.len() == 1 && theirs.len() == 1 && means_same(info.form, &mine[0], &theirs[0]))
        }
    }
}

fn means_same(form: Form, one: &str, other: &str) -> bool {
    matches!(form, Form::Duration | Form::Bytes | Form::Count | Form::CountOrAuto | Form::Workers)
        && measure(form, one).is_some_and(|of_one| measure(form, other) == Some(of_one))
}

#[cfg(test)]
mod tests;
