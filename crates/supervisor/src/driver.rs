//! Acts on what the state machine decides: one task that owns all processes.
//!
//! It takes one closed [`Event`] from one bounded channel: from the watchers of its processes and from its [`Handle`]s.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostler_channel::{ToWorker, WorkerStart};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch as observing};
use tokio::time::Instant;

use crate::ended::Death;
use crate::machine::{Action, Event, Limits, Machine};
use crate::watch::{Watched, watch};
use crate::{Notice, Options, Pool, WorkerStatus, process, report};

/// Events that may wait for the driver; watchers wait when there are more.
const WAITING_EVENTS: usize = 256;
/// Notices that may wait for their receiver; then deaths are left out.
const WAITING_NOTICES: usize = 256;

/// Keeps the workers of one generation running.
#[derive(Debug)]
pub struct Supervisor;

impl Supervisor {
    /// Starts the workers, as a task of the current tokio runtime (with IO and time enabled).
    ///
    /// The task ends after [`Notice::Stopped`]. When the runtime is dropped earlier the workers see their channels close and
    /// exit. `notices` may be received late or not at all: nothing waits for it.
    #[must_use]
    pub fn spawn(options: Options, pool: Arc<dyn Pool>, notices: mpsc::Sender<Notice>) -> Handle {
        let limits = Limits {
            workers: options.workers,
            graceful_timeout: options.graceful_timeout,
            boot_timeout: options.boot_timeout,
        };
        let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
        let (observed, observer) = observing::channel(Observed::default());
        let driver = Driver {
            machine: Machine::new(limits),
            processes: (0..options.workers).map(|_| None).collect(),
            options,
            pool,
            began: Instant::now(),
            events: sender.clone(),
            follow_up: VecDeque::new(),
            notices,
            unsent: VecDeque::new(),
            observed,
        };
        let runtime = tokio::runtime::Handle::current();
        runtime.spawn(driver.run(receiver));
        Handle { events: sender, observed: observer, runtime }
    }
}

/// Controls a running supervisor, from any thread.
#[derive(Debug, Clone)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    observed: observing::Receiver<Observed>,
    runtime: tokio::runtime::Handle,
}

impl Handle {
    /// Stops all workers: those that serve finish what they run, unless not `graceful`. Asked a second time, all are killed.
    pub fn stop(&self, graceful: bool) {
        self.send(Event::Stop { graceful });
    }

    /// A request ran past its timeout in `worker` and was answered: the worker writes its stacks and is replaced.
    pub fn timed_out(&self, worker: u16) {
        self.send(Event::TimedOut { worker });
    }

    /// Waits until every worker is gone. Cancel safe.
    pub async fn stopped(&self) {
        // An error means that the driver is gone, and its runtime with it.
        let _ = self.observed.clone().wait_for(|observed| observed.stopped).await;
    }

    /// What was last observed of each worker.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.observed.borrow().workers.clone()
    }

    /// Never blocks and never loses an event: one that finds no room waits in a task. The machine takes in repeated ones
    /// without effect, so there are as many as requests that run, at most.
    fn send(&self, event: Event) {
        if let Err(TrySendError::Full(event)) = self.events.try_send(event) {
            let events = self.events.clone();
            self.runtime.spawn(async move { events.send(event).await });
        }
    }
}

#[derive(Debug, Default)]
struct Observed {
    workers: Vec<WorkerStatus>,
    stopped: bool,
}

/// What ended a wait of the driver.
enum Next {
    Event(Event),
    /// A notice was passed on.
    Again,
    NobodyListens,
}

struct Driver {
    machine: Machine,
    processes: Vec<Option<Arc<Watched>>>,
    options: Options,
    pool: Arc<dyn Pool>,
    began: Instant,
    /// For the watchers.
    events: mpsc::Sender<Event>,
    /// Events that came of the actions for the event before.
    follow_up: VecDeque<Event>,
    notices: mpsc::Sender<Notice>,
    unsent: VecDeque<Notice>,
    observed: observing::Sender<Observed>,
}

impl Driver {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        self.take(Event::Start);
        while !self.machine.is_stopped() {
            let tick = self.machine.next_tick().map(|due| self.began + due);
            let next = tokio::select! {
                Some(event) = events.recv() => Next::Event(event),
                () = sleep_until(tick) => Next::Event(Event::Tick),
                permit = self.notices.reserve(), if !self.unsent.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(notice) = self.unsent.pop_front() {
                            permit.send(notice);
                        }
                        Next::Again
                    }
                    Err(_) => Next::NobodyListens,
                },
            };
            match next {
                Next::Event(event) => self.take(event),
                Next::Again => {}
                Next::NobodyListens => self.unsent.clear(),
            }
        }
        // Nobody who waits for the end waits for the notices to be read.
        self.observed.send_modify(|observed| observed.stopped = true);
        for notice in self.unsent {
            if self.notices.send(notice).await.is_err() {
                break;
            }
        }
    }

    fn take(&mut self, event: Event) {
        if let Event::Exited { worker, .. } = event
            && self.pool.served(worker) > 0
        {
            self.follow_up.push_back(Event::Proven { worker });
        }
        self.follow_up.push_back(event);
        while let Some(event) = self.follow_up.pop_front() {
            for action in self.machine.handle(self.began.elapsed(), event) {
                self.act(action);
            }
        }
        self.publish();
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { worker } => {
                let answer = match self.start_process(worker) {
                    Ok(pid) => Event::Spawned { worker, pid },
                    Err(error) => Event::SpawnFailed { worker, error },
                };
                self.follow_up.push_back(answer);
            }
            Action::Retire { worker } => self.pool.retire(worker),
            Action::SendStop { worker } => self.with_process(worker, |process| process.send(&ToWorker::Stop)),
            Action::Signal { worker, signal } => self.with_process(worker, |process| process.signal(signal)),
            Action::Recover(death) => self.recover(&death),
            Action::Notify(notice) => self.notify(notice),
            Action::Remark(remark) => report::remark(&remark),
        }
    }

    /// Starts a worker and its watcher; an error is for people.
    fn start_process(&mut self, worker: u16) -> Result<u32, String> {
        let of_pool = |error: io::Error| format!("the shared memory has no place for worker {worker}: {error}");
        self.pool.prepare(worker).map_err(of_pool)?;
        let shared = self.pool.descriptors(worker).map_err(of_pool)?;
        let start = WorkerStart { worker, ..self.options.start.clone() };
        let process = process::launch(&self.options, start, shared).map_err(|error| error.to_string())?;
        let watched =
            Watched::new(worker, process).map_err(|error| format!("a new worker cannot be watched: {error}"))?;
        let pid = watched.pid;
        tracing::debug!(worker, pid, "a worker was started");
        let watched = Arc::new(watched);
        tokio::spawn(watch(Arc::clone(&watched), self.events.clone()));
        if let Some(place) = self.processes.get_mut(usize::from(worker)) {
            *place = Some(watched);
        }
        Ok(pid)
    }

    fn with_process(&self, worker: u16, act: impl FnOnce(&Watched)) {
        if let Some(process) = self.processes.get(usize::from(worker)).and_then(Option::as_ref) {
            act(process);
        }
    }

    fn recover(&mut self, death: &Death) {
        let Death { worker, pid, status, .. } = *death;
        if let Some(place) = self.processes.get_mut(usize::from(worker)) {
            *place = None;
        }
        let requests = self.pool.recover(worker, death.is_crash());
        report::death(death, requests);
        if death.is_unasked() {
            let description = death.describe(requests);
            self.notify(Notice::WorkerDied { worker, pid, status, requests, description });
        }
    }

    fn notify(&mut self, notice: Notice) {
        let optional = matches!(notice, Notice::WorkerDied { .. });
        if !(optional && self.unsent.len() >= WAITING_NOTICES) {
            self.unsent.push_back(notice);
        }
    }

    fn publish(&self) {
        let moment = |since: Duration| (self.began + since).into_std();
        let workers = self
            .machine
            .observe()
            .map(|(worker, pid, state, since)| WorkerStatus { worker, pid, state, since: moment(since) })
            .collect();
        self.observed.send_modify(|observed| observed.workers = workers);
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
