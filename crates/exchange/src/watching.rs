//! What the server sees of code that is stuck: what runs without moving, event loops that do not turn, and idle workers that do not come when they
//! are rung. Looked at now and then, from any thread; it costs those that run nothing.

use crate::router::Exchange;
use crate::slot::{Phase, wish};
use crate::staff::Sleeper;
use crate::sync::Ordering;
use crate::worker::Taken;

/// A request that a worker runs, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningView {
    /// The request, as one word: [`Taken::to_bits`].
    pub request: u64,
    /// Who runs it.
    pub worker: u16,
    /// Bytes given and taken so far, in all: as long as this stays the same nothing moves.
    pub moved: u64,
    /// It waits for its client, which sends no body or takes no answer: that is no fault of the code.
    pub awaits_client: bool,
}

impl Exchange {
    /// Everything that runs, in the order of the slots. What is looked at may end meanwhile.
    pub fn running_now(&self) -> impl Iterator<Item = RunningView> + '_ {
        (0u32..).zip(self.memory.slots()).filter_map(|(slot, control)| {
            let state = control.state();
            if state.phase != Phase::Running {
                return None;
            }
            let counts =
                [&control.request_written, &control.request_read, &control.response_written, &control.response_read];
            let moved = counts.iter().fold(0u64, |sum, count| sum.wrapping_add(count.load(Ordering::Relaxed)));
            Some(RunningView {
                request: Taken { slot, sequence: state.sequence }.to_bits(),
                worker: state.worker,
                moved,
                awaits_client: control.wishes.load(Ordering::Relaxed) & (wish::BODY | wish::ROOM | wish::HINTS) != 0,
            })
        })
    }

    /// The requests that `worker` runs now, each as [`Taken::to_bits`].
    pub fn running_of(&self, worker: u16) -> Vec<u64> {
        self.running_now().filter(|view| view.worker == worker).map(|view| view.request).collect()
    }

    /// The request in a slot, as [`Taken::to_bits`], for the thread that owns the slot.
    pub fn request_in(&self, slot: u32) -> u64 {
        Taken { slot, sequence: self.slot(slot).state().sequence }.to_bits()
    }

    /// Whether `worker` is an event loop that takes requests: one that was retired ends by its own rules, and need not turn.
    pub fn is_serving_loop(&self, worker: u16) -> bool {
        self.memory.staff().workers.get(usize::from(worker)).is_some_and(|entry| {
            entry.is_loop() && entry.present.load(Ordering::Relaxed) == 1 && entry.retired.load(Ordering::Relaxed) == 0
        })
    }

    /// Asks `worker` for a sign of life: rings the doorbell of its event loop, or its first thread. It is well if [`Exchange::signs`] is another
    /// number some time later. A thread that runs a request gives no sign.
    pub fn ask_for_sign(&self, worker: u16) {
        if self.is_loop(worker) {
            self.ring_worker(worker);
        } else {
            self.ring_thread(Sleeper { worker, thread: 0 });
        }
    }

    /// How often the event loop of `worker` answered its doorbell; of one with threads, how often these finished a request or found none; wraps.
    pub fn signs(&self, worker: u16) -> u32 {
        let Some(entry) = self.memory.staff().workers.get(usize::from(worker)) else { return 0 };
        let turns = entry.turns.load(Ordering::Relaxed);
        if entry.is_loop() { turns } else { turns.wrapping_add(entry.served.load(Ordering::Relaxed)) }
    }

    /// How many requests were ever put into the queue, again and again among them; wraps.
    pub fn arrived(&self) -> u64 {
        self.taken().wrapping_add(self.queued())
    }
}
