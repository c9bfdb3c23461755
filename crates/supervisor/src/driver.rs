//! Acts on what the state machine decides: one task that owns all processes.
//!
//! It takes one closed [`Event`] from one bounded channel: from the watchers of its processes and from its [`Handle`]s.

mod forking;
mod looking;
mod rolling;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use hostler_channel::{ToWorker, WorkerStart};
use tokio::sync::{broadcast, mpsc, oneshot, watch as observing};
use tokio::time::Instant;
use tracing::Instrument;

use self::forking::Forking;
use self::rolling::Rolling;
use crate::ended::{Cause, Death};
use crate::handle::{Handle, NoRoom, NotServing, Observed};
use crate::machine::{Action, Event, Limits, Machine, Observation, WorkerSignal};
use crate::message::Message;
use crate::process::{self, Process};
use crate::status::{Change, KeeperStatus, LastFailure, Notice, Usage, WorkerStatus};
use crate::watch::{Watched, watch};
use crate::{Options, OutOfMemory, Pool, report};

/// Messages that may wait for the driver; whoever sends waits when there are more.
const WAITING_MESSAGES: usize = 256;
/// Notices that may wait for their receiver; then deaths are left out.
const WAITING_NOTICES: usize = 256;
/// Changes that may wait for one of their receivers; then it loses the oldest.
const WAITING_CHANGES: usize = 64;
/// How often the load is looked at, while something depends on it.
const LOAD_EVERY: Duration = Duration::from_secs(1);

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
        let limits = limits(&options);
        if limits.recycling.is_set() && limits.places <= limits.workers {
            tracing::warn!("no worker can be recycled: there is no place for a replacement");
        }
        let (sender, receiver) = mpsc::channel(WAITING_MESSAGES);
        let (observed, observer) = observing::channel(Observed::default());
        let (changes, _) = broadcast::channel(WAITING_CHANGES);
        let handle = Handle {
            messages: sender.clone(),
            observed: observer,
            changes: changes.downgrade(),
            asleep: Arc::new(AtomicBool::new(false)),
            runtime: tokio::runtime::Handle::current(),
        };
        let driver = Driver {
            places: (0..limits.places).map(|_| Place::default()).collect(),
            machine: Machine::new(limits),
            options,
            pool,
            began: Instant::now(),
            messages: sender,
            follow_up: VecDeque::new(),
            forking: Forking::default(),
            started: 0,
            notices,
            unsent: VecDeque::new(),
            changes,
            asleep: Arc::clone(&handle.asleep),
            observed,
            load_due: None,
            measured_at: None,
            memory_measured: None,
            measuring: false,
            samples_wanted: Vec::new(),
            rolling: None,
        };
        handle.runtime.spawn(driver.run(receiver));
        handle
    }
}

fn limits(options: &Options) -> Limits {
    Limits {
        workers: options.workers.max(1),
        places: options.places.max(options.workers).max(1),
        graceful_timeout: options.graceful_timeout,
        boot_timeout: options.boot_timeout,
        recycling: options.recycling.clone(),
        scaling: options.scaling,
        idle_timeout: options.idle_timeout,
        outlive_failures: options.outlive_failures,
        preload: options.preload,
    }
}

/// What ended a wait of the driver.
enum Next {
    Message(Message),
    Tick,
    LookAtLoad,
    /// A notice was passed on.
    Again,
    NobodyListens,
}

/// What the driver keeps of one place, beside what the machine decides on.
#[derive(Default)]
struct Place {
    process: Option<Arc<Watched>>,
    /// What it was started as.
    edition: u64,
    /// How many workers were started before it, and it.
    age: u64,
    /// Of the present process.
    usage: Option<Usage>,
    /// Its CPU time when that was last looked at.
    cpu_seen: Option<(Duration, Instant)>,
    /// Requests that earlier processes finished.
    served_before: u64,
    last_failure: Option<LastFailure>,
}

struct Driver {
    machine: Machine,
    places: Vec<Place>,
    options: Options,
    pool: Arc<dyn Pool>,
    began: Instant,
    /// For the watchers.
    messages: mpsc::Sender<Message>,
    /// Events that came of the actions for the event before.
    follow_up: VecDeque<Event>,
    forking: Forking,
    /// Workers started so far, by fork or not.
    started: u64,
    notices: mpsc::Sender<Notice>,
    unsent: VecDeque<Notice>,
    changes: broadcast::Sender<Change>,
    /// Shared with the handles; whoever finds it set takes it away and sends [`Event::Wake`].
    asleep: Arc<AtomicBool>,
    observed: observing::Sender<Observed>,
    load_due: Option<Instant>,
    measured_at: Option<Instant>,
    /// When memory was measured, and how long that took.
    memory_measured: Option<(Instant, Duration)>,
    measuring: bool,
    samples_wanted: Vec<oneshot::Sender<Vec<WorkerStatus>>>,
    rolling: Option<Rolling>,
}

impl Driver {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        self.take(Event::Start);
        while !self.machine.is_stopped() {
            let tick = self.machine.next_tick().map(|due| self.began + due);
            let next = tokio::select! {
                Some(message) = messages.recv() => Next::Message(message),
                permit = self.notices.reserve(), if !self.unsent.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(notice) = self.unsent.pop_front() {
                            permit.send(notice);
                        }
                        Next::Again
                    }
                    Err(_) => Next::NobodyListens,
                },
                () = sleep_until(tick) => Next::Tick,
                () = sleep_until(self.load_due) => Next::LookAtLoad,
            };
            match next {
                Next::Message(message) => self.receive(message),
                Next::Tick => {
                    // Who has ended in time is not late because the clock was looked at first: after a standstill, both are due.
                    tokio::task::yield_now().await;
                    for _ in 0..messages.len() {
                        if let Ok(message) = messages.try_recv() {
                            self.receive(message);
                        }
                    }
                    self.take(Event::Tick);
                }
                Next::LookAtLoad => self.look_at_load(),
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

    fn receive(&mut self, message: Message) {
        // Whoever asked may have gone: an answer that nobody takes is no error.
        match message {
            Message::Event(event) => self.take(event),
            Message::Recycle { worker, reply } => {
                self.take(Event::Recycle { worker });
                let _ = reply.send(if self.machine.is_recycled(worker) { Ok(()) } else { Err(NotServing { worker }) });
            }
            Message::Scale { workers, reply } => {
                let most = self.machine.ceiling();
                let has_room = (1..=most).contains(&workers);
                if has_room {
                    self.take(Event::Scale { workers });
                }
                let _ = reply.send(if has_room { Ok(()) } else { Err(NoRoom { most }) });
            }
            Message::Timeouts { graceful_timeout, boot_timeout } => {
                self.options.graceful_timeout = graceful_timeout;
                self.options.boot_timeout = boot_timeout;
                self.options.start.graceful_timeout = graceful_timeout;
                self.machine.set_timeouts(graceful_timeout, boot_timeout);
            }
            Message::Roll { options, edition, reply } => self.roll(*options, edition, reply),
            Message::Sample { reply } => self.sample(reply),
            Message::Stacks { worker, reply } => self.ask_for_stacks(worker, reply),
            Message::Forked { worker, pid, pidfd } => self.forked(worker, pid, pidfd),
            Message::ForkFailed { worker, message, traceback } => self.fork_failed(worker, message, traceback),
            Message::Stalled { worker, request, lasted } => {
                // One that is being loaded or killed has other deadlines.
                if self.machine.tells_stacks(worker) {
                    self.with_process(worker, |process| process.send(&ToWorker::Stalled { request, lasted }));
                }
            }
            Message::Collect { answers } => {
                for worker in (0u16..).take(self.places.len()).filter(|worker| self.machine.tells_stacks(*worker)) {
                    self.with_process(worker, |process| process.ask_to_collect(answers.clone()));
                }
            }
            Message::Doze { idle, reply } => {
                let seen = self.see();
                self.take(Event::Doze { seen, idle });
                let _ = reply.send(self.machine.is_asleep());
            }
            Message::Measured { found, memory_took } => self.take_measured(found, memory_took),
        }
    }

    fn take(&mut self, event: Event) {
        if let Event::Exited { worker, status } = event {
            if self.pool.served(worker) > 0 {
                self.follow_up.push_back(Event::Proven { worker });
            }
            let pid = self.places.get(usize::from(worker)).and_then(|place| place.process.as_ref()).map(|own| own.pid);
            let shortage = pid.and_then(|pid| self.leave_group(worker, pid));
            if let Some(shortage) = shortage.filter(|_| status.is_kill()) {
                self.follow_up.push_back(Event::OutOfMemory { worker, shortage });
            }
        }
        self.follow_up.push_back(event);
        self.follow_up();
        self.fork_next();
        if self.machine.is_asleep() {
            // The other half of `Handle::wake`: announced first, looked at then.
            fence(Ordering::SeqCst);
            if self.pool.load().queued > 0 {
                self.asleep.store(false, Ordering::SeqCst);
                self.follow_up.push_back(Event::Wake);
                self.follow_up();
            }
        }
        self.load_due = match self.machine.wants_load() {
            true => self.load_due.or(Some(Instant::now() + LOAD_EVERY)),
            false => None,
        };
        self.publish();
    }

    fn follow_up(&mut self) {
        while let Some(event) = self.follow_up.pop_front() {
            self.remember_failure(&event);
            if let (Event::WorkerReady { worker, loaded }, Some(rolling)) = (&event, &mut self.rolling)
                && self.places.get(usize::from(*worker)).is_some_and(|place| place.edition == self.options.edition)
            {
                rolling.loaded = Some(loaded.clone());
            }
            for action in self.machine.handle(self.began.elapsed(), event) {
                self.act(action);
            }
        }
    }

    fn remember_failure(&mut self, event: &Event) {
        let (worker, message, traceback) = match event {
            Event::WorkerFailed { worker, message, traceback } => (*worker, message.clone(), traceback.clone()),
            Event::ForkRefused { worker, message, traceback } => (*worker, message.clone(), traceback.clone()),
            Event::SpawnFailed { worker, error } => (*worker, error.clone(), None),
            Event::KeeperExited { .. } => return self.keeper_gone(),
            _ => return,
        };
        self.failed(worker, message, traceback);
    }

    fn failed(&mut self, worker: u16, message: String, traceback: Option<String>) {
        if let Some(place) = self.places.get_mut(usize::from(worker)) {
            place.last_failure = Some(LastFailure { message, traceback, at: Instant::now().into_std() });
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { worker } if self.options.preload => self.forking.ask(worker),
            Action::Spawn { worker } => {
                let answer = match self.start_process(worker) {
                    Ok(pid) => Event::Spawned { worker, pid, luck: luck() },
                    Err(error) => Event::SpawnFailed { worker, error },
                };
                self.follow_up.push_back(answer);
            }
            Action::SpawnKeeper => self.start_keeper(),
            Action::StopKeeper => self.forking.stop_keeper(),
            Action::SignalKeeper { signal } => self.forking.signal_keeper(signal),
            Action::Retire { worker } => self.pool.retire(worker),
            Action::SendStop { worker } => self.with_process(worker, |process| process.send(&ToWorker::Stop)),
            Action::Signal { worker, signal } => self.signal(worker, signal),
            Action::Interrupt { worker, request, limit } => {
                self.pool.expect_turn(worker);
                self.with_process(worker, |process| process.send(&ToWorker::Interrupt { request, limit }));
            }
            Action::Look { worker } => {
                self.follow_up.push_back(Event::Looked { worker, look: self.pool.look(worker) });
            }
            Action::Recover(death) => self.recover(&death),
            Action::Notify(notice) => self.notify(notice),
            Action::Tell(change) => self.tell(change),
            Action::Rolled(rolled) => self.rolled(rolled),
            Action::Remark(remark) => self.within(report::concerns(&remark), || report::remark(&remark)),
        }
    }

    /// Starts a worker and its watcher; an error is for people.
    fn start_process(&mut self, worker: u16) -> Result<u32, String> {
        let of_pool = |error: io::Error| format!("the shared memory has no place for worker {worker}: {error}");
        self.pool.prepare(worker, self.options.edition).map_err(of_pool)?;
        let shared = self.pool.descriptors(worker).map_err(of_pool)?;
        self.started += 1;
        let start = WorkerStart { worker, age: self.started, ..self.options.start.clone() };
        let launched =
            process::launch(&self.options, &ToWorker::Start(start), shared, |pid| self.join_group(worker, pid));
        let process = launched.map_err(|error| error.to_string())?;
        self.watch_worker(worker, self.started, process)
    }

    fn watch_worker(&mut self, worker: u16, age: u64, process: Process) -> Result<u32, String> {
        let pid = process.pid;
        let watched = Watched::new(worker, process).map_err(|error| {
            self.leave_group(worker, pid);
            format!("a new worker cannot be watched: {error}")
        })?;
        tracing::debug!(worker, pid, "a worker was started");
        let watched = Arc::new(watched);
        tokio::spawn(watch(Arc::clone(&watched), self.messages.clone()).instrument(report::of(self.options.edition)));
        if let Some(place) = self.places.get_mut(usize::from(worker)) {
            place.process = Some(watched);
            place.age = age;
            place.usage = None;
            place.cpu_seen = None;
            place.edition = self.options.edition;
        }
        Ok(pid)
    }

    /// Says something of a worker, or of all: as of the edition that it was started as.
    fn within(&self, worker: Option<u16>, say: impl FnOnce()) {
        let place = worker.and_then(|worker| self.places.get(usize::from(worker)));
        report::of(place.map_or(self.options.edition, |place| place.edition)).in_scope(say);
    }

    fn join_group(&self, worker: u16, pid: u32) {
        if let Some(groups) = &self.options.groups {
            groups.join(worker, pid);
        }
    }

    fn leave_group(&self, worker: u16, pid: u32) -> Option<OutOfMemory> {
        self.options.groups.as_ref()?.leave(worker, pid)
    }

    fn with_process(&self, worker: u16, act: impl FnOnce(&Watched)) {
        if let Some(process) = self.places.get(usize::from(worker)).and_then(|place| place.process.as_ref()) {
            act(process);
        }
    }

    fn signal(&self, worker: u16, signal: WorkerSignal) {
        self.with_process(worker, |process| process.signal(signal));
    }

    fn tell(&self, change: Change) {
        if change == Change::Asleep {
            self.asleep.store(true, Ordering::SeqCst);
        }
        // Nobody has to listen.
        let _ = self.changes.send(change);
    }

    fn recover(&mut self, death: &Death) {
        let Death { worker, pid, status, .. } = *death;
        self.tell_keeper(worker, pid);
        let served = self.pool.served(worker);
        if let Some(place) = self.places.get_mut(usize::from(worker)) {
            place.process = None;
            place.usage = None;
            place.served_before = place.served_before.saturating_add(served);
        }
        // Asked while the shared memory still has them.
        let ran = match death.cause {
            Cause::OutOfMemory(_) => self.pool.describe_running(worker),
            _ => Vec::new(),
        };
        let requests = self.pool.recover(worker, death.is_crash());
        let description = death.describe_with(requests, &ran);
        self.within(Some(worker), || report::death(death, requests, &description));
        if death.is_unasked() {
            self.failed(worker, description.clone(), None);
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
        let workers = self.machine.observe().zip(&self.places).map(|(seen, place)| self.status(seen, place)).collect();
        let keeper = self.machine.observe_keeper().map(|(pid, state, since)| KeeperStatus {
            pid,
            state,
            since: (self.began + since).into_std(),
        });
        let (strength, condition) = (self.machine.strength(), self.machine.condition());
        let trouble = self.machine.trouble().cloned();
        self.observed.send_modify(|observed| {
            observed.workers = workers;
            observed.keeper = keeper;
            observed.strength = strength;
            observed.condition = condition;
            observed.trouble = trouble;
        });
    }

    fn status(&self, seen: Observation, place: &Place) -> WorkerStatus {
        let Observation { worker, pid, state, since, recycling, restarts } = seen;
        let served = if pid.is_some() { self.pool.served(worker) } else { 0 };
        WorkerStatus {
            worker,
            pid,
            edition: place.edition,
            state,
            since: (self.began + since).into_std(),
            served,
            served_in_all: place.served_before.saturating_add(served),
            usage: place.usage,
            recycling,
            restarts,
            last_failure: place.last_failure.clone(),
        }
    }
}

/// A random number: what the standard library takes for the keys of its hash maps. Nothing secret depends on it.
fn luck() -> u64 {
    RandomState::new().hash_one(0)
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
