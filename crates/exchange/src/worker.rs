//! A worker's side of an exchange: taking requests, reading bodies, writing answers, sleeping.
//!
//! Everything here may be called without the interpreter's lock; what blocks says so.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::thread::futex;

use crate::memory::{Memory, now_ns};
use crate::queue::{Entry, Queue};
use crate::router::ring_doorbell;
use crate::slot::{BEGIN_AGAIN, Phase, RequestEnd, Slot, response_flag, wish};
use crate::staff::{Sleeper, Staff, ThreadEntry, WORTH_A_WAKE_UP_NS, Worker};
use crate::sync::{Ordering, fence};
use crate::untold::Untold;

/// An exchange, mapped by a worker process.
#[derive(Debug)]
pub struct WorkerSide {
    pub(crate) memory: Memory,
    pub(crate) worker: u16,
    doorbells: Doorbells,
    /// The first thread is to look around before it sleeps.
    roused: AtomicBool,
    pub(crate) untold: Untold,
}

/// The descriptors that ring the others.
#[derive(Debug)]
pub struct Doorbells {
    /// Each router thread's, in their order.
    pub routers: Vec<OwnedFd>,
    /// Each worker's, in their order.
    pub workers: Vec<OwnedFd>,
}

/// One thread of a worker, as the exchange knows it.
#[derive(Debug, Clone, Copy)]
pub struct Thread<'w> {
    side: &'w WorkerSide,
    number: u16,
}

/// A request this worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub(crate) slot: u32,
    pub(crate) sequence: u32,
}

impl Taken {
    /// The number of its slot.
    pub fn slot(self) -> u32 {
        self.slot
    }

    /// As one word.
    pub fn to_bits(self) -> u64 {
        Entry { slot: self.slot, sequence: self.sequence }.pack()
    }

    /// From [`Taken::to_bits`].
    pub fn from_bits(bits: u64) -> Self {
        let Entry { slot, sequence } = Entry::unpack(bits);
        Self { slot, sequence }
    }
}

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
    /// Maps the memory a worker inherited.
    ///
    /// # Errors
    /// When it is not an exchange of this version, or has no entry for `worker`.
    pub fn attach(memory: OwnedFd, worker: u16, doorbells: Doorbells) -> io::Result<Self> {
        let memory = Memory::attach(memory)?;
        let config = &memory.config;
        if u32::from(worker) >= config.workers
            || doorbells.routers.len() != config.router_threads as usize
            || doorbells.workers.len() != config.workers as usize
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the exchange has no such worker, or other router threads",
            ));
        }
        Ok(Self { memory, worker, doorbells, roused: AtomicBool::new(false), untold: Untold::default() })
    }

    /// How many threads the exchange has room for.
    pub fn threads(&self) -> u16 {
        self.memory.config.threads as u16
    }

    /// The thread numbered `number`.
    pub fn thread(&self, number: u16) -> Thread<'_> {
        debug_assert!(number < self.threads());
        Thread { side: self, number }
    }

    /// Whether the worker takes nothing more.
    pub fn retired(&self) -> bool {
        self.entry().retired.load(Ordering::Acquire) == 1
    }

    /// When this worker must have ended, if the server said so: CLOCK_MONOTONIC, nanoseconds.
    pub fn stop_by(&self) -> Option<u64> {
        Some(self.memory.stop_by().load(Ordering::Relaxed)).filter(|by| *by != 0)
    }

    /// Retires the worker from within: its threads finish what they run and take nothing more. May be called from a signal's handler.
    pub fn retire(&self) {
        self.entry().retired.store(1, Ordering::SeqCst);
        for thread in self.memory.threads(self.worker) {
            thread.rung.store(1, Ordering::Release);
            let _woken = futex::wake(&thread.rung, futex::Flags::empty(), 1);
        }
        if let Some(doorbell) = self.doorbell() {
            ring_doorbell(doorbell);
        }
        // It may have been woken for something that it will not take now.
        self.wake_another();
    }

    /// Has the first thread, or the event loop, come back from its sleep for what is no request. One that is about to sleep does not; one that is
    /// busy comes by itself.
    pub fn rouse(&self) {
        self.roused.store(true, Ordering::SeqCst);
        if let Some(first) = self.memory.threads(self.worker).first() {
            first.rung.store(1, Ordering::SeqCst);
            let _woken = futex::wake(&first.rung, futex::Flags::empty(), 1);
        }
        if let Some(doorbell) = self.doorbell() {
            ring_doorbell(doorbell);
        }
    }

    /// Bytes of the response ring: no response head may be longer.
    pub fn response_ring(&self) -> usize {
        self.memory.config.response_ring as usize
    }

    /// The requests this worker runs now. For reports only: one may end while it is looked at.
    pub fn running(&self) -> impl Iterator<Item = Taken> {
        (0..).zip(self.memory.slots()).filter_map(|(slot, control)| {
            let state = control.state();
            let own = state.phase == Phase::Running && state.worker == self.worker;
            own.then_some(Taken { slot, sequence: state.sequence })
        })
    }

    /// Whether this worker runs the request now.
    pub fn runs(&self, taken: Taken) -> bool {
        (taken.slot as usize) < self.memory.slots().len() && self.holds(taken)
    }

    /// When this worker took the request; CLOCK_MONOTONIC in nanoseconds.
    pub fn started_ns(&self, taken: Taken) -> u64 {
        self.slot(taken).started_ns.load(Ordering::Relaxed)
    }

    /// This worker's own doorbell.
    pub(crate) fn doorbell(&self) -> Option<BorrowedFd<'_>> {
        self.doorbells.workers.get(usize::from(self.worker)).map(AsFd::as_fd)
    }

    pub(crate) fn staff(&self) -> Staff<'_> {
        self.memory.staff()
    }

    pub(crate) fn queue(&self) -> Queue<'_> {
        self.memory.queue()
    }

    pub(crate) fn entry(&self) -> &Worker {
        &self.staff().workers[usize::from(self.worker)]
    }

    pub(crate) fn slot(&self, taken: Taken) -> &Slot {
        &self.memory.slots()[taken.slot as usize]
    }

    pub(crate) fn wake_another(&self) {
        let Some(Sleeper { worker, thread }) = self.staff().claim_sleeper(now_ns) else {
            return;
        };
        if self.staff().workers[usize::from(worker)].is_loop() {
            if let Some(doorbell) = self.doorbells.workers.get(usize::from(worker)) {
                ring_doorbell(doorbell);
            }
        } else if let Some(entry) = self.memory.threads(worker).get(usize::from(thread)) {
            entry.rung.store(1, Ordering::Release);
            let _woken = futex::wake(&entry.rung, futex::Flags::empty(), 1);
        }
    }

    // ---- The request -----------------------------------------------------------------------------------------------------

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

    // ---- The answer ------------------------------------------------------------------------------------------------------

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

    /// Rings this worker's own event loop for a request of its, from another thread.
    pub fn ring_own_loop(&self, taken: Taken) {
        if let Some(bell) = self.memory.worker_bell(self.worker)
            && bell.ring(taken.slot)
            && let Some(doorbell) = self.doorbell()
        {
            ring_doorbell(doorbell);
        }
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

    /// Whether nobody wants the answer any more.
    pub fn abandoned(&self, taken: Taken) -> bool {
        self.slot(taken).abandoned.load(Ordering::Acquire) == 1
    }

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

    /// Whether the request is still this worker's: a thread of the application may outlive the request it wrote for, and its slot serves
    /// another by then.
    pub(crate) fn holds(&self, taken: Taken) -> bool {
        let state = self.slot(taken).state();
        state.sequence == taken.sequence && state.worker == self.worker && state.phase == Phase::Running
    }

    pub(crate) fn ring(&self, taken: Taken) {
        let thread = self.slot(taken).router_thread.load(Ordering::Relaxed);
        if self.memory.bell(thread).is_some_and(|bell| bell.ring(taken.slot)) {
            self.ring_router(thread);
        }
    }

    pub(crate) fn ring_router(&self, thread: u32) {
        if let Some(doorbell) = self.doorbells.routers.get(thread as usize) {
            ring_doorbell(doorbell);
        }
    }
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
