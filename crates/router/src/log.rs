//! A finished request into the access log, and into the slow-request log.

use std::time::{Duration, SystemTime};

use hostler_exchange::now_ns;
use hostler_log::AccessRecord;

use crate::connection::Connection;
use crate::turn::{Outcome, Turn};

/// How much of a first line that is no request is logged, in bytes.
const LONGEST_LINE: usize = 512;

impl Connection {
    /// Records what was refused before it was a request: of its first line what can be made out.
    pub(crate) fn log_refused(&self, status: u16) {
        let Some(log) = &mut *self.local.access_log.borrow_mut() else {
            return;
        };
        let line = self.pending.as_slice().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(&line[..line.len().min(LONGEST_LINE)]);
        let mut words = line.trim_end().splitn(3, ' ').filter(|word| !word.is_empty());
        let mut word = || words.next().unwrap_or("-");
        log.record(&AccessRecord {
            remote: self.remote(),
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
            outcome: if status == 503 { Outcome::Overloaded.name() } else { "refused" },
        });
    }

    fn remote(&self) -> &str {
        if self.peer.remote.is_empty() { "unix" } else { &self.peer.remote }
    }

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
            remote: self.remote(),
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
        // A WebSocket is not slow because it is long.
        if status != 101 && self.local.config.slow_request.is_some_and(|limit| access.total > limit) {
            hostler_log::slow_request(&access);
        }
    }
}
