//! A thread of a worker: taking requests, finishing them, sleeping in between.

use std::time::Duration;

use rustix::thread::futex;

use crate::memory::now_ns;
use crate::staff::{ThreadEntry, WORTH_A_WAKE_UP_NS};
use crate::sync::Ordering;
use crate::worker::{Taken, WorkerSide};

/// One thread of a worker, as the exchange knows it.
#[derive(Debug, Clone, Copy)]
pub struct Thread<'w> {
    pub(crate) side: &'w WorkerSide,
    pub(crate) number: u16,
}

impl Thread<'_> {
    fn entry(&self) -> &ThreadEntry {
        &self.side.memory.threads(self.side.worker)[usize::from(self.number)]
    }

    /// Takes the next request, if there is one for this thread now.
    ///
    /// `now` is what [`Thread::finish`] returned if that was this moment: a clock is not free at this rate.
    pub fn take(&self, now: Option<u64>) -> Option<Taken> {
        let taken = self.take_entry(now)?;
        self.side.entry().running.fetch_add(1, Ordering::AcqRel);
        self.wake_next();
        Some(taken)
    }

    /// The same, without counting it as running, and without a thought for others.
    pub(crate) fn take_entry(&self, now: Option<u64>) -> Option<Taken> {
        let side = self.side;
        let queue = side.queue();
        let intent = &self.entry().intent;
        loop {
            let entry = if queue.len() == 0 || side.retired() || !side.staff().may_take(side.worker, now_ns) {
                None
            } else {
                queue.pop(intent)
            };
            let Some(entry) = entry else {
                side.remind();
                return None;
            };
            let won = side
                .memory
                .slots()
                .get(entry.slot as usize)
                .is_some_and(|slot| slot.start(entry.sequence, side.worker));
            intent.store(0, Ordering::Release);
            if won {
                let taken = Taken { slot: entry.slot, sequence: entry.sequence };
                let now = now.unwrap_or_else(now_ns);
                side.slot(taken).started_ns.store(now, Ordering::Relaxed);
                side.remind_if_late(now);
                return Some(taken);
            }
        }
    }

    /// Wakes another thread when the queue holds more than this one can serve soon, judged by the slowest recent request.
    pub(crate) fn wake_next(&self) {
        let waiting = self.side.queue().len();
        if waiting > 0 {
            let service = u64::from(self.side.entry().service_ns.load(Ordering::Relaxed));
            if waiting.saturating_mul(service) > WORTH_A_WAKE_UP_NS {
                self.side.wake_another();
            }
        }
    }

    /// Says that the request is done: nothing more will be read or written for it. Returns when that was, in nanoseconds.
    pub fn finish(&self, taken: Taken) -> u64 {
        let side = self.side;
        let slot = side.slot(taken);
        let now = now_ns();
        slot.finished_ns.store(now, Ordering::Relaxed);
        side.entry().served(now.saturating_sub(slot.started_ns.load(Ordering::Relaxed)));
        side.entry().running.fetch_sub(1, Ordering::AcqRel);
        side.entry().served.fetch_add(1, Ordering::Relaxed);
        slot.finish(taken.sequence, side.worker);
        if slot.wishes.load(Ordering::Relaxed) != 0 {
            // A thread of the application still waits for something that will not come.
            slot.rung.fetch_add(1, Ordering::AcqRel);
            let _woken = futex::wake(&slot.rung, futex::Flags::empty(), i32::MAX as u32);
        }
        side.tell_finished(taken);
        now
    }

    /// Sleeps until there may be something to take, the worker is retired, a signal came, `limit` is over, or, as the first thread, until
    /// [`WorkerSide::rouse`]. Blocks.
    pub fn sleep(&self, limit: Option<Duration>) {
        let side = self.side;
        let worker = side.entry();
        let rung = &self.entry().rung;
        // A thread that comes here is well: the server looks for that, see `watching`.
        worker.turns.fetch_add(1, Ordering::Relaxed);
        // Before the look at `roused`: either that is seen here, or its ring is not taken back.
        rung.store(0, Ordering::SeqCst);
        worker.prepare_sleep(self.number);
        if self.number == 0 && side.roused.swap(false, Ordering::SeqCst) {
            worker.cancel_sleep(self.number);
            return;
        }
        if side.retired() || side.queue().len() != 0 {
            let stay = !side.retired() && !side.staff().may_take(side.worker, now_ns);
            if !stay {
                // A waker that has the bit rings a thread that is awake: it looks at the queue, which is all a ring asks.
                worker.cancel_sleep(self.number);
                return;
            }
            // Something waits that is for an idle process: make sure one knows.
            side.wake_another();
        }
        let timeout = limit.map(|limit| rustix::thread::Timespec {
            tv_sec: limit.as_secs() as i64,
            tv_nsec: i64::from(limit.subsec_nanos()),
        });
        while rung.load(Ordering::Acquire) == 0 {
            use rustix::io::Errno;
            // A signal ends the sleep too, so that the interpreter can run its handler.
            if matches!(
                futex::wait(rung, futex::Flags::empty(), 0, timeout.as_ref()),
                Err(Errno::TIMEDOUT | Errno::INTR)
            ) {
                break;
            }
        }
        worker.cancel_sleep(self.number);
    }
}
