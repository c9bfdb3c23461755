//! What the supervisor needs of the shared memory that its workers serve from.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The shared memory that workers serve from.
///
/// Called from the supervisor's task: every call must return soon. `worker` is a place below
/// [`Options::places`](crate::Options::places).
pub trait Pool: Send + Sync {
    /// Frees and prepares entry `worker` for a new process, of this edition (see [`Options::edition`](crate::Options::edition)).
    ///
    /// # Errors
    /// When the entry cannot be used; the supervisor tries again later.
    fn prepare(&self, worker: u16, edition: u64) -> io::Result<()>;

    /// The descriptors the worker inherits at 4, 5, 6 and so on: the memory, the doorbell of each router thread, that of each worker (see
    /// [`hostler_channel::descriptors`]).
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    fn descriptors(&self, worker: u16) -> io::Result<Vec<OwnedFd>>;

    /// How many requests the worker's present process finished.
    fn served(&self, worker: u16) -> u64;

    /// The requests that a worker runs, each in a few words for people, as `GET /path (id)`. Asked once it is gone, before
    /// [`Pool::recover`].
    fn describe_running(&self, _worker: u16) -> Vec<String> {
        Vec::new()
    }

    /// Called after the process was reaped: whatever it held is answered or queued again. Returns how many requests it ran.
    ///
    /// `crashed` says that the process itself is to blame, and not somebody who killed it: if it ran one request only, that request
    /// did it.
    fn recover(&self, worker: u16, crashed: bool) -> usize;

    /// Takes no more from the queue; the worker finishes what it runs.
    fn retire(&self, worker: u16);

    /// Before [`Pool::look`]: has an event loop show that it turns, and an idle worker that it comes when it is rung.
    fn expect_turn(&self, _worker: u16) {}

    /// What the worker runs now, and whether it has given a sign since [`Pool::expect_turn`].
    fn look(&self, _worker: u16) -> Look {
        Look::default()
    }

    /// What there is to do, and since when. Asked once a second while something depends on it.
    fn load(&self) -> Load {
        Load::default()
    }
}

/// A look at one worker. The default is that it runs nothing, and gave no sign.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// The requests it runs, each in the pool's own form.
    pub running: Vec<u64>,
    /// It is an event loop and has turned since it was asked to, or its threads have looked for requests since.
    pub turned: bool,
}

/// What there is to do. The default is that nothing is known: nothing scales then, and nothing sleeps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Load {
    /// Requests that wait for a worker.
    pub queued: u32,
    /// The longest that a request has waited: of those taken since the load was last asked for, and of those that still wait.
    pub longest_wait: Duration,
    /// The share of their time that workers were busy since the load was last asked for, from 0 to 1.
    pub busy: Option<f64>,
    /// The pool cannot tell how busy workers are, as their requests run on event loops: the share of a CPU that their processes use is taken for it.
    pub busy_as_processes: bool,
    /// Requests that run, by place; a place beyond its end runs none. What a quiet stream or WebSocket runs counts: nothing sleeps
    /// meanwhile.
    pub running: Vec<u32>,
    /// When a request last came, or ended.
    pub last_activity: Option<Instant>,
}
