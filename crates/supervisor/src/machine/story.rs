//! A machine and its clock, for stories about it.

use super::*;

pub(super) const GRACEFUL: Duration = Duration::from_secs(30);
pub(super) const BOOT: Duration = Duration::from_secs(60);
pub(super) const SEGV: Ended = Ended::Signaled(11);

/// A machine and its clock. Processes get the numbers 100, 101, ….
pub(super) struct Story {
    pub(super) machine: Machine,
    pub(super) now: Duration,
    pids: u32,
}

impl Story {
    pub(super) fn new(workers: u16) -> Self {
        Self::of(Limits { workers, ..Limits::default() })
    }

    pub(super) fn of(limits: Limits) -> Self {
        let limits = Limits { graceful_timeout: GRACEFUL, boot_timeout: BOOT, ..limits };
        Self { machine: Machine::new(limits), now: Duration::from_secs(1000), pids: 100 }
    }

    pub(super) fn booting(workers: u16) -> Self {
        let mut story = Self::new(workers);
        assert_eq!(story.on(Event::Start).len(), usize::from(workers));
        for worker in 0..workers {
            story.spawned(worker);
        }
        story
    }

    pub(super) fn serving(workers: u16) -> Self {
        let mut story = Self::booting(workers);
        for worker in 0..workers {
            story.ready(worker);
        }
        story
    }

    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        self.machine.handle(self.now, event)
    }

    pub(super) fn spawned(&mut self, worker: u16) -> Vec<Action> {
        let pid = self.pids;
        self.pids += 1;
        self.on(Event::Spawned { worker, pid, luck: 0 })
    }

    pub(super) fn ready(&mut self, worker: u16) -> Vec<Action> {
        self.on(Event::WorkerReady { worker, loaded: loaded() })
    }

    pub(super) fn failed(&mut self, worker: u16) -> Vec<Action> {
        self.on(Event::WorkerFailed { worker, message: "no".into(), traceback: None })
    }

    pub(super) fn timed_out(&mut self, worker: u16, request: Option<u64>) -> Vec<Action> {
        self.on(Event::TimedOut { worker, request, limit: Duration::from_secs(30) })
    }

    pub(super) fn looked(&mut self, worker: u16, running: &[u64], turned: bool) -> Vec<Action> {
        self.on(Event::Looked { worker, look: crate::Look { running: running.to_vec(), turned } })
    }

    pub(super) fn exited(&mut self, worker: u16, status: Ended) -> Vec<Action> {
        self.on(Event::Exited { worker, status })
    }

    pub(super) fn after(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.on(Event::Tick)
    }

    /// Lets the time pass until the next deadline; returns how long that took.
    pub(super) fn until_due(&mut self) -> (Duration, Vec<Action>) {
        let time = self.machine.next_tick().unwrap() - self.now;
        (time, self.after(time))
    }
}

pub(super) fn recovered(worker: u16, pid: u32, status: Ended, cause: Cause) -> Action {
    Action::Recover(Death { worker, pid, status, cause })
}

pub(super) fn signal(worker: u16, signal: WorkerSignal) -> Action {
    Action::Signal { worker, signal }
}

pub(super) fn stopped() -> Action {
    Action::Notify(Notice::Stopped)
}
