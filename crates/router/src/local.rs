//! What the connections of one router thread share: the lines, the clock, buffers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use hostler_exchange::{Exchange, Sleep, now_ns};
use hostler_log::AccessLog;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

use crate::counts::Counts;
use crate::held::Held;
use crate::id::RequestId;
use crate::line::Line;
use crate::load::Load;
use crate::presence::Presences;
use crate::switch::Former;

/// Requests after which workers are woken and answers fetched even though the thread has not come to rest.
const BATCH: u32 = 32;
/// Bytes read from a socket at once.
pub(crate) const READ_SIZE: usize = 128 * 1024;

/// One router thread.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) number: u32,
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
    pub(crate) counts: Counts,
    /// What new requests are answered while the application is broken.
    pub(crate) held: RefCell<Option<Arc<Held>>>,
    /// Where new requests go.
    line: RefCell<Rc<Line>>,
    /// Where requests went before, while there are any.
    former: RefCell<Vec<Rc<Line>>>,
    /// Where requests will go, if all threads can.
    prepared: RefCell<Option<Rc<Line>>>,
    /// The thread comes to rest with requests that no worker was woken for.
    gathering: Notify,
    reads: Cell<u32>,
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
    pub(crate) fn new(number: u32, line: Line, access_log: Option<AccessLog>, load: Arc<Load>, counts: Counts) -> Self {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Self {
            number,
            presences: Presences::default(),
            stopping: Cell::new(false),
            access_log: RefCell::new(access_log),
            scratch: RefCell::new(vec![0; READ_SIZE].into_boxed_slice()),
            out: RefCell::new(Vec::with_capacity(4096)),
            head: RefCell::new(Vec::with_capacity(4096)),
            load,
            counts,
            held: RefCell::default(),
            line: RefCell::new(Rc::new(line)),
            former: RefCell::default(),
            prepared: RefCell::default(),
            gathering: Notify::new(),
            reads: Cell::new(0),
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
        let now = now_ns();
        self.clock.set(now);
        self.presences.check(now);
        self.for_each_line(|line| {
            line.check_orphans(now);
            line.check_staff();
        });
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
        self.for_each_line(|line| {
            line.wake_workers();
            line.hear_news();
        });
        self.forget_finished();
    }

    /// Remembers that a line's queue has something new; workers are told at the end of the batch.
    pub(crate) fn defer_wake(&self, line: &Line) {
        if line.defer_wake() >= BATCH {
            self.turn();
        }
    }

    // ---- Lines -------------------------------------------------------------------------------------------------------------

    /// Where a request goes that is read now.
    pub(crate) fn line(&self) -> Rc<Line> {
        Rc::clone(&self.line.borrow())
    }

    /// The current line, and former ones that are in use. `act` must not switch.
    pub(crate) fn for_each_line(&self, mut act: impl FnMut(&Line)) {
        act(&self.line.borrow());
        self.former.borrow().iter().for_each(|line| act(line));
    }

    /// Whether slots are in use that no connection waits for, on any line.
    pub(crate) fn has_orphans(&self) -> bool {
        self.line.borrow().has_orphans() || self.former.borrow().iter().any(|line| line.has_orphans())
    }

    /// Whether one of the lines has this exchange. A second one would hear the first one's news.
    pub(crate) fn uses(&self, exchange: &Arc<Exchange>) -> bool {
        let mut uses = false;
        self.for_each_line(|line| uses |= Arc::ptr_eq(&line.exchange, exchange));
        uses
    }

    /// Keeps a line ready to be switched to; one that was kept before is forgotten.
    pub(crate) fn prepare(&self, line: Rc<Line>) {
        *self.prepared.borrow_mut() = Some(line);
    }

    pub(crate) fn forget_prepared(&self, number: u32) {
        self.prepared.borrow_mut().take_if(|line| line.number == number);
    }

    /// Sends new requests to the line that was prepared.
    pub(crate) fn switch(&self, number: u32, former: &Former) {
        let Some(next) = self.prepared.borrow_mut().take_if(|line| line.number == number) else { return };
        *self.held.borrow_mut() = None;
        let before = self.line.replace(next);
        before.retire(former.add(before.number));
        self.former.borrow_mut().push(before);
        self.forget_finished();
    }

    /// Forgets former lines that this thread has nothing in flight on.
    fn forget_finished(&self) {
        if !self.former.borrow().is_empty() {
            self.former.borrow_mut().retain(|line| !line.is_done());
        }
    }

    // ---- Rest --------------------------------------------------------------------------------------------------------------

    /// Gathers short requests into one wake-up: looks once more at the sockets, and wakes a worker when they bring nothing new.
    ///
    /// Falling asleep and being woken costs a worker several times what a short request does.
    pub(crate) async fn gather(self: Rc<Self>) {
        loop {
            self.gathering.notified().await;
            let line = self.line();
            let mut before = 0;
            while line.unwoken() > before {
                before = line.unwoken();
                // The runtime polls its driver before it comes back.
                tokio::task::yield_now().await;
            }
            line.wake_workers();
        }
    }

    /// Before the thread parks: everything it owes others is done, and its sleep announced unless it has work after all.
    pub(crate) fn before_park(&self) {
        let line = self.line.borrow();
        if line.unwoken() > 0 {
            if line.exchange.is_urgent() {
                line.wake_workers();
            } else {
                self.gathering.notify_one();
                return;
            }
        }
        let sleep = line.guard();
        if !self.former.borrow().is_empty() {
            return self.rest_with_former(&line, sleep);
        }
        loop {
            if line.hear_news() > 0 || line.exchange.prepare_sleep(self.number, sleep) {
                return;
            }
        }
    }

    /// The same with former lines: the thread sleeps only when none of them has news.
    fn rest_with_former(&self, line: &Line, sleep: Sleep) {
        loop {
            let mut woken = line.hear_news();
            for former in &*self.former.borrow() {
                former.wake_workers();
                former.guard();
                woken += former.hear_news();
            }
            self.forget_finished();
            let former = self.former.borrow();
            let sleeps = |line: &Line, sleep| line.exchange.prepare_sleep(self.number, sleep);
            if woken > 0 || (sleeps(line, sleep) && former.iter().all(|former| sleeps(former, Sleep::Deep))) {
                return;
            }
        }
    }

    pub(crate) fn after_park(&self) {
        self.for_each_line(|line| line.exchange.awake(self.number));
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

/// splitmix64's finalizer: a bijection, so that different numbers stay different.
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
