//! The router's ends of a slot's two rings: the body of the request, and the answer.

use crate::router::Exchange;
use crate::slot::{BEGIN_AGAIN, Phase, RequestEnd, response_flag, wish};
use crate::sync::{Ordering, fence};

/// What a worker has made of a request so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseProgress {
    /// Where the slot is.
    pub phase: Phase,
    /// The worker that runs it, or ran it.
    pub worker: u16,
    /// Bits of [`crate::slot::response_flag`].
    flags: u32,
    /// Bytes in the ring that were not consumed; the head counts.
    pub available: usize,
    /// Bytes of the head at the start of the ring.
    pub head: usize,
    /// Bytes of the trailers that follow what is available; 0 while they are not known. See [`crate::head::read_trailers`].
    pub trailers: usize,
    /// The worker counted more bytes than the ring holds: nothing of it can be believed.
    pub corrupt: bool,
}

impl ResponseProgress {
    /// The head is there.
    pub fn has_head(&self) -> bool {
        self.flags & response_flag::HEAD != 0
    }
    /// Nothing will follow what is available.
    pub fn complete(&self) -> bool {
        self.flags & response_flag::COMPLETE != 0
    }
    /// The answer must be cut off.
    pub fn failed(&self) -> bool {
        self.flags & response_flag::FAILED != 0
    }
    /// With the head: a WebSocket is accepted.
    pub fn upgrades(&self) -> bool {
        self.flags & response_flag::UPGRADE != 0
    }
    /// Early hints wait to be taken.
    pub fn has_hints(&self) -> bool {
        self.flags & response_flag::HINTS != 0
    }
}

impl Exchange {
    // ---- The body of a request

    /// Room in the request ring, in bytes.
    pub fn body_room(&self, slot: u32) -> usize {
        let control = self.slot(slot);
        let written = control.request_written.load(Ordering::Relaxed);
        // Clamped: a counter that a worker set wrongly must not make us write past what it has read, but that is its own loss.
        let unread = written.saturating_sub(control.request_read.load(Ordering::Acquire));
        (self.memory.config.request_ring as u64).saturating_sub(unread) as usize
    }

    /// Says that the router waits for room; `true` when there is some already. A bell follows otherwise.
    pub fn await_body_room(&self, slot: u32) -> bool {
        self.slot(slot).router_waits.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.body_room(slot) > 0
    }

    /// Appends what fits of `body`, and returns how much that was.
    pub fn write_body(&self, slot: u32, body: &[u8]) -> usize {
        let room = self.body_room(slot);
        let fits = body.len().min(room);
        if fits > 0 {
            let control = self.slot(slot);
            let written = control.request_written.load(Ordering::Relaxed);
            if control.request_place(written) >= BEGIN_AGAIN && room == self.memory.config.request_ring as usize {
                control.request_base.store(written, Ordering::Relaxed);
            }
            self.memory.request_ring(slot).ring_write(control.request_place(written), &body[..fits]);
            control.request_written.store(written + fits as u64, Ordering::Release);
            self.grant(slot, wish::BODY);
        }
        fits
    }

    /// Says how the body ended.
    pub fn end_body(&self, slot: u32, end: RequestEnd) {
        self.slot(slot).request_end.store(end as u32, Ordering::Release);
        self.grant(slot, wish::BODY);
    }

    /// Whether the worker waits for bytes of the body.
    pub fn wants_body(&self, slot: u32) -> bool {
        self.slot(slot).wishes.load(Ordering::Acquire) & (wish::BODY | wish::BODY << wish::LOOP) != 0
    }

    /// Whether the worker wants to know when the client leaves.
    pub fn watches_client(&self, slot: u32) -> bool {
        self.slot(slot).wishes.load(Ordering::Acquire) & wish::GONE != 0
    }

    // ---- The answer

    /// What there is of the answer.
    pub fn progress(&self, slot: u32) -> ResponseProgress {
        let control = self.slot(slot);
        // The phase first: what was written before it is then seen too.
        let state = control.state();
        let flags = control.response_flags.load(Ordering::Acquire);
        let written = control.response_written.load(Ordering::Acquire);
        // Trailers that were begun since must not be taken for the body.
        let flags = flags | control.response_flags.load(Ordering::Acquire) & response_flag::TRAILERS;
        let read = control.response_read.load(Ordering::Relaxed);
        let available = written.wrapping_sub(read);
        let head = control.response_head.load(Ordering::Acquire) as usize;
        let ring = u64::from(self.memory.config.response_ring);
        let corrupt = available > ring || head as u64 > ring;
        let body = if flags & response_flag::TRAILERS == 0 {
            available
        } else {
            control.trailers_at.load(Ordering::Acquire).saturating_sub(read).min(available)
        };
        ResponseProgress {
            phase: state.phase,
            worker: state.worker,
            flags,
            available: if corrupt { 0 } else { body as usize },
            trailers: if corrupt { 0 } else { (available - body) as usize },
            head: if corrupt { 0 } else { head },
            corrupt,
        }
    }

    /// Copies the next `length` bytes out of the answer, which must be available, and consumes them.
    pub fn read_response(&self, slot: u32, length: usize, to: &mut Vec<u8>) {
        let control = self.slot(slot);
        let length = length.min(self.memory.config.response_ring as usize);
        let start = to.len();
        to.resize(start + length, 0);
        let read = control.response_read.load(Ordering::Relaxed);
        self.memory.response_ring(slot).ring_read(control.response_place(read), &mut to[start..]);
        self.consume(slot, length);
    }

    /// Counts `length` bytes of the answer as sent, and wakes the worker when it waits for room and there is enough.
    pub fn consume(&self, slot: u32, length: usize) {
        let control = self.slot(slot);
        let read = control.response_read.load(Ordering::Relaxed) + length as u64;
        control.response_read.store(read, Ordering::Release);
        let unread = control.response_written.load(Ordering::Relaxed).wrapping_sub(read);
        // From half a ring on: a wake-up for each packet would cost more than it carries.
        if unread <= u64::from(self.memory.config.response_ring) / 2 {
            self.grant(slot, wish::ROOM);
        }
    }

    /// Says that the early hints were taken.
    pub fn hints_taken(&self, slot: u32) {
        let control = self.slot(slot);
        control.response_flags.fetch_and(!response_flag::HINTS, Ordering::AcqRel);
        self.grant(slot, wish::HINTS);
    }
}
