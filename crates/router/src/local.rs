//! What the connections of one router thread share: the exchange, the clock, buffers, and who owns which slot.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hostler_exchange::head::read_request;
use hostler_exchange::{Exchange, Phase, RequestEnd, now_ns};
use hostler_log::AccessLog;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Notify, mpsc};

use crate::RouterEvent;
use crate::config::Config;
use crate::id::RequestId;
use crate::load::Load;
use crate::presence::{Presence, Presences};

/// Requests after which workers are woken and answers fetched even though the thread has not come to rest.
const BATCH: u32 = 32;
/// How long an event loop may take, at least, to show that it is not stuck: another handler may keep it for as long as `timeout` allows.
pub(crate) const PROBE: Duration = Duration::from_secs(1);
/// How long it may take, at most, to cancel a task that is past its time.
const CANCELLED: Duration = Duration::from_secs(5);
/// Bytes read from a socket at once.
pub(crate) const READ_SIZE: usize = 128 * 1024;

/// Who waits for news of a slot.
#[derive(Debug, Default)]
enum Owner {
    #[default]
    Nobody,
    /// Its connection is done with it, its worker is not: it is freed with the next news.
    Orphan(Orphan),
    Connection(Rc<Presence>),
}

/// A request that only its worker is still busy with.
#[derive(Debug)]
struct Orphan {
    /// When it is looked at, on the thread's clock; `u64::MAX` for never again.
    due: u64,
    /// The event loop that runs it was asked for a sign of life.
    probed: bool,
}

/// One router thread.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) number: u32,
    pub(crate) config: Arc<Config>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) presences: Presences,
    pub(crate) stopping: Cell<bool>,
    pub(crate) access_log: RefCell<Option<AccessLog>>,
    /// What a socket is read into; what is left of it moves to its connection.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Heads and small bodies on their way out.
    pub(crate) out: RefCell<Vec<u8>>,
    /// A request's head while it is laid out.
    pub(crate) head: RefCell<Vec<u8>>,
    pub(crate) load: Arc<Load>,
    /// The thread parks with requests in the queue; told only while nobody guards it.
    pub(crate) queue_waits: Notify,
    pub(crate) guarded: Cell<bool>,
    /// The thread comes to rest with requests that no worker was woken for.
    gathering: Notify,
    events: mpsc::Sender<RouterEvent>,
    owners: RefCell<Vec<Owner>>,
    orphans: Cell<u32>,
    reads: Cell<u32>,
    unwoken: Cell<u32>,
    clock: Cell<u64>,
    date: RefCell<Date>,
    ids: Cell<u64>,
    id_prefix: u64,
}

/// The Date header's value, made once a second.
#[derive(Debug, Default)]
struct Date {
    second: i64,
    text: String,
}

impl Local {
    pub(crate) fn new(
        number: u32,
        config: Arc<Config>,
        exchange: Arc<Exchange>,
        access_log: Option<AccessLog>,
        load: Arc<Load>,
        events: mpsc::Sender<RouterEvent>,
    ) -> Self {
        let slots = exchange.config().slots as usize;
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self {
            number,
            config,
            exchange,
            presences: Presences::default(),
            stopping: Cell::new(false),
            access_log: RefCell::new(access_log),
            scratch: RefCell::new(vec![0; READ_SIZE].into_boxed_slice()),
            out: RefCell::new(Vec::with_capacity(4096)),
            head: RefCell::new(Vec::with_capacity(4096)),
            load,
            queue_waits: Notify::new(),
            guarded: Cell::new(false),
            gathering: Notify::new(),
            events,
            owners: RefCell::new(std::iter::repeat_with(Owner::default).take(slots).collect()),
            orphans: Cell::new(0),
            reads: Cell::new(0),
            unwoken: Cell::new(0),
            clock: Cell::new(now_ns()),
            date: RefCell::default(),
            ids: Cell::new(0),
            id_prefix: mix(seed
                ^ u64::from(rustix::process::getpid().as_raw_nonzero().get() as u32) << 32
                ^ u64::from(number)),
        }
    }

    /// Nanoseconds, as of the last tick or the last turn of the thread's loop.
    pub(crate) fn clock(&self) -> u64 {
        self.clock.get()
    }

    pub(crate) fn tick(&self) {
        self.clock.set(now_ns());
        self.presences.check(self.clock.get());
        self.check_orphans();
        self.turn();
    }

    /// Called with each read of a head: a thread that never comes to rest must not keep workers and answers waiting.
    pub(crate) fn breathe(&self) {
        self.reads.set(self.reads.get().wrapping_add(1));
        if self.reads.get().is_multiple_of(BATCH) {
            self.turn();
        }
    }

    fn turn(&self) {
        self.wake_workers();
        self.hear_news();
    }

    /// Whether slots are in use that no connection waits for.
    pub(crate) fn has_orphans(&self) -> bool {
        self.orphans.get() > 0
    }

    /// The time limit of requests whose connection is done with them: the client left, or all was sent and `close()` still runs. On an event
    /// loop they may go on for as long as they like, as background tasks do, if only the loop is not stuck.
    fn check_orphans(&self) {
        let Some(timeout) = self.config.timeout else { return };
        if !self.has_orphans() {
            return;
        }
        let now = self.clock.get();
        let mut stuck = Vec::new();
        for (slot, owner) in (0u32..).zip(self.owners.borrow_mut().iter_mut()) {
            let Owner::Orphan(orphan) = owner else { continue };
            if now < orphan.due {
                continue;
            }
            let progress = self.exchange.progress(slot);
            if progress.phase != Phase::Running {
                // The news of its end are on their way.
                orphan.due = u64::MAX;
                continue;
            }
            let is_loop = self.exchange.is_loop(progress.worker);
            if is_loop && !orphan.probed {
                self.exchange.probe_loop(slot);
                *orphan = Orphan { due: after(now, timeout.max(PROBE)), probed: true };
                continue;
            }
            if is_loop && self.exchange.loop_answers(slot) {
                *orphan = Orphan { due: after(now, timeout), probed: false };
                continue;
            }
            // Told once, and once for all of an event loop.
            orphan.due = u64::MAX;
            if is_loop && stuck.contains(&progress.worker) {
                continue;
            }
            stuck.push(progress.worker);
            let (method, target) = self.first_line(slot);
            tracing::error!(
                method,
                target,
                worker = progress.worker,
                "{}",
                if is_loop {
                    "the event loop that runs a request is stuck: its worker is replaced"
                } else {
                    "a request ran past its timeout after its client was done with it: its worker is replaced"
                }
            );
            self.tell(RouterEvent::TimedOut { worker: progress.worker });
        }
    }

    /// Method and target of a request, from where its worker got them.
    pub(crate) fn first_line(&self, slot: u32) -> (String, String) {
        let mut head = Vec::new();
        self.exchange.read_head(slot, &mut head);
        read_request(&head).map_or_else(Default::default, |(request, _)| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(200).collect();
            (text(request.method), text(request.target))
        })
    }

    /// Whether the client of a request takes trailer fields after the answer's body.
    pub(crate) fn accepts_trailers(&self, slot: u32) -> bool {
        let mut head = Vec::new();
        self.exchange.read_head(slot, &mut head);
        read_request(&head).is_some_and(|(request, _)| request.trailers)
    }

    /// Puts a request into the queue; `None` when all slots are in use.
    pub(crate) fn submit(&self, presence: &Rc<Presence>, head: &[u8], body: &[u8], end: RequestEnd) -> Option<u32> {
        let slot = self.exchange.submit(self.number, head, body, end)?.slot;
        self.owners.borrow_mut()[slot as usize] = Owner::Connection(Rc::clone(presence));
        self.defer_wake();
        Some(slot)
    }

    /// Remembers that the queue has something new; workers are told at the end of the batch.
    pub(crate) fn defer_wake(&self) {
        self.unwoken.set(self.unwoken.get() + 1);
        if self.unwoken.get() >= BATCH {
            self.turn();
        }
    }

    fn wake_workers(&self) {
        if self.unwoken.take() > 0 {
            self.exchange.wake_for_batch();
        }
    }

    /// Gathers short requests into one wake-up: looks once more at the sockets, and wakes a worker when they bring nothing new.
    ///
    /// Falling asleep and being woken costs a worker several times what a short request does.
    pub(crate) async fn gather(self: Rc<Self>) {
        loop {
            self.gathering.notified().await;
            let mut before = 0;
            while self.unwoken.get() > before {
                before = self.unwoken.get();
                // The runtime polls its driver before it comes back.
                tokio::task::yield_now().await;
            }
            self.wake_workers();
        }
    }

    /// Tells connections of news from their slots, and frees orphans; how many tasks were woken.
    fn hear_news(&self) -> usize {
        let mut woken = 0;
        self.exchange.answer_bell(self.number, |slot| {
            let mut owners = self.owners.borrow_mut();
            match &owners[slot as usize] {
                Owner::Connection(presence) => woken += usize::from(presence.bring_news()),
                Owner::Orphan(_) if self.exchange.release(slot) => {
                    owners[slot as usize] = Owner::Nobody;
                    self.orphans.set(self.orphans.get() - 1);
                }
                Owner::Orphan(_) | Owner::Nobody => {}
            }
        });
        woken
    }

    /// Before the thread parks: everything it owes others is done, and its sleep announced unless it has work after all.
    pub(crate) fn before_park(&self) {
        if self.unwoken.get() > 0 {
            if self.exchange.is_urgent() {
                self.wake_workers();
            } else {
                self.gathering.notify_one();
                return;
            }
        }
        if !self.guarded.get() && self.exchange.queued() > 0 {
            self.guarded.set(true);
            self.queue_waits.notify_one();
        }
        loop {
            if self.hear_news() > 0 || self.exchange.prepare_sleep(self.number) {
                return;
            }
        }
    }

    pub(crate) fn after_park(&self) {
        self.exchange.awake(self.number);
    }

    /// Gives up a slot: free when its worker is done with it, an orphan until then.
    pub(crate) fn give_up(&self, slot: u32) {
        self.part_with(slot, Exchange::abandon, false);
    }

    /// Gives up a slot whose request is past its time: an event loop cancels its task, and if it does not even look, it is stuck.
    pub(crate) fn cancel(&self, slot: u32) {
        self.part_with(slot, Exchange::cancel_running, true);
    }

    fn part_with(&self, slot: u32, tell_worker: fn(&Exchange, u32), probes: bool) {
        let mut owners = self.owners.borrow_mut();
        owners[slot as usize] = Owner::Nobody;
        if self.exchange.release(slot) || self.exchange.cancel(slot) {
            return;
        }
        tell_worker(&self.exchange, slot);
        // It may have ended since: then nothing more would tell us.
        if !self.exchange.release(slot) {
            let probed = probes && self.exchange.is_loop(self.exchange.progress(slot).worker);
            owners[slot as usize] = self.orphan(probed);
        }
    }

    fn orphan(&self, probed: bool) -> Owner {
        self.orphans.set(self.orphans.get() + 1);
        let timeout = self.config.timeout.unwrap_or(Duration::MAX);
        let limit = if probed { timeout.min(CANCELLED).max(PROBE) } else { timeout };
        Owner::Orphan(Orphan { due: after(self.clock.get(), limit), probed })
    }

    /// Takes a request back that no worker has begun; its slot is free then.
    pub(crate) fn take_back(&self, slot: u32) -> bool {
        let cancelled = self.exchange.cancel(slot);
        if cancelled {
            self.owners.borrow_mut()[slot as usize] = Owner::Nobody;
        }
        cancelled
    }

    /// Leaves a slot whose answer was sent whole to its worker, which still runs what the application does after it.
    pub(crate) fn leave(&self, slot: u32) {
        let mut owners = self.owners.borrow_mut();
        owners[slot as usize] = if self.exchange.release(slot) { Owner::Nobody } else { self.orphan(false) };
    }

    pub(crate) fn tell(&self, event: RouterEvent) {
        // The channel holds an event for each request that can be in flight; a full one means that its reader is gone.
        let _told = self.events.try_send(event);
    }

    /// Appends the Date header's value (RFC 9110 section 6.6.1).
    pub(crate) fn write_date(&self, to: &mut Vec<u8>) {
        let second = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        let mut date = self.date.borrow_mut();
        if date.second != second {
            date.second = second;
            date.text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(second.unsigned_abs()));
        }
        to.extend_from_slice(date.text.as_bytes());
    }

    /// A request id nobody else has: 32 hexadecimal digits, of the process's start and a count.
    pub(crate) fn new_id(&self) -> RequestId {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if self.ids.get() & 0xfff == 0 {
            // A block of numbers for this thread.
            self.ids.set(COUNT.fetch_add(0x1000, Ordering::Relaxed));
        }
        let count = self.ids.get();
        self.ids.set(count + 1);
        RequestId::Ours(u128::from(self.id_prefix) << 64 | u128::from(mix(count ^ self.id_prefix.rotate_left(17))))
    }
}

/// A moment on a thread's clock.
fn after(now: u64, span: Duration) -> u64 {
    now.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

/// splitmix64's finalizer: a bijection, so that different numbers stay different.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
