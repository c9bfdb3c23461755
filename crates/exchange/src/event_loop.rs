//! An event loop's side of an exchange: the one thread of a worker that never blocks here.
//!
//! The loop watches its doorbell among its other descriptors. While it is *awake* nobody rings it: at each turn it hears its bell (news of the
//! slots it runs), takes what it can serve soon from the queue, and looks again before it lets its selector sleep.

use rustix::fd::BorrowedFd;

use crate::bell::{Bell, Sleep};
use crate::memory::now_ns;
use crate::slot::{Phase, RequestEnd, Slot, response_flag, wish};
use crate::staff::{WORTH_A_WAKE_UP_NS, Worker};
use crate::sync::{Ordering, fence};
use crate::worker::{Taken, WorkerSide};

/// The most requests that are taken in one turn of the loop.
const MOST_AT_ONCE: u64 = 16;

/// The loop of a worker.
#[derive(Debug, Clone, Copy)]
pub struct EventLoop<'w> {
    side: &'w WorkerSide,
}

/// What a suspended handler waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Bytes of the body, or its end.
    Body,
    /// Room in the response ring: half of it, and for so many bytes if the ring holds as many.
    Room(usize),
    /// The early hints to be taken by the router.
    Hints,
    /// The client to leave.
    Gone,
}

impl WorkerSide {
    /// Makes this worker an event loop, awake; nothing rings it before its first [`EventLoop::prepare_sleep`].
    pub fn event_loop(&self) -> EventLoop<'_> {
        let entry = self.entry();
        entry.awake.store(1, Ordering::Relaxed);
        entry.looping.store(1, Ordering::Release);
        EventLoop { side: self }
    }
}

impl EventLoop<'_> {
    fn entry(&self) -> &Worker {
        self.side.entry()
    }

    fn bell(&self) -> Option<Bell<'_>> {
        self.side.memory.worker_bell(self.side.worker)
    }

    /// The descriptor that is readable when the loop was rung, once it was told to be watched.
    pub fn doorbell(&self) -> Option<BorrowedFd<'_>> {
        self.side.doorbell()
    }

    /// After the doorbell was readable: makes it silent again.
    pub fn answer_doorbell(&self) {
        // A loop that comes here turns: the server looks for that, see `watching`.
        self.entry().turns.fetch_add(1, Ordering::Relaxed);
        if let Some(doorbell) = self.doorbell() {
            let mut count = [0; 8];
            // It may have been answered already.
            let _read = rustix::io::read(doorbell, &mut count);
        }
    }

    /// Says that the loop is awake.
    pub fn awake(&self) {
        let entry = self.entry();
        entry.awake.store(1, Ordering::Relaxed);
        entry.cancel_sleep(0);
        if let Some(bell) = self.bell() {
            bell.awake();
        }
    }

    /// Calls `each` with every slot that has news, whether or not it is this worker's any more.
    pub fn hear(&self, each: impl FnMut(u32)) {
        if let Some(bell) = self.bell() {
            bell.answer(each);
        }
    }

    /// How many requests may be taken before the loop looks at its other work: as many as are served soon, judged by what ran it longest of late.
    pub fn appetite(&self) -> u64 {
        let slowest = u64::from(self.entry().service_ns.load(Ordering::Relaxed));
        (WORTH_A_WAKE_UP_NS / slowest.max(1)).clamp(1, MOST_AT_ONCE)
    }

    /// Takes the next request, if there is one for this loop now. `now` as for [`crate::Thread::take`].
    pub fn take(&self, now: Option<u64>) -> Option<Taken> {
        let thread = self.side.thread(0);
        let taken = thread.take_entry(now)?;
        thread.wake_next();
        Some(taken)
    }

    /// Announces sleep; `false` when there is something to do after all, and the loop is still awake.
    pub fn prepare_sleep(&self) -> bool {
        let side = self.side;
        let entry = self.entry();
        let Some(bell) = self.bell() else { return true };
        entry.awake.store(0, Ordering::Relaxed);
        let retired = side.retired();
        if !retired {
            entry.prepare_sleep(0);
        }
        let stays_awake = !bell.prepare_sleep(Sleep::Deep)
            || side.retired() != retired
            || (!retired && side.queue().len() != 0 && side.staff().may_take(side.worker, now_ns));
        if stays_awake {
            self.awake();
            return false;
        }
        if !retired && side.queue().len() != 0 {
            // Something waits that is for a loop with less to do: make sure one knows.
            side.wake_another();
        }
        true
    }

    /// A handler waits for the first time: it counts as running until it is finished.
    pub fn suspended(&self) {
        self.entry().running.fetch_add(1, Ordering::AcqRel);
    }

    /// Says how long a handler kept the loop from its other work, in nanoseconds.
    pub fn ran(&self, took_ns: u64) {
        self.entry().served(took_ns);
    }

    /// Says that a request is done. `suspended` if [`EventLoop::suspended`] was called for it. Returns when that was, in nanoseconds.
    pub fn finish(&self, taken: Taken, suspended: bool) -> u64 {
        let side = self.side;
        let slot = side.slot(taken);
        let now = now_ns();
        slot.finished_ns.store(now, Ordering::Relaxed);
        if suspended {
            self.entry().running.fetch_sub(1, Ordering::AcqRel);
        }
        self.entry().served.fetch_add(1, Ordering::Relaxed);
        slot.finish(taken.sequence, side.worker);
        side.tell_finished(taken);
        now
    }

    /// Whether the handler's task is to be cancelled.
    pub fn cancelled(&self, taken: Taken) -> bool {
        self.side.holds(taken) && self.side.slot(taken).cancelled.load(Ordering::Acquire) == 1
    }

    /// The request in a slot, if this worker runs one there.
    pub fn running_in(&self, slot: u32) -> Option<Taken> {
        let control = self.side.memory.slots().get(slot as usize)?;
        let state = control.state();
        let own = state.phase == Phase::Running && state.worker == self.side.worker;
        own.then_some(Taken { slot, sequence: state.sequence })
    }

    /// Announces what a handler waits for; `false` when it is there already (or nobody wants the answer any more). News of the slot follow otherwise.
    pub fn announce(&self, taken: Taken, awaited: Awaited) -> bool {
        let side = self.side;
        let slot = side.slot(taken);
        let bit = match awaited {
            Awaited::Body => wish::BODY << wish::LOOP,
            Awaited::Room(_) => wish::ROOM << wish::LOOP,
            Awaited::Hints => wish::HINTS << wish::LOOP,
            Awaited::Gone => wish::GONE,
        };
        let before = slot.wishes.fetch_or(bit, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if side.abandoned(taken) || !side.holds(taken) || self.is_granted(slot, awaited) {
            if awaited != Awaited::Gone {
                slot.wishes.fetch_and(!bit, Ordering::AcqRel);
            }
            return false;
        }
        // The router answers `Expect: 100-continue` when the application begins to read, and watches the client only when asked to.
        let tell = matches!(awaited, Awaited::Body | Awaited::Gone | Awaited::Hints);
        if tell && before & bit == 0 {
            side.ring(taken);
        }
        true
    }

    fn is_granted(&self, slot: &Slot, awaited: Awaited) -> bool {
        match awaited {
            Awaited::Body => {
                slot.request_written.load(Ordering::Acquire) != slot.request_read.load(Ordering::Relaxed)
                    || slot.request_end.load(Ordering::Acquire) != RequestEnd::Open as u32
            }
            Awaited::Room(bytes) => {
                let ring = u64::from(self.side.memory.config.response_ring);
                let written = slot.response_written.load(Ordering::Relaxed);
                let unread = written.saturating_sub(slot.response_read.load(Ordering::Acquire));
                // As the router grants it, or as much as is needed: whichever is more.
                unread <= ring / 2 && ring - unread >= (bytes as u64).min(ring)
            }
            Awaited::Hints => slot.response_flags.load(Ordering::Acquire) & response_flag::HINTS == 0,
            Awaited::Gone => false,
        }
    }

    /// Writes early hints and tells the router; `false` when there is no room for them. The head must not be written before they are taken
    /// ([`Awaited::Hints`]).
    pub fn hint(&self, taken: Taken, head: &[u8]) -> bool {
        let side = self.side;
        if side.room(taken) < head.len() || side.write(taken, head) < head.len() {
            return false;
        }
        let slot = side.slot(taken);
        slot.response_head.store(head.len() as u32, Ordering::Relaxed);
        slot.response_flags.fetch_or(response_flag::HINTS, Ordering::Release);
        side.ring(taken);
        true
    }
}
