//! A connection as its router thread sees it from outside: what wakes it, and until when it may wait.
//!
//! Time limits are coarse on purpose. Setting one is a store; a ticker looks at all of them four times a second while there are connections,
//! so a limit is kept to a quarter of a second, and a request pays for no timer.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

/// How often limits are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// What a connection and the rest of its thread share.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    waker: RefCell<Option<Waker>>,
    /// Nanoseconds on the thread's clock; 0 for no limit.
    limit: Cell<u64>,
    expired: Cell<bool>,
    news: Cell<bool>,
}

impl Presence {
    /// Remembers who is to be woken. Called from the connection's task with each poll.
    pub(crate) fn attend(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Wakes the connection's task; `false` when it has not been polled yet.
    pub(crate) fn wake(&self) -> bool {
        match &*self.waker.borrow() {
            Some(waker) => {
                waker.wake_by_ref();
                true
            }
            None => false,
        }
    }

    /// Says that the connection's slot has news.
    pub(crate) fn bring_news(&self) -> bool {
        self.news.set(true);
        self.wake()
    }

    /// Whether there was news since the last call.
    pub(crate) fn take_news(&self) -> bool {
        self.news.take()
    }

    /// Sets the limit, `after` from `now`; an earlier one is forgotten.
    pub(crate) fn limit(&self, now: u64, after: Duration) {
        self.expired.set(false);
        self.limit.set(now.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)).max(1));
    }

    pub(crate) fn no_limit(&self) {
        self.expired.set(false);
        self.limit.set(0);
    }

    /// Whether the limit is over.
    pub(crate) fn expired(&self) -> bool {
        self.expired.get()
    }

    fn check(&self, now: u64) {
        let limit = self.limit.get();
        if limit != 0 && limit <= now {
            self.limit.set(0);
            self.expired.set(true);
            self.wake();
        }
    }
}

/// All connections of a thread.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    entries: RefCell<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    places: Vec<Option<Rc<Presence>>>,
    free: Vec<usize>,
}

impl Presences {
    /// Adds a connection; the number is for [`Presences::remove`].
    pub(crate) fn add(&self, presence: Rc<Presence>) -> usize {
        let mut entries = self.entries.borrow_mut();
        match entries.free.pop() {
            Some(place) => {
                entries.places[place] = Some(presence);
                place
            }
            None => {
                entries.places.push(Some(presence));
                entries.places.len() - 1
            }
        }
    }

    pub(crate) fn remove(&self, place: usize) {
        let mut entries = self.entries.borrow_mut();
        entries.places[place] = None;
        entries.free.push(place);
        if entries.free.len() == entries.places.len() {
            *entries = Entries::default();
        }
    }

    pub(crate) fn count(&self) -> usize {
        let entries = self.entries.borrow();
        entries.places.len() - entries.free.len()
    }

    /// Wakes those whose limit is over.
    pub(crate) fn check(&self, now: u64) {
        for presence in self.entries.borrow().places.iter().flatten() {
            presence.check(now);
        }
    }

    /// Wakes all.
    pub(crate) fn wake_all(&self) {
        for presence in self.entries.borrow().places.iter().flatten() {
            presence.wake();
        }
    }
}
