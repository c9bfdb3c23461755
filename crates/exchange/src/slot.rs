//! The control block of a slot: its state word and the cursors of its two byte rings.
//!
//! Who writes what: the router all that begins with `request_`, but for `request_read`; the worker all that begins with `response_`, but
//! for `response_read`. The state word changes by compare-and-swap only.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Where a slot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody's.
    Free,
    /// Submitted; in the queue, or on its way to a worker.
    Queued,
    /// A worker runs it.
    Running,
    /// The worker is done with it: nothing more comes.
    Done,
    /// The worker that ran it died.
    Lost,
}

impl Phase {
    fn from_bits(bits: u64) -> Self {
        match bits & 0xff {
            1 => Self::Queued,
            2 => Self::Running,
            3 => Self::Done,
            4 => Self::Lost,
            // Whatever else a worker may have written there, nobody runs it.
            _ => Self::Free,
        }
    }
}

/// How the body of a request ended, as the worker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnd {
    /// More may come.
    Open,
    /// It is complete.
    Complete,
    /// The client vanished, or stalled, before it was complete.
    Aborted,
    /// What came was not a valid body, or longer than allowed.
    Refused,
}

impl RequestEnd {
    pub(crate) fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Complete,
            2 => Self::Aborted,
            3 => Self::Refused,
            _ => Self::Open,
        }
    }
}

/// Bits of [`Slot::response_flags`].
pub mod response_flag {
    /// The head stands at the start of the ring.
    pub const HEAD: u32 = 1;
    /// The body is complete: nothing will be written after what is counted.
    pub const COMPLETE: u32 = 2;
    /// The application failed after the head: the answer must be cut off.
    pub const FAILED: u32 = 4;
    /// Early hints (103) stand at the start of the ring; the worker waits until the router has taken them.
    pub const HINTS: u32 = 8;
    /// With [`HEAD`]: the slot is a WebSocket from now on, and both rings carry records, see [`crate::record`].
    pub const UPGRADE: u32 = 16;
    /// Trailer fields stand in the ring after the body.
    pub const TRAILERS: u32 = 32;
    /// With [`COMPLETE`]: the router was told of that. The worker's own note.
    pub(crate) const TOLD: u32 = 64;
}

/// Bits of [`Slot::wishes`]: what the worker waits for.
pub(crate) mod wish {
    /// Bytes of the body.
    pub(crate) const BODY: u32 = 1;
    /// Room in the response ring.
    pub(crate) const ROOM: u32 = 2;
    /// The hints to be taken.
    pub(crate) const HINTS: u32 = 4;
    /// The same wishes of an event loop: shifted by so many bits, granted by its bell and not by the futex.
    pub(crate) const LOOP: u32 = 3;
    /// To know when the client leaves. It stays until the request is over.
    pub(crate) const GONE: u32 = 64;
}

/// A state word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) sequence: u32,
    pub(crate) worker: u16,
    pub(crate) phase: Phase,
}

impl State {
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.sequence) << 32 | u64::from(self.worker) << 8 | self.phase as u64
    }

    pub(crate) fn unpack(word: u64) -> Self {
        Self { sequence: (word >> 32) as u32, worker: (word >> 8) as u16, phase: Phase::from_bits(word) }
    }
}

/// From this place in its ring on, an empty ring begins again at its front; bytes.
pub(crate) const BEGIN_AGAIN: u64 = 1024;

/// The control block of a slot, in shared memory.
#[repr(C, align(128))]
#[derive(Debug)]
pub struct Slot {
    pub(crate) state: AtomicU64,
    /// CLOCK_MONOTONIC in nanoseconds: submitted, taken, finished.
    pub(crate) queued_ns: AtomicU64,
    pub(crate) started_ns: AtomicU64,
    pub(crate) finished_ns: AtomicU64,
    /// Body bytes put into the request ring by the router, and taken out by the worker.
    pub(crate) request_written: AtomicU64,
    pub(crate) request_read: AtomicU64,
    /// Body bytes put into the response ring by the worker, and taken out by the router. The head counts, it comes first.
    pub(crate) response_written: AtomicU64,
    pub(crate) response_read: AtomicU64,
    /// Where in their counts the rings begin: a ring that is empty begins again at its front, so that a quiet stream does not touch, with time,
    /// all of its memory. Written by the ring's writer, and only while the ring is empty.
    pub(crate) request_base: AtomicU64,
    pub(crate) response_base: AtomicU64,
    /// Where the trailers begin, when [`response_flag::TRAILERS`] is set.
    pub(crate) trailers_at: AtomicU64,
    pub(crate) request_head: AtomicU32,
    pub(crate) request_end: AtomicU32,
    pub(crate) response_head: AtomicU32,
    pub(crate) response_flags: AtomicU32,
    /// The router thread that owns the slot.
    pub(crate) router_thread: AtomicU32,
    /// What the worker waits for, bits of [`wish`].
    pub(crate) wishes: AtomicU32,
    /// 1 when the router waits for room in the request ring.
    pub(crate) router_waits: AtomicU32,
    /// 1 when nobody wants the answer any more.
    pub(crate) abandoned: AtomicU32,
    /// 1 when the worker should give up running it: it is past its time.
    pub(crate) cancelled: AtomicU32,
    /// The futex the worker's thread sleeps on while it waits for the router: changes with each ring.
    pub(crate) rung: AtomicU32,
}

impl Slot {
    #[cfg(any(test, loom))]
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            queued_ns: AtomicU64::new(0),
            started_ns: AtomicU64::new(0),
            finished_ns: AtomicU64::new(0),
            request_written: AtomicU64::new(0),
            request_read: AtomicU64::new(0),
            response_written: AtomicU64::new(0),
            response_read: AtomicU64::new(0),
            request_base: AtomicU64::new(0),
            response_base: AtomicU64::new(0),
            trailers_at: AtomicU64::new(0),
            request_head: AtomicU32::new(0),
            request_end: AtomicU32::new(0),
            response_head: AtomicU32::new(0),
            response_flags: AtomicU32::new(0),
            router_thread: AtomicU32::new(0),
            wishes: AtomicU32::new(0),
            router_waits: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            cancelled: AtomicU32::new(0),
            rung: AtomicU32::new(0),
        }
    }

    pub(crate) fn state(&self) -> State {
        State::unpack(self.state.load(Ordering::Acquire))
    }

    /// Changes the state if it still is `from`; the sequence stays.
    pub(crate) fn transition(&self, from: State, worker: u16, phase: Phase) -> bool {
        let to = State { sequence: from.sequence, worker, phase };
        self.state.compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The place in its ring of position `at` of the response's count.
    pub(crate) fn response_place(&self, at: u64) -> u64 {
        at.wrapping_sub(self.response_base.load(Ordering::Relaxed))
    }

    /// The place in its ring of position `at` of the request's count.
    pub(crate) fn request_place(&self, at: u64) -> u64 {
        at.wrapping_sub(self.request_base.load(Ordering::Relaxed))
    }

    /// QUEUED to RUNNING, for the taker of an entry; `false` for a stale or duplicate entry.
    pub(crate) fn start(&self, sequence: u32, worker: u16) -> bool {
        self.transition(State { sequence, worker: 0, phase: Phase::Queued }, worker, Phase::Running)
    }

    /// RUNNING to DONE, by the worker that runs it.
    pub(crate) fn finish(&self, sequence: u32, worker: u16) -> bool {
        self.transition(State { sequence, worker, phase: Phase::Running }, worker, Phase::Done)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stale_entry_starts_nothing() {
        let slot = Slot::new();
        slot.state.store(State { sequence: 7, worker: 0, phase: Phase::Queued }.pack(), Ordering::Relaxed);
        assert!(!slot.start(6, 1));
        assert!(slot.start(7, 1));
        assert!(!slot.start(7, 2), "a duplicate entry loses");
        assert!(!slot.finish(7, 2));
        assert!(slot.finish(7, 1));
        assert_eq!(slot.state(), State { sequence: 7, worker: 1, phase: Phase::Done });
    }

    #[test]
    fn any_word_unpacks() {
        assert_eq!(State::unpack(u64::MAX).phase, Phase::Free);
        let state = State { sequence: u32::MAX, worker: u16::MAX, phase: Phase::Lost };
        assert_eq!(State::unpack(state.pack()), state);
    }
}
