//! What the daemon remembers of each instance over its own end: a directory in the state directory, with one file an instance.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_bus::daemon::Overview;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::scope::Scope;
use crate::settings::replace;

/// How the files are called.
const ENDING: &str = ".json";
/// A file that is longer is none of ours, in bytes.
const LONGEST: u64 = 64 * 1024;

/// What is remembered of all instances.
#[derive(Debug)]
pub(crate) struct Remembered<T> {
    directory: PathBuf,
    /// As it stands in the files.
    all: Mutex<HashMap<String, T>>,
}

impl<T: Clone + Default + PartialEq + Serialize + DeserializeOwned> Remembered<T> {
    /// What stands in that directory. A damaged file says nothing.
    pub(crate) fn of(directory: PathBuf) -> Self {
        let names = Scope::names(&directory, ENDING);
        let read = |name: String| Some((name.clone(), read(&directory.join(format!("{name}{ENDING}")))?));
        let all = names.into_iter().filter_map(read).collect();
        Self { directory, all: Mutex::new(all) }
    }

    /// What is remembered of that instance.
    pub(crate) fn get(&self, name: &str) -> T {
        self.locked().get(name).cloned().unwrap_or_default()
    }

    /// Remembers it, if it is something new. Where that cannot be written it lasts as long as the daemon.
    pub(crate) fn put(&self, name: &str, value: &T) {
        if self.get(name) == *value {
            return;
        }
        if let Err(error) = self.write(name, value) {
            tracing::debug!(name, directory = %self.directory.display(), %error, "what is known of an instance is not kept");
        }
        self.locked().insert(name.to_owned(), value.clone());
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

    fn write(&self, name: &str, value: &T) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        replace(&self.path(name), &serde_json::to_string(value)?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}{ENDING}"))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    (path.metadata().ok()?.len() <= LONGEST).then_some(())?;
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
