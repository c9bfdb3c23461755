//! What the router counts of the requests of each worker's place, and which generation its process is of. Not in the shared memory: no worker can
//! change it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Exchange;

/// Requests of one place, of all the processes it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests that ended, however.
    pub requests: u64,
    /// Those among them that ended with a status of 500 or more, or not whole.
    pub failed: u64,
    /// Bytes of answers' bodies that were sent.
    pub sent_bytes: u64,
    /// How long the application ran them, in nanoseconds.
    pub application_ns: u64,
}

/// The same, where the router's threads add to it.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    requests: AtomicU64,
    failed: AtomicU64,
    sent_bytes: AtomicU64,
    application_ns: AtomicU64,
    /// Of the present process.
    generation: AtomicU64,
}

impl Exchange {
    /// Says of which generation the process is that gets the place of `worker`.
    pub fn set_generation(&self, worker: u16, generation: u64) {
        if let Some(counted) = self.tallies.get(usize::from(worker)) {
            counted.generation.store(generation, Ordering::Relaxed);
        }
    }

    /// The generation of the process in the place of `worker`, be it gone already; `None` where none was told.
    pub fn generation(&self, worker: u16) -> Option<u64> {
        let counted = self.tallies.get(usize::from(worker))?;
        Some(counted.generation.load(Ordering::Relaxed)).filter(|generation| *generation > 0)
    }

    /// Adds to what is counted of `worker`.
    pub fn count(&self, worker: u16, more: Tally) {
        let Some(counted) = self.tallies.get(usize::from(worker)) else { return };
        let Tally { requests, failed, sent_bytes, application_ns } = more;
        for (cell, more) in [
            (&counted.requests, requests),
            (&counted.failed, failed),
            (&counted.sent_bytes, sent_bytes),
            (&counted.application_ns, application_ns),
        ] {
            // Most requests do not fail.
            if more != 0 {
                cell.fetch_add(more, Ordering::Relaxed);
            }
        }
    }

    /// What was counted of `worker` until now; of one that does not exist, nothing.
    pub fn tally(&self, worker: u16) -> Tally {
        self.tallies.get(usize::from(worker)).map_or_else(Tally::default, |counted| Tally {
            requests: counted.requests.load(Ordering::Relaxed),
            failed: counted.failed.load(Ordering::Relaxed),
            sent_bytes: counted.sent_bytes.load(Ordering::Relaxed),
            application_ns: counted.application_ns.load(Ordering::Relaxed),
        })
    }
}
