//! How others speak to a running supervisor, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use hostler_channel::Loaded;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch as observing};

use crate::Options;
use crate::machine::{Event, WorkerState};
use crate::message::Message;
use crate::status::{Change, Condition, Failure, KeeperStatus, Restarts, Strength, WorkerStatus};

/// How long a worker may take to write its stacks. Its part that does needs no interpreter lock, but it does need a CPU.
const STACKS_PATIENCE: Duration = Duration::from_secs(5);

/// Controls a running supervisor, from any thread; what is `async` is awaited inside any tokio runtime with time enabled.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) observed: observing::Receiver<Observed>,
    pub(crate) changes: broadcast::WeakSender<Change>,
    pub(crate) asleep: Arc<AtomicBool>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// What the driver last told.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) workers: Vec<WorkerStatus>,
    pub(crate) keeper: Option<KeeperStatus>,
    pub(crate) strength: Strength,
    pub(crate) condition: Condition,
    pub(crate) trouble: Option<Failure>,
    pub(crate) stopped: bool,
}

/// What one worker gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    /// Its place.
    pub worker: u16,
    /// Objects that nobody could reach.
    pub objects: u64,
    /// Memory of its process that was resident before, in bytes.
    pub before: u64,
    /// The same after.
    pub after: u64,
}

/// The worker does not serve, so there is nothing to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} does not serve")]
pub struct NotServing {
    /// The place that was asked for.
    pub worker: u16,
}

/// Why not all workers were replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollFailed {
    /// A new worker did not get ready. The others go on.
    #[error("{}{failure}", already(*.replaced, *.of))]
    NotReady {
        /// How many were replaced before, and stay so.
        replaced: u16,
        /// How many there were to replace.
        of: u16,
        /// Why it did not.
        failure: Failure,
    },
    /// It was told to end, or something else came in between.
    #[error("{}it was not gone on with", already(*.replaced, *.of))]
    Ended {
        /// How many were replaced before, and stay so.
        replaced: u16,
        /// How many there were to replace.
        of: u16,
    },
}

fn already(replaced: u16, of: u16) -> String {
    if replaced == 0 { String::new() } else { format!("{replaced} of {of} workers were replaced, and stay so; then ") }
}

/// There cannot be so many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there can be 1 worker at least, and {most} at most")]
pub struct NoRoom {
    /// The most that there are places for.
    pub most: u16,
}

/// Why there are no stacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StacksError {
    /// It is not there, or not ready yet, or being killed.
    #[error(transparent)]
    NotServing(#[from] NotServing),
    /// It ended before it wrote them.
    #[error("worker {worker} ended before it wrote its stacks")]
    Ended {
        /// The place that was asked for.
        worker: u16,
    },
    /// It did not write them in time.
    #[error("worker {worker} did not write its stacks within {} s", .limit.as_secs())]
    Silent {
        /// The place that was asked for.
        worker: u16,
        /// How long was waited.
        limit: Duration,
    },
    /// As many ask for them already as may.
    #[error("too many ask worker {worker} for its stacks at once")]
    Busy {
        /// The place that was asked for.
        worker: u16,
    },
}

impl Handle {
    /// Stops all workers: those that serve finish what they run, unless not `graceful`. Asked a second time, all are killed.
    pub fn stop(&self, graceful: bool) {
        self.send(Event::Stop { graceful });
    }

    /// A request ran past its timeout in `worker` and was answered: the worker writes its stacks, and an exception is raised where the
    /// request runs. If that does not end it, the worker is replaced. `request` is what [`Pool::look`](crate::Pool::look) calls it;
    /// `None` says that the worker is an event loop that does not turn, or runs nothing and takes nothing. `limit` is what it ran past, for people.
    pub fn timed_out(&self, worker: u16, request: Option<u64>, limit: Duration) {
        self.send(Event::TimedOut { worker, request, limit });
    }

    /// Something has not moved in `worker` for as long as `lasted`, `request` as for [`Handle::timed_out`]: the worker writes a warning
    /// with its stack, if that is still so. Nothing else happens; when too much waits for the supervisor already, not even that.
    pub fn stalled(&self, worker: u16, request: Option<u64>, lasted: Duration) {
        if self.messages.try_send(Message::Stalled { worker, request, lasted }).is_err() {
            tracing::debug!(worker, "a stall was not told: the supervisor is busy, or gone");
        }
    }

    /// A request was queued: if everything sleeps, workers are started. Costs next to nothing otherwise, so it may be called for each
    /// request. Call it after the request stands in the queue: then either this sees the sleep, or the supervisor, which looks at
    /// [`Pool::load`](crate::Pool::load) once more after it has announced the sleep, sees the request.
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.send(Event::Wake);
        }
    }

    /// Lets all workers go, and keeps the keeper ready to fork them again. Returns when they are gone; false where there is no keeper that could
    /// be kept. Nothing may be in the queue, and nothing may come.
    pub async fn park(&self) -> bool {
        let is_kept = |observed: &Observed| observed.keeper.is_some_and(|keeper| keeper.state == WorkerState::Ready);
        if self.condition() != Condition::Serving || !is_kept(&self.observed.borrow()) {
            return false;
        }
        self.send(Event::Park);
        let is_gone = |observed: &Observed| {
            let gone = observed.condition != Condition::Serving;
            observed.stopped || (gone && observed.workers.iter().all(|worker| worker.state == WorkerState::Absent))
        };
        let mut observed = self.observed.clone();
        let parked = observed.wait_for(is_gone).await.is_ok_and(|observed| is_kept(&observed));
        parked && self.condition() == Condition::Asleep
    }

    /// Brings the workers back that were parked; returns whether all are ready. Where the keeper died meanwhile another imports the
    /// application anew.
    pub async fn unpark(&self) -> bool {
        self.wake();
        let is_settled = |observed: &Observed| match observed.condition {
            Condition::Serving => observed.strength.ready >= observed.strength.wanted,
            Condition::Asleep | Condition::Waking | Condition::Booting => observed.stopped,
            Condition::Broken { .. } | Condition::Stopping | Condition::Stopped => true,
        };
        let mut observed = self.observed.clone();
        let settled = observed.wait_for(is_settled).await;
        settled.is_ok_and(|observed| observed.condition == Condition::Serving)
    }

    /// Has `worker` replaced: it serves until its replacement is ready. Returns when that is on its way; when it is done,
    /// [`WorkerStatus::restarts`] says so. Cancel safe.
    ///
    /// # Errors
    /// When it is not ready, or the supervisor has ended.
    pub async fn recycle(&self, worker: u16) -> Result<(), NotServing> {
        self.ask(|reply| Message::Recycle { worker, reply }).await.unwrap_or(Err(NotServing { worker }))
    }

    /// Replaces all workers, one after the other and each replacement first, by processes that are started as `options` say; of these, only what
    /// concerns the start of a process counts. `edition` is what they are told apart by, see [`WorkerStatus::edition`]. Returns what was found of the
    /// application, once all are replaced. Asked anew, or after [`Handle::end_roll`], a roll ends where it is. Dropping this does not end it.
    ///
    /// # Errors
    /// When a new worker does not get ready: then no more are replaced, and further ones are started as they were before. When there is none that
    /// serves. When it is ended.
    pub async fn roll(&self, options: Options, edition: u64) -> Result<Loaded, RollFailed> {
        let options = Box::new(options);
        let rolled = self.ask(|reply| Message::Roll { options, edition, reply }).await;
        rolled.unwrap_or(Err(RollFailed::Ended { replaced: 0, of: 0 }))
    }

    /// Ends a roll that goes on, where it is.
    pub fn end_roll(&self) {
        self.send(Event::EndRoll);
    }

    /// Gives workers so long from now on to finish what they run, and to get ready: as [`Options::graceful_timeout`] and
    /// [`Options::boot_timeout`]. A worker that finishes or starts already has the time that it began with.
    pub async fn set_timeouts(&self, graceful_timeout: Duration, boot_timeout: Duration) {
        // A supervisor that has ended waits for nobody.
        let _ended = self.messages.send(Message::Timeouts { graceful_timeout, boot_timeout }).await;
    }

    /// Has so many workers from now on. Where the number follows the load it goes on from there. While it sleeps this is how many it wakes
    /// up with. Cancel safe.
    ///
    /// # Errors
    /// When it is none, or more than there are places for: nothing changes then. One that has ended takes any number.
    pub async fn scale(&self, workers: u16) -> Result<(), NoRoom> {
        self.ask(|reply| Message::Scale { workers, reply }).await.unwrap_or(Ok(()))
    }

    /// Measures what the processes use, at most every two seconds, and returns what is then known of each place. Cancel safe.
    pub async fn sample(&self) -> Vec<WorkerStatus> {
        let measured = self.ask(|reply| Message::Sample { reply }).await;
        measured.unwrap_or_else(|| self.workers())
    }

    /// Asks a worker for the stacks of its Python threads, without harm to it; returns what it wrote, which is in the log, too.
    /// Cancel safe.
    ///
    /// # Errors
    /// When the worker cannot be asked or does not answer.
    pub async fn stacks(&self, worker: u16) -> Result<String, StacksError> {
        let asked = self.ask(|reply| Message::Stacks { worker, reply });
        match tokio::time::timeout(STACKS_PATIENCE, asked).await {
            Ok(answer) => answer.unwrap_or(Err(StacksError::Ended { worker })),
            Err(_) => Err(StacksError::Silent { worker, limit: STACKS_PATIENCE }),
        }
    }

    /// Has all workers that serve collect their garbage and give back what is free, each between two of its requests. Returns what those say that
    /// did so within `patience`; others do it later.
    pub async fn collect(&self, patience: Duration) -> Vec<Collected> {
        let (answers, mut answered) = mpsc::channel(usize::from(u16::MAX));
        let mut all = Vec::new();
        if self.messages.send(Message::Collect { answers }).await.is_ok() {
            let gather = async {
                while let Some(one) = answered.recv().await {
                    all.push(one);
                }
            };
            // What came until then is kept.
            let _in_time = tokio::time::timeout(patience, gather).await;
        }
        all
    }

    /// Lets all workers go, as after [`Options::idle_timeout`](crate::Options::idle_timeout), where that is set and nothing came for as long as
    /// `idle`; returns whether they go. Cancel safe.
    pub async fn doze(&self, idle: Duration) -> bool {
        self.ask(|reply| Message::Doze { idle, reply }).await.unwrap_or(false)
    }

    /// Waits until every worker is gone. Cancel safe.
    pub async fn stopped(&self) {
        // An error means that the driver is gone, and its runtime with it.
        let _ = self.observed.clone().wait_for(|observed| observed.stopped).await;
    }

    /// Whether every worker is gone: from then on nothing that is told of them changes.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.observed.borrow().stopped
    }

    /// Whether both control the same supervisor.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.asleep, &other.asleep)
    }

    /// What was last observed of each place. States are as they are; numbers are as old as the last event, at most a second where
    /// something depends on the load. [`Handle::sample`] renews them.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.observed.borrow().workers.clone()
    }

    /// The process that forks the workers, where [`Options::preload`](crate::Options::preload) has one.
    #[must_use]
    pub fn keeper(&self) -> Option<KeeperStatus> {
        self.observed.borrow().keeper
    }

    /// Ends of processes by cause, of all places.
    #[must_use]
    pub fn restarts(&self) -> Restarts {
        let mut sum = Restarts::default();
        for worker in &self.observed.borrow().workers {
            sum += worker.restarts;
        }
        sum
    }

    /// How many workers are wanted and why, and how many are ready.
    #[must_use]
    pub fn strength(&self) -> Strength {
        self.observed.borrow().strength.clone()
    }

    /// How all workers together are.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.observed.borrow().condition.clone()
    }

    /// Why none serves though nothing says that the application is at fault: workers are ended from outside while they start, and tried again. Once that
    /// has happened often in a row it is [`Condition::Broken`].
    #[must_use]
    pub fn trouble(&self) -> Option<Failure> {
        self.observed.borrow().trouble.clone()
    }

    /// Waits until all workers together are otherwise than `known`, and returns how; for ever once the supervisor has ended. What lasted for a moment
    /// only may be missed. Cancel safe.
    pub async fn condition_other_than(&self, known: &Condition) -> Condition {
        let mut observed = self.observed.clone();
        match observed.wait_for(|observed| observed.condition != *known).await {
            Ok(observed) => observed.condition.clone(),
            // The driver is gone, and its runtime with it.
            Err(_) => std::future::pending().await,
        }
    }

    /// The changes from now on. Who does not receive for long loses the oldest, and is told how many; after the last comes
    /// [`Closed`](broadcast::error::RecvError::Closed).
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        match self.changes.upgrade() {
            Some(changes) => changes.subscribe(),
            // The driver is gone: a channel that is closed.
            None => broadcast::channel(1).1,
        }
    }

    /// Waits for room, so that as many wait as ask. `None` when nobody answers.
    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Never blocks and never loses an event: one that finds no room waits in a task. The machine takes in repeated ones
    /// without effect, so there are as many as requests that run, at most.
    fn send(&self, event: Event) {
        if let Err(TrySendError::Full(message)) = self.messages.try_send(Message::Event(event)) {
            let messages = self.messages.clone();
            self.runtime.spawn(async move { messages.send(message).await });
        }
    }
}
