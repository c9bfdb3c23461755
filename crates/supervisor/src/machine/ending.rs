//! Ending workers: for good at a stop, singly when they hang or are let go.

use std::time::Duration;

use super::{Action, Cause, Failure, Machine, Notice, Phase, STACKS_TIME, State, TERMINATE_TIME, WorkerSignal};
use crate::OutOfMemory;

/// How long a process that is not ready may take to end after SIGTERM: nobody waits for it, and what it imports may be at work.
pub(super) const BOOT_END_TIME: Duration = Duration::from_secs(5);

impl Machine {
    pub(super) fn stop(&mut self, graceful: bool) {
        let again = match self.phase {
            Phase::Stopped => return,
            Phase::Stopping => true,
            Phase::Idle | Phase::Booting | Phase::Serving => false,
        };
        self.stop_now |= again || !graceful;
        if !again {
            self.forks_have_time();
        }
        self.stop_all();
    }

    /// Ends a server that never served.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.actions.push(Action::Notify(Notice::Failed(failure)));
        self.stop_all();
    }

    pub(super) fn stop_all(&mut self) {
        self.end_roll(None, false);
        self.phase = Phase::Stopping;
        for worker in 0..self.limits.places {
            self.dismiss(worker, !self.stop_now, Cause::Stop);
        }
        self.stop_keeper();
        self.finish();
    }

    /// All forks were asked for at once, and are done one after the other: the time of the one under way begins with the stop.
    fn forks_have_time(&mut self) {
        for worker in self.workers.iter_mut().filter(|worker| worker.state == State::Spawning) {
            worker.since = self.now;
        }
    }

    /// Lets one worker go, in its own time or at once.
    pub(super) fn dismiss(&mut self, worker: u16, graceful: bool, cause: Cause) {
        let entry = &mut self.workers[usize::from(worker)];
        if entry.cause == Cause::Unasked {
            entry.cause = cause;
        }
        match entry.state {
            State::Absent | State::Spawning | State::Killed => {}
            State::Backoff { .. } | State::Waiting => self.vacate(worker),
            _ if !graceful => self.kill(worker),
            State::Ready => {
                self.set_state(worker, State::Retiring { until: self.now + self.limits.graceful_timeout });
                self.actions.extend([Action::Retire { worker }, Action::SendStop { worker }]);
            }
            // It runs no request, and while it imports the application it reads no message.
            State::Starting { .. } => self.terminate_within(worker, BOOT_END_TIME.min(self.limits.graceful_timeout)),
            State::Condemned { .. } | State::Leaving { .. } | State::Retiring { .. } | State::Terminating { .. } => {}
        }
    }

    /// Kills a worker that hangs, after it had the time to write where.
    pub(super) fn condemn(&mut self, worker: u16, cause: Cause) {
        self.workers[usize::from(worker)].cause = cause;
        self.set_state(worker, State::Condemned { until: self.now + STACKS_TIME });
        self.actions.push(Action::Retire { worker });
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Stacks });
    }

    /// Somebody else ended a worker, and who that was is known. What the supervisor did itself has its cause.
    pub(super) fn out_of_memory(&mut self, worker: u16, shortage: OutOfMemory) {
        if let Some(entry) = self.workers.get_mut(usize::from(worker))
            && entry.cause == Cause::Unasked
        {
            entry.cause = Cause::OutOfMemory(shortage);
        }
    }

    pub(super) fn terminate(&mut self, worker: u16) {
        self.terminate_within(worker, TERMINATE_TIME);
    }

    fn terminate_within(&mut self, worker: u16, time: Duration) {
        self.set_state(worker, State::Terminating { until: self.now + time });
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Terminate });
    }

    pub(super) fn kill(&mut self, worker: u16) {
        self.set_state(worker, State::Killed);
        self.actions.push(Action::Signal { worker, signal: WorkerSignal::Kill });
    }

    pub(super) fn gone(&mut self, worker: u16) {
        self.vacate(worker);
        self.finish();
    }

    pub(super) fn finish(&mut self) {
        let empty = self.workers.iter().all(|worker| worker.state == State::Absent);
        if self.phase != Phase::Stopping || !empty {
            return;
        }
        self.end_keeper();
        if self.keeper.state == State::Absent {
            self.phase = Phase::Stopped;
            self.actions.push(Action::Notify(Notice::Stopped));
        }
    }
}
