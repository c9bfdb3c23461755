//! The keeper of a generation: the process that has imported the application and forks its workers.
//!
//! ```text
//!          wanted             KeeperSpawned             KeeperReady           asleep, or stopping, and all workers gone
//!   Absent ──────► Spawning ───────────────► Starting ─────────────► Ready ─────────────────────────────────────────────► Retiring
//!     ▲                                         │ failed, too slow     │ a fork that takes too long                          │ 5 s
//!     │                                         └──► Leaving, Killed ◄─┘                                                     ▼
//!     └── not wanted any more ── KeeperExited ──► Backoff ─► Spawning                                                      Killed
//! ```
//!
//! There is one at most. A place that is to be filled while it is not ready is *Waiting*. Its death disturbs no worker: what it was about to
//! fork waits for its successor. It ends after the last worker, because what it has made for the application (temporary directories) is theirs too.

use std::time::Duration;

use super::ending::BOOT_END_TIME;
use super::state::{State, back_off};
use super::{Action, Cause, Ended, Failure, HEALTHY, Machine, Phase, Remark, TERMINATE_TIME, WorkerSignal};

/// How long a keeper may take to end when it was told to: functions that the application registered with `atexit` run then.
pub(crate) const KEEPER_END_TIME: Duration = Duration::from_secs(5);

/// The keeper, in one of the states of a worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper {
    pub(super) state: State,
    pub(super) since: Duration,
    /// Present exactly while a process is to be waited for.
    pub(super) pid: Option<u32>,
    /// Why it said that it failed, or was killed.
    failure: Option<Failure>,
    /// It was told to end: that it does is no failure.
    told_to_end: bool,
    /// Why it ends was said already.
    expected: bool,
    ready_since: Option<Duration>,
    deaths: u32,
}

impl Machine {
    /// Whether workers are forked, and there is nobody to do it yet.
    pub(super) fn lacks_keeper(&self) -> bool {
        self.limits.preload && self.keeper.state != State::Ready
    }

    /// Starts it when it is wanted, ends it when everything sleeps. One that is parked stays as long as it lives, and no other is started.
    pub(super) fn reconcile_keeper(&mut self) {
        if !self.limits.preload {
            return;
        }
        let wanted = self.target() > 0;
        let idle = self.workers.iter().all(|worker| worker.state == State::Absent);
        match self.keeper.state {
            State::Absent if wanted => self.spawn_keeper(),
            State::Backoff { .. } if !wanted => self.set_keeper(State::Absent),
            State::Starting { .. } | State::Ready if !wanted && idle && !self.parked => self.end_keeper(),
            State::Ready => self.fork_waiting(),
            _ => {}
        }
    }

    fn fork_waiting(&mut self) {
        for worker in 0..self.limits.places {
            if self.state(worker) == Some(State::Waiting) {
                self.spawn(worker);
            }
        }
    }

    fn spawn_keeper(&mut self) {
        self.set_keeper(State::Spawning);
        self.actions.push(Action::SpawnKeeper);
    }

    pub(super) fn keeper_spawned(&mut self, pid: u32) {
        if self.keeper.state != State::Spawning {
            return;
        }
        let deaths = self.keeper.deaths;
        self.keeper = Keeper { pid: Some(pid), deaths, ..Keeper::default() };
        self.set_keeper(State::Starting { until: self.now + self.limits.boot_timeout });
        if self.phase == Phase::Stopping {
            self.end_keeper();
        }
    }

    pub(super) fn keeper_spawn_failed(&mut self, error: String) {
        if self.keeper.state != State::Spawning {
            return;
        }
        if self.phase == Phase::Stopping {
            self.set_keeper(State::Absent);
            return self.finish();
        }
        if !self.gives_up() {
            self.actions.push(Action::Remark(Remark::KeeperSpawnFailed { error: error.clone() }));
        }
        self.keeper_lost(Some(Failure::DiedAtBoot { detail: error }));
    }

    pub(super) fn keeper_ready(&mut self) {
        if !matches!(self.keeper.state, State::Starting { .. }) {
            return;
        }
        self.set_keeper(State::Ready);
        self.keeper.ready_since = Some(self.now);
    }

    pub(super) fn keeper_failed(&mut self, message: String, traceback: Option<String>) {
        if !matches!(self.keeper.state, State::Starting { .. }) {
            return;
        }
        let failure = Failure::Import { message: message.clone(), traceback: traceback.clone() };
        let again = self.broken.as_ref() == Some(&failure);
        self.keeper.failure = Some(failure.clone());
        self.keeper.expected = true;
        self.set_keeper(State::Leaving { until: self.now + TERMINATE_TIME });
        if self.gives_up() {
            self.fail(failure);
        } else {
            self.actions.push(Action::Remark(Remark::KeeperImportFailed { message, traceback, again }));
        }
    }

    pub(super) fn keeper_exited(&mut self, status: Ended) {
        let Some(pid) = self.keeper.pid.take() else { return };
        if !self.keeper.expected {
            self.actions.push(Action::Remark(Remark::KeeperDied { pid, status }));
        }
        self.return_forks();
        if self.phase == Phase::Stopping {
            self.set_keeper(State::Absent);
            return self.finish();
        }
        if self.keeper.told_to_end {
            return self.set_keeper(State::Absent);
        }
        let said = self.keeper.failure.take();
        if let (true, Some(failure @ Failure::DiedAtBoot { .. })) = (self.gives_up(), &said) {
            // An import that hung once would hang again, for as long.
            self.set_keeper(State::Absent);
            return self.fail(failure.clone());
        }
        let silent = || {
            let detail = format!("the keeper (pid {pid}) {status} before it had imported the application");
            match status.is_from_outside() {
                true => Failure::KilledAtBoot { detail },
                false => Failure::DiedAtBoot { detail },
            }
        };
        let was_ready = self.keeper.ready_since.is_some();
        self.keeper_lost((!was_ready).then(|| said.unwrap_or_else(silent)));
    }

    /// The keeper, if it is to be waited for, is let go: nothing is left that it could be asked for.
    pub(super) fn end_keeper(&mut self) {
        match self.keeper.state {
            State::Backoff { .. } => self.set_keeper(State::Absent),
            State::Ready => {
                self.told_to_end();
                let patience = if self.stop_now { TERMINATE_TIME } else { KEEPER_END_TIME };
                self.set_keeper(State::Retiring { until: self.now + patience });
                self.actions.push(Action::StopKeeper);
            }
            State::Starting { .. } => {
                self.told_to_end();
                let patience = BOOT_END_TIME.min(self.limits.graceful_timeout);
                self.set_keeper(State::Terminating { until: self.now + patience });
                self.actions.push(Action::SignalKeeper { signal: WorkerSignal::Terminate });
            }
            // A second stop takes its remaining time away.
            State::Retiring { .. } if self.stop_now => {
                self.set_keeper(State::Retiring { until: self.now + TERMINATE_TIME });
            }
            _ => {}
        }
    }

    fn told_to_end(&mut self) {
        self.keeper.told_to_end = true;
        self.keeper.expected = true;
    }

    /// The server stops. A keeper that is ready ends last.
    pub(super) fn stop_keeper(&mut self) {
        if !matches!(self.keeper.state, State::Ready) {
            self.end_keeper();
        }
    }

    pub(super) fn keeper_due(&self) -> Option<Duration> {
        let fork = self.keeper.state == State::Ready;
        self.keeper.state.deadline().into_iter().chain(self.fork_due().filter(|_| fork)).min()
    }

    /// When the longest fork under way will have taken too long.
    fn fork_due(&self) -> Option<Duration> {
        let patience = self.fork_patience();
        let spawning = self.workers.iter().filter(|worker| worker.state == State::Spawning);
        spawning.map(|worker| worker.since + patience).min()
    }

    fn fork_patience(&self) -> Duration {
        if self.phase == Phase::Stopping { TERMINATE_TIME } else { self.limits.boot_timeout }
    }

    pub(super) fn tick_keeper(&mut self) {
        if self.keeper_due().is_none_or(|due| self.now < due) {
            return;
        }
        let limit = self.limits.boot_timeout;
        match self.keeper.state {
            State::Starting { .. } => {
                self.actions.push(Action::Remark(Remark::KeeperSlow { limit, forking: false }));
                let detail = "the application was not imported within boot_timeout".to_owned();
                self.keeper.failure = Some(Failure::DiedAtBoot { detail });
                self.kill_keeper();
            }
            State::Ready => {
                let limit = self.fork_patience();
                self.actions.push(Action::Remark(Remark::KeeperSlow { limit, forking: true }));
                self.kill_keeper();
            }
            State::Leaving { .. } | State::Terminating { .. } => self.kill_keeper(),
            State::Retiring { .. } => {
                self.actions.push(Action::Remark(Remark::KeeperEndOverdue));
                self.kill_keeper();
            }
            State::Backoff { .. } => self.spawn_keeper(),
            State::Absent | State::Waiting | State::Spawning | State::Condemned { .. } | State::Killed => {}
        }
    }

    fn kill_keeper(&mut self) {
        self.keeper.expected = true;
        self.set_keeper(State::Killed);
        self.actions.push(Action::SignalKeeper { signal: WorkerSignal::Kill });
    }

    /// What it was about to fork waits for the next one.
    fn return_forks(&mut self) {
        for worker in 0..self.limits.places {
            if self.state(worker) != Some(State::Spawning) {
                continue;
            }
            if self.phase == Phase::Stopping || self.workers[usize::from(worker)].released {
                self.vacate(worker);
            } else {
                self.set_state(worker, State::Waiting);
            }
        }
    }

    /// There is none any more. `at_boot` says why, when it was not ready yet.
    fn keeper_lost(&mut self, at_boot: Option<Failure>) {
        self.set_keeper(State::Absent);
        let healthy = self.keeper.ready_since.take().map(|since| self.now.saturating_sub(since) >= HEALTHY);
        if healthy == Some(true) {
            self.keeper.deaths = 0;
        }
        self.keeper.deaths = self.keeper.deaths.saturating_add(1);
        if let Some(failure) = at_boot
            && self.failed_at_boot(failure)
        {
            return;
        }
        let delay = back_off(self.keeper.deaths, healthy.is_some());
        if !delay.is_zero() {
            self.set_keeper(State::Backoff { until: self.now + delay });
            self.actions.push(Action::Remark(Remark::KeeperBackingOff { delay }));
        }
    }

    /// Counts; whether that was the end.
    fn failed_at_boot(&mut self, failure: Failure) -> bool {
        self.count_failed_start(&failure);
        if self.gives_up() {
            let over = self.fails_for_good(super::BOOT_DEATHS);
            if over {
                self.fail(failure);
            }
            return over;
        }
        self.consider_broken(failure);
        false
    }

    pub(super) fn set_keeper(&mut self, state: State) {
        self.keeper.state = state;
        self.keeper.since = self.now;
    }

    /// A worker was not forked because a hook raised.
    pub(super) fn fork_refused(&mut self, worker: u16, message: String, traceback: Option<String>) {
        if self.state(worker) != Some(State::Spawning) {
            return;
        }
        self.workers[usize::from(worker)].cause = Cause::Failed;
        self.workers[usize::from(worker)].restarts.failed_at_boot += 1;
        if self.phase == Phase::Stopping {
            return self.gone(worker);
        }
        let failure = Failure::Import { message: message.clone(), traceback: traceback.clone() };
        if self.gives_up() {
            self.vacate(worker);
            return self.fail(failure);
        }
        let again = self.broken.as_ref() == Some(&failure);
        self.actions.push(Action::Remark(Remark::ImportFailed { worker, message, traceback, again }));
        self.lost(worker, Some(failure));
    }
}
