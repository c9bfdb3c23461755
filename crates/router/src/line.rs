//! A line: what a router thread holds of one exchange, from the first request it hands over there to the last answer.
//!
//! New requests go to the thread's *current* line. After a switch the line before it is a *former* one: what was begun there is finished there,
//! with the settings it was begun with, and the thread forgets the line when none of its slots is in the thread's hands any more.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hostler_exchange::head::read_request;
use hostler_exchange::{Exchange, RequestEnd, Sleep};
use rustix::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, mpsc};

use crate::RouterEvent;
use crate::config::Config;
use crate::guard::Guard;
use crate::orphan::Orphan;
use crate::presence::Presence;
use crate::switch::InUse;

/// Who waits for news of a slot.
#[derive(Debug, Default)]
pub(crate) enum Owner {
    #[default]
    Nobody,
    /// Its connection is done with it, its worker is not: it is freed with the next news.
    Orphan(Orphan),
    Connection(Rc<Presence>),
}

/// One exchange, as one router thread sees it.
#[derive(Debug)]
pub(crate) struct Line {
    /// The same in all threads: 0 for the first, one more with each switch.
    pub(crate) number: u32,
    /// How requests are treated that begin now.
    config: RefCell<Rc<Config>>,
    pub(crate) exchange: Arc<Exchange>,
    thread: u32,
    events: mpsc::Sender<RouterEvent>,
    pub(crate) owners: RefCell<Vec<Owner>>,
    /// Slots that have an owner.
    in_use: Cell<u32>,
    pub(crate) orphans: Cell<u32>,
    /// Requests that no worker was woken for.
    unwoken: Cell<u32>,
    /// The thread parks with requests in the queue; told only while nobody guards it.
    pub(crate) queue_waits: Rc<Notify>,
    pub(crate) guard: Cell<Guard>,
    /// Nobody waits for it: its edge ends the thread's sleep, and the hook before the next one looks at the bell.
    doorbell: OnceCell<AsyncFd<OwnedFd>>,
    is_former: Cell<bool>,
    /// Says to whoever waits for the end of a former line that this thread still uses it.
    in_use_elsewhere: RefCell<Option<InUse>>,
}

impl Line {
    pub(crate) fn new(
        number: u32,
        thread: u32,
        config: Arc<Config>,
        exchange: Arc<Exchange>,
        events: mpsc::Sender<RouterEvent>,
    ) -> Self {
        let slots = exchange.config().slots as usize;
        Self {
            number,
            config: RefCell::new(Rc::new(Config::clone(&config))),
            exchange,
            thread,
            events,
            owners: RefCell::new(std::iter::repeat_with(Owner::default).take(slots).collect()),
            in_use: Cell::new(0),
            orphans: Cell::new(0),
            unwoken: Cell::new(0),
            queue_waits: Rc::default(),
            guard: Cell::new(Guard::Off),
            doorbell: OnceCell::new(),
            is_former: Cell::new(false),
            in_use_elsewhere: RefCell::default(),
        }
    }

    /// Lets the exchange's doorbell end the sleep of this thread's runtime, in which it must be called.
    ///
    /// # Errors
    /// When the system does not watch one descriptor more.
    pub(crate) fn watch(&self, doorbell: OwnedFd) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for descriptors that close themselves, which an OwnedFd does not"
        )]
        let doorbell = AsyncFd::with_interest(doorbell, Interest::READABLE)?;
        self.doorbell.set(doorbell).map_err(|_| io::Error::other("a line was watched twice"))
    }

    /// How requests are treated that begin now. One that was begun keeps what it was begun with.
    pub(crate) fn config(&self) -> Rc<Config> {
        Rc::clone(&self.config.borrow())
    }

    /// Treats requests otherwise that begin from now on.
    pub(crate) fn configure(&self, config: &Config) {
        *self.config.borrow_mut() = Rc::new(config.clone());
    }

    /// Whether new requests go to another line.
    pub(crate) fn is_former(&self) -> bool {
        self.is_former.get()
    }

    /// Makes it a former line. Its WebSockets are woken: they close.
    pub(crate) fn retire(&self, in_use: InUse) {
        self.is_former.set(true);
        *self.in_use_elsewhere.borrow_mut() = Some(in_use);
        self.wake_workers();
        for owner in &*self.owners.borrow() {
            if let Owner::Connection(presence) = owner {
                presence.wake();
            }
        }
    }

    /// Whether none of its slots is in this thread's hands any more; says so, once it is a former line, to whoever waits for that.
    pub(crate) fn is_done(&self) -> bool {
        let done = self.in_use.get() == 0;
        if done {
            *self.in_use_elsewhere.borrow_mut() = None;
        }
        done
    }

    // ---- Slots -------------------------------------------------------------------------------------------------------------

    /// Puts a request into the queue; `None` when all slots for requests are in use.
    pub(crate) fn submit(&self, presence: &Rc<Presence>, head: &[u8], body: &[u8], end: RequestEnd) -> Option<u32> {
        let submit = || self.exchange.submit(self.thread, head, body, end);
        let submitted = submit().or_else(|| {
            // Workers may be done with some of them, and that is not heard of yet.
            self.has_orphans().then(|| self.hear_news())?;
            submit()
        });
        let slot = submitted?.slot;
        self.own(slot, Owner::Connection(Rc::clone(presence)));
        Some(slot)
    }

    /// The same for the handshake of a WebSocket; `None` when as many are open as may be.
    pub(crate) fn submit_websocket(&self, presence: &Rc<Presence>, head: &[u8]) -> Option<u32> {
        let slot = self.exchange.submit_websocket(self.thread, head)?.slot;
        self.own(slot, Owner::Connection(Rc::clone(presence)));
        Some(slot)
    }

    /// Writes down who waits for news of a slot now.
    pub(crate) fn own(&self, slot: u32, owner: Owner) {
        let mut owners = self.owners.borrow_mut();
        let before = std::mem::replace(&mut owners[slot as usize], owner);
        let count = |owner: &Owner| match owner {
            Owner::Nobody => (0, 0),
            Owner::Connection(_) => (1, 0),
            Owner::Orphan(_) => (1, 1),
        };
        let ((used_before, orphans_before), (used, orphans)) = (count(&before), count(&owners[slot as usize]));
        self.in_use.set(self.in_use.get() + used - used_before);
        self.orphans.set(self.orphans.get() + orphans - orphans_before);
    }

    /// Gives up a slot: free when its worker is done with it, an orphan until then. `now` is the thread's clock.
    pub(crate) fn give_up(&self, slot: u32, now: u64) {
        self.part_with(slot, now, Exchange::abandon, false);
    }

    /// Gives up a slot if this connection still has it: its task ended before it did so itself.
    pub(crate) fn reclaim(&self, slot: u32, presence: &Rc<Presence>, now: u64) {
        let is_held = match &self.owners.borrow()[slot as usize] {
            Owner::Connection(own) => Rc::ptr_eq(own, presence),
            Owner::Nobody | Owner::Orphan(_) => false,
        };
        if is_held {
            self.give_up(slot, now);
        }
    }

    /// Gives up a slot whose request is past its time: an event loop cancels its task, and if it does not even look, it is stuck.
    pub(crate) fn cancel(&self, slot: u32, now: u64) {
        self.part_with(slot, now, Exchange::cancel_running, true);
    }

    fn part_with(&self, slot: u32, now: u64, tell_worker: fn(&Exchange, u32), probes: bool) {
        let owner = if self.exchange.release(slot) || self.exchange.cancel(slot) {
            Owner::Nobody
        } else {
            tell_worker(&self.exchange, slot);
            // It may have ended since: then nothing more would tell us.
            if self.exchange.release(slot) {
                Owner::Nobody
            } else {
                let probed = probes && self.exchange.is_loop(self.exchange.progress(slot).worker);
                Owner::Orphan(Orphan::new(now, self.config().timeout, probed))
            }
        };
        self.own(slot, owner);
    }

    /// Takes a request back that no worker has begun; its slot is free then.
    pub(crate) fn take_back(&self, slot: u32) -> bool {
        let cancelled = self.exchange.cancel(slot);
        if cancelled {
            self.own(slot, Owner::Nobody);
        }
        cancelled
    }

    /// Leaves a slot whose answer was sent whole to its worker, which still runs what the application does after it.
    pub(crate) fn leave(&self, slot: u32, now: u64) {
        let owner = if self.exchange.release(slot) {
            Owner::Nobody
        } else {
            Owner::Orphan(Orphan::new(now, self.config().timeout, false))
        };
        self.own(slot, owner);
    }

    /// Whether slots are in use that no connection waits for.
    pub(crate) fn has_orphans(&self) -> bool {
        self.orphans.get() > 0
    }

    // ---- Wake-ups ----------------------------------------------------------------------------------------------------------

    /// Remembers that the queue has something new; how many requests no worker was told of.
    pub(crate) fn defer_wake(&self) -> u32 {
        self.unwoken.set(self.unwoken.get() + 1);
        self.unwoken.get()
    }

    /// Requests that no worker was told of.
    pub(crate) fn unwoken(&self) -> u32 {
        self.unwoken.get()
    }

    pub(crate) fn wake_workers(&self) {
        if self.unwoken.take() > 0 && !self.exchange.wake_for_batch() {
            self.ask_for_workers();
        }
    }

    /// Says that requests wait and no worker is there, once in a sleep. Those of a former line are not waited for: see `Connection::move_on`.
    pub(crate) fn ask_for_workers(&self) {
        if !self.is_former.get()
            && self.exchange.ask_for_workers()
            && !self.tell(RouterEvent::Wanted { line: self.number })
        {
            self.exchange.forget_asking();
        }
    }

    /// Asks for workers, if requests are in the queue and nobody is there who was asked: the last one may have gone just when they came.
    /// Requests that wait on a former line move on.
    pub(crate) fn check_staff(&self) {
        if self.exchange.queued() == 0 || self.exchange.has_workers() {
            return;
        }
        if !self.is_former.get() {
            self.ask_for_workers();
            return;
        }
        for owner in &*self.owners.borrow() {
            if let Owner::Connection(presence) = owner {
                presence.bring_news();
            }
        }
    }

    /// Has the queue guarded while the thread sleeps, see `crate::guard::guard_queue`. A thread that will be woken by the guard soon only dozes,
    /// if there are slots enough: those that workers are done with stay in use meanwhile.
    pub(crate) fn guard(&self) -> Sleep {
        if self.guard.get() == Guard::Off && self.needs_guard() {
            self.guard.set(Guard::Near);
            self.queue_waits.notify_one();
        }
        let config = self.exchange.config();
        // Of the slots for requests; WebSockets in use count as well, which errs on the side of being told at once.
        let share = (config.slots - config.websockets) / config.router_threads;
        if self.guard.get() == Guard::Near && self.in_use.get() <= share / 2 { Sleep::Doze } else { Sleep::Deep }
    }

    /// Whether something stands in the queue for workers that are there. One that starts looks by itself; what was taken back stays in the queue
    /// until somebody takes it out, and must not keep a thread awake.
    pub(crate) fn needs_guard(&self) -> bool {
        self.exchange.queued() > 0 && self.exchange.has_workers()
    }

    /// Tells connections of news from their slots, and frees orphans; how many tasks were woken.
    pub(crate) fn hear_news(&self) -> usize {
        let mut woken = 0;
        self.exchange.answer_bell(self.thread, |slot| {
            let is_orphan = match &self.owners.borrow()[slot as usize] {
                Owner::Connection(presence) => {
                    woken += usize::from(presence.bring_news());
                    false
                }
                Owner::Orphan(_) => true,
                Owner::Nobody => false,
            };
            if is_orphan && self.exchange.release(slot) {
                self.own(slot, Owner::Nobody);
            }
        });
        woken
    }

    /// Tells whoever started the router; `false` when that did not get through.
    pub(crate) fn tell(&self, event: RouterEvent) -> bool {
        // The channel holds an event for each request that can be in flight; a full one means that its reader is gone, or far behind.
        self.events.try_send(event).is_ok()
    }

    // ---- Heads -------------------------------------------------------------------------------------------------------------

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
}

impl Drop for Line {
    fn drop(&mut self) {
        // Who guards its queue waits for this, or finds it gone.
        self.queue_waits.notify_one();
    }
}

/// A moment on a thread's clock.
pub(crate) fn after(now: u64, span: Duration) -> u64 {
    now.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}
