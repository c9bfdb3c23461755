//! What is to be done about workers: a pure state machine, `(now, Event)` to actions. No IO, no clock.
//!
//! # Primer
//!
//! Each place is in one state:
//!
//! ```text
//!           Spawn                  WorkerReady             let go
//!   Absent ──────► Spawning ─► Starting ─────► Ready ───────────► Retiring ─(graceful_timeout)─► Terminating ─(1 s)─► Killed
//!     ▲                            │
//!     │                            └─ too slow ─► Condemned ─(200 ms)─► Killed
//!     └── Exited, when let go or stopping;   otherwise Exited ─► Spawning at once, or Backoff ─► Spawning
//! ```
//!
//! What becomes of one that runs a request past its time is in `overdue`.
//!
//! And the whole is in one phase. *Booting*: no worker was ever ready; a failure here is the end, for whoever started the server
//! waits for an answer (unless `outlive_failures`). *Serving*: nothing ends the server but a stop. *Stopping*, *Stopped*: nothing is
//! spawned any more.
//!
//! There are more places than workers wanted. A worker that is wanted has a *seat*, whatever state its place is in: who dies keeps
//! it, and is started again in the same place. Two kinds have none: who was *released*, so that its place is free once it is gone;
//! and who is there to *replace* another, until it is ready and the seat changes hands. After every event `reconcile` (in
//! `strength`) compares the seats with the number wanted.
//!
//! With `preload` workers are forked by a *keeper*, and wait for it where it is not ready (see `keeper`).
//!
//! Each [`Event::Exited`] yields [`Action::Recover`] before that place is spawned in again: only then is it free of its old process.

mod ending;
mod event;
mod keeper;
#[cfg(test)]
mod keeper_scenarios;
#[cfg(test)]
mod life_scenarios;
mod loss;
mod overdue;
#[cfg(test)]
mod overdue_scenarios;
#[cfg(test)]
mod properties;
mod recycling;
mod rolling;
#[cfg(test)]
mod scenarios;
mod state;
#[cfg(test)]
mod story;
mod strength;

use std::time::Duration;

use hostler_channel::Loaded;

use self::keeper::Keeper;
use self::rolling::Roll;
use self::state::{HEALTHY, State, Worker};
use crate::ended::{Cause, Death, Ended};
use crate::scaling::Scaler;
use crate::status::{Change, Condition, Failure, Notice, RecycleReason, Restarts, Strength};

pub(crate) use self::event::{Action, Event, Limits, Remark, Rolled, Seen, WorkerSignal};
pub use self::state::WorkerState;

/// How many processes may die at boot before the server gives up.
pub(crate) const BOOT_DEATHS: u32 = 3;
/// How many processes may die at boot in a row, while none serves, before that is told as broken.
pub(crate) const BROKEN_DEATHS: u32 = 5;
/// How many processes may be ended from outside at boot in a row, while none serves, for each worker that is wanted, before that counts as much.
pub(crate) const BOOT_KILLS: u32 = 10;
/// From asking for Python's stacks to SIGKILL: time to write them.
pub(crate) const STACKS_TIME: Duration = Duration::from_millis(500);
/// From SIGTERM, or from a worker's own word that it failed, to SIGKILL.
pub(crate) const TERMINATE_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Booting,
    Serving,
    Stopping,
    Stopped,
}

/// Whether anybody asks anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Awake,
    Asleep,
    Waking { since: Duration },
}

/// What the machine knows of one place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) worker: u16,
    pub(crate) pid: Option<u32>,
    pub(crate) state: WorkerState,
    pub(crate) since: Duration,
    pub(crate) recycling: Option<RecycleReason>,
    pub(crate) restarts: Restarts,
}

/// The state of all workers.
#[derive(Debug)]
pub(crate) struct Machine {
    limits: Limits,
    phase: Phase,
    rest: Rest,
    /// It sleeps, and its keeper does not.
    parked: bool,
    /// One for each place.
    workers: Vec<Worker>,
    /// The process that forks them, where there is to be one.
    keeper: Keeper,
    /// How many are wanted, and why.
    wanted: u16,
    reason: String,
    scaler: Option<Scaler>,
    started: Duration,
    /// When it was last woken.
    awake_since: Duration,
    /// Processes that died at boot since one was ready.
    boot_deaths: u32,
    /// Those that were ended from outside meanwhile: how many, and the last of them.
    boot_kills: u32,
    killed: Option<Failure>,
    /// What was told with [`Change::Broken`], until it heals.
    broken: Option<Failure>,
    /// Replacements in a row that were not ready, and when the next may be tried.
    replacement_failures: u32,
    recycle_not_before: Duration,
    /// The roll that goes on, and the number of the last.
    rolling: Option<Roll>,
    roll_number: u64,
    /// A second or hard stop was asked: what is still being spawned is killed as soon as it is there.
    stop_now: bool,
    all_ready_told: bool,
    now: Duration,
    actions: Vec<Action>,
}

impl Machine {
    /// What begins from now on has so much time.
    pub(crate) fn set_timeouts(&mut self, graceful_timeout: Duration, boot_timeout: Duration) {
        self.limits.graceful_timeout = graceful_timeout;
        self.limits.boot_timeout = boot_timeout;
    }

    pub(crate) fn new(mut limits: Limits) -> Self {
        limits.workers = limits.workers.max(1);
        limits.places = limits.places.max(limits.workers);
        Self {
            workers: vec![Worker::default(); usize::from(limits.places)],
            keeper: Keeper::default(),
            wanted: limits.workers,
            reason: "as set".to_owned(),
            scaler: limits.scaling.map(Scaler::new),
            limits,
            phase: Phase::Idle,
            rest: Rest::Awake,
            parked: false,
            started: Duration::ZERO,
            awake_since: Duration::ZERO,
            boot_deaths: 0,
            boot_kills: 0,
            killed: None,
            broken: None,
            replacement_failures: 0,
            recycle_not_before: Duration::ZERO,
            rolling: None,
            roll_number: 0,
            stop_now: false,
            all_ready_told: false,
            now: Duration::ZERO,
            actions: Vec::new(),
        }
    }

    /// Takes in what happened at `now` (time since any fixed moment). Events that do not fit the state change nothing.
    pub(crate) fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Start => self.start(),
            Event::Spawned { worker, pid, luck } => self.spawned(worker, pid, luck),
            Event::SpawnFailed { worker, error } => self.spawn_failed(worker, error),
            Event::WorkerReady { worker, loaded } => self.worker_ready(worker, loaded),
            Event::WorkerFailed { worker, message, traceback } => self.worker_failed(worker, message, traceback),
            Event::ForkRefused { worker, message, traceback } => self.fork_refused(worker, message, traceback),
            Event::KeeperSpawned { pid } => self.keeper_spawned(pid),
            Event::KeeperSpawnFailed { error } => self.keeper_spawn_failed(error),
            Event::KeeperReady => self.keeper_ready(),
            Event::KeeperFailed { message, traceback } => self.keeper_failed(message, traceback),
            Event::KeeperExited { status } => self.keeper_exited(status),
            Event::Proven { worker } => self.proven(worker),
            Event::OutOfMemory { worker, shortage } => self.out_of_memory(worker, shortage),
            Event::Exited { worker, status } => self.exited(worker, status),
            Event::TimedOut { worker, request, limit } => self.timed_out(worker, request, limit),
            Event::Looked { worker, look } => self.looked(worker, &look),
            Event::Load(seen) => self.loaded(&seen),
            Event::Doze { seen, idle } => self.doze(&seen, idle),
            Event::Measured { worker, pid, memory } => self.measured(worker, pid, memory),
            Event::Recycle { worker } => self.recycle(worker),
            Event::Scale { workers } => self.scale(workers),
            Event::Roll => self.roll(),
            Event::EndRoll => self.end_roll(None, false),
            Event::Wake => self.wake(),
            Event::Park => self.park(),
            Event::Tick => self.tick(),
            Event::Stop { graceful } => self.stop(graceful),
        }
        self.reconcile();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is due next.
    pub(crate) fn next_tick(&self) -> Option<Duration> {
        let deadlines = self.workers.iter().filter_map(|worker| worker.state.deadline());
        let lifetimes = self.workers.iter().filter_map(Worker::lifetime_ends);
        let looks = self.workers.iter().filter_map(Worker::look_due);
        let others = self.recycling_due().into_iter().chain(self.keeper_due());
        deadlines.chain(lifetimes).chain(looks).chain(others).min()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.rest == Rest::Asleep && self.phase == Phase::Serving
    }

    /// Whether to look at the load once a second: something depends on it, and somebody is there to make it.
    pub(crate) fn wants_load(&self) -> bool {
        let Limits { recycling, scaling, idle_timeout, .. } = &self.limits;
        let limited = recycling.max_requests.is_some() || recycling.max_memory.is_some();
        self.phase == Phase::Serving
            && self.rest != Rest::Asleep
            && (limited || scaling.is_some() || idle_timeout.is_some())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping | Phase::Stopped)
    }

    /// The process that forks workers: its number, what it is doing, and since when. `None` while there is none to be.
    pub(crate) fn observe_keeper(&self) -> Option<(Option<u32>, WorkerState, Duration)> {
        let Keeper { pid, state, since, .. } = self.keeper;
        (state != State::Absent).then(|| (pid, state.public(), since))
    }

    /// Whether the worker can be asked for its stacks. One that has not set up its answer yet would be killed by the question.
    pub(crate) fn tells_stacks(&self, worker: u16) -> bool {
        matches!(self.state(worker), Some(State::Ready | State::Retiring { .. }))
    }

    /// Whether the worker is to be replaced.
    pub(crate) fn is_recycled(&self, worker: u16) -> bool {
        self.workers.get(usize::from(worker)).is_some_and(|entry| entry.wish.is_some())
    }

    /// What is known of each place.
    pub(crate) fn observe(&self) -> impl Iterator<Item = Observation> + '_ {
        (0u16..).zip(&self.workers).map(|(worker, entry)| Observation {
            worker,
            pid: entry.pid,
            state: entry.state.public(),
            since: entry.since,
            recycling: entry.wish.map(|(reason, _)| reason),
            restarts: entry.restarts,
        })
    }

    pub(crate) fn strength(&self) -> Strength {
        Strength { wanted: self.wanted, ready: self.ready_seats(), reason: self.reason.clone() }
    }

    pub(crate) fn condition(&self) -> Condition {
        match (self.phase, &self.broken, self.rest) {
            (Phase::Stopping, ..) => Condition::Stopping,
            (Phase::Stopped, ..) => Condition::Stopped,
            (_, Some(failure), _) => Condition::Broken { failure: failure.clone() },
            (Phase::Idle | Phase::Booting, ..) => Condition::Booting,
            (Phase::Serving, _, Rest::Awake) => Condition::Serving,
            (Phase::Serving, _, Rest::Asleep) => Condition::Asleep,
            (Phase::Serving, _, Rest::Waking { .. }) => Condition::Waking,
        }
    }

    /// What keeps workers from getting ready and is no fault of the application, while none serves.
    pub(crate) fn trouble(&self) -> Option<&Failure> {
        let tries = matches!(self.phase, Phase::Booting | Phase::Serving) && self.rest != Rest::Asleep;
        self.killed.as_ref().filter(|_| tries && self.broken.is_none() && self.ready_seats() == 0)
    }

    fn start(&mut self) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Booting;
        self.started = self.now;
    }

    fn spawned(&mut self, worker: u16, pid: u32, luck: u64) {
        if self.state(worker) != Some(State::Spawning) {
            return;
        }
        self.set_state(worker, State::Starting { until: self.now + self.limits.boot_timeout });
        let entry = &mut self.workers[usize::from(worker)];
        entry.begin(pid, &self.limits.recycling, luck);
        let released = entry.released;
        if self.phase == Phase::Stopping {
            self.dismiss(worker, !self.stop_now, Cause::Stop);
        } else if released {
            self.dismiss(worker, true, Cause::Retired);
        }
    }

    fn spawn_failed(&mut self, worker: u16, error: String) {
        if self.state(worker) != Some(State::Spawning) {
            return;
        }
        self.workers[usize::from(worker)].restarts.failed_at_boot += 1;
        match self.phase {
            Phase::Booting | Phase::Serving => {
                if !self.gives_up() {
                    self.actions.push(Action::Remark(Remark::SpawnFailed { worker, error: error.clone() }));
                }
                self.lost(worker, Some(Failure::DiedAtBoot { detail: error }));
            }
            Phase::Idle | Phase::Stopping | Phase::Stopped => self.gone(worker),
        }
    }

    fn worker_ready(&mut self, worker: u16, loaded: Loaded) {
        if !matches!(self.state(worker), Some(State::Starting { .. })) {
            return;
        }
        self.set_state(worker, State::Ready);
        self.workers[usize::from(worker)].ready_since = Some(self.now);
        self.forget_failed_starts();
        if self.phase == Phase::Booting {
            self.phase = Phase::Serving;
            self.awake_since = self.now;
            let after = self.now.saturating_sub(self.started);
            self.actions.push(Action::Notify(Notice::Ready { loaded, after }));
        }
        self.roll_counts(worker);
        self.take_over(worker);
        if self.broken.take().is_some() {
            self.actions.extend([Action::Remark(Remark::Healed), Action::Tell(Change::Healed)]);
        }
        self.awake();
        if !self.all_ready_told && self.ready_seats() >= self.wanted {
            self.all_ready_told = true;
            self.actions.push(Action::Notify(Notice::AllReady));
        }
    }

    fn worker_failed(&mut self, worker: u16, message: String, traceback: Option<String>) {
        if !matches!(self.state(worker), Some(State::Starting { .. })) {
            return;
        }
        let failure = Failure::Import { message: message.clone(), traceback: traceback.clone() };
        let again = self.broken.as_ref() == Some(&failure);
        self.workers[usize::from(worker)].cause = Cause::Failed;
        self.workers[usize::from(worker)].failure = Some(failure.clone());
        self.set_state(worker, State::Leaving { until: self.now + TERMINATE_TIME });
        if self.gives_up() {
            self.fail(failure);
        } else {
            self.actions.push(Action::Remark(Remark::ImportFailed { worker, message, traceback, again }));
        }
    }

    /// A worker that served is no worker that cannot start: what it died of was a request.
    fn proven(&mut self, worker: u16) {
        if let Some(entry) = self.workers.get_mut(usize::from(worker)) {
            entry.proven = true;
        }
    }

    fn exited(&mut self, worker: u16, status: Ended) {
        let Some(entry) = self.workers.get_mut(usize::from(worker)) else {
            return;
        };
        let Some(pid) = entry.pid.take() else { return };
        let death = Death { worker, pid, status, cause: entry.cause };
        entry.count_end();
        // One that was told to go did not fail.
        let failed = entry.ready_since.is_none() && !matches!(entry.cause, Cause::Retired | Cause::Stop);
        let said = entry.failure.take();
        self.actions.push(Action::Recover(death.clone()));
        match self.phase {
            // An import that hung once would hang again, for as long.
            Phase::Booting if death.cause == Cause::BootTimeout && self.gives_up() => {
                self.vacate(worker);
                self.fail(Failure::DiedAtBoot { detail: death.describe(0) });
            }
            Phase::Booting | Phase::Serving => {
                let silent = || match (death.is_from_outside(), death.describe(0)) {
                    (true, detail) => Failure::KilledAtBoot { detail },
                    (false, detail) => Failure::DiedAtBoot { detail },
                };
                self.lost(worker, failed.then(|| said.unwrap_or_else(silent)));
            }
            Phase::Idle | Phase::Stopping | Phase::Stopped => self.gone(worker),
        }
    }

    fn tick(&mut self) {
        self.tick_keeper();
        for worker in 0..self.limits.places {
            let entry = &mut self.workers[usize::from(worker)];
            if let Some(ends) = entry.lifetime_ends()
                && self.now >= ends
            {
                let limit = entry.budget.lifetime.unwrap_or_default();
                entry.wish(RecycleReason::MaxLifetime { limit }, self.now);
            }
            self.look_if_due(worker);
            let state = self.workers[usize::from(worker)].state;
            if state.deadline().is_none_or(|deadline| self.now < deadline) {
                continue;
            }
            match state {
                State::Starting { .. } => {
                    let limit = self.limits.boot_timeout;
                    self.actions.push(Action::Remark(Remark::SlowBoot { worker, limit }));
                    self.condemn(worker, Cause::BootTimeout);
                }
                State::Retiring { .. } => {
                    let limit = self.limits.graceful_timeout;
                    self.actions.push(Action::Remark(Remark::StopOverdue { worker, limit }));
                    self.terminate(worker);
                }
                State::Terminating { .. } => {
                    self.actions.push(Action::Remark(Remark::TerminateOverdue { worker }));
                    self.kill(worker);
                }
                State::Condemned { .. } | State::Leaving { .. } => self.kill(worker),
                State::Backoff { .. } => self.spawn(worker),
                State::Absent | State::Waiting | State::Spawning | State::Ready | State::Killed => {}
            }
        }
    }

    /// Fills a place, as soon as there is somebody to do it.
    fn spawn(&mut self, worker: u16) {
        if self.lacks_keeper() {
            return self.set_state(worker, State::Waiting);
        }
        self.set_state(worker, State::Spawning);
        self.workers[usize::from(worker)].roll = self.roll_number;
        self.actions.push(Action::Spawn { worker });
    }

    fn vacate(&mut self, worker: u16) {
        self.workers[usize::from(worker)].vacate(self.now);
    }

    fn state(&self, worker: u16) -> Option<State> {
        self.workers.get(usize::from(worker)).map(|worker| worker.state)
    }

    fn set_state(&mut self, worker: u16, state: State) {
        let entry = &mut self.workers[usize::from(worker)];
        entry.state = state;
        entry.since = self.now;
    }
}

#[cfg(test)]
fn loaded() -> Loaded {
    Loaded {
        interface: hostler_channel::Interface::Wsgi,
        python: "3.11.7".into(),
        event_loop: None,
        framework: None,
        sources: Vec::new(),
    }
}
