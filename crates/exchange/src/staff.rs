//! The staff: which threads of which workers sleep, how many requests each worker runs, and whom to wake next.
//!
//! The rule: *processes first, threads second*. A thread of a worker that runs a request already leaves the queue alone while another worker
//! sleeps entirely; a waker picks a thread of such a worker before a second thread of a busy one. Threads that share an interpreter share
//! its lock, so this keeps short requests out of the way of computing ones.
//!
//! A worker that is an event loop has one thread, and *runs* what waits in it: handlers that are suspended. It leaves the queue alone while
//! another loop sleeps that has clearly fewer of them, so that they spread evenly.
//!
//! A sleeping thread is a bit in its worker's word. Clearing the bit is the right, and the duty, to wake that thread.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The most threads a worker may have: one bit each.
pub(crate) const MAX_THREADS: u16 = 64;

/// Work in the queue that would take longer than this deserves a worker (or another one) to be woken at once; nanoseconds.
pub(crate) const WORTH_A_WAKE_UP_NS: u64 = 100_000;

/// By how many suspended handlers one event loop may be ahead of another, besides an eighth of them.
const UNEVEN: u32 = 2;

/// How long an event loop may take from its ring to its first look at the queue, in nanoseconds; one that takes longer is blocked.
const COMING_NS: u64 = 10_000_000;

/// One worker process.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Worker {
    /// One bit for each of its threads that sleeps.
    pub(crate) sleepers: AtomicU64,
    /// Requests it runs now; of an event loop, those that are suspended.
    pub(crate) running: AtomicU32,
    /// 1 when it takes nothing more.
    pub(crate) retired: AtomicU32,
    /// How long its slowest recent request took, decaying; nanoseconds, saturated.
    pub(crate) service_ns: AtomicU32,
    /// 1 when a process serves this entry: the router counts on it.
    pub(crate) present: AtomicU32,
    /// Requests its process finished; wraps, after a while in which it proved itself.
    pub(crate) served: AtomicU32,
    /// 1 when the process is an event loop, woken by its doorbell.
    pub(crate) looping: AtomicU32,
    /// 1 while its event loop is awake, and looks at the queue again before it sleeps.
    pub(crate) awake: AtomicU32,
    /// How often its event loop answered its doorbell, or a thread of it found nothing to do; wraps.
    pub(crate) turns: AtomicU32,
    /// When its event loop was last rung for the queue; CLOCK_MONOTONIC in nanoseconds.
    pub(crate) rung_ns: AtomicU64,
}

/// One thread of a worker.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct ThreadEntry {
    /// What it is taking off the queue, see [`crate::queue::Queue::pop`].
    pub(crate) intent: AtomicU64,
    /// The futex it sleeps on: 0 while it may sleep, 1 when it was rung.
    pub(crate) rung: AtomicU32,
}

/// A thread, by worker and place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper {
    pub(crate) worker: u16,
    pub(crate) thread: u16,
}

/// The table of workers, over memory that lives elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Staff<'m> {
    pub(crate) workers: &'m [Worker],
}

impl Worker {
    #[cfg(any(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            sleepers: AtomicU64::new(0),
            running: AtomicU32::new(0),
            retired: AtomicU32::new(0),
            service_ns: AtomicU32::new(0),
            present: AtomicU32::new(1),
            served: AtomicU32::new(0),
            looping: AtomicU32::new(0),
            awake: AtomicU32::new(0),
            turns: AtomicU32::new(0),
            rung_ns: AtomicU64::new(0),
        }
    }

    fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.running() == 0
    }

    pub(crate) fn is_loop(&self) -> bool {
        self.looping.load(Ordering::Relaxed) == 1
    }

    /// Whether a process has this place that takes requests: one that was not retired.
    pub(crate) fn takes(&self) -> bool {
        self.present.load(Ordering::Relaxed) == 1 && self.retired.load(Ordering::Relaxed) == 0
    }

    fn sleeps(&self) -> bool {
        self.sleepers.load(Ordering::Relaxed) != 0
    }

    /// Whether it is an event loop that would be at the queue in a moment if it were asked, or was asked just now.
    fn is_at_hand(&self, now: u64) -> bool {
        let coming = self.awake.load(Ordering::Relaxed) == 0
            && now.saturating_sub(self.rung_ns.load(Ordering::Relaxed)) < COMING_NS;
        self.sleeps() || (self.is_loop() && coming)
    }

    /// Whether it will look at the queue by itself.
    fn attends(&self) -> bool {
        let busy = if self.is_loop() { self.awake.load(Ordering::Relaxed) == 1 } else { !self.is_idle() };
        busy && self.retired.load(Ordering::Relaxed) == 0
    }

    /// Takes one sleeping thread's bit.
    fn claim(&self) -> Option<u16> {
        let mut bits = self.sleepers.load(Ordering::Relaxed);
        while bits != 0 {
            let bit = bits & bits.wrapping_neg();
            if self.sleepers.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                return Some(bit.trailing_zeros() as u16);
            }
            bits = self.sleepers.load(Ordering::Relaxed);
        }
        None
    }

    /// Announces that `thread` is about to sleep. The caller looks at the queue again before it does.
    pub(crate) fn prepare_sleep(&self, thread: u16) {
        self.sleepers.fetch_or(1 << thread, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back; `false` when a waker has it already, and the ring is on its way.
    pub(crate) fn cancel_sleep(&self, thread: u16) -> bool {
        self.sleepers.fetch_and(!(1 << thread), Ordering::AcqRel) & (1 << thread) != 0
    }

    /// Remembers how long a request took: the slowest counts, for some dozens of requests. A short one that was merely preempted looks slow too, and
    /// must not make every wake-up urgent for long; one in a hundred that is slow indeed is left to the router's guard of the queue.
    pub(crate) fn served(&self, took_ns: u64) {
        let took = u32::try_from(took_ns).unwrap_or(u32::MAX);
        let known = self.service_ns.load(Ordering::Relaxed);
        let next = if took >= known { took } else { known - (known - took) / 8 };
        if next != known {
            self.service_ns.store(next, Ordering::Relaxed);
        }
    }
}

impl Staff<'_> {
    /// Whether a thread of `worker` may take from the queue now, by the rule.
    pub(crate) fn may_take(&self, worker: u16, now: impl FnOnce() -> u64) -> bool {
        match self.workers.get(usize::from(worker)) {
            Some(own) if own.is_idle() => true,
            Some(own) if own.is_loop() => {
                let running = own.running();
                let fewer = running.saturating_sub(UNEVEN + running / 8);
                if fewer == 0 {
                    return true;
                }
                let now = now();
                !self.workers.iter().any(|other| other.running() < fewer && other.is_at_hand(now))
            }
            Some(_) => !self.workers.iter().any(|other| other.sleeps() && other.is_idle()),
            None => false,
        }
    }

    /// Claims the thread to wake next: of the worker that runs the fewest requests. Call it after the entry was pushed.
    pub(crate) fn claim_sleeper(&self, now: impl Fn() -> u64) -> Option<Sleeper> {
        fence(Ordering::SeqCst);
        loop {
            let sleeping = (0u16..).zip(self.workers).filter(|(_, worker)| worker.sleeps());
            let (number, worker) = sleeping.min_by_key(|(_, worker)| worker.running())?;
            if let Some(thread) = worker.claim() {
                if worker.is_loop() {
                    worker.rung_ns.store(now(), Ordering::Relaxed);
                }
                return Some(Sleeper { worker: number, thread });
            }
        }
    }

    /// Whether a thread runs a request, of a worker that takes more: it looks at the queue when it is done. Call it after the entry was pushed.
    pub(crate) fn someone_attends(&self) -> bool {
        fence(Ordering::SeqCst);
        self.workers.iter().any(Worker::attends)
    }

    /// How long a request takes at the slowest worker; `None` while no worker has served any. Nanoseconds.
    pub(crate) fn slowest(&self) -> Option<u64> {
        let present = self.workers.iter().filter(|worker| worker.present.load(Ordering::Relaxed) == 1);
        // A worker that has served nothing yet knows nothing: the application is the same.
        let known = present.map(|worker| worker.service_ns.load(Ordering::Relaxed)).filter(|known| *known > 0);
        known.max().map(u64::from)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_process_comes_before_a_second_thread_of_a_busy_one() {
        let workers = [Worker::new(), Worker::new()];
        let staff = Staff { workers: &workers };
        workers[0].running.store(1, Ordering::Relaxed);
        workers[0].prepare_sleep(1);
        assert!(staff.may_take(0, || 0), "nobody else sleeps");
        workers[1].prepare_sleep(0);
        assert!(!staff.may_take(0, || 0), "worker 1 is idle and sleeps");
        assert!(staff.may_take(1, || 0));
        assert_eq!(staff.claim_sleeper(|| 0), Some(Sleeper { worker: 1, thread: 0 }));
        assert_eq!(staff.claim_sleeper(|| 0), Some(Sleeper { worker: 0, thread: 1 }));
        assert_eq!(staff.claim_sleeper(|| 0), None);
        assert!(!workers[1].cancel_sleep(0), "the waker has it");
    }

    #[test]
    fn one_slow_request_is_remembered_for_a_while() {
        let worker = Worker::new();
        worker.served(200_000_000);
        for _ in 0..16 {
            worker.served(3_000);
        }
        assert!(worker.service_ns.load(Ordering::Relaxed) > 10_000_000);
        for _ in 0..200 {
            worker.served(3_000);
        }
        assert!(worker.service_ns.load(Ordering::Relaxed) < 10_000);
    }
}
