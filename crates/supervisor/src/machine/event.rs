//! What the state machine takes in and what it answers.

use std::time::Duration;

use hostler_channel::Loaded;

use crate::ended::{Death, Ended};
use crate::status::{Change, Failure, Notice, RecycleReason};
use crate::{Load, Look, OutOfMemory, Recycling, Scaling};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    Start,
    Spawned {
        worker: u16,
        pid: u32,
        /// A random number, from which its share of each jitter is drawn.
        luck: u64,
    },
    SpawnFailed {
        worker: u16,
        error: String,
    },
    /// The keeper forked no worker because a hook raised.
    ForkRefused {
        worker: u16,
        message: String,
        traceback: Option<String>,
    },
    KeeperSpawned {
        pid: u32,
    },
    KeeperSpawnFailed {
        error: String,
    },
    KeeperReady,
    KeeperFailed {
        message: String,
        traceback: Option<String>,
    },
    /// What it was about to fork will not come any more.
    KeeperExited {
        status: Ended,
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
    /// The process of a worker that is about to be reported as exited was killed by the kernel for want of memory.
    OutOfMemory {
        worker: u16,
        shortage: OutOfMemory,
    },
    Exited {
        worker: u16,
        status: Ended,
    },
    /// A request ran past its time, or (`None`) whatever keeps an event loop from turning.
    TimedOut {
        worker: u16,
        request: Option<u64>,
        limit: Duration,
    },
    /// What was seen after [`Action::Look`].
    Looked {
        worker: u16,
        look: Look,
    },
    /// What was seen of the load, about once a second.
    Load(Seen),
    /// Memory is short: sleep, if nothing came for so long.
    Doze {
        seen: Seen,
        idle: Duration,
    },
    /// The memory of a process was measured, in bytes.
    Measured {
        worker: u16,
        pid: u32,
        memory: u64,
    },
    /// Somebody wants this worker replaced.
    Recycle {
        worker: u16,
    },
    /// Somebody wants so many workers.
    Scale {
        workers: u16,
    },
    /// Replace all workers, one after the other.
    Roll,
    /// Replace no more of them.
    EndRoll,
    /// A request came while there were no workers, or those that were parked are wanted again.
    Wake,
    /// All workers are let go for now; the keeper stays.
    Park,
    Tick,
    Stop {
        graceful: bool,
    },
}

/// One look at the load.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Seen {
    pub(crate) load: Load,
    /// Requests finished by the present process of each place.
    pub(crate) served: Vec<u64>,
    /// For how long nothing came and nothing ended; `None` when nobody knows.
    pub(crate) idle: Option<Duration>,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start a process; answered by [`Event::Spawned`] or [`Event::SpawnFailed`]. With a keeper it is forked, and
    /// [`Event::ForkRefused`] or [`Event::KeeperExited`] are answers, too.
    Spawn {
        worker: u16,
    },
    /// Start the keeper; answered by [`Event::KeeperSpawned`] or [`Event::KeeperSpawnFailed`].
    SpawnKeeper,
    /// Tell it to end.
    StopKeeper,
    SignalKeeper {
        signal: WorkerSignal,
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
    /// Have it raise an exception where this runs past its time.
    Interrupt {
        worker: u16,
        request: Option<u64>,
        limit: Duration,
    },
    /// See what it runs; answered by [`Event::Looked`].
    Look {
        worker: u16,
    },
    /// Its process is gone: take back what it held, and report the death.
    Recover(Death),
    Notify(Notice),
    Tell(Change),
    /// The roll is over; what is spawned after this is spawned as it was before, unless it is complete.
    Rolled(Rolled),
    Remark(Remark),
}

/// How a roll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rolled {
    /// How many new processes got ready.
    pub(crate) replaced: u16,
    /// How many there were to be.
    pub(crate) of: u16,
    /// Why one did not get ready.
    pub(crate) failure: Option<Failure>,
    /// All were replaced.
    pub(crate) complete: bool,
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
    /// `again`: as the failure that is known to break everything.
    ImportFailed {
        worker: u16,
        message: String,
        traceback: Option<String>,
        again: bool,
    },
    SpawnFailed {
        worker: u16,
        error: String,
    },
    KeeperImportFailed {
        message: String,
        traceback: Option<String>,
        again: bool,
    },
    KeeperSpawnFailed {
        error: String,
    },
    KeeperDied {
        pid: u32,
        status: Ended,
    },
    KeeperBackingOff {
        delay: Duration,
    },
    /// It did not end in the time it had, and is killed.
    KeeperEndOverdue,
    /// It is killed: it took too long to import the application, or to fork a worker.
    KeeperSlow {
        limit: Duration,
        forking: bool,
    },
    BackingOff {
        worker: u16,
        delay: Duration,
    },
    SlowBoot {
        worker: u16,
        limit: Duration,
    },
    RequestTimedOut {
        worker: u16,
    },
    /// So many requests past their time have ended, and the worker goes on.
    Saved {
        worker: u16,
        requests: usize,
    },
    /// A request past its time did not end; so many others run beside it.
    Stuck {
        worker: u16,
        others: usize,
    },
    StopOverdue {
        worker: u16,
        limit: Duration,
    },
    TerminateOverdue {
        worker: u16,
    },
    Recycling {
        worker: u16,
        pid: u32,
        reason: RecycleReason,
    },
    ReplacementFailed {
        worker: u16,
        delay: Duration,
    },
    Scaled {
        from: u16,
        to: u16,
        reason: String,
    },
    /// The first process of a series was ended from outside before it was ready, while none serves.
    KilledAtBoot,
    Broken(Failure),
    Healed,
    Asleep {
        idle: Duration,
    },
    Parked,
    Woken,
    Awake {
        after: Duration,
    },
}

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) workers: u16,
    pub(crate) places: u16,
    pub(crate) recycling: Recycling,
    pub(crate) scaling: Option<Scaling>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) outlive_failures: bool,
    /// Workers are forked by a keeper.
    pub(crate) preload: bool,
    pub(crate) graceful_timeout: Duration,
    pub(crate) boot_timeout: Duration,
}
