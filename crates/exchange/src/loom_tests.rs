//! Every interleaving of the protocols between processes, by loom: run with `RUSTFLAGS="--cfg loom"`.
//!
//! Threads stand for processes. A sleep is modelled by its announcement: what a test demands is that nobody who announced it is left
//! without a ring while there is something for it.

use loom::sync::Arc;
use loom::thread;

use crate::bell::{Bell, Left, Sleep};
use crate::queue::{Entry, Queue};
use crate::slot::{Phase, Slot, State};
use crate::staff::{Staff, Worker};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

struct Words {
    head: AtomicU64,
    tail: AtomicU64,
    ring: Vec<AtomicU64>,
    intents: [AtomicU64; 2],
}

impl Words {
    fn new(size: usize) -> Self {
        Self {
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
            ring: (0..size).map(|_| AtomicU64::new(u64::MAX)).collect(),
            intents: [AtomicU64::new(0), AtomicU64::new(0)],
        }
    }

    fn queue(&self) -> Queue<'_> {
        Queue { head: &self.head, tail: &self.tail, ring: &self.ring }
    }
}

fn entry(slot: u32) -> Entry {
    Entry { slot, sequence: 1 }
}

#[test]
fn each_entry_is_taken_once_and_in_a_ring_that_wraps() {
    loom::model(|| {
        let words = Arc::new(Words::new(2));
        assert!(words.queue().push(entry(1)));
        let takers: Vec<_> = (0..2)
            .map(|taker| {
                let words = Arc::clone(&words);
                thread::spawn(move || words.queue().pop(&words.intents[taker]))
            })
            .collect();
        // Into the second cell, and then into the first again once it was taken.
        assert!(words.queue().push(entry(2)));
        let pushed = words.queue().push(entry(3));
        let mut taken: Vec<u32> =
            takers.into_iter().filter_map(|taker| taker.join().unwrap()).map(|entry| entry.slot).collect();
        while let Some(entry) = words.queue().pop(&words.intents[0]) {
            taken.push(entry.slot);
        }
        taken.sort_unstable();
        assert_eq!(taken, if pushed { vec![1, 2, 3] } else { vec![1, 2] });
    });
}

#[test]
fn an_entry_and_its_duplicate_start_one_run() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        slot.state.store(State { sequence: 1, worker: 0, phase: Phase::Queued }.pack(), Ordering::Release);
        let takers: Vec<_> = (1..=2)
            .map(|worker| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.start(1, worker))
            })
            .collect();
        let won = takers.into_iter().map(|taker| taker.join().unwrap()).filter(|won| *won).count();
        assert_eq!(won, 1);
        assert_eq!(slot.state().phase, Phase::Running);
    });
}

#[test]
fn a_request_that_is_cancelled_is_not_run() {
    loom::model(|| {
        let slot = Arc::new(Slot::new());
        let queued = State { sequence: 1, worker: 0, phase: Phase::Queued };
        slot.state.store(queued.pack(), Ordering::Release);
        let taker = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.start(1, 1))
        };
        let cancelled = slot.transition(queued, 0, Phase::Free);
        assert!(cancelled != taker.join().unwrap(), "exactly one of them has it");
    });
}

#[test]
fn what_a_dying_taker_had_in_hand_stands_in_its_intent() {
    loom::model(|| {
        let words = Arc::new(Words::new(2));
        assert!(words.queue().push(entry(7)));
        // It dies between taking the entry and starting the slot.
        let taker = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                words.queue().pop(&words.intents[0]);
            })
        };
        // Whoever sees the entry gone from the queue sees the intent.
        if words.head.load(Ordering::Acquire) == 1 {
            assert_eq!(Entry::unpack(words.intents[0].load(Ordering::Relaxed)), entry(7));
        }
        taker.join().unwrap();
        assert_eq!(Entry::unpack(words.intents[0].load(Ordering::Relaxed)), entry(7));
    });
}

struct BellWords {
    sleeping: AtomicU32,
    summary: [AtomicU64; 1],
    news: [AtomicU64; 1],
    doorbell: AtomicU32,
    data: AtomicU32,
}

impl BellWords {
    fn new() -> Self {
        Self {
            sleeping: AtomicU32::new(0),
            summary: [AtomicU64::new(0)],
            news: [AtomicU64::new(0)],
            doorbell: AtomicU32::new(0),
            data: AtomicU32::new(0),
        }
    }

    fn bell(&self) -> Bell<'_> {
        Bell { sleeping: &self.sleeping, summary: &self.summary, news: &self.news }
    }
}

#[test]
fn news_wakes_a_router_thread_or_keeps_it_awake() {
    // Three threads with two words each have too many interleavings to try all: those with three preemptions show every known race.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let words = Arc::new(BellWords::new());
        let ringers: Vec<_> = [1u32, 5]
            .into_iter()
            .map(|slot| {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    words.data.fetch_add(1, Ordering::Relaxed);
                    if words.bell().ring(slot) {
                        words.doorbell.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        let mut heard = 0;
        words.bell().answer(|_| heard += 1);
        let sleeps = words.bell().prepare_sleep(Sleep::Deep);
        for ringer in ringers {
            ringer.join().unwrap();
        }
        let rung = words.doorbell.load(Ordering::Acquire);
        assert!(rung <= 1, "one wake-up for one sleep");
        if sleeps && heard < 2 {
            assert_eq!(rung, 1, "it sleeps, with news and without a ring");
        }
        words.bell().answer(|_| heard += 1);
        assert_eq!(heard, 2, "no news is lost, none is told twice");
        assert_eq!(words.data.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn what_is_left_to_a_router_thread_is_seen_before_its_next_deep_sleep_or_wakes_it() {
    for first in [Sleep::Doze, Sleep::Deep] {
        loom::model(move || {
            let words = Arc::new(BellWords::new());
            let leaver = {
                let words = Arc::clone(&words);
                thread::spawn(move || {
                    let left = words.bell().leave(3);
                    if left == Left::Asleep {
                        words.doorbell.fetch_add(1, Ordering::Release);
                    }
                    left
                })
            };
            let mut heard = 0;
            if words.bell().prepare_sleep(first) {
                // It looks by itself.
                words.bell().awake();
            }
            words.bell().answer(|_| heard += 1);
            let sleeps = words.bell().prepare_sleep(Sleep::Deep);
            let left = leaver.join().unwrap();
            if sleeps && heard == 0 {
                let rung = words.doorbell.load(Ordering::Acquire);
                assert_eq!((left, rung), (Left::Asleep, 1), "it sleeps, with news and without a ring");
            }
            words.bell().answer(|_| heard += 1);
            assert_eq!(heard, 1);
        });
    }
}

#[test]
fn who_was_left_news_in_a_doze_is_woken_by_the_reminder_or_has_seen_them() {
    loom::model(|| {
        let words = Arc::new(BellWords::new());
        let leaver = {
            let words = Arc::clone(&words);
            thread::spawn(move || {
                let wakes = match words.bell().leave(3) {
                    Left::Asleep => true,
                    Left::Dozing => words.bell().remind(),
                    Left::Awake => false,
                };
                if wakes {
                    words.doorbell.fetch_add(1, Ordering::Release);
                }
            })
        };
        let dozes = words.bell().prepare_sleep(Sleep::Doze);
        leaver.join().unwrap();
        let rung = words.doorbell.load(Ordering::Acquire);
        assert!(!dozes || rung == 1, "it dozes, with news and without a ring");
    });
}

#[test]
fn a_ring_wakes_from_a_doze_beside_news_that_are_left() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let words = Arc::new(BellWords::new());
        let leaver = {
            let words = Arc::clone(&words);
            thread::spawn(move || words.bell().leave(1) == Left::Asleep)
        };
        let ringer = {
            let words = Arc::clone(&words);
            thread::spawn(move || words.bell().ring(5))
        };
        let dozes = words.bell().prepare_sleep(Sleep::Doze);
        let wakes = [leaver.join().unwrap(), ringer.join().unwrap()];
        assert!(!wakes[0], "nobody sleeps deeply");
        assert!(!dozes || wakes[1], "it dozes, with news that do not wait");
        let mut heard = 0;
        words.bell().answer(|_| heard += 1);
        assert_eq!(heard, 2);
    });
}

#[test]
fn a_push_wakes_a_thread_that_is_about_to_sleep_or_is_seen_by_it() {
    loom::model(|| {
        let words = Arc::new(Words::new(2));
        let workers = Arc::new([Worker::new()]);
        let sleeper = {
            let (words, workers) = (Arc::clone(&words), Arc::clone(&workers));
            thread::spawn(move || {
                workers[0].prepare_sleep(0);
                // Whether it stays awake.
                words.queue().len() != 0
            })
        };
        assert!(words.queue().push(entry(1)));
        let claimed = Staff { workers: &*workers }.claim_sleeper(|| 0);
        let awake = sleeper.join().unwrap();
        assert!(awake || claimed.is_some(), "it sleeps, the queue holds something, and nobody rings");
    });
}

#[test]
fn who_is_left_unrung_because_it_is_at_work_sees_the_push_when_it_is_done() {
    loom::model(|| {
        let words = Arc::new(Words::new(2));
        let workers = Arc::new([Worker::new()]);
        workers[0].running.store(1, Ordering::Relaxed);
        let finishing = {
            let (words, workers) = (Arc::clone(&words), Arc::clone(&workers));
            thread::spawn(move || {
                // As `Thread::finish` does, whose ring of the bell has the fence, and `Thread::take` after it.
                workers[0].running.fetch_sub(1, Ordering::AcqRel);
                fence(Ordering::SeqCst);
                words.queue().len() != 0
            })
        };
        assert!(words.queue().push(entry(1)));
        let left_alone = Staff { workers: &*workers }.someone_attends();
        assert!(!left_alone || finishing.join().unwrap(), "nobody takes the entry");
    });
}

#[test]
fn one_sleeper_is_rung_by_one_waker() {
    loom::model(|| {
        let workers = Arc::new([Worker::new()]);
        workers[0].prepare_sleep(3);
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let workers = Arc::clone(&workers);
                thread::spawn(move || Staff { workers: &*workers }.claim_sleeper(|| 0))
            })
            .collect();
        let cancelled = workers[0].cancel_sleep(3);
        let claims = wakers.into_iter().filter_map(|waker| waker.join().unwrap()).count();
        assert_eq!(claims + usize::from(cancelled), 1);
    });
}
