//! What the state machine takes in and what it answers.

use std::time::Duration;

use hostler_channel::Loaded;

use crate::Notice;
use crate::ended::{Death, Ended};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Start,
    Spawned {
        worker: u16,
        pid: u32,
    },
    SpawnFailed {
        worker: u16,
        error: String,
    },
    WorkerReady {
        worker: u16,
        loaded: Loaded,
    },
    WorkerFailed {
        worker: u16,
        message: String,
        traceback: Option<String>,
    },
    /// The process of a worker that is about to be reported as exited finished some requests in its time.
    Proven {
        worker: u16,
    },
    Exited {
        worker: u16,
        status: Ended,
    },
    TimedOut {
        worker: u16,
    },
    Tick,
    Stop {
        graceful: bool,
    },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process; answered by [`Event::Spawned`] or [`Event::SpawnFailed`].
    Spawn {
        worker: u16,
    },
    /// Have it take nothing more from the queue.
    Retire {
        worker: u16,
    },
    /// Tell it to finish and exit.
    SendStop {
        worker: u16,
    },
    Signal {
        worker: u16,
        signal: WorkerSignal,
    },
    /// Its process is gone: take back what it held, and report the death.
    Recover(Death),
    Notify(Notice),
    Remark(Remark),
}

/// A signal to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerSignal {
    Terminate,
    Kill,
    /// Write the stacks of all Python threads.
    Stacks,
}

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    ImportFailed { worker: u16, message: String, traceback: Option<String> },
    SpawnFailed { worker: u16, error: String },
    BackingOff { worker: u16, delay: Duration },
    SlowBoot { worker: u16, limit: Duration },
    RequestTimedOut { worker: u16 },
    StopOverdue { worker: u16, limit: Duration },
    TerminateOverdue { worker: u16 },
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) workers: u16,
    pub(crate) graceful_timeout: Duration,
    pub(crate) boot_timeout: Duration,
}
