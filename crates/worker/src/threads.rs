//! Which thread runs which request, and since when: for those who look on, and for an exception that must hit one request and no other.
//!
//! A thread says what it runs in a [`Window`], and holds the interpreter's lock whenever it opens or closes one. So whoever has the lock, too,
//! knows that the window does not change under him: an exception asked for then ([`interrupt`]) is raised inside the window or, if no Python
//! code runs in it any more, taken back when it closes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hostler_exchange::{Taken, now_ns};
use pyo3::ffi;
use pyo3::prelude::*;

/// As many threads as the exchange has room for in a worker.
const MOST: usize = 64;

/// One thread. An event loop is the first.
struct Place {
    /// What Python and the system call it (`pthread_self`); 0 before it serves.
    ident: AtomicU64,
    /// [`Taken::to_bits`] of what it runs, when `busy`.
    request: AtomicU64,
    /// When the window was opened; CLOCK_MONOTONIC in nanoseconds.
    since_ns: AtomicU64,
    busy: AtomicBool,
    /// An exception was asked for.
    interrupted: AtomicBool,
}

static PLACES: [Place; MOST] = [const {
    Place {
        ident: AtomicU64::new(0),
        request: AtomicU64::new(0),
        since_ns: AtomicU64::new(0),
        busy: AtomicBool::new(false),
        interrupted: AtomicBool::new(false),
    }
}; MOST];

/// What a thread runs, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) number: usize,
    pub(crate) ident: u64,
    pub(crate) request: Option<Taken>,
    /// When it began with that, in nanoseconds.
    pub(crate) since_ns: u64,
}

/// The application's code runs in this thread for a request, until it is dropped.
pub(crate) struct Window<'py> {
    place: &'static Place,
    _py: Python<'py>,
}

/// Makes the calling thread the one numbered `number`.
pub(crate) fn enter(number: u16) {
    // SAFETY: no arguments, no failure.
    let ident = unsafe { libc::pthread_self() } as u64;
    PLACES[usize::from(number) % MOST].ident.store(ident, Ordering::Release);
}

/// Opens the window of the calling thread, which is number `number`, for `taken` at `now`.
pub(crate) fn open(py: Python<'_>, number: u16, taken: Taken, now: u64) -> Window<'_> {
    let place = &PLACES[usize::from(number) % MOST];
    place.request.store(taken.to_bits(), Ordering::Relaxed);
    place.since_ns.store(now, Ordering::Relaxed);
    place.busy.store(true, Ordering::Release);
    Window { place, _py: py }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.place.busy.store(false, Ordering::Release);
        if self.place.interrupted.load(Ordering::Relaxed) {
            self.place.interrupted.store(false, Ordering::Relaxed);
            let ident = self.place.ident.load(Ordering::Relaxed);
            // SAFETY: the interpreter's lock is held, as `Python` proves; NULL takes back what was not raised yet.
            unsafe { ffi::PyThreadState_SetAsyncExc(ident as _, std::ptr::null_mut()) };
        }
    }
}

/// The thread that runs `taken`.
pub(crate) fn find(taken: Taken) -> Option<Seen> {
    (0..MOST).filter_map(look).find(|seen| seen.request == Some(taken))
}

/// What the thread `number` runs; `None` when there is no such thread.
pub(crate) fn look(number: usize) -> Option<Seen> {
    let place = PLACES.get(number)?;
    let ident = place.ident.load(Ordering::Acquire);
    let request = place.busy.load(Ordering::Acquire).then(|| Taken::from_bits(place.request.load(Ordering::Relaxed)));
    (ident != 0).then(|| Seen { number, ident, request, since_ns: place.since_ns.load(Ordering::Relaxed) })
}

/// For how long a thread has run what it runs, in nanoseconds.
pub(crate) fn age_ns(seen: &Seen) -> u64 {
    now_ns().saturating_sub(seen.since_ns)
}

/// Has the class `exception` raised in a thread, if it still runs exactly what was `seen`; whether it does. Once in a window.
pub(crate) fn interrupt(seen: &Seen, exception: &Bound<'_, PyAny>) -> bool {
    let Some(place) = PLACES.get(seen.number) else { return false };
    // The interpreter's lock is held, as `exception` proves: the window stays as it is now.
    if look(seen.number) != Some(*seen) || place.interrupted.load(Ordering::Relaxed) {
        return false;
    }
    if seen.request.is_some() {
        place.interrupted.store(true, Ordering::Relaxed);
    }
    // SAFETY: the lock is held, and the class is alive; the interpreter takes a reference of its own.
    unsafe { ffi::PyThreadState_SetAsyncExc(seen.ident as _, exception.as_ptr()) == 1 }
}
