//! What was counted, kept beyond the end of the process: in systemd's store of descriptors, as a file in memory.
//!
//! Counters go on where they were after a restart and after a crash, up to the last time they were written. Without systemd they begin anew.

use std::os::fd::{AsFd, OwnedFd};

use hostler_router::Statistics;
use hostler_systemd::store::{Blob, StoreName};

use super::service::Service;

/// What it is called in the store.
pub(super) const STORED: &str = "statistics";
/// The room for it, in bytes; written out they take some ten thousand.
const ROOM: u64 = 256 * 1024;

/// The file in the store.
pub(super) struct Kept(Option<Blob>);

impl Kept {
    /// What the process before left in the store.
    pub(super) fn read(stored: OwnedFd) -> Option<Statistics> {
        match Blob::open(stored) {
            Ok((_, value)) => serde_json::from_slice(&value?).ok(),
            Err(error) => {
                tracing::warn!(%error, "what was counted before is lost");
                None
            }
        }
    }

    /// A new file in the store, in place of the one before, with what was counted `before`.
    pub(super) fn new(service: &Service, before: Option<&Statistics>) -> Self {
        if !service.is_active() {
            return Self(None);
        }
        let made = Blob::create("hostler-statistics", ROOM);
        let Ok(mut blob) = made.inspect_err(|error| tracing::debug!(%error, "statistics are not kept")) else {
            return Self(None);
        };
        if let Ok(name) = StoreName::new(STORED) {
            service.forget(&name.to_string());
            service.keep(&name, blob.as_fd());
        }
        let mut kept = Self(None);
        if let Some(before) = before {
            write(&mut blob, before);
        }
        kept.0 = Some(blob);
        kept
    }

    /// Writes what is counted now.
    pub(super) fn write(&mut self, statistics: &Statistics) {
        if let Some(blob) = &mut self.0 {
            write(blob, statistics);
        }
    }
}

fn write(blob: &mut Blob, statistics: &Statistics) {
    let written = serde_json::to_vec(statistics).map_err(|error| error.to_string());
    let written = written.and_then(|bytes| blob.write(&bytes).map_err(|error| error.to_string()));
    if let Err(error) = written {
        tracing::debug!(error, "statistics are not kept");
    }
}
