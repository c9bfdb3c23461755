//! A worker's side of an exchange: who it is, what it runs, whom it rings. What it takes is in [`crate::thread`], what it reads and writes in
//! [`crate::serving`].
//!
//! Everything there and here may be called without the interpreter's lock; what blocks says so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;

use rustix::thread::futex;

use crate::memory::{Memory, now_ns};
use crate::queue::{Entry, Queue};
use crate::slot::{Phase, Slot};
use crate::staff::{Sleeper, Staff, Worker};
use crate::sync::Ordering;
use crate::thread::Thread;
use crate::untold::Untold;
use crate::wake_ups::ring_doorbell;

/// An exchange, mapped by a worker process.
#[derive(Debug)]
pub struct WorkerSide {
    pub(crate) memory: Memory,
    pub(crate) worker: u16,
    doorbells: Doorbells,
    /// The first thread is to look around before it sleeps.
    pub(crate) roused: AtomicBool,
    pub(crate) untold: Untold,
}

/// The descriptors that ring the others.
#[derive(Debug)]
pub struct Doorbells {
    /// Each router thread's, in their order.
    pub routers: Vec<OwnedFd>,
    /// Each worker's, in their order.
    pub workers: Vec<OwnedFd>,
}

/// A request this worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub(crate) slot: u32,
    pub(crate) sequence: u32,
}

impl Taken {
    /// The number of its slot.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// As one word.
    pub fn to_bits(self) -> u64 {
        Entry { slot: self.slot, sequence: self.sequence }.pack()
    }

    /// From [`Taken::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        let Entry { slot, sequence } = Entry::unpack(bits);
        Self { slot, sequence }
    }
}

impl WorkerSide {
    /// Maps the memory a worker inherited.
    ///
    /// # Errors
    /// When it is not an exchange of this version, or has no entry for `worker`.
    pub fn attach(memory: OwnedFd, worker: u16, doorbells: Doorbells) -> io::Result<Self> {
        let memory = Memory::attach(memory)?;
        let config = &memory.config;
        if u32::from(worker) >= config.workers
            || doorbells.routers.len() != config.router_threads as usize
            || doorbells.workers.len() != config.workers as usize
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the exchange has no such worker, or other router threads",
            ));
        }
        Ok(Self { memory, worker, doorbells, roused: AtomicBool::new(false), untold: Untold::default() })
    }

    /// How many threads the exchange has room for.
    pub fn threads(&self) -> u16 {
        self.memory.config.threads as u16
    }

    /// The thread numbered `number`.
    pub fn thread(&self, number: u16) -> Thread<'_> {
        debug_assert!(number < self.threads());
        Thread { side: self, number }
    }

    /// Whether the worker takes nothing more.
    pub fn retired(&self) -> bool {
        self.entry().retired.load(Ordering::Acquire) == 1
    }

    /// When this worker must have ended, if the server said so: CLOCK_MONOTONIC, nanoseconds.
    pub fn stop_by(&self) -> Option<u64> {
        Some(self.memory.stop_by().load(Ordering::Relaxed)).filter(|by| *by != 0)
    }

    /// Retires the worker from within: its threads finish what they run and take nothing more. May be called from a signal's handler.
    pub fn retire(&self) {
        self.entry().retired.store(1, Ordering::SeqCst);
        for thread in self.memory.threads(self.worker) {
            thread.rung.store(1, Ordering::Release);
            let _woken = futex::wake(&thread.rung, futex::Flags::empty(), 1);
        }
        if let Some(doorbell) = self.doorbell() {
            ring_doorbell(doorbell);
        }
        // It may have been woken for something that it will not take now.
        self.wake_another();
    }

    /// Has the first thread, or the event loop, come back from its sleep for what is no request. One that is about to sleep does not; one that is
    /// busy comes by itself.
    pub fn rouse(&self) {
        self.roused.store(true, Ordering::SeqCst);
        if let Some(first) = self.memory.threads(self.worker).first() {
            first.rung.store(1, Ordering::SeqCst);
            let _woken = futex::wake(&first.rung, futex::Flags::empty(), 1);
        }
        if let Some(doorbell) = self.doorbell() {
            ring_doorbell(doorbell);
        }
    }

    /// Bytes of the response ring: no response head may be longer.
    pub fn response_ring(&self) -> usize {
        self.memory.config.response_ring as usize
    }

    /// The requests this worker runs now. For reports only: one may end while it is looked at.
    pub fn running(&self) -> impl Iterator<Item = Taken> {
        (0..).zip(self.memory.slots()).filter_map(|(slot, control)| {
            let state = control.state();
            let own = state.phase == Phase::Running && state.worker == self.worker;
            own.then_some(Taken { slot, sequence: state.sequence })
        })
    }

    /// Whether this worker runs the request now.
    pub fn runs(&self, taken: Taken) -> bool {
        (taken.slot as usize) < self.memory.slots().len() && self.holds(taken)
    }

    /// When this worker took the request; CLOCK_MONOTONIC in nanoseconds.
    pub fn started_ns(&self, taken: Taken) -> u64 {
        self.slot(taken).started_ns.load(Ordering::Relaxed)
    }

    /// This worker's own doorbell.
    pub(crate) fn doorbell(&self) -> Option<BorrowedFd<'_>> {
        self.doorbells.workers.get(usize::from(self.worker)).map(AsFd::as_fd)
    }

    pub(crate) fn staff(&self) -> Staff<'_> {
        self.memory.staff()
    }

    pub(crate) fn queue(&self) -> Queue<'_> {
        self.memory.queue()
    }

    pub(crate) fn entry(&self) -> &Worker {
        &self.staff().workers[usize::from(self.worker)]
    }

    pub(crate) fn slot(&self, taken: Taken) -> &Slot {
        &self.memory.slots()[taken.slot as usize]
    }

    pub(crate) fn wake_another(&self) {
        let Some(Sleeper { worker, thread }) = self.staff().claim_sleeper(now_ns) else {
            return;
        };
        if self.staff().workers[usize::from(worker)].is_loop() {
            if let Some(doorbell) = self.doorbells.workers.get(usize::from(worker)) {
                ring_doorbell(doorbell);
            }
        } else if let Some(entry) = self.memory.threads(worker).get(usize::from(thread)) {
            entry.rung.store(1, Ordering::Release);
            let _woken = futex::wake(&entry.rung, futex::Flags::empty(), 1);
        }
    }

    /// Rings this worker's own event loop for a request of its, from another thread.
    pub fn ring_own_loop(&self, taken: Taken) {
        if let Some(bell) = self.memory.worker_bell(self.worker)
            && bell.ring(taken.slot)
            && let Some(doorbell) = self.doorbell()
        {
            ring_doorbell(doorbell);
        }
    }

    /// Whether nobody wants the answer any more.
    pub fn abandoned(&self, taken: Taken) -> bool {
        self.slot(taken).abandoned.load(Ordering::Acquire) == 1
    }

    /// Whether the request is still this worker's: a thread of the application may outlive the request it wrote for, and its slot serves
    /// another by then.
    pub(crate) fn holds(&self, taken: Taken) -> bool {
        let state = self.slot(taken).state();
        state.sequence == taken.sequence && state.worker == self.worker && state.phase == Phase::Running
    }

    pub(crate) fn ring(&self, taken: Taken) {
        let thread = self.slot(taken).router_thread.load(Ordering::Relaxed);
        if self.memory.bell(thread).is_some_and(|bell| bell.ring(taken.slot)) {
            self.ring_router(thread);
        }
    }

    pub(crate) fn ring_router(&self, thread: u32) {
        if let Some(doorbell) = self.doorbells.routers.get(thread as usize) {
            ring_doorbell(doorbell);
        }
    }
}
