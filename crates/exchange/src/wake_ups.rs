//! Whom the router wakes, and when: workers for the queue, threads and event loops for news of what they run; and its own bells.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::thread::futex;

use crate::bell::Sleep;
use crate::memory::now_ns;
use crate::router::Exchange;
use crate::slot::{Phase, State, wish};
use crate::staff::{Sleeper, WORTH_A_WAKE_UP_NS, Worker};
use crate::sync::{Ordering, fence};

impl Exchange {
    // ---- Workers for the queue

    /// Wakes one thread for the queue, when it holds something and one sleeps. Whoever is woken wakes the next when that helps.
    pub fn wake_worker(&self) -> bool {
        self.memory.queue().len() != 0
            && self.memory.staff().claim_sleeper(now_ns).is_some_and(|sleeper| self.ring_thread(sleeper))
    }

    /// The same for a batch of requests, unless a worker that is at work will get to them soon.
    pub fn wake_for_batch(&self) -> bool {
        let attended = self.memory.staff().someone_attends() && !self.is_urgent();
        !attended && self.wake_worker()
    }

    /// Whether what the queue holds should not wait for more to come with it: see the rule for wake-ups in the crate's primer.
    pub fn is_urgent(&self) -> bool {
        let work = self.memory.staff().slowest().map(|each| each.saturating_mul(self.memory.queue().len()));
        work.is_none_or(|work| work > WORTH_A_WAKE_UP_NS)
    }

    pub(crate) fn ring_thread(&self, sleeper: Sleeper) -> bool {
        let Some(entry) = self.memory.threads(sleeper.worker).get(usize::from(sleeper.thread)) else {
            return false;
        };
        if self.is_loop(sleeper.worker) {
            self.ring_worker(sleeper.worker);
            return true;
        }
        entry.rung.store(1, Ordering::Release);
        let _woken = futex::wake(&entry.rung, futex::Flags::empty(), 1);
        true
    }

    // ---- What runs

    /// Wakes the worker's thread, or its event loop, if it waits for one of `wishes`.
    pub(crate) fn grant(&self, slot: u32, wishes: u32) {
        let control = self.slot(slot);
        let looping = wishes << wish::LOOP;
        fence(Ordering::SeqCst);
        if control.wishes.load(Ordering::Relaxed) & (wishes | looping) == 0 {
            return;
        }
        let granted = control.wishes.fetch_and(!(wishes | looping), Ordering::AcqRel);
        if granted & looping != 0 {
            self.ring_loop(slot);
        }
        if granted & wishes != 0 {
            control.rung.fetch_add(1, Ordering::AcqRel);
            // All of them: one thread of an application may wait for the body while another waits for room.
            let _woken = futex::wake(&control.rung, futex::Flags::empty(), i32::MAX as u32);
        }
    }

    /// Whether a worker is an event loop.
    pub fn is_loop(&self, worker: u16) -> bool {
        self.memory.staff().workers.get(usize::from(worker)).is_some_and(Worker::is_loop)
    }

    /// Whether the application takes WebSockets: whether a worker that is present is an event loop.
    pub fn serves_websockets(&self) -> bool {
        self.memory.staff().workers.iter().any(Worker::is_loop)
    }

    /// Rings the bell of the loop that runs `slot`: it looks whether the slot has news. Nothing happens when no loop runs it.
    pub fn probe_loop(&self, slot: u32) {
        self.ring_loop(slot);
    }

    /// Whether the loop that runs `slot` has looked since its bell was rung last: one that does not is stuck.
    pub fn loop_answers(&self, slot: u32) -> bool {
        let worker = self.slot(slot).state().worker;
        !self.memory.worker_bell(worker).is_some_and(|bell| bell.holds(slot))
    }

    pub(crate) fn ring_loop(&self, slot: u32) {
        let State { worker, phase, .. } = self.slot(slot).state();
        if phase == Phase::Running
            && let Some(bell) = self.memory.worker_bell(worker)
            && bell.ring(slot)
        {
            self.ring_worker(worker);
        }
    }

    pub(crate) fn ring_worker(&self, worker: u16) {
        if let Some(doorbell) = self.worker_doorbells.get(usize::from(worker)) {
            ring_doorbell(doorbell);
        }
    }

    // ---- Router threads

    /// The descriptor that workers write to when they wake router thread `thread`.
    pub fn doorbell(&self, thread: u32) -> Option<BorrowedFd<'_>> {
        self.router_doorbells.get(thread as usize).map(AsFd::as_fd)
    }

    /// Calls `each` for every slot of `thread` with news.
    pub fn answer_bell(&self, thread: u32, each: impl FnMut(u32)) {
        let slots = self.memory.config.slots;
        let mut each = each;
        if let Some(bell) = self.memory.bell(thread) {
            bell.answer(|slot| {
                if slot < slots {
                    each(slot);
                }
            });
        }
    }

    /// Announces that `thread` is about to sleep; `false` when it must not, as there is news.
    pub fn prepare_sleep(&self, thread: u32, sleep: Sleep) -> bool {
        self.memory.bell(thread).is_some_and(|bell| bell.prepare_sleep(sleep))
    }

    /// Takes the announcement back.
    pub fn awake(&self, thread: u32) {
        if let Some(bell) = self.memory.bell(thread) {
            bell.awake();
        }
    }
}

/// Adds one to an eventfd; it is never full in practice, and rung already if it were.
pub(crate) fn ring_doorbell(doorbell: impl AsFd) {
    let _rung = rustix::io::write(doorbell, &1u64.to_ne_bytes());
}
