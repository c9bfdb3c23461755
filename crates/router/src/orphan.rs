//! Orphans: requests that only their worker is still busy with, and the time limit they have.

use std::time::Duration;

use hostler_exchange::Phase;

use crate::line::{Line, Owner, after};
use crate::{RouterEvent, WORKER_TIMED_OUT};

/// How long an event loop may take, at least, to show that it is not stuck: another handler may keep it for as long as `timeout` allows.
pub(crate) const PROBE: Duration = Duration::from_secs(1);
/// How long it may take, at most, to cancel a task that is past its time.
const CANCELLED: Duration = Duration::from_secs(5);

/// A request that only its worker is still busy with.
#[derive(Debug)]
pub(crate) struct Orphan {
    /// When it is looked at, on the thread's clock; `u64::MAX` for never again.
    due: u64,
    /// The event loop that runs it was asked for a sign of life.
    probed: bool,
}

impl Orphan {
    pub(crate) fn new(now: u64, timeout: Option<Duration>, probed: bool) -> Self {
        let timeout = timeout.unwrap_or(Duration::MAX);
        let limit = if probed { timeout.min(CANCELLED).max(PROBE) } else { timeout };
        Self { due: after(now, limit), probed }
    }
}

impl Line {
    /// The time limit of requests whose connection is done with them: the client left, or all was sent and `close()` still runs. On an event
    /// loop they may go on for as long as they like, as background tasks do, if only the loop is not stuck.
    pub(crate) fn check_orphans(&self, now: u64) {
        let Some(timeout) = self.config().timeout else { return };
        if !self.has_orphans() {
            return;
        }
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
                message_id = WORKER_TIMED_OUT,
                method,
                target,
                worker = progress.worker,
                generation = self.exchange.generation(progress.worker),
                "{}",
                if is_loop {
                    "the event loop that runs a request is stuck: what keeps it is interrupted"
                } else {
                    "a request ran past its timeout after its client was done with it: it is interrupted"
                }
            );
            let request = (!is_loop).then(|| self.exchange.request_in(slot));
            self.tell(RouterEvent::TimedOut { line: self.number, worker: progress.worker, request });
        }
    }
}
