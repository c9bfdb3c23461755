//! News of directories: settings files and control sockets that come, change and go.

use std::path::Path;
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::scope::Scope;

/// Notifies of every change in the scope's directories for as long as it lives. A directory that is not there is looked for when it
/// matters: the next list reads all anew anyway.
pub(crate) struct Watching {
    watcher: Option<RecommendedWatcher>,
    watched: Vec<std::path::PathBuf>,
}

impl Watching {
    pub(crate) fn new(scope: &Scope, news: Arc<Notify>) -> Self {
        let told = move |event: notify::Result<notify::Event>| {
            // Reading is no change, and our own reading would be endless news.
            let quiet = matches!(
                event.map(|event| event.kind),
                Ok(EventKind::Access(kind)) if kind != AccessKind::Close(AccessMode::Write)
            );
            if !quiet {
                news.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(told)
            .inspect_err(|error| tracing::warn!(%error, "changes of files go unnoticed until somebody asks"))
            .ok();
        let mut watching = Self { watcher, watched: Vec::new() };
        watching.add(&scope.settings);
        watching.add(&scope.runtime);
        watching
    }

    /// Watches a directory as well, if it is there and was not watched before.
    pub(crate) fn add(&mut self, directory: &Path) {
        self.watched.retain(|path| path.is_dir());
        if self.watched.iter().any(|path| path == directory) || !directory.is_dir() {
            return;
        }
        let Some(watcher) = &mut self.watcher else { return };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => self.watched.push(directory.to_owned()),
            Err(error) => tracing::debug!(%error, directory = %directory.display(), "a directory cannot be watched"),
        }
    }
}
