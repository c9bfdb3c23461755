//! Answers that a worker does not wake the router for at once.
//!
//! While requests wait that it begins right away, a worker leaves answers to router threads that doze, and wakes them once for several: at the
//! latest when the queue is empty, or at the end of the request in which [`PATIENCE_NS`] are over. A router thread that dozes looks by itself
//! within milliseconds, so an answer arrives even if that request never ends.

use crate::bell::Left;
use crate::memory::now_ns;
use crate::slot::response_flag;
use crate::sync::{AtomicU64, Ordering};
use crate::worker::{Taken, WorkerSide};

/// How long answers are left, and what a request may take at most for them to be left at all; nanoseconds.
const PATIENCE_NS: u64 = 250_000;

/// How many requests must wait, so that who waits for an answer waits for little more, and clients that ask again only when they have theirs
/// do not run dry.
const BACKLOG: u64 = 4;

/// The router threads that a worker has left answers to.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    /// One bit for each.
    routers: AtomicU64,
    /// When the first of them was left one; CLOCK_MONOTONIC in nanoseconds.
    since_ns: AtomicU64,
}

impl Untold {
    /// Remembers that an answer was left to router thread `thread`.
    pub(crate) fn add(&self, thread: u32, now: impl FnOnce() -> u64) {
        let known = self.routers.load(Ordering::Relaxed);
        if known == 0 {
            self.since_ns.store(now(), Ordering::Relaxed);
        }
        self.routers.fetch_or(1 << (thread % 64), Ordering::AcqRel);
    }

    /// Whether there are any, left before `at`.
    pub(crate) fn are_older_than(&self, at: u64) -> bool {
        self.routers.load(Ordering::Relaxed) != 0 && self.since_ns.load(Ordering::Relaxed) < at
    }

    /// Calls `each` for all of them, and forgets them first.
    pub(crate) fn take(&self, mut each: impl FnMut(u32)) {
        if self.routers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut routers = self.routers.swap(0, Ordering::AcqRel);
        while routers != 0 {
            each(routers.trailing_zeros());
            routers &= routers - 1;
        }
    }
}

impl WorkerSide {
    /// Says that the answer is complete, and tells the router, perhaps not before there is more to tell.
    pub fn publish_whole(&self, taken: Taken) {
        self.flag(taken, response_flag::COMPLETE | response_flag::TOLD);
        self.tell(taken);
    }

    /// Tells the router that the request is done.
    pub(crate) fn tell_finished(&self, taken: Taken) {
        if self.slot(taken).response_flags.load(Ordering::Relaxed) & response_flag::TOLD == 0 {
            self.tell(taken);
        } else {
            // Nobody waits for the slot that it frees.
            self.leave(taken);
        }
    }

    fn tell(&self, taken: Taken) {
        let took = u64::from(self.entry().service_ns.load(Ordering::Relaxed));
        // A worker that served nothing yet does not know how long it takes.
        let is_quick = (1..=PATIENCE_NS).contains(&took);
        if !is_quick || self.queue().len() < BACKLOG {
            self.ring(taken);
        } else if self.leave(taken) == Left::Dozing {
            self.untold.add(self.slot(taken).router_thread.load(Ordering::Relaxed), now_ns);
        }
    }

    /// Tells the router of news that can wait until it looks by itself.
    fn leave(&self, taken: Taken) -> Left {
        let thread = self.slot(taken).router_thread.load(Ordering::Relaxed);
        let left = self.memory.bell(thread).map_or(Left::Awake, |bell| bell.leave(taken.slot));
        if left == Left::Asleep {
            self.ring_router(thread);
        }
        left
    }

    /// Wakes the router threads that answers were left to, but for those that have seen them.
    pub(crate) fn remind(&self) {
        self.untold.take(|thread| {
            if self.memory.bell(thread).is_some_and(|bell| bell.remind()) {
                self.ring_router(thread);
            }
        });
    }

    /// The same if that is due. `now` as for [`crate::Thread::take`].
    pub(crate) fn remind_if_late(&self, now: u64) {
        if self.untold.are_older_than(now.saturating_sub(PATIENCE_NS)) {
            self.remind();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::bell::Sleep;
    use crate::layout::Config;
    use crate::router::Exchange;
    use crate::slot::RequestEnd;
    use crate::worker::Doorbells;

    fn exchange() -> Exchange {
        let sizes = Config { workers: 1, threads: 1, router_threads: 2, slots: 8, ..SIZES };
        Exchange::create(sizes).unwrap()
    }

    const SIZES: Config = Config {
        workers: 1,
        threads: 1,
        router_threads: 1,
        slots: 1,
        websockets: 0,
        head_size: 4096,
        request_ring: 16,
        response_ring: 16,
    };

    /// A worker that knows how long its requests take.
    fn worker(exchange: &Exchange, took_ns: u32) -> WorkerSide {
        exchange.prepare_worker(0);
        let mut descriptors: Vec<OwnedFd> = exchange.worker_descriptors().unwrap();
        let mut routers = descriptors.split_off(1);
        let workers = routers.split_off(2);
        let side = WorkerSide::attach(descriptors.swap_remove(0), 0, Doorbells { routers, workers }).unwrap();
        side.event_loop();
        side.entry().service_ns.store(took_ns, Ordering::Relaxed);
        side
    }

    fn submit(exchange: &Exchange, thread: u32, count: usize) {
        for _ in 0..count {
            exchange.submit(thread, b"head", b"", RequestEnd::Complete).unwrap();
        }
    }

    /// Takes a request and answers it. `now` as for `take`.
    fn answer_one(side: &WorkerSide, now: u64) {
        let events = side.event_loop();
        let taken = events.take(Some(now)).unwrap();
        side.publish_whole(taken);
        events.finish(taken, false);
    }

    fn was_rung(exchange: &Exchange, thread: u32) -> bool {
        rustix::io::read(exchange.doorbell(thread).unwrap(), &mut [0; 8]).is_ok()
    }

    fn news(exchange: &Exchange, thread: u32) -> usize {
        let mut count = 0;
        exchange.answer_bell(thread, |_| count += 1);
        count
    }

    #[test]
    fn answers_are_left_to_a_router_that_dozes_until_nothing_waits() {
        let exchange = exchange();
        let side = worker(&exchange, 50_000);
        submit(&exchange, 0, 1);
        submit(&exchange, 1, 5);
        assert!(exchange.prepare_sleep(0, Sleep::Doze) && exchange.prepare_sleep(1, Sleep::Doze));
        answer_one(&side, 0);
        answer_one(&side, 0);
        assert!(!was_rung(&exchange, 0) && !was_rung(&exchange, 1), "two are answered, four wait");
        answer_one(&side, 0);
        assert!(was_rung(&exchange, 1), "three are no backlog");
        assert_eq!(news(&exchange, 1), 2);
        assert!(!was_rung(&exchange, 0), "its news still wait");
        while side.event_loop().take(None).is_some() {}
        assert!(was_rung(&exchange, 0), "the queue is empty");
        assert!(!was_rung(&exchange, 1), "it has seen what was left");
    }

    #[test]
    fn answers_are_not_left_for_long() {
        let exchange = exchange();
        let side = worker(&exchange, 50_000);
        submit(&exchange, 0, 8);
        assert!(exchange.prepare_sleep(0, Sleep::Doze));
        answer_one(&side, 0);
        let left = now_ns();
        assert!(!was_rung(&exchange, 0));
        answer_one(&side, left + PATIENCE_NS + 1);
        assert!(was_rung(&exchange, 0));
    }

    #[test]
    fn who_has_seen_what_was_left_is_not_rung() {
        let exchange = exchange();
        let side = worker(&exchange, 50_000);
        submit(&exchange, 0, 8);
        assert!(exchange.prepare_sleep(0, Sleep::Doze));
        answer_one(&side, 0);
        exchange.awake(0);
        assert_eq!(news(&exchange, 0), 1);
        assert!(exchange.prepare_sleep(0, Sleep::Deep));
        side.remind();
        assert!(!was_rung(&exchange, 0));
    }

    #[test]
    fn a_router_that_sleeps_is_rung_and_so_is_one_that_dozes_when_requests_are_slow() {
        for (sleep, took_ns) in [(Sleep::Deep, 50_000), (Sleep::Doze, 251_000), (Sleep::Doze, 0)] {
            let exchange = exchange();
            let side = worker(&exchange, took_ns);
            submit(&exchange, 0, 8);
            assert!(exchange.prepare_sleep(0, sleep));
            answer_one(&side, 0);
            assert!(was_rung(&exchange, 0), "{sleep:?} {took_ns}");
        }
    }
}
