//! Where the settings come from: read at the start, and anew with each reload; the ones before are kept for a rollback.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hostler_settings::Settings;

use super::Served;
use crate::INTERNAL;
use crate::refusal::Refusal;
use hostler_project::Surroundings;

/// Reads the settings, and finds what they ask for.
pub(crate) type Read = Arc<dyn Fn() -> Result<Served, Refusal> + Send + Sync>;
/// Reads the settings alone. The error is for people.
pub(crate) type ReadSettings = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// The source of an instance's settings.
pub(crate) struct Source {
    environment: Surroundings,
    read: Read,
    read_settings: ReadSettings,
    previous: Mutex<Option<Served>>,
}

impl Source {
    pub(crate) fn new(environment: Surroundings, read: Read, read_settings: ReadSettings) -> Self {
        Self { environment, read, read_settings, previous: Mutex::new(None) }
    }

    /// What the server was started with.
    pub(super) fn surroundings(&self) -> &Surroundings {
        &self.environment
    }

    /// A variable of the environment that the server was started with.
    pub(super) fn variable(&self, name: &str) -> Option<std::ffi::OsString> {
        self.environment.variable(name).map(ToOwned::to_owned)
    }

    /// The whole environment.
    pub(super) fn variables(&self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        self.environment.variables.clone().into_iter().collect()
    }

    /// The file with the settings, if there is one, as an absolute path.
    pub(super) fn settings_file(&self) -> Option<String> {
        settings_file(&self.environment).map(|path| path.to_string_lossy().into_owned())
    }

    /// What the instance is called.
    pub(super) fn name(&self) -> String {
        instance_name(&self.environment)
    }

    /// The directory that the server was started in.
    pub(super) fn directory(&self) -> &Path {
        &self.environment.directory
    }

    /// What they are now. Looking for the application and its Python may take a while, so that it is done beside the main task.
    pub(super) async fn read_again(&self) -> Result<Served, Refusal> {
        let read = Arc::clone(&self.read);
        let read = tokio::task::spawn_blocking(move || read()).await;
        read.unwrap_or_else(|error| Err(Refusal::new(error.to_string(), INTERNAL)))
    }

    /// What the settings are now, whatever has become of the application and its Python.
    pub(super) async fn settings_again(&self) -> Result<Settings, String> {
        let read = Arc::clone(&self.read_settings);
        tokio::task::spawn_blocking(move || read()).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Keeps what served well until now.
    pub(super) fn remember(&self, served: &Served) {
        *self.previous.lock().unwrap_or_else(PoisonError::into_inner) = Some(served.clone());
    }

    /// What served before the current generation.
    pub(super) fn previous(&self) -> Result<Served, String> {
        let previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        previous
            .clone()
            .ok_or_else(|| "there is no previous generation to go back to: nothing was reloaded yet".to_owned())
    }
}

/// What the instance of this command line is called: as its settings file without the ending, else as the directory.
pub(crate) fn instance_name(surroundings: &Surroundings) -> String {
    let file = settings_file(surroundings);
    let name = file.as_deref().map_or_else(|| surroundings.directory.file_name(), Path::file_stem);
    name.map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn settings_file(surroundings: &Surroundings) -> Option<PathBuf> {
    let words: Vec<_> = std::env::args_os().collect();
    crate::arguments::settings_file(&words).map(|path| surroundings.absolute(&path))
}
