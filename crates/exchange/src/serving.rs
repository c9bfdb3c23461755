//! A worker's ends of a slot's two rings: the request, and the answer it writes. What blocks says so.

use std::io;

use rustix::thread::futex;

use crate::slot::{BEGIN_AGAIN, RequestEnd, Slot, response_flag, wish};
use crate::sync::{Ordering, fence};
use crate::worker::{Taken, WorkerSide};

/// What there is of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyChunk {
    /// So many bytes were copied.
    Bytes(usize),
    /// Nothing now; more may come.
    Nothing,
    /// No more will come, for this reason.
    End(RequestEnd),
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Look again.
    Look,
    /// Nobody wants the answer any more.
    Abandoned,
}

impl WorkerSide {
    // ---- The request

    /// The head of the request, as the router laid it out. It does not change while the request runs.
    pub fn head(&self, taken: Taken) -> &[u8] {
        let area = self.memory.head(taken.slot);
        let length = self.slot(taken).request_head.load(Ordering::Relaxed) as usize;
        // SAFETY: the view lives as long as `self`, which owns the mapping. The router writes it only before the request is taken and
        // after it is done.
        unsafe { area.end(length) }
    }

    /// Copies what is there of the body.
    pub fn read_body(&self, taken: Taken, to: &mut [u8]) -> BodyChunk {
        let slot = self.slot(taken);
        if !self.holds(taken) {
            return BodyChunk::End(RequestEnd::Aborted);
        }
        // The end first: bytes that were written before it are then seen too.
        let end = RequestEnd::from_bits(slot.request_end.load(Ordering::Acquire));
        let written = slot.request_written.load(Ordering::Acquire);
        let read = slot.request_read.load(Ordering::Relaxed);
        let ring = self.memory.request_ring(taken.slot);
        let available = (written.saturating_sub(read) as usize).min(ring.size);
        if available == 0 || matches!(end, RequestEnd::Aborted | RequestEnd::Refused) {
            return if end == RequestEnd::Open { BodyChunk::Nothing } else { BodyChunk::End(end) };
        }
        let length = available.min(to.len());
        ring.ring_read(slot.request_place(read), &mut to[..length]);
        let read = read + length as u64;
        slot.request_read.store(read, Ordering::Release);
        let room = ring.size as u64 - written.saturating_sub(read).min(ring.size as u64);
        fence(Ordering::SeqCst);
        if slot.router_waits.load(Ordering::Relaxed) == 1
            && room >= ring.size as u64 / 2
            && slot.router_waits.swap(0, Ordering::AcqRel) == 1
        {
            self.ring(taken);
        }
        BodyChunk::Bytes(length)
    }

    /// Whether the body ended as it should, and all of it was read.
    pub fn body_is_complete(&self, taken: Taken) -> bool {
        let slot = self.slot(taken);
        slot.request_end.load(Ordering::Acquire) == RequestEnd::Complete as u32
            && slot.request_written.load(Ordering::Acquire) == slot.request_read.load(Ordering::Relaxed)
    }

    /// Bytes of the body that can be read now.
    pub fn body_available(&self, taken: Taken) -> usize {
        let slot = self.slot(taken);
        let unread =
            slot.request_written.load(Ordering::Acquire).saturating_sub(slot.request_read.load(Ordering::Relaxed));
        unread.min(u64::from(self.memory.config.request_ring)) as usize
    }

    /// Waits until there is more of the body, or it ended. Blocks.
    ///
    /// The router is told each time, so that it can answer `Expect: 100-continue` when the application begins to read.
    pub fn await_body(&self, taken: Taken) {
        let ready = |slot: &Slot| {
            slot.request_written.load(Ordering::Acquire) != slot.request_read.load(Ordering::Relaxed)
                || slot.request_end.load(Ordering::Acquire) != RequestEnd::Open as u32
        };
        self.await_router(taken, wish::BODY, true, ready);
    }

    // ---- The answer

    /// Room in the response ring, in bytes.
    pub fn room(&self, taken: Taken) -> usize {
        let slot = self.slot(taken);
        let unread =
            slot.response_written.load(Ordering::Relaxed).saturating_sub(slot.response_read.load(Ordering::Acquire));
        (u64::from(self.memory.config.response_ring)).saturating_sub(unread) as usize
    }

    /// Appends what fits, and returns how much that was. Nobody is told before [`WorkerSide::publish`].
    pub fn write(&self, taken: Taken, bytes: &[u8]) -> usize {
        if !self.holds(taken) {
            return 0;
        }
        let fits = bytes.len().min(self.room(taken));
        let slot = self.slot(taken);
        let written = slot.response_written.load(Ordering::Relaxed);
        self.begin_again(slot, written);
        self.memory.response_ring(taken.slot).ring_write(slot.response_place(written), &bytes[..fits]);
        slot.response_written.store(written + fits as u64, Ordering::Release);
        fits
    }

    /// Lets an empty ring begin again at its front.
    fn begin_again(&self, slot: &Slot, written: u64) {
        if slot.response_place(written) >= BEGIN_AGAIN && slot.response_read.load(Ordering::Acquire) == written {
            slot.response_base.store(written, Ordering::Relaxed);
        }
    }

    /// Lets `fill` write into the ring itself, up to `limit` bytes in one run, and counts what it says it wrote.
    ///
    /// # Errors
    /// What `fill` returns.
    pub fn write_with(
        &self,
        taken: Taken,
        limit: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let room = self.room(taken).min(limit);
        let slot = self.slot(taken);
        let written = slot.response_written.load(Ordering::Relaxed);
        let ring = self.memory.response_ring(taken.slot);
        self.begin_again(slot, written);
        let (offset, run) = ring.run(slot.response_place(written), room);
        // SAFETY: the router reads only what was counted, and no other worker has this slot.
        let space = unsafe { ring.slice_mut(offset, run) };
        let length = fill(space)?.min(run);
        slot.response_written.store(written + length as u64, Ordering::Release);
        Ok(length)
    }

    /// Says that the first `length` bytes written are the head.
    pub fn set_head(&self, taken: Taken, length: usize) {
        let slot = self.slot(taken);
        slot.response_head.store(length as u32, Ordering::Relaxed);
        slot.response_flags.fetch_or(response_flag::HEAD, Ordering::Release);
    }

    /// Writes early hints (a response head of status 103), tells the router, and waits until it has taken them. Blocks.
    ///
    /// Only before the head; `Abandoned` when nobody is there to take them.
    pub fn hint(&self, taken: Taken, head: &[u8]) -> Wait {
        // All or nothing: the answer's own head needs the ring empty.
        if self.room(taken) < head.len() || self.write(taken, head) < head.len() {
            return Wait::Abandoned;
        }
        let slot = self.slot(taken);
        slot.response_head.store(head.len() as u32, Ordering::Relaxed);
        slot.response_flags.fetch_or(response_flag::HINTS, Ordering::Release);
        let ready = |slot: &Slot| slot.response_flags.load(Ordering::Acquire) & response_flag::HINTS == 0;
        self.await_router(taken, wish::HINTS, true, ready)
    }

    /// Says that what is written from now on are trailers, see [`crate::head::read_trailers`].
    pub fn begin_trailers(&self, taken: Taken) {
        let slot = self.slot(taken);
        slot.trailers_at.store(slot.response_written.load(Ordering::Relaxed), Ordering::Release);
        slot.response_flags.fetch_or(response_flag::TRAILERS, Ordering::Release);
    }

    /// Whether early hints wait to be taken by the router.
    pub fn hinting(&self, taken: Taken) -> bool {
        self.slot(taken).response_flags.load(Ordering::Acquire) & response_flag::HINTS != 0
    }

    /// Sets further [`response_flag`]s; they are seen with the next publication.
    pub fn flag(&self, taken: Taken, flags: u32) {
        self.slot(taken).response_flags.fetch_or(flags, Ordering::Release);
    }

    /// Tells the router of what was written.
    pub fn publish(&self, taken: Taken) {
        self.ring(taken);
    }

    /// Waits until there is room in the response ring. Blocks.
    pub fn await_room(&self, taken: Taken) -> Wait {
        self.await_router(taken, wish::ROOM, false, |slot| {
            slot.response_written.load(Ordering::Relaxed).saturating_sub(slot.response_read.load(Ordering::Acquire))
                < u64::from(self.memory.config.response_ring)
        })
    }

    // ---- Waiting

    /// Announces the wish, looks again, sleeps until the router grants it.
    fn await_router(&self, taken: Taken, wish: u32, tell: bool, ready: impl Fn(&Slot) -> bool) -> Wait {
        let slot = self.slot(taken);
        loop {
            let rung = slot.rung.load(Ordering::Acquire);
            slot.wishes.fetch_or(wish, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if self.abandoned(taken) || !self.holds(taken) {
                return Wait::Abandoned;
            }
            if ready(slot) {
                slot.wishes.fetch_and(!wish, Ordering::AcqRel);
                return Wait::Look;
            }
            if tell {
                self.ring(taken);
            }
            let _woken = futex::wait(&slot.rung, futex::Flags::empty(), rung, None);
        }
    }
}
