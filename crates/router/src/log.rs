//! A finished request into the access log, and into the slow-request log.

use std::time::{Duration, SystemTime};

use hostler_exchange::{Exchange, Tally, now_ns};
use hostler_log::AccessRecord;

use crate::connection::Connection;
use crate::request::{Unserved, client_of};
use crate::turn::{Outcome, Turn};

/// How much of a first line that is no request is logged, in bytes.
const LONGEST_LINE: usize = 512;

impl Connection {
    /// Records what was refused before it was a request: of its first line what can be made out.
    pub(crate) fn log_refused(&self, status: u16, outcome: Outcome) {
        let Some(log) = &mut *self.local.access_log.borrow_mut() else {
            return;
        };
        let line = self.pending.as_slice().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
        let mut words = line.trim_end().splitn(3, ' ').filter(|word| !word.is_empty());
        let mut word = || words.next().unwrap_or("-");
        let client = client_of(&self.peer, &self.local.line().config(), self.pending.as_slice());
        log.record(&AccessRecord {
            remote: client.as_deref().unwrap_or(self.remote()),
            method: word(),
            target: word(),
            version: word(),
            status,
            bytes: 0,
            referer: None,
            user_agent: None,
            request_id: None,
            received: SystemTime::now(),
            queue: Duration::ZERO,
            application: Duration::ZERO,
            total: Duration::ZERO,
            worker: None,
            generation: None,
            outcome: outcome.name(),
        });
    }

    /// Records a request that was answered at once, as the application is broken.
    pub(crate) fn log_held(&self, unserved: &Unserved, sent: u64) {
        let (Some(record), Some(log)) = (&unserved.record, &mut *self.local.access_log.borrow_mut()) else { return };
        let id = unserved.id.show();
        log.record(&AccessRecord {
            remote: &record.remote,
            method: &record.method,
            target: &record.target,
            version: version(unserved.wanted.http11),
            status: unserved.held.status(),
            bytes: sent,
            referer: record.referer.as_deref(),
            user_agent: record.user_agent.as_deref(),
            request_id: Some(id.as_str()).filter(|id| !id.is_empty()),
            received: record.received,
            queue: Duration::ZERO,
            application: Duration::ZERO,
            total: Duration::ZERO,
            worker: None,
            generation: None,
            outcome: Outcome::Broken.name(),
        });
    }

    fn remote(&self) -> &str {
        if self.peer.remote.is_empty() { "unix" } else { &self.peer.remote }
    }
}

impl Turn {
    /// Counts and records the end of a request. The slot must still be the request's, unless it was taken back.
    pub(crate) fn log(&self, status: u16, outcome: Outcome) {
        self.ended.set(true);
        let exchange = &self.line.exchange;
        let Course { queued, started, finished, worker } = Course::of(exchange, self.slot, self.taken_back);
        // Mostly the worker is done, and has looked at the clock already.
        let now = if finished == 0 || self.record.is_some() { now_ns() } else { finished };
        let finished = if finished == 0 { now } else { finished };
        let queue = worker.is_some().then(|| started.saturating_sub(queued));
        let application = (worker.is_some() && status != 101).then(|| finished.saturating_sub(started));
        self.local.counts.ended(status, outcome, queue, application);
        if let Some(worker) = worker {
            let failed = status >= 500 || matches!(outcome, Outcome::CutOff | Outcome::Failed | Outcome::WorkerDied);
            exchange.note_wait(queued, started);
            exchange.count(
                worker,
                Tally {
                    requests: 1,
                    failed: u64::from(failed),
                    sent_bytes: self.sent,
                    application_ns: application.unwrap_or(0),
                },
            );
        }
        let Some(record) = &self.record else { return };
        let span = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
        let id = self.id.show();
        let access = AccessRecord {
            remote: &record.remote,
            method: &record.method,
            target: &record.target,
            version: version(self.http11),
            status,
            bytes: self.sent,
            referer: record.referer.as_deref(),
            user_agent: record.user_agent.as_deref(),
            request_id: Some(id.as_str()).filter(|id| !id.is_empty()),
            received: record.received,
            queue: span(queued, if worker.is_some() { started } else { now }),
            application: if worker.is_some() { span(started, finished) } else { Duration::ZERO },
            total: span(queued, now),
            worker: worker.map(u32::from),
            generation: worker.and_then(|worker| exchange.generation(worker)),
            outcome: outcome.name(),
        };
        if let Some(log) = &mut *self.local.access_log.borrow_mut() {
            log.record(&access);
        }
        // A WebSocket is not slow because it is long.
        if status != 101 && self.config.slow_request.is_some_and(|limit| access.total > limit) {
            hostler_log::slow_request(&access);
        }
    }
}

/// Where a request was when, and who ran it. Times are CLOCK_MONOTONIC in nanoseconds, 0 for what has not been.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    queued: u64,
    started: u64,
    finished: u64,
    /// `None` while no worker has begun it.
    worker: Option<u16>,
}

impl Course {
    /// Of the request in a slot. One that was `taken_back`, having been queued at that time, has none any more: in it may be one of another thread.
    fn of(exchange: &Exchange, slot: u32, taken_back: Option<u64>) -> Self {
        if let Some(queued) = taken_back {
            return Self { queued, started: 0, finished: 0, worker: None };
        }
        let (queued, started, finished) = exchange.times(slot);
        Self { queued, started, finished, worker: (started != 0).then(|| exchange.progress(slot).worker) }
    }
}

fn version(http11: bool) -> &'static str {
    if http11 { "HTTP/1.1" } else { "HTTP/1.0" }
}

#[cfg(test)]
mod tests {
    use hostler_exchange::{Config, Doorbells, RequestEnd, WorkerSide};

    use super::*;

    #[test]
    fn what_was_taken_back_has_nothing_of_the_next_request_in_its_slot() {
        let config = Config {
            workers: 1,
            threads: 1,
            router_threads: 2,
            slots: 2,
            websockets: 0,
            head_size: 4096,
            request_ring: 4096,
            response_ring: 4096,
        };
        let exchange = Exchange::create(config).unwrap();
        exchange.prepare_worker(0);
        let mut descriptors = exchange.worker_descriptors().unwrap();
        let memory = descriptors.remove(0);
        let workers = descriptors.split_off(2);
        let side = WorkerSide::attach(memory, 0, Doorbells { routers: descriptors, workers }).unwrap();
        let submit = |thread| exchange.submit(thread, b"head", b"", RequestEnd::Complete).unwrap().slot;

        let slot = submit(0);
        let queued = Course::of(&exchange, slot, None).queued;
        assert_eq!(Course::of(&exchange, slot, None), Course { queued, started: 0, finished: 0, worker: None });
        assert!(exchange.cancel(slot));
        assert_eq!(submit(1), slot, "the slot that was freed last is taken first");
        let taken = side.thread(0).take(None).unwrap();
        let stranger = Course::of(&exchange, slot, None);
        assert!(stranger.worker == Some(0) && stranger.started != 0 && stranger.queued >= queued);
        let own = Course::of(&exchange, slot, Some(queued));
        assert_eq!(own, Course { queued, started: 0, finished: 0, worker: None });
        side.thread(0).finish(taken);
    }
}
