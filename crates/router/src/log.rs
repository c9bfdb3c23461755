//! A finished request into the access log, and into the slow-request log.

use std::time::Duration;

use hostler_exchange::now_ns;
use hostler_log::AccessRecord;

use crate::connection::Connection;
use crate::turn::{Outcome, Turn};

impl Connection {
    /// Records the end of a request. The slot must still be the request's.
    pub(crate) fn log(&self, turn: &Turn, status: u16, outcome: Outcome) {
        let Some(record) = &turn.record else { return };
        let exchange = &self.local.exchange;
        let (queued, started, finished) = exchange.times(turn.slot);
        let now = now_ns();
        let finished = if finished == 0 { now } else { finished };
        let span = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
        let id = turn.id.show();
        let worker = (started != 0).then(|| exchange.progress(turn.slot).worker);
        let access = AccessRecord {
            remote: if self.peer.remote.is_empty() { "unix" } else { &self.peer.remote },
            method: &record.method,
            target: &record.target,
            version: if turn.http11 { "HTTP/1.1" } else { "HTTP/1.0" },
            status,
            bytes: turn.sent,
            referer: record.referer.as_deref(),
            user_agent: record.user_agent.as_deref(),
            request_id: Some(id.as_str()).filter(|id| !id.is_empty()),
            received: record.received,
            queue: span(queued, if started == 0 { now } else { started }),
            application: if started == 0 { Duration::ZERO } else { span(started, finished) },
            total: span(queued, now),
            worker: worker.map(u32::from),
            outcome: outcome.name(),
        };
        if let Some(log) = &mut *self.local.access_log.borrow_mut() {
            log.record(&access);
        }
        if self.local.config.slow_request.is_some_and(|limit| access.total > limit) {
            hostler_log::slow_request(&access);
        }
    }
}
