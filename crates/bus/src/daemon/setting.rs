//! Settings on the bus: what there are, what they are set to, changes, mistakes, and what was changed before.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use zbus::zvariant::{OwnedValue, Type};

use super::words::{Applied, Form, Origin, ProblemKind};
use crate::wire;

/// A setting, from its declaration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct SettingInfo {
    /// The key in a file.
    #[serde(with = "wire")]
    pub key: String,
    /// The title of its group.
    #[serde(with = "wire")]
    pub group: String,
    /// What it does: Markdown, the first line is a sentence of its own.
    #[serde(with = "wire")]
    pub doc: String,
    /// The shape of its value, or of each of its values.
    #[serde(with = "wire")]
    pub form: Form,
    /// Whether it takes any number of such values.
    #[serde(with = "wire")]
    pub list: bool,
    /// The words that it takes, where the form is `choice`.
    #[serde(with = "wire")]
    pub words: Vec<String>,
    /// What it wants, in words: `a whole number`.
    #[serde(with = "wire")]
    pub wanted: String,
    /// Whether it may be unset.
    #[serde(with = "wire")]
    pub optional: bool,
    /// The default as it would be written in a file; none where it is unset.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The least measure: bytes, microseconds, or the number itself, by the form; none without a range.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub least: Option<u64>,
    /// The greatest measure.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub most: Option<u64>,
    /// The range in words: `between 1 and 512`; empty without one.
    #[serde(with = "wire")]
    pub range: String,
    /// Whether the measure must be a power of two.
    #[serde(with = "wire")]
    pub power_of_two: bool,
    /// When a change takes effect.
    #[serde(with = "wire")]
    pub applied: Applied,
    /// Whether who may set it can run code as the instance's user: a change takes the right to deploy.
    #[serde(with = "wire")]
    pub decides_code: bool,
}

/// What one setting is set to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct SettingValue {
    /// Its key.
    #[serde(with = "wire")]
    pub key: String,
    /// The value as it is written in a file; none while it is unset.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where it comes from.
    #[serde(with = "wire")]
    pub origin: Origin,
    /// The file that says so; empty for a default.
    #[serde(with = "wire")]
    pub file: String,
    /// The line of the settings file, counted from 1; 0 for others.
    #[serde(with = "wire")]
    pub line: u32,
}

/// Changes of settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// New values by key: booleans, numbers, texts, lists of them. A text is read as a word of the command line is:
    /// `"4"` and `4` are the same to a setting that wants a number.
    pub set: HashMap<String, OwnedValue>,
    /// Keys that go back to their defaults.
    pub unset: Vec<String>,
}

/// What a new instance is, beside its settings. What is left out is as the templates of its units say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct NewInstance {
    /// What its socket listens on, as `bind` is written: `127.0.0.1:8000`, `unix:/run/shop.sock`.
    #[serde(with = "wire")]
    pub addresses: Vec<String>,
    /// How much of the system is kept from it: `strict`, `standard` or `compat`; empty is `standard`.
    #[serde(with = "wire")]
    pub profile: String,
    /// The user that it runs as, who has to exist; none is one made while it runs. Of the system's instances only.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The group; none is the user's own.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it may read what is below `/home`, `/root` and `/run/user`.
    #[serde(with = "wire")]
    pub sees_homes: bool,
    /// Whether its socket is to start by itself.
    #[serde(with = "wire")]
    pub enable: bool,
    /// Whether its socket is started now, so that the first request starts it.
    #[serde(with = "wire")]
    pub start: bool,
}

/// One mistake.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Problem {
    /// What kind of mistake.
    #[serde(with = "wire")]
    pub kind: ProblemKind,
    /// The key that it is about; empty when the file is not TOML.
    #[serde(with = "wire")]
    pub key: String,
    /// The line in the file as it would be, counted from 1.
    #[serde(with = "wire")]
    pub line: u32,
    /// What is wrong, what was found and what to write instead, in one line.
    #[serde(with = "wire")]
    pub message: String,
    /// The key that was meant, or what the setting wants; empty when nobody knows.
    #[serde(with = "wire")]
    pub hint: String,
}

/// A revision of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct RevisionInfo {
    /// The revision: a digest of the file's content.
    #[serde(with = "wire")]
    pub revision: String,
    /// When it was written, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub at_us: u64,
    /// The user who wrote it; none for an edit that the daemon only found.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// How it came about, in a few words: `set workers`, `edited by hand`.
    #[serde(with = "wire")]
    pub summary: String,
    /// What it changed, as a unified diff.
    #[serde(with = "wire")]
    pub difference: String,
    /// Whether it is the file's content now.
    #[serde(with = "wire")]
    pub current: bool,
    /// Whether it is the text of an older one that came back.
    #[serde(with = "wire")]
    pub again: bool,
    /// Why the running instance did not take it, in one line: the file was taken back then, and undoing never comes here. Empty when it
    /// was taken.
    #[serde(with = "wire")]
    pub refused: String,
}
