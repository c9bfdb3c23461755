//! The life of workers: started, watched, replaced when they die, stopped.
//!
//! Owns the processes and their channels. Knows nothing of HTTP, of settings' names, or of what the shared memory holds:
//! that is behind [`Pool`]. What to do is decided in `machine`, a pure state machine; `driver` acts on it.

mod check;
mod driver;
mod ended;
mod machine;
mod process;
mod report;
mod watch;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hostler_channel::{Loaded, WorkerStart};

pub use check::check;
pub use driver::{Handle, Supervisor};
pub use ended::Ended;
pub use machine::WorkerState;
pub use process::{BOOTSTRAP, STACKS_SIGNAL};

/// What the supervisor needs of the shared memory that its workers serve from.
///
/// Called from the supervisor's task: every call must return soon. `worker` is an index below [`Options::workers`].
pub trait Pool: Send + Sync {
    /// Frees and prepares entry `worker` for a new process.
    ///
    /// # Errors
    /// When the entry cannot be used; the supervisor tries again later.
    fn prepare(&self, worker: u16) -> io::Result<()>;

    /// The descriptors the worker inherits at 4, 5, 6 and so on: the memory, its own doorbell, the doorbell of each router
    /// thread (see [`hostler_channel::descriptors`]).
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    fn descriptors(&self, worker: u16) -> io::Result<Vec<OwnedFd>>;

    /// How many requests the worker's present process finished.
    fn served(&self, worker: u16) -> u64;

    /// Called after the process was reaped: whatever it held is answered or queued again. Returns how many requests it ran.
    ///
    /// `crashed` says that the process itself is to blame, and not somebody who killed it: if it ran one request only, that request
    /// did it.
    fn recover(&self, worker: u16, crashed: bool) -> usize;

    /// Takes no more from the queue; the worker finishes what it runs.
    fn retire(&self, worker: u16);
}

/// What to run, and the limits of patience.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interpreter: an absolute path, or a bare name that is looked up in the environment's `PATH`. It is also the
    /// process's `argv[0]`, from which Python finds its virtual environment.
    pub python: PathBuf,
    /// The absolute path of the extension `_hostler`.
    pub extension: PathBuf,
    /// The worker's working directory.
    pub directory: PathBuf,
    /// The worker's whole environment. systemd's own variables (`LISTEN_FDS`, `NOTIFY_SOCKET`, `WATCHDOG_USEC`, …) are left out.
    pub environment: Vec<(OsString, OsString)>,
    /// How many workers to keep running.
    pub workers: u16,
    /// The first message to a worker; the index is filled in.
    pub start: WorkerStart,
    /// How long a worker may finish what it runs before it is sent SIGTERM, and SIGKILL a second later.
    pub graceful_timeout: Duration,
    /// How long a worker may take until it is ready.
    pub boot_timeout: Duration,
    /// The worker's umask. It is set by [`BOOTSTRAP`] in the worker: the server's own is a matter of all its threads.
    pub umask: Option<u32>,
    /// The Python program that loads the extension, instead of [`BOOTSTRAP`]; for tests.
    pub bootstrap: Option<String>,
}

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
    /// No worker ever became ready and none will: the supervisor stops. Comes once at most, never after [`Notice::Ready`].
    Failed(Failure),
    /// A worker ended unasked and is replaced. Already logged; left out when the receiver is far behind.
    WorkerDied {
        /// Its index.
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
}

/// One worker as it was last observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its index.
    pub worker: u16,
    /// Its process, when there is one.
    pub pid: Option<u32>,
    /// What it is doing.
    pub state: WorkerState,
    /// Since when.
    pub since: Instant,
}
