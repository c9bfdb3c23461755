//! What was known of an instance when it last ran, for the list: one file for each in the daemon's directory.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_bus::daemon::Overview;
use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use crate::settings::replace;

/// How the files are called.
const ENDING: &str = ".json";
/// A file that is longer is none of ours, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What is remembered of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    pub(crate) framework: String,
    pub(crate) python: String,
}

/// What is remembered of all.
pub(crate) struct Known {
    directory: PathBuf,
    /// As it stands in the files.
    facts: Mutex<HashMap<String, Facts>>,
}

impl Known {
    /// What stands in the daemon's directory.
    pub(crate) fn of(state: &Path) -> Self {
        let directory = state.join("known");
        let names = Scope::names(&directory, ENDING);
        let facts = names.into_iter().filter_map(|name| {
            let facts = read(&directory.join(format!("{name}{ENDING}")))?;
            Some((name, facts))
        });
        Self { facts: Mutex::new(facts.collect()), directory }
    }

    /// What was known of it.
    pub(crate) fn get(&self, name: &str) -> Facts {
        self.locked().get(name).cloned().unwrap_or_default()
    }

    /// Remembers it, if it is something new. Where that cannot be written it lasts as long as the daemon.
    pub(crate) fn note(&self, name: &str, facts: &Facts) {
        // No worker was ever ready: what was known is still the best.
        if facts.python.is_empty() || self.get(name) == *facts {
            return;
        }
        if let Err(error) = self.write(name, facts) {
            tracing::debug!(name, %error, "what is known of an instance is not kept");
        }
        self.locked().insert(name.to_owned(), facts.clone());
    }

    /// Forgets all instances but these.
    pub(crate) fn keep_only(&self, instances: &[Overview]) {
        self.locked().retain(|name, _| {
            let stays = instances.iter().any(|instance| instance.name == *name);
            if !stays {
                // What cannot be removed is read again by the next daemon, and forgotten again.
                let _ = fs::remove_file(self.path(name));
            }
            stays
        });
    }

    fn write(&self, name: &str, facts: &Facts) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        replace(&self.path(name), &serde_json::to_string(facts)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}{ENDING}"))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Facts>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Option<Facts> {
    (path.metadata().ok()?.len() <= LONGEST).then_some(())?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_outlives_the_daemon_and_not_the_instance() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts { framework: "Django".to_owned(), python: "3.11.2".to_owned() };
        Known::of(state.path()).note("shop", &facts);
        let later = Known::of(state.path());
        assert_eq!(later.get("shop"), facts);
        assert_eq!(later.get("blog"), Facts::default());
        later.note("shop", &Facts::default());
        assert_eq!(later.get("shop"), facts, "nothing was learned");
        later.keep_only(&[Overview { name: "blog".to_owned(), ..Overview::default() }]);
        assert_eq!((later.get("shop"), Known::of(state.path()).get("shop")), Default::default());
        fs::write(state.path().join("known/shop.json"), "{").unwrap();
        assert_eq!(Known::of(state.path()).get("shop"), Facts::default(), "a damaged file says nothing");
    }
}
