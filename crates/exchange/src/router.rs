//! The router's side of an exchange: slots, and what becomes of their requests. The supervisor's is in [`crate::recovery`], the bytes of
//! requests and answers in [`crate::streams`], wake-ups in [`crate::wake_ups`].
//!
//! The router trusts nothing that a worker can write: counters are clamped to the ring, states are checked against a private copy of the
//! sequence, and what is read is copied first.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::EventfdFlags;

use crate::layout::Config;
use crate::load::Waits;
use crate::memory::{Memory, now_ns};
use crate::queue::Entry;
use crate::slot::{Phase, RequestEnd, Slot, State, wish};
use crate::sync::{AtomicU64, Ordering};
use crate::tally::Counted;

/// One generation's shared memory, as the router and the supervisor hold it.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) memory: Memory,
    /// Rung by workers to wake a router thread.
    pub(crate) router_doorbells: Vec<OwnedFd>,
    /// Rung to wake a worker whose event loop watches a descriptor.
    pub(crate) worker_doorbells: Vec<OwnedFd>,
    producer: Mutex<Producer>,
    /// How many processes were given a worker's entry; it tells one sleep from the next.
    pub(crate) arrivals: AtomicU64,
    /// The sleep in which workers were asked for last; `u64::MAX` for none.
    pub(crate) asked_in: AtomicU64,
    /// By the worker's place.
    pub(crate) tallies: Box<[Counted]>,
    pub(crate) waits: Waits,
}

/// What only one thread may do at a time: choosing slots and appending to the queue.
#[derive(Debug)]
pub(crate) struct Producer {
    /// Free slots, the one used last on top: its pages are warm, and slots that are never needed never cost memory.
    free: Vec<u32>,
    /// The sequence of each slot's present use.
    pub(crate) sequences: Vec<u32>,
    /// Slots that are in use: none is freed twice, whatever stands in its state word.
    used: Vec<bool>,
    /// Slots that are in use for a WebSocket, and how many these are.
    websocket: Vec<bool>,
    websockets: u32,
    /// Slots whose request crashed a worker.
    pub(crate) blamed: Vec<bool>,
    /// Slots that were used since their pages were last given back.
    touched: Vec<bool>,
}

/// A request that was put into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The number of its slot.
    pub slot: u32,
}

impl Producer {
    /// Whether a slot is in use.
    pub(crate) fn is_used(&self, slot: u32) -> bool {
        self.used[slot as usize]
    }

    /// Puts a slot back; `false` when it was free already.
    fn free(&mut self, slot: u32) -> bool {
        let used = std::mem::take(&mut self.used[slot as usize]);
        if used {
            self.free.push(slot);
            self.websockets -= u32::from(std::mem::take(&mut self.websocket[slot as usize]));
        }
        used
    }

    /// Whether there is room for one more: WebSockets, which may be open for days, and requests are counted apart.
    fn has_room(&self, config: &Config, websocket: bool) -> bool {
        if websocket {
            return self.websockets < config.websockets;
        }
        let used = config.slots as usize - self.free.len();
        used - (self.websockets as usize) < (config.slots - config.websockets) as usize
    }
}

impl Exchange {
    /// Makes the memory and the doorbells.
    ///
    /// # Errors
    /// When a size is out of range, or the system has no memory or descriptors.
    pub fn create(config: Config) -> io::Result<Self> {
        let memory = Memory::create(config)?;
        let eventfds = |count: u32| -> io::Result<Vec<OwnedFd>> {
            (0..count).map(|_| Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)).collect()
        };
        Ok(Self {
            router_doorbells: eventfds(config.router_threads)?,
            worker_doorbells: eventfds(config.workers)?,
            producer: Mutex::new(Producer {
                free: (0..config.slots).rev().collect(),
                sequences: vec![0; config.slots as usize],
                used: vec![false; config.slots as usize],
                websocket: vec![false; config.slots as usize],
                websockets: 0,
                blamed: vec![false; config.slots as usize],
                touched: vec![false; config.slots as usize],
            }),
            arrivals: AtomicU64::new(0),
            asked_in: AtomicU64::new(u64::MAX),
            tallies: (0..config.workers).map(|_| Counted::default()).collect(),
            waits: Waits::default(),
            memory,
        })
    }

    /// The sizes it was made with.
    pub fn config(&self) -> &Config {
        &self.memory.config
    }

    pub(crate) fn producer(&self) -> MutexGuard<'_, Producer> {
        // Nothing in there is left half-done by a panic.
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot {
        &self.memory.slots()[slot as usize]
    }

    // ---- Requests -------------------------------------------------------------------------------------------------------

    /// Puts a request into the queue; `None` when every slot for requests is in use, or the head is too long for a slot.
    ///
    /// `body` is what is there of it; the rest follows by [`Exchange::write_body`]. It must fit the request ring. Workers are not woken:
    /// see [`Exchange::wake_worker`].
    pub fn submit(&self, thread: u32, head: &[u8], body: &[u8], end: RequestEnd) -> Option<Submitted> {
        self.put(thread, head, body, end, false)
    }

    /// The same for the handshake of a WebSocket, which takes one of the slots for these.
    pub fn submit_websocket(&self, thread: u32, head: &[u8]) -> Option<Submitted> {
        self.put(thread, head, b"", RequestEnd::Open, true)
    }

    fn put(&self, thread: u32, head: &[u8], body: &[u8], end: RequestEnd, websocket: bool) -> Option<Submitted> {
        if head.len() > self.memory.config.head_size as usize || body.len() > self.memory.config.request_ring as usize {
            return None;
        }
        let mut producer = self.producer();
        if !producer.has_room(&self.memory.config, websocket) {
            return None;
        }
        let number = producer.free.pop()?;
        let place = number as usize;
        let sequence = producer.sequences[place].wrapping_add(1);
        producer.sequences[place] = sequence;
        producer.touched[place] = true;
        producer.used[place] = true;
        producer.websocket[place] = websocket;
        producer.websockets += u32::from(websocket);
        producer.blamed[place] = false;
        let slot = self.slot(number);
        self.memory.head(number).write_end(head);
        self.memory.request_ring(number).write_at(0, body);
        slot.request_head.store(head.len() as u32, Ordering::Relaxed);
        slot.request_written.store(body.len() as u64, Ordering::Relaxed);
        slot.request_base.store(0, Ordering::Relaxed);
        slot.request_end.store(end as u32, Ordering::Relaxed);
        slot.router_thread.store(thread, Ordering::Relaxed);
        slot.queued_ns.store(now_ns(), Ordering::Relaxed);
        self.clear(slot);
        if self.enqueue(slot, number, sequence) {
            return Some(Submitted { slot: number });
        }
        slot.state.store(State { sequence, worker: 0, phase: Phase::Free }.pack(), Ordering::Relaxed);
        producer.free(number);
        None
    }

    /// Resets what a former use of the slot left.
    fn clear(&self, slot: &Slot) {
        slot.started_ns.store(0, Ordering::Relaxed);
        slot.finished_ns.store(0, Ordering::Relaxed);
        slot.request_read.store(0, Ordering::Relaxed);
        slot.response_written.store(0, Ordering::Relaxed);
        slot.response_read.store(0, Ordering::Relaxed);
        slot.response_head.store(0, Ordering::Relaxed);
        slot.response_flags.store(0, Ordering::Relaxed);
        slot.wishes.store(0, Ordering::Relaxed);
        slot.router_waits.store(0, Ordering::Relaxed);
        slot.abandoned.store(0, Ordering::Relaxed);
        slot.cancelled.store(0, Ordering::Relaxed);
        slot.response_base.store(0, Ordering::Relaxed);
        slot.trailers_at.store(0, Ordering::Relaxed);
    }

    /// Makes the slot QUEUED and pushes its entry. The producer's lock must be held.
    fn enqueue(&self, slot: &Slot, number: u32, sequence: u32) -> bool {
        // The entry's release, and the taker's acquire of it, publish all that was stored above.
        slot.state.store(State { sequence, worker: 0, phase: Phase::Queued }.pack(), Ordering::Release);
        self.memory.queue().push(Entry { slot: number, sequence })
    }

    /// Entries in the queue; stale ones count.
    pub fn queued(&self) -> u64 {
        self.memory.queue().len()
    }

    /// How many entries were ever taken: stands still when no worker takes any.
    pub fn taken(&self) -> u64 {
        self.memory.queue().head.load(Ordering::Relaxed)
    }

    /// Slots in use.
    pub fn in_flight(&self) -> usize {
        self.memory.config.slots as usize - self.producer().free.len()
    }

    /// Copies the head of the request, as it was submitted, to the end of `to`.
    pub fn read_head(&self, slot: u32, to: &mut Vec<u8>) {
        let area = self.memory.head(slot);
        let length = self.slot(slot).request_head.load(Ordering::Relaxed) as usize;
        // SAFETY: copied at once; whatever is read there is only bytes.
        to.extend_from_slice(unsafe { area.end(length) });
    }

    /// When the request was queued, taken and finished: CLOCK_MONOTONIC, nanoseconds, 0 for what has not been.
    pub fn times(&self, slot: u32) -> (u64, u64, u64) {
        let control = self.slot(slot);
        (
            control.queued_ns.load(Ordering::Relaxed),
            control.started_ns.load(Ordering::Relaxed),
            control.finished_ns.load(Ordering::Relaxed),
        )
    }

    /// Says that nobody wants the answer any more; the worker learns it when it next waits or writes. The slot stays in use until it is done.
    pub fn abandon(&self, slot: u32) {
        let control = self.slot(slot);
        control.abandoned.store(1, Ordering::Release);
        let _ended = control.request_end.compare_exchange(
            RequestEnd::Open as u32,
            RequestEnd::Aborted as u32,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        self.grant(slot, wish::BODY | wish::ROOM | wish::HINTS);
        if control.wishes.load(Ordering::Relaxed) & wish::GONE != 0 {
            self.ring_loop(slot);
        }
    }

    /// Gives a request up that is past its time: an event loop cancels its task. To threads it is abandoned like any other.
    pub fn cancel_running(&self, slot: u32) {
        self.slot(slot).cancelled.store(1, Ordering::Release);
        self.abandon(slot);
        self.ring_loop(slot);
    }

    /// Takes a request back that no worker has begun; `false` when one has.
    pub fn cancel(&self, slot: u32) -> bool {
        let mut producer = self.producer();
        let queued = State { sequence: producer.sequences[slot as usize], worker: 0, phase: Phase::Queued };
        self.slot(slot).transition(queued, 0, Phase::Free) && producer.free(slot)
    }

    /// Frees a slot that is done or lost; `false` when a worker still has it, or it is free already.
    pub fn release(&self, slot: u32) -> bool {
        if matches!(self.slot(slot).state().phase, Phase::Queued | Phase::Running) {
            return false;
        }
        let mut producer = self.producer();
        let sequence = producer.sequences[slot as usize];
        let free = State { sequence, worker: 0, phase: Phase::Free };
        self.slot(slot).state.store(free.pack(), Ordering::Relaxed);
        producer.free(slot)
    }

    /// Whether the request ran alone in a worker that crashed: it is the one to blame.
    pub fn is_blamed(&self, slot: u32) -> bool {
        self.producer().blamed[slot as usize]
    }

    /// Queues a lost request once more, if nothing of its answer was sent and its whole body is still in the ring.
    ///
    /// Whether that is right for the method is the caller's to say. `false` when it cannot be done; the slot is still lost then.
    pub fn requeue(&self, slot: u32) -> bool {
        let control = self.slot(slot);
        let complete = RequestEnd::from_bits(control.request_end.load(Ordering::Acquire)) == RequestEnd::Complete;
        let kept = control.request_written.load(Ordering::Relaxed) <= u64::from(self.memory.config.request_ring)
            && control.request_base.load(Ordering::Relaxed) == 0;
        let unsent = control.response_read.load(Ordering::Relaxed) == 0;
        if control.state().phase != Phase::Lost || !complete || !kept || !unsent {
            return false;
        }
        let producer = self.producer();
        self.clear(control);
        self.enqueue(control, slot, producer.sequences[slot as usize])
    }

    /// Gives back the memory of slots that are free, but for the `keep` that will be used next.
    pub fn trim(&self, keep: usize) {
        let mut producer = self.producer();
        let spare = producer.free.len().saturating_sub(keep);
        for place in 0..spare {
            let slot = producer.free[place];
            if std::mem::take(&mut producer.touched[slot as usize]) {
                let _kept = self.memory.discard(slot);
            }
        }
    }
}
