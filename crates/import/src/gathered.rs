//! What was understood of the sources so far: Hostler's settings, what belongs to units, and what is lost.

use std::path::{Path, PathBuf};

use hostler_instances::Entry;
use hostler_listener::Address;
use hostler_settings::{Reading, metas};
use toml_edit::{Array, Value};

use super::rule::{Fate, Given, Rule};

/// Lists whose items add up over the sources; of all other settings the last one counts.
const ADDING: [&str; 2] = ["env", "pythonpath"];

/// Whether something is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Carried over, and yet to be looked at.
    Look,
    /// Hostler has nothing of the kind, or cannot take this value.
    Lost,
    /// Not a setting that is known.
    Unknown,
    /// Nothing is missed.
    Needless,
}

/// A setting, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whether it is missed.
    pub loss: Loss,
    /// What it is called there, with its value.
    pub what: String,
    /// Where it stands.
    pub place: String,
    /// Why, and what to do.
    pub why: String,
}

/// What belongs to the units of an instance.
#[derive(Debug, Default)]
pub struct UnitFacts {
    /// Whom the service ran as.
    pub user: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Files of variables, as `EnvironmentFile=` writes them.
    pub environment_files: Vec<String>,
    /// Directories that it may write.
    pub writable: Vec<PathBuf>,
}

/// What was understood so far.
#[derive(Debug, Default)]
pub struct Gathered {
    settings: Vec<Entry>,
    /// Where to listen, as `bind` is written.
    pub addresses: Vec<String>,
    /// What is no setting of Hostler's.
    pub unit: UnitFacts,
    /// What is not carried over as it was.
    pub told: Vec<Told>,
    /// The directory that relative paths are taken from.
    pub(crate) base: PathBuf,
    /// The source that is being read.
    place: String,
    /// The key that is being read, and whether addresses of this source were met.
    key: String,
    fresh_addresses: bool,
    /// Whether uvicorn was told that the application is made by a factory.
    pub(crate) factory: bool,
    /// What uvicorn is told in two options.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// What uWSGI is told in two options.
    pub(crate) callable: Option<String>,
    pub(crate) least_workers: Option<i64>,
}

impl Gathered {
    /// Turns to another source; its addresses take the place of those before.
    pub fn turn_to(&mut self, place: &str, base: &Path) {
        self.place = place.to_owned();
        self.base = base.to_owned();
        self.fresh_addresses = true;
    }

    /// Takes one setting by its rule.
    pub(crate) fn take(&mut self, rule: &'static Rule, given: &Given) {
        if given.is_nothing() {
            return;
        }
        self.key = rule.key().to_owned();
        let shown = shown(rule.key(), given);
        let outcome = match rule.fate {
            Fate::Key(key, convert) => convert(given).and_then(|value| self.set(key, value)),
            Fate::Into(act) => act(self, given),
            Fate::Needless(why) => return self.tell(Loss::Needless, &shown, why),
            Fate::Without(why) => return self.tell(Loss::Lost, &shown, why),
        };
        if let Err(why) = outcome {
            self.tell(Loss::Lost, &shown, &why);
        }
    }

    /// Takes note of a key that no table has.
    pub(crate) fn unknown(&mut self, key: &str, given: &Given) {
        let shown = shown(key, given);
        self.tell(Loss::Unknown, &shown, "it is not known what this is");
    }

    /// Takes note of something that is not carried over as it was.
    pub fn tell(&mut self, loss: Loss, what: &str, why: &str) {
        let told = Told { loss, what: what.to_owned(), place: self.place.clone(), why: why.to_owned() };
        if !self.told.contains(&told) {
            self.told.push(told);
        }
    }

    /// Carried over, with something to be looked at.
    pub(crate) fn remark(&mut self, why: &str) {
        let key = self.key.clone();
        self.tell(Loss::Look, &key, why);
    }

    /// Sets one of Hostler's settings; what it would not take is the error.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        if !metas().iter().any(|meta| meta.key == key) {
            return Err(format!("Hostler has no `{key}` yet"));
        }
        let value = self.settled(key, value);
        let mut reading = Reading::new();
        reading.file(Path::new(""), &format!("{key} = {value}\n"));
        if let Err(mistakes) = reading.finish() {
            let mistake = mistakes.0.into_iter().next().map(|mistake| mistake.message).unwrap_or_default();
            return Err(format!("Hostler's {mistake}"));
        }
        let added = match self.settings.iter_mut().find(|entry| entry.key == key) {
            Some(entry) if ADDING.contains(&key) => joined(&entry.value, &value),
            _ => value,
        };
        let note = format!("From {}.", self.place);
        match self.settings.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => *entry = Entry::new(key, added).note(&note),
            None => self.settings.push(Entry::new(key, added).note(&note)),
        }
        Ok(())
    }

    /// Adds an address, written as `bind` is.
    pub(crate) fn listen(&mut self, address: &str) -> Result<(), String> {
        let parsed: Address = address.parse().map_err(|error| format!("{error}"))?;
        let address = match parsed {
            Address::Inherited(_) => {
                return Err("sockets are passed on by the socket unit: hostler@NAME.socket".to_owned());
            }
            Address::UnixPath(path) => format!("unix:{}", self.base.join(path).display()),
            other => other.to_string(),
        };
        if std::mem::take(&mut self.fresh_addresses) {
            self.addresses.clear();
        }
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
        Ok(())
    }

    /// What a setting was set to.
    pub fn text_of(&self, key: &str) -> Option<String> {
        self.settings.iter().find(|entry| entry.key == key)?.value.as_str().map(str::to_owned)
    }

    /// What a setting was set to, where that is a whole number.
    pub(crate) fn number_of(&self, key: &str) -> Option<i64> {
        self.settings.iter().find(|entry| entry.key == key)?.value.as_integer()
    }

    /// Takes a setting back; whether it was set.
    pub(crate) fn unset(&mut self, key: &str) -> bool {
        let before = self.settings.len();
        self.settings.retain(|entry| entry.key != key);
        self.settings.len() != before
    }

    /// The settings in the order of the reference, without those that say what holds anyway.
    pub fn settings(&self) -> Vec<Entry> {
        let same = |entry: &Entry, default: Option<&str>| default == Some(entry.value.to_string().trim());
        let found = |key: &str| self.settings.iter().find(|entry| entry.key == key);
        let all = metas().iter().filter_map(|meta| Some((meta, found(meta.key)?)));
        all.filter(|(meta, entry)| !same(entry, meta.default.as_deref())).map(|(_, entry)| entry.clone()).collect()
    }

    /// Paths are made absolute, for the file that they come to stands elsewhere.
    fn settled(&self, key: &str, value: Value) -> Value {
        let absolute = |text: &str| self.base.join(text).to_string_lossy().into_owned();
        match key {
            "chdir" | "venv" | "pidfile" => value.as_str().map(absolute).map_or(value.clone(), Value::from),
            "error_logfile" | "access_logfile" if value.as_str() != Some("-") => {
                value.as_str().map(absolute).map_or(value.clone(), Value::from)
            }
            "python" if value.as_str().is_some_and(|text| text.contains('/')) => {
                value.as_str().map(absolute).map_or(value.clone(), Value::from)
            }
            "pythonpath" | "reload_dirs" | "reload_extra_files" => match value.as_array() {
                Some(items) => Value::from(items.iter().filter_map(Value::as_str).map(absolute).collect::<Array>()),
                None => value,
            },
            _ => value,
        }
    }
}

fn shown(key: &str, given: &Given) -> String {
    match given {
        Given::Truth(true) | Given::Nothing => key.to_owned(),
        other => format!("{key} = {}", other.shown()),
    }
}

fn joined(before: &Value, more: &Value) -> Value {
    let mut items: Array = before.as_array().cloned().unwrap_or_default();
    for item in more.as_array().into_iter().flatten() {
        if let Some(text) = item.as_str()
            && !items.iter().any(|known| known.as_str() == Some(text))
        {
            items.push(text);
        }
    }
    Value::from(items)
}
