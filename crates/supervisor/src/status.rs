//! What is told of a running supervisor: plain data, without influence.

use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use hostler_channel::Loaded;

use crate::ended::Ended;
use crate::machine::WorkerState;

/// What the supervisor tells the one who started it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The first worker is ready. Comes once at most.
    Ready {
        /// The application, as the worker found it.
        loaded: Loaded,
        /// Time since the supervisor began.
        after: Duration,
    },
    /// For the first time all workers are ready at once. Comes once at most.
    AllReady,
    /// No worker ever became ready and none will: the supervisor stops. Comes once at most, never after [`Notice::Ready`], and
    /// never with [`Options::outlive_failures`](crate::Options::outlive_failures).
    Failed(Failure),
    /// A worker ended unasked and is replaced. Already logged; left out when the receiver is far behind.
    WorkerDied {
        /// Its place.
        worker: u16,
        /// Its process.
        pid: u32,
        /// How it ended.
        status: Ended,
        /// How many requests it ran.
        requests: usize,
        /// All of this in one line, for people.
        description: String,
    },
    /// All workers are gone and the supervisor has ended. The last notice.
    Stopped,
}

/// A turn in the life of all workers together; see [`Handle::changes`](crate::Handle::changes). Already logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Workers keep dying before they are ready, and none serves. Comes once, until [`Change::Healed`]; it is tried again all the
    /// while, ever more rarely.
    Broken {
        /// Why the last of them was not ready.
        failure: Failure,
    },
    /// A worker is ready again after [`Change::Broken`].
    Healed,
    /// All workers are let go because nobody asks anything.
    Asleep,
    /// After [`Change::Asleep`], a worker is ready again.
    Awake,
}

/// How all workers together are, now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// No worker was ever ready.
    #[default]
    Booting,
    /// It serves; single workers may be dying and coming all the same.
    Serving,
    /// Workers keep dying before they are ready, and none serves.
    Broken {
        /// Why the last of them was not ready when this began.
        failure: Failure,
    },
    /// There are no workers, because nobody asks anything.
    Asleep,
    /// It was woken, and no worker is ready yet.
    Waking,
    /// It is being stopped.
    Stopping,
    /// All workers are gone for good.
    Stopped,
}

/// Why there is no worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The application could not be imported: it, or its settings, need a change.
    #[error("the application could not be loaded: {message}")]
    Import {
        /// One line: what was looked for, and what was found instead.
        message: String,
        /// Python's traceback, when there is one.
        traceback: Option<String>,
    },
    /// Worker processes end before they are ready, without a word of their own, or cannot be started.
    #[error("no worker could be started: {detail}")]
    DiedAtBoot {
        /// One line on the last of them.
        detail: String,
    },
    /// Worker processes are ended from outside before they are ready, by SIGKILL or SIGTERM that the supervisor did not send: by a person, a program, or
    /// the kernel for want of memory. Nothing says that the application is at fault.
    #[error("workers are killed from outside while they start: {detail}")]
    KilledAtBoot {
        /// One line on the last of them.
        detail: String,
    },
}

/// One place for a worker, as it was last observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// The place.
    pub worker: u16,
    /// Its process, when there is one.
    pub pid: Option<u32>,
    /// The edition that the present process was started as, see [`Options::edition`](crate::Options::edition).
    pub edition: u64,
    /// What it is doing.
    pub state: WorkerState,
    /// Since when.
    pub since: Instant,
    /// Requests that the present process finished.
    pub served: u64,
    /// Requests that all processes of this place finished, the present one among them.
    pub served_in_all: u64,
    /// What the process used when it was last measured; see [`Handle::sample`](crate::Handle::sample).
    pub usage: Option<Usage>,
    /// Why the process is to be replaced, from the moment that is known until it is gone.
    pub recycling: Option<RecycleReason>,
    /// Ends of the processes of this place, by cause.
    pub restarts: Restarts,
    /// What last went wrong in this place.
    pub last_failure: Option<LastFailure>,
}

/// The process that has imported the application and forks the workers, as it was last observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeeperStatus {
    /// Its process; `None` while it is not started again yet.
    pub pid: Option<u32>,
    /// What it is doing: ready means that it forks.
    pub state: WorkerState,
    /// Since when.
    pub since: Instant,
}

/// What a process used, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Its proportional share of memory (PSS), in bytes; `None` where the kernel does not tell.
    pub memory: Option<u64>,
    /// Its CPU time since its start, of all its threads, in user and kernel mode.
    pub cpu: Duration,
    /// When that was measured.
    pub at: Instant,
}

/// What went wrong with a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// One line.
    pub message: String,
    /// Python's traceback, when the worker could not load the application.
    pub traceback: Option<String>,
    /// When.
    pub at: Instant,
}

/// Why a worker that serves is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecycleReason {
    /// It finished as many requests as it may.
    MaxRequests {
        /// How many it had finished when that was seen.
        served: u64,
        /// How many it might, its share of the jitter included.
        limit: u64,
    },
    /// It has been ready for as long as it may.
    MaxLifetime {
        /// How long that is, its share of the jitter included.
        limit: Duration,
    },
    /// Its process has more memory than it may.
    MaxMemory {
        /// Bytes of PSS.
        memory: u64,
        /// The most allowed.
        limit: u64,
    },
    /// All are, one after the other.
    Rolling,
    /// Somebody asked for it.
    ByHand,
}

impl fmt::Display for RecycleReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        match *self {
            Self::MaxRequests { served, limit } => write!(f, "it served {served} requests, of {limit} that it may"),
            Self::MaxLifetime { limit } => write!(f, "it has served for {} s", limit.as_secs()),
            Self::MaxMemory { memory, limit } => {
                write!(f, "it uses {} MiB of memory, of {} MiB that it may", mib(memory), mib(limit))
            }
            Self::Rolling => write!(f, "all are replaced, one after the other"),
            Self::ByHand => write!(f, "it was asked for"),
        }
    }
}

/// Ends of processes by cause. A supervisor counts for itself; sums over generations are made with `+=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restarts {
    /// Ended unasked after they were ready, in whatever way.
    pub crashed: u64,
    /// Killed because a request ran past its timeout.
    pub timed_out: u64,
    /// Killed by the kernel for want of memory.
    pub out_of_memory: u64,
    /// Replaced after `max_requests`.
    pub max_requests: u64,
    /// Replaced after `max_lifetime`.
    pub max_lifetime: u64,
    /// Replaced because of `max_memory`.
    pub max_memory: u64,
    /// Replaced because somebody asked.
    pub by_hand: u64,
    /// Replaced because all were, one after the other.
    pub rolling: u64,
    /// Killed because they did not end in time when they were stopped, or let go for good.
    pub killed_at_stop: u64,
    /// Not ready: failed to load the application, died, were too slow, or could not be started.
    pub failed_at_boot: u64,
}

impl Restarts {
    /// Each cause by its name, with its number.
    pub fn by_cause(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let Self {
            crashed,
            timed_out,
            out_of_memory,
            max_requests,
            max_lifetime,
            max_memory,
            by_hand,
            rolling,
            killed_at_stop,
            failed_at_boot,
        } = *self;
        [
            ("crashed", crashed),
            ("timed_out", timed_out),
            ("out_of_memory", out_of_memory),
            ("max_requests", max_requests),
            ("max_lifetime", max_lifetime),
            ("max_memory", max_memory),
            ("by_hand", by_hand),
            ("rolling", rolling),
            ("killed_at_stop", killed_at_stop),
            ("failed_at_boot", failed_at_boot),
        ]
        .into_iter()
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_cause().map(|(_, count)| count).sum()
    }

    /// Counts the end of a process that was recycled.
    pub(crate) fn count_recycled(&mut self, reason: RecycleReason) {
        match reason {
            RecycleReason::MaxRequests { .. } => self.max_requests += 1,
            RecycleReason::MaxLifetime { .. } => self.max_lifetime += 1,
            RecycleReason::MaxMemory { .. } => self.max_memory += 1,
            RecycleReason::Rolling => self.rolling += 1,
            RecycleReason::ByHand => self.by_hand += 1,
        }
    }
}

impl AddAssign for Restarts {
    fn add_assign(&mut self, other: Self) {
        self.crashed += other.crashed;
        self.timed_out += other.timed_out;
        self.out_of_memory += other.out_of_memory;
        self.max_requests += other.max_requests;
        self.max_lifetime += other.max_lifetime;
        self.max_memory += other.max_memory;
        self.by_hand += other.by_hand;
        self.rolling += other.rolling;
        self.killed_at_stop += other.killed_at_stop;
        self.failed_at_boot += other.failed_at_boot;
    }
}

/// How many workers there are to be, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strength {
    /// How many are wanted; while it sleeps, how many there will be.
    pub wanted: u16,
    /// How many are ready, those that are being let go not counted.
    pub ready: u16,
    /// Why that many are wanted, for people.
    pub reason: String,
}
