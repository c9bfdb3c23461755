//! Which changed settings wait for a restart: those that differ between the file, and the text that the running server was started with.
//!
//! That text is kept for each instance whose settings were changed while it ran, in a file of the daemon's: a first line with which
//! server it was, as a JSON object, and the text. So a daemon that left when idle knows it as well as one that stayed, and a change that
//! was taken back waits for nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hostler_settings::{Apply, metas};
use serde::{Deserialize, Serialize};

use super::changed_keys;
use super::file::replace;

/// Which server runs: its process, and its control socket, which no other server has been given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) pid: u32,
    /// Device, inode, and when it was made or changed.
    pub(crate) socket: (u64, u64, i64, i64),
}

/// What the running server of one instance was started with.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    path: PathBuf,
}

impl Started {
    /// That of the instance called so; `state` is the daemon's directory.
    pub(crate) fn of(state: &Path, name: &str) -> Self {
        Self { path: state.join("started").join(name) }
    }

    /// Notes the text that this server was started with, unless that is known already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn note(&self, server: &Server, text: &str) -> io::Result<()> {
        if self.text(server).is_some() {
            return Ok(());
        }
        if let Some(directory) = self.path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        replace(&self.path, &format!("{}\n{text}", serde_json::to_string(server)?))
    }

    /// The keys that wait, when `now` is the file's text.
    pub(crate) fn awaiting(&self, server: &Server, now: &str) -> BTreeSet<String> {
        let changed = self.text(server).and_then(|text| changed_keys(&text, now)).unwrap_or_default();
        changed.into_iter().filter(needs_restart).collect()
    }

    /// Forgets it: the instance is taken away.
    pub(crate) fn forget(&self) {
        // It may never have been noted.
        let _ = fs::remove_file(&self.path);
    }

    fn text(&self, server: &Server) -> Option<String> {
        let noted = fs::read_to_string(&self.path).ok()?;
        let (head, text) = noted.split_once('\n')?;
        let known: Server = serde_json::from_str(head).ok()?;
        (known == *server).then(|| text.to_owned())
    }
}

/// Whether a change of this setting takes effect with the next server only.
pub(crate) fn needs_restart(key: &String) -> bool {
    metas().iter().any(|meta| meta.key == *key && meta.apply == Apply::Restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_what_differs_for_this_server() {
        let state = tempfile::tempdir().unwrap();
        let server = Server { pid: 7, socket: (1, 2, 3, 4) };
        let awaiting = |server: &Server, now: &str| -> Vec<String> {
            Started::of(state.path(), "shop").awaiting(server, now).into_iter().collect()
        };
        assert!(awaiting(&server, "backlog = 9\n").is_empty(), "nothing was changed while it ran");
        let started = Started::of(state.path(), "shop");
        started.note(&server, "workers = 1\nbacklog = 5\n").unwrap();
        // The next change does not make the text of the one before what it was started with.
        started.note(&server, "workers = 1\nbacklog = 9\n").unwrap();
        assert_eq!(awaiting(&server, "workers = 2\nbacklog = 9\n"), ["backlog"]);
        assert!(awaiting(&server, "workers = 2\nbacklog = 5\n").is_empty(), "it was taken back");
        let next = Server { pid: 8, ..server.clone() };
        assert!(awaiting(&next, "backlog = 9\n").is_empty(), "another server runs");
        started.note(&next, "backlog = 9\n").unwrap();
        assert_eq!(awaiting(&next, ""), ["backlog"]);
        started.forget();
        assert!(awaiting(&next, "").is_empty());
    }
}
