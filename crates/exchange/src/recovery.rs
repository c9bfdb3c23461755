//! The supervisor's side of an exchange: places for workers, and the recovery of what a dead one held.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::queue::Entry;
use crate::router::Exchange;
use crate::slot::{Phase, Slot};
use crate::staff::Sleeper;
use crate::sync::Ordering;
use crate::wake_ups::ring_doorbell;

impl Exchange {
    /// Clears the entry of `worker` for a new process.
    pub fn prepare_worker(&self, worker: u16) {
        self.clear_worker(worker);
        if let Some(entry) = self.memory.staff().workers.get(usize::from(worker)) {
            entry.retired.store(0, Ordering::Relaxed);
            entry.service_ns.store(0, Ordering::Relaxed);
            entry.served.store(0, Ordering::Relaxed);
            entry.looping.store(0, Ordering::Relaxed);
            entry.turns.store(0, Ordering::Relaxed);
            entry.present.store(1, Ordering::Release);
            self.arrivals.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The descriptors a worker inherits, in their order: the memory, the doorbells of the router threads, of the workers.
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    pub fn worker_descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let doorbells = self.router_doorbells.iter().chain(&self.worker_doorbells);
        let all = [self.memory.fd()].into_iter().chain(doorbells.map(AsFd::as_fd));
        all.map(|fd| fd.try_clone_to_owned()).collect()
    }

    /// Tells the workers when they must have ended: how long what they still do may take. 0 takes that back.
    pub fn stop_by(&self, at_ns: u64) {
        self.memory.stop_by().store(at_ns, Ordering::Relaxed);
    }

    /// How many requests the present process of `worker` finished.
    pub fn served(&self, worker: u16) -> u64 {
        let entry = self.memory.staff().workers.get(usize::from(worker));
        entry.map_or(0, |entry| u64::from(entry.served.load(Ordering::Relaxed)))
    }

    /// Tells a worker to take nothing more; it finishes what it runs.
    pub fn retire_worker(&self, worker: u16) {
        if let Some(entry) = self.memory.staff().workers.get(usize::from(worker)) {
            entry.retired.store(1, Ordering::SeqCst);
        }
        self.ring_worker(worker);
        self.ring_all_threads();
        self.wake_worker();
    }

    /// After the process of `worker` was reaped: what it ran is lost and its router thread told, what it was taking is queued again, and
    /// whatever wake-up it owed anybody is given. Returns how many requests it ran.
    ///
    /// A process that `crashed` while it ran one request was crashed by it: [`Exchange::is_blamed`] says so.
    pub fn recover_worker(&self, worker: u16, crashed: bool) -> usize {
        let mut lost = 0;
        let running: Vec<u32> = self.running(worker);
        if let ([only], true) = (running.as_slice(), crashed) {
            self.producer().blamed[*only as usize] = true;
        }
        self.requeue_intents(worker);
        for (number, slot) in self.memory.slots().iter().enumerate() {
            let state = slot.state();
            if state.worker != worker || !matches!(state.phase, Phase::Running | Phase::Done) {
                continue;
            }
            if state.phase == Phase::Running && slot.transition(state, worker, Phase::Lost) {
                lost += 1;
            }
            if let Some(bell) = self.memory.bell(slot.router_thread.load(Ordering::Relaxed)) {
                let _owner_is_rung_below = bell.ring(number as u32);
            }
        }
        self.clear_worker(worker);
        // It may have died between taking a wake-up upon itself and giving it.
        for doorbell in &self.router_doorbells {
            ring_doorbell(doorbell);
        }
        self.ring_all_threads();
        self.wake_worker();
        lost
    }

    /// The slots that `worker` runs.
    fn running(&self, worker: u16) -> Vec<u32> {
        let states = self.memory.slots().iter().map(Slot::state);
        let own = (0..).zip(states).filter(|(_, state)| state.worker == worker && state.phase == Phase::Running);
        own.map(|(slot, _)| slot).collect()
    }

    fn requeue_intents(&self, worker: u16) {
        let producer = self.producer();
        for thread in self.memory.threads(worker) {
            let entry = Entry::unpack(thread.intent.swap(0, Ordering::AcqRel));
            let known = producer.sequences.get(entry.slot as usize) == Some(&entry.sequence);
            if known && self.slot(entry.slot).state().phase == Phase::Queued {
                // Perhaps another has it, or it still stands in the queue: a duplicate does no harm.
                self.memory.queue().push(entry);
            }
        }
    }

    fn clear_worker(&self, worker: u16) {
        if let Some(entry) = self.memory.staff().workers.get(usize::from(worker)) {
            entry.present.store(0, Ordering::Relaxed);
            entry.awake.store(0, Ordering::Relaxed);
            entry.sleepers.store(0, Ordering::Relaxed);
            entry.running.store(0, Ordering::Release);
        }
    }

    /// Wakes every thread; those with nothing to do go back to sleep.
    fn ring_all_threads(&self) {
        for worker in 0..self.memory.config.workers as u16 {
            for thread in 0..self.memory.config.threads as u16 {
                self.ring_thread(Sleeper { worker, thread });
            }
        }
    }
}
