//! What reaches the driver: events for the machine, and questions that want an answer.

use std::os::fd::OwnedFd;
use std::time::Duration;

use hostler_channel::Loaded;
use tokio::sync::{mpsc, oneshot};

use crate::Options;
use crate::handle::{Collected, NoRoom, NotServing, RollFailed, StacksError};
use crate::machine::Event;
use crate::status::{Usage, WorkerStatus};

/// Everything the driver takes in, from one bounded channel.
#[derive(Debug)]
pub(crate) enum Message {
    Event(Event),
    /// Replace a worker.
    Recycle {
        worker: u16,
        reply: oneshot::Sender<Result<(), NotServing>>,
    },
    /// Have so many workers, if there is room for them.
    Scale {
        workers: u16,
        reply: oneshot::Sender<Result<(), NoRoom>>,
    },
    /// Be so patient from now on.
    Timeouts {
        graceful_timeout: Duration,
        boot_timeout: Duration,
    },
    /// Replace all workers, one after the other, by processes that are started so.
    Roll {
        options: Box<Options>,
        edition: u64,
        reply: oneshot::Sender<Result<Loaded, RollFailed>>,
    },
    /// Measure, and tell of all places.
    Sample {
        reply: oneshot::Sender<Vec<WorkerStatus>>,
    },
    Stacks {
        worker: u16,
        reply: oneshot::Sender<Result<String, StacksError>>,
    },
    /// The keeper forked a worker, which is ours by now.
    Forked {
        worker: u16,
        pid: u32,
        pidfd: OwnedFd,
    },
    /// The keeper forked none. With a traceback it was a hook that raised.
    ForkFailed {
        worker: u16,
        message: String,
        traceback: Option<String>,
    },
    /// Have a worker tell where something does not move.
    Stalled {
        worker: u16,
        request: Option<u64>,
        lasted: Duration,
    },
    /// Have all that serve collect their garbage; each answers for itself.
    Collect {
        answers: mpsc::Sender<Collected>,
    },
    /// Go to sleep, if nothing came for so long and a sleep is allowed; answered with whether it does.
    Doze {
        idle: Duration,
        reply: oneshot::Sender<bool>,
    },
    /// What was measured, by place and process.
    Measured {
        found: Vec<(u16, u32, Option<Usage>)>,
        /// How long memory took; `None` where it was left out.
        memory_took: Option<Duration>,
    },
}
