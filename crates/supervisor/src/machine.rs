//! What is to be done about workers: a pure state machine, `(now, Event)` to actions. No IO, no clock.
//!
//! # Primer
//!
//! Each index below `workers` is in one state:
//!
//! ```text
//!           Spawn                  WorkerReady             Stop
//!   Absent ──────► Spawning ─► Starting ─────► Ready ───────────► Retiring ─(graceful_timeout)─► Terminating ─(1 s)─► Killed
//!     ▲                            │             │ request too long
//!     │                            └─ too slow ──┴─► Condemned ─(200 ms)─► Killed
//!     └── Exited, when stopping;   otherwise Exited ─► Spawning at once, or Backoff ─► Spawning
//! ```
//!
//! and the whole in one phase. *Booting*: no worker was ever ready; a failure here is the end, for whoever started the server
//! waits for an answer. *Serving*: nothing ends the server but a stop. *Stopping*, *Stopped*: nothing is spawned any more.
//!
//! Each [`Event::Exited`] yields [`Action::Recover`] before that index is spawned again: only then is it free of its old process.

mod event;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
mod state;

use std::time::Duration;

use hostler_channel::Loaded;

use self::state::{State, Worker, back_off};
use crate::ended::{Cause, Death, Ended};
use crate::{Failure, Notice};

pub(crate) use self::event::{Action, Event, Limits, Remark, WorkerSignal};
pub use self::state::WorkerState;

/// How many processes may die at boot before the server gives up.
pub(crate) const BOOT_DEATHS: u32 = 3;
/// From asking for Python's stacks to SIGKILL: time to write them.
pub(crate) const STACKS_TIME: Duration = Duration::from_millis(200);
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

/// The state of all workers.
#[derive(Debug)]
pub(crate) struct Machine {
    limits: Limits,
    phase: Phase,
    workers: Vec<Worker>,
    started: Duration,
    boot_deaths: u32,
    /// A second or hard stop was asked: what is still being spawned is killed as soon as it is there.
    stop_now: bool,
    all_ready_told: bool,
    now: Duration,
    actions: Vec<Action>,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            workers: vec![Worker::default(); usize::from(limits.workers)],
            limits,
            phase: Phase::Idle,
            started: Duration::ZERO,
            boot_deaths: 0,
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
            Event::Spawned { worker, pid } => self.spawned(worker, pid),
            Event::SpawnFailed { worker, error } => self.spawn_failed(worker, error),
            Event::WorkerReady { worker, loaded } => self.worker_ready(worker, loaded),
            Event::WorkerFailed { worker, message, traceback } => self.worker_failed(worker, message, traceback),
            Event::Proven { worker } => self.proven(worker),
            Event::Exited { worker, status } => self.exited(worker, status),
            Event::TimedOut { worker } => self.timed_out(worker),
            Event::Tick => self.tick(),
            Event::Stop { graceful } => self.stop(graceful),
        }
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Tick`] is due next.
    pub(crate) fn next_tick(&self) -> Option<Duration> {
        self.workers.iter().filter_map(|worker| worker.state.deadline()).min()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// Index, process, state, and the moment it began, of each worker.
    pub(crate) fn observe(&self) -> impl Iterator<Item = (u16, Option<u32>, WorkerState, Duration)> + '_ {
        (0u16..).zip(&self.workers).map(|(index, worker)| (index, worker.pid, worker.state.public(), worker.since))
    }

    fn start(&mut self) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Booting;
        self.started = self.now;
        for worker in 0..self.limits.workers {
            self.spawn(worker);
        }
    }

    fn spawned(&mut self, worker: u16, pid: u32) {
        if self.state(worker) != Some(State::Spawning) {
            return;
        }
        self.set_state(worker, State::Starting { until: self.now + self.limits.boot_timeout });
        self.workers[usize::from(worker)].begin(pid);
        if self.phase == Phase::Stopping {
            self.dismiss(worker, !self.stop_now);
        }
    }

    fn spawn_failed(&mut self, worker: u16, error: String) {
        if self.state(worker) != Some(State::Spawning) {
            return;
        }
        match self.phase {
            Phase::Booting => self.died_at_boot(worker, error),
            Phase::Serving => {
                self.actions.push(Action::Remark(Remark::SpawnFailed { worker, error }));
                self.replace(worker);
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
        if self.phase == Phase::Booting {
            self.phase = Phase::Serving;
            let after = self.now.saturating_sub(self.started);
            self.actions.push(Action::Notify(Notice::Ready { loaded, after }));
        }
        if !self.all_ready_told && self.workers.iter().all(|worker| worker.state == State::Ready) {
            self.all_ready_told = true;
            self.actions.push(Action::Notify(Notice::AllReady));
        }
    }

    fn worker_failed(&mut self, worker: u16, message: String, traceback: Option<String>) {
        if !matches!(self.state(worker), Some(State::Starting { .. })) {
            return;
        }
        self.workers[usize::from(worker)].cause = Cause::Failed;
        self.set_state(worker, State::Leaving { until: self.now + TERMINATE_TIME });
        if self.phase == Phase::Booting {
            self.fail(Failure::Import { message, traceback });
        } else {
            self.actions.push(Action::Remark(Remark::ImportFailed { worker, message, traceback }));
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
        self.actions.push(Action::Recover(death.clone()));
        match self.phase {
            // An import that hung once would hang again, for as long.
            Phase::Booting if death.cause == Cause::BootTimeout => {
                self.set_state(worker, State::Absent);
                self.fail(Failure::DiedAtBoot { detail: death.describe(0) });
            }
            Phase::Booting => self.died_at_boot(worker, death.describe(0)),
            Phase::Serving => self.replace(worker),
            Phase::Idle | Phase::Stopping | Phase::Stopped => self.gone(worker),
        }
    }

    /// The router has answered the request already. When the process was replaced meanwhile the new one is not to blame: while
    /// it is not ready it cannot have run the request.
    fn timed_out(&mut self, worker: u16) {
        if let Some(State::Ready | State::Retiring { .. } | State::Terminating { .. }) = self.state(worker) {
            self.actions.push(Action::Remark(Remark::RequestTimedOut { worker }));
            self.condemn(worker, Cause::RequestTimeout);
        }
    }

    fn tick(&mut self) {
        for worker in 0..self.limits.workers {
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
                State::Absent | State::Spawning | State::Ready | State::Killed => {}
            }
        }
    }

    fn stop(&mut self, graceful: bool) {
        let again = match self.phase {
            Phase::Stopped => return,
            Phase::Stopping => true,
            Phase::Idle | Phase::Booting | Phase::Serving => false,
        };
        self.stop_now |= again || !graceful;
        self.stop_all();
    }

    /// Ends a server that never served.
    fn fail(&mut self, failure: Failure) {
        self.actions.push(Action::Notify(Notice::Failed(failure)));
        self.stop_all();
    }

    fn stop_all(&mut self) {
        self.phase = Phase::Stopping;
        for worker in 0..self.limits.workers {
            self.dismiss(worker, !self.stop_now);
        }
        self.finish();
    }

    /// Lets one worker go, in its own time or at once.
    fn dismiss(&mut self, worker: u16, graceful: bool) {
        let entry = &mut self.workers[usize::from(worker)];
        if entry.cause == Cause::Unasked {
            entry.cause = Cause::Stop;
        }
        match entry.state {
            State::Absent | State::Spawning | State::Killed => {}
            State::Backoff { .. } => self.set_state(worker, State::Absent),
            _ if !graceful => self.kill(worker),
            State::Ready => {
                self.set_state(worker, State::Retiring { until: self.now + self.limits.graceful_timeout });
                self.actions.extend([Action::Retire { worker }, Action::SendStop { worker }]);
            }
            // It runs no request, and while it imports the application it reads no message.
            State::Starting { .. } => self.terminate(worker),
            State::Condemned { .. } | State::Leaving { .. } | State::Retiring { .. } | State::Terminating { .. } => {}
        }
    }

    /// Kills a worker that hangs, after it had the time to write where.
    fn condemn(&mut self, worker: u16, cause: Cause) {
        self.workers[usize::from(worker)].cause = cause;
        self.set_state(worker, State::Condemned { until: self.now + STACKS_TIME });
        self.actions.push(Action::Retire { worker });
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Stacks });
    }

    fn terminate(&mut self, worker: u16) {
        self.set_state(worker, State::Terminating { until: self.now + TERMINATE_TIME });
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Terminate });
    }

    fn kill(&mut self, worker: u16) {
        self.set_state(worker, State::Killed);
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Kill });
    }

    fn spawn(&mut self, worker: u16) {
        self.set_state(worker, State::Spawning);
        self.actions.push(Action::Spawn { worker });
    }

    fn died_at_boot(&mut self, worker: u16, detail: String) {
        self.boot_deaths += 1;
        if self.boot_deaths < BOOT_DEATHS {
            self.replace(worker);
        } else {
            self.set_state(worker, State::Absent);
            self.fail(Failure::DiedAtBoot { detail });
        }
    }

    /// Fills the place of a worker that is gone: at once, or after a while when it keeps dying.
    fn replace(&mut self, worker: u16) {
        let entry = &mut self.workers[usize::from(worker)];
        let was_ready = entry.count_death(self.now);
        let delay = back_off(entry.deaths, was_ready);
        if delay.is_zero() {
            self.spawn(worker);
        } else {
            self.set_state(worker, State::Backoff { until: self.now + delay });
            self.actions.push(Action::Remark(Remark::BackingOff { worker, delay }));
        }
    }

    fn gone(&mut self, worker: u16) {
        self.set_state(worker, State::Absent);
        self.finish();
    }

    fn finish(&mut self) {
        let empty = self.workers.iter().all(|worker| worker.state == State::Absent);
        if self.phase == Phase::Stopping && empty {
            self.phase = Phase::Stopped;
            self.actions.push(Action::Notify(Notice::Stopped));
        }
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
    Loaded { interface: hostler_channel::Interface::Wsgi, python: "3.11.7".into(), event_loop: None }
}
