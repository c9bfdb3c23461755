//! Which jobs are ours: the signal that there is one may come before the answer to the call that began it, so that a job is
//! taken for another's only when no call of ours is under way.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hostler_bus::daemon::JobPath;
use tokio::sync::watch;

/// Which jobs are whose.
#[derive(Default)]
pub(super) struct Ledger {
    /// The calls that have not been answered, by the instance's name.
    pub(super) calls: HashMap<String, u32>,
    /// The jobs that they began, until their signals came.
    pub(super) jobs: HashSet<JobPath>,
    /// Those of others that are followed, or were.
    pub(super) adopted: HashSet<JobPath>,
}

/// A call that may begin a job; dropped, it is answered or given up.
pub(super) struct Call {
    ledger: Arc<watch::Sender<Ledger>>,
    /// The instance's name.
    pub(super) name: String,
}

impl Call {
    pub(super) fn begin(ledger: &Arc<watch::Sender<Ledger>>, name: &str) -> Self {
        ledger.send_modify(|ledger| *ledger.calls.entry(name.to_owned()).or_default() += 1);
        Self { ledger: Arc::clone(ledger), name: name.to_owned() }
    }

    pub(super) fn began(&self, job: &JobPath) {
        self.ledger.send_modify(|ledger| {
            ledger.jobs.insert(job.clone());
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.ledger.send_modify(|ledger| {
            let left = ledger.calls.get_mut(&self.name).map_or(0, |count| {
                *count -= 1;
                *count
            });
            if left == 0 {
                ledger.calls.remove(&self.name);
            }
        });
    }
}
