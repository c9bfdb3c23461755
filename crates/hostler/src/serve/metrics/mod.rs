//! What is counted, for others to read: Prometheus' text, uWSGI's statistics, and the sockets that serve them.

mod listening;
mod prometheus;
mod uwsgi;

use hostler_bus::{Configured, Observed, State};
use hostler_exchange::{RequestView, Tally};
use hostler_router::Statistics;
use hostler_supervisor::{Restarts, WorkerStatus};

use super::pressure::Counts;

pub(super) use listening::serve;
pub(super) use prometheus::text;

/// All that is told, of one moment.
pub(super) struct Snapshot {
    pub(super) configured: Configured,
    pub(super) observed: Observed,
    pub(super) statistics: Statistics,
    /// How many requests may be in flight, and how many WebSockets may be open.
    pub(super) limits: (u32, u32),
    /// Of all generations, those that are gone among them.
    pub(super) restarts: Restarts,
    pub(super) workers: Vec<WorkerSnapshot>,
    /// What was done for want of memory.
    pub(super) relieved: Counts,
    pub(super) directory: String,
}

/// One place with a process.
pub(super) struct WorkerSnapshot {
    pub(super) generation: u64,
    pub(super) status: WorkerStatus,
    pub(super) tally: Tally,
    pub(super) running: Vec<RequestView>,
}

/// Whether a request that came now would be run.
fn is_up(state: State) -> bool {
    !matches!(state, State::Stopping | State::Broken)
}
