//! What the supervisor and its workers write to the error log.
//!
//! Messages are constant and the facts are fields, except for what workers say: their words are the message. Each event stands in a span that says
//! which generation it is about.

use std::io;

use hostler_channel::{LogRecord, Severity};
use tracing::Span;

use crate::ended::{Cause, Death, Ended};
use crate::machine::Remark;

/// The kinds of events that an operator cares for, by name: the field `message_id`. What the names stand for in the journal is
/// known to whoever writes the log.
pub mod kind {
    /// A worker ended unasked.
    pub const WORKER_DIED: &str = "WORKER_DIED";
    /// The kernel killed one for want of memory.
    pub const WORKER_OUT_OF_MEMORY: &str = "WORKER_OUT_OF_MEMORY";
    /// No worker can serve.
    pub const APPLICATION_BROKEN: &str = "APPLICATION_BROKEN";
    /// One can again.
    pub const APPLICATION_HEALED: &str = "APPLICATION_HEALED";
    /// All were let go.
    pub const ASLEEP: &str = "ASLEEP";
    /// One is ready after that.
    pub const AWAKE: &str = "AWAKE";

    /// All of them.
    pub const ALL: [&str; 6] =
        [WORKER_DIED, WORKER_OUT_OF_MEMORY, APPLICATION_BROKEN, APPLICATION_HEALED, ASLEEP, AWAKE];
}

/// The span of what is said of processes of this edition.
pub(crate) fn of(edition: u64) -> Span {
    if edition == 0 { Span::none() } else { tracing::error_span!("generation", generation = edition) }
}

/// One record of a worker, or of the keeper. `detail` holds its further lines.
pub(crate) fn record(worker: Option<u16>, pid: u32, record: &LogRecord) {
    let LogRecord { severity, message, detail, request_id, python_level } = record;
    let (detail, request_id) = (detail.as_deref(), request_id.as_deref());
    match severity {
        Severity::Error => tracing::error!(worker, pid, request_id, python_level, detail, "{message}"),
        Severity::Warning => tracing::warn!(worker, pid, request_id, python_level, detail, "{message}"),
        Severity::Info => tracing::info!(worker, pid, request_id, python_level, detail, "{message}"),
    }
}

/// A message that could not be received; returns whether to go on reading.
pub(crate) fn unreadable(worker: Option<u16>, pid: u32, error: &io::Error) -> bool {
    // What serde_json says of a packet that is not JSON, and of one that ends too early.
    let one_packet = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
    if one_packet {
        tracing::warn!(worker, pid, %error, "a worker sent something that is not a message; it was dropped");
    } else if error.kind() == io::ErrorKind::ConnectionReset {
        // It ended with a message unread, as one does that is told to stop and does not look: its end is told elsewhere.
        tracing::debug!(worker, pid, "the channel of a worker was reset");
    } else {
        tracing::warn!(worker, pid, %error, "the channel of a worker broke");
    }
    one_packet
}

/// The worker that a remark is about; `None` where it is about all of them, or the keeper.
pub(crate) fn concerns(remark: &Remark) -> Option<u16> {
    match remark {
        Remark::ImportFailed { worker, .. }
        | Remark::SpawnFailed { worker, .. }
        | Remark::BackingOff { worker, .. }
        | Remark::SlowBoot { worker, .. }
        | Remark::RequestTimedOut { worker }
        | Remark::Saved { worker, .. }
        | Remark::Stuck { worker, .. }
        | Remark::StopOverdue { worker, .. }
        | Remark::TerminateOverdue { worker }
        | Remark::Recycling { worker, .. }
        | Remark::ReplacementFailed { worker, .. } => Some(*worker),
        Remark::KeeperImportFailed { .. }
        | Remark::KeeperSpawnFailed { .. }
        | Remark::KeeperDied { .. }
        | Remark::KeeperBackingOff { .. }
        | Remark::KeeperEndOverdue
        | Remark::KeeperSlow { .. }
        | Remark::Scaled { .. }
        | Remark::KilledAtBoot
        | Remark::Broken(_)
        | Remark::Healed
        | Remark::Asleep { .. }
        | Remark::Parked
        | Remark::Woken
        | Remark::Awake { .. } => None,
    }
}

/// Something the machine noticed.
pub(crate) fn remark(remark: &Remark) {
    match remark {
        Remark::ImportFailed { worker, message, again: true, .. } => {
            tracing::debug!(worker, error = %message, "a new worker could not load the application, as before");
        }
        Remark::ImportFailed { worker, message, traceback, again: false } => {
            let detail = traceback.as_deref();
            tracing::error!(worker, error = %message, detail, "a new worker could not load the application");
        }
        Remark::SpawnFailed { worker, error } => tracing::error!(worker, %error, "a worker could not be started"),
        Remark::KeeperImportFailed { message, again: true, .. } => {
            tracing::debug!(error = %message, "the keeper could not load the application, as before");
        }
        Remark::KeeperImportFailed { message, traceback, again: false } => {
            let detail = traceback.as_deref();
            tracing::error!(error = %message, detail, "the keeper could not load the application");
        }
        Remark::KeeperSpawnFailed { error } => tracing::error!(%error, "the keeper could not be started"),
        Remark::KeeperDied { pid, status } => {
            tracing::warn!(pid, "the keeper {status}; workers that it forked go on, and it is started again");
        }
        Remark::KeeperBackingOff { delay } => {
            tracing::warn!(?delay, "the keeper keeps dying; it is started again after a delay");
        }
        Remark::KeeperEndOverdue => {
            tracing::warn!(
                "the keeper did not end in time: what the application registered with atexit takes too long; it is killed"
            );
        }
        Remark::KeeperSlow { limit, forking: false } => {
            tracing::error!(?limit, "the keeper did not import the application in time; it is killed");
        }
        Remark::KeeperSlow { limit, forking: true } => {
            tracing::error!(
                ?limit,
                "the keeper did not fork a worker in time: a hook, or a lock that a thread held; it is killed"
            );
        }
        Remark::BackingOff { worker, delay } => {
            tracing::warn!(worker, ?delay, "a worker keeps dying; it is started again after a delay");
        }
        Remark::SlowBoot { worker, limit } => {
            tracing::error!(worker, ?limit, "a worker was not ready in time; it is killed");
        }
        Remark::RequestTimedOut { worker } => {
            // The router, which knows the request, has said it to the operator.
            tracing::debug!(worker, "a request ran past its timeout; it is interrupted");
        }
        Remark::Saved { worker, requests } => {
            tracing::info!(worker, requests, "what ran past its timeout has ended; the worker goes on");
        }
        Remark::Stuck { worker, others: 0 } => {
            tracing::warn!(worker, "what ran past its timeout cannot be ended; its worker is killed and replaced");
        }
        Remark::Stuck { worker, others } => {
            tracing::warn!(
                worker,
                others,
                "what ran past its timeout cannot be ended; its worker is replaced once its other requests are done"
            );
        }
        Remark::StopOverdue { worker, limit } => {
            tracing::warn!(worker, ?limit, "a worker did not finish within graceful_timeout; it is terminated");
        }
        Remark::TerminateOverdue { worker } => tracing::warn!(worker, "a worker ignored SIGTERM; it is killed"),
        Remark::Recycling { worker, pid, reason } => {
            tracing::info!(worker, pid, %reason, "a worker is recycled; it serves until its replacement is ready");
        }
        Remark::ReplacementFailed { worker, delay } => {
            tracing::warn!(
                worker,
                ?delay,
                "the replacement of a worker did not become ready; the worker goes on and it is tried again"
            );
        }
        Remark::Scaled { from, to, reason } => tracing::info!(from, to, reason, "the number of workers changes"),
        Remark::KilledAtBoot => {
            tracing::warn!(
                "workers are killed from outside while they start, by SIGKILL or SIGTERM that this server did not send; they are started again, and requests wait"
            );
        }
        Remark::Broken(failure) => {
            let message_id = kind::APPLICATION_BROKEN;
            tracing::error!(message_id, error = %failure, "workers keep dying before they are ready and none serves; it is tried again");
        }
        Remark::Healed => tracing::info!(message_id = kind::APPLICATION_HEALED, "a worker is ready again"),
        Remark::Asleep { idle } => {
            tracing::info!(
                message_id = kind::ASLEEP,
                idle_seconds = idle.as_secs(),
                "nobody asks anything; all workers are let go"
            );
        }
        Remark::Parked => tracing::debug!("the workers are let go, and their keeper is kept"),
        Remark::Woken => tracing::info!("a request came; workers are started again"),
        Remark::Awake { after } => {
            tracing::info!(
                message_id = kind::AWAKE,
                seconds = (after.as_secs_f64() * 1e3).round() / 1e3,
                "a worker is ready after the sleep"
            );
        }
    }
}

/// The end of a process that ran `requests` requests.
pub(crate) fn death(death: &Death, requests: usize, description: &str) {
    let Death { worker, pid, cause, .. } = death;
    let message_id = match cause {
        Cause::OutOfMemory(_) => kind::WORKER_OUT_OF_MEMORY,
        _ => kind::WORKER_DIED,
    };
    match cause {
        _ if requests > 0 => tracing::error!(message_id, worker, pid, requests, "{description}"),
        Cause::OutOfMemory(_) => tracing::error!(message_id, worker, pid, "{description}"),
        // As when somebody sends SIGTERM to it: it finished what it ran, and nothing was lost.
        Cause::Unasked if death.status == Ended::Exited(0) => tracing::info!(worker, pid, "{description}"),
        Cause::Unasked | Cause::BootTimeout | Cause::RequestTimeout => {
            tracing::warn!(message_id, worker, pid, requests, "{description}");
        }
        // Whoever asked for it, or the worker itself, has said why.
        Cause::Failed => tracing::debug!(worker, pid, "{description}"),
        Cause::Stop | Cause::Retired => match death.status {
            Ended::Signaled(signal) if !is_ours(signal) => tracing::warn!(worker, pid, requests, "{description}"),
            _ => tracing::debug!(worker, pid, "{description}"),
        },
    }
}

fn is_ours(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::TERM, Signal::KILL].iter().any(|ours| ours.as_raw() == signal)
}
