//! What a supervisor is told: what to run, how much of it, and the limits of patience.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hostler_channel::{EventLoop, Interface, Lifespan, WorkerStart};

use crate::{Extension, Groups};

/// What to run, and the limits of patience.
#[derive(Debug, Clone)]
pub struct Options {
    /// The interpreter: an absolute path, or a bare name that is looked up in the environment's `PATH`. It is also the
    /// process's `argv[0]`, from which Python finds its virtual environment.
    pub python: PathBuf,
    /// The extension `_hostler`. `None` only with a program in `bootstrap` that loads none. A [`roll`](crate::Handle::roll) leaves it as it is.
    pub extension: Option<Extension>,
    /// The worker's working directory.
    pub directory: PathBuf,
    /// The worker's whole environment. systemd's own variables (`LISTEN_FDS`, `NOTIFY_SOCKET`, `WATCHDOG_USEC`, …) are left out.
    pub environment: Vec<(OsString, OsString)>,
    /// How many workers to start with, and to keep running until something changes the number; at least one.
    pub workers: u16,
    /// How many places the [`Pool`](crate::Pool) has. A replacement starts in a place of its own while the old worker still has
    /// its, so without more places than workers nothing can be recycled, and [`Handle::scale`](crate::Handle::scale) can add
    /// nothing. Twice the most workers is enough for all that may go on at once. Fewer than `workers` means as many as `workers`.
    pub places: u16,
    /// When a worker that serves is replaced by a fresh one.
    pub recycling: Recycling,
    /// How the number of workers follows the load; `None` keeps it.
    pub scaling: Option<Scaling>,
    /// After so long without a request all workers are let go, until [`Handle::wake`](crate::Handle::wake). Only where
    /// [`Scaling::min`] is 0, or nothing scales. Needs [`Load::last_activity`](crate::Load::last_activity).
    pub idle_timeout: Option<Duration>,
    /// Go on trying when no worker was ever ready, with [`Change::Broken`](crate::Change::Broken), instead of ending with
    /// [`Notice::Failed`](crate::Notice::Failed).
    pub outlive_failures: bool,
    /// Import the application once, in a process that forks the workers: the keeper. They share its memory, and are there within
    /// milliseconds. The server has to be a subreaper for that (see [`adopt_orphans`](crate::adopt_orphans)).
    pub preload: bool,
    /// The first message to a worker; the index is filled in.
    pub start: WorkerStart,
    /// What the processes that are started so are told apart by from those of a later [`Handle::roll`](crate::Handle::roll).
    pub edition: u64,
    /// How long a worker may finish what it runs before it is sent SIGTERM, and SIGKILL a second later.
    pub graceful_timeout: Duration,
    /// How long a worker may take until it is ready.
    pub boot_timeout: Duration,
    /// The worker's umask. It is set by [`BOOTSTRAP`](crate::BOOTSTRAP) in the worker: the server's own is a matter of all its
    /// threads.
    pub umask: Option<u32>,
    /// Puts each worker into a control group of its own, where there are any.
    pub groups: Option<Arc<dyn Groups>>,
    /// The Python program that loads the extension, instead of [`BOOTSTRAP`](crate::BOOTSTRAP); for tests.
    pub bootstrap: Option<String>,
}

/// When a worker that serves is replaced by a fresh one. The replacement is ready before the old one is let go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recycling {
    /// After so many requests; looked at once a second.
    pub max_requests: Option<u64>,
    /// Up to so many requests more, drawn for each worker at its start.
    pub max_requests_jitter: u64,
    /// After having been ready for so long.
    pub max_lifetime: Option<Duration>,
    /// Up to so much longer, drawn for each worker at its start.
    pub max_lifetime_jitter: Duration,
    /// When the process has more memory than this, in bytes of PSS (`proc(5)`, `smaps_rollup`); looked at every few seconds. A
    /// worker that served nothing yet is left alone: a fresh one would be no smaller.
    pub max_memory: Option<u64>,
}

/// How the number of workers follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaling {
    /// Never fewer. 0 is 1 while anything is served, and allows [`Options::idle_timeout`] to let all go.
    pub min: u16,
    /// Never more.
    pub max: u16,
}

impl Recycling {
    /// Whether any limit is set.
    pub(crate) fn is_set(&self) -> bool {
        self.max_requests.is_some() || self.max_lifetime.is_some() || self.max_memory.is_some()
    }
}

/// One worker of no application: a base for what is told in full.
impl Default for Options {
    fn default() -> Self {
        Self {
            python: "python3".into(),
            extension: None,
            directory: "/".into(),
            environment: Vec::new(),
            workers: 1,
            places: 0,
            recycling: Recycling::default(),
            scaling: None,
            idle_timeout: None,
            outlive_failures: false,
            preload: false,
            start: WorkerStart {
                instance: String::new(),
                worker: 0,
                threads: 1,
                router_threads: 1,
                worker_doorbells: 0,
                app: String::new(),
                interface: Interface::Auto,
                event_loop: EventLoop::Auto,
                lifespan: Lifespan::Auto,
                graceful_timeout: Duration::from_secs(30),
                python_path: Vec::new(),
                root_path: String::new(),
                multiprocess: false,
                report_sources: false,
                check_only: false,
                hooks: None,
                generation: 1,
                age: 0,
            },
            edition: 0,
            graceful_timeout: Duration::from_secs(30),
            boot_timeout: Duration::from_secs(120),
            umask: None,
            groups: None,
            bootstrap: None,
        }
    }
}
