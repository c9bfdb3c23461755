//! Giving memory back when it is short: Python's garbage collector and malloc_trim(3), run by a thread that serves, between two requests.
//!
//! A collection holds the interpreter's lock from its beginning to its end, so it waits for a moment in which nothing runs; for [`PATIENCE`] at
//! most, as one that is always busy has no such moment. It is never run inside a request of its own thread, where the destructors of the
//! application might find what that has half done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hostler_channel::FromWorker;
use hostler_exchange::{WorkerSide, now_ns};
use pyo3::prelude::*;

use crate::{life, report};

/// How long a collection waits until nothing runs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Since when one is wanted, CLOCK_MONOTONIC in nanoseconds; 0 for none.
static WANTED: AtomicU64 = AtomicU64::new(0);

/// Asks for a collection. Whoever asked comes again ([`life::rouse`]) after [`PATIENCE`].
pub(crate) fn ask() {
    let _already_wanted = WANTED.compare_exchange(0, now_ns().max(1), Ordering::Relaxed, Ordering::Relaxed);
    life::rouse();
}

/// Whether one is wanted. Costs next to nothing.
pub(crate) fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed) != 0
}

/// Collects, if that is wanted and no other request has to stand still for it, or it waited long enough. The calling thread runs no request.
#[cold]
pub(crate) fn between_requests(py: Python<'_>, side: &WorkerSide) {
    let waited = Duration::from_nanos(now_ns().saturating_sub(WANTED.load(Ordering::Relaxed)));
    if (waited < PATIENCE && side.running().next().is_some()) || WANTED.swap(0, Ordering::Relaxed) == 0 {
        return;
    }
    let before = resident();
    // Whatever damaged the module, a worker goes on serving.
    let collected = py.import("gc").and_then(|gc| gc.call_method0("collect")?.extract::<u64>());
    py.detach(trim);
    let objects = collected.unwrap_or(0);
    report::send(py, &FromWorker::Collected { objects, before, after: resident() });
}

/// Gives back what the allocator keeps of what was freed.
fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks, and moves nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Memory of this process that is resident, in bytes; 0 where the system does not tell.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    u64::saturating_mul(pages, rustix::param::page_size() as u64)
}
