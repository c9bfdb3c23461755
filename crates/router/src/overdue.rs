//! The time limits of a request: what is waited for, and whose fault it is when that does not come.

use std::time::Duration;

use hostler_exchange::{Phase, RequestEnd, now_ns};

use crate::answer::Stage;
use crate::connection::{After, Connection};
use crate::orphan::PROBE;
use crate::turn::{Outcome, Turn};
use crate::{RouterEvent, WORKER_TIMED_OUT};

impl Connection {
    /// Sets the limit for what is waited for: the client's body while there is room for it, else the worker.
    pub(crate) fn limit_for(&self, turn: &Turn) {
        let config = &turn.config;
        let awaits_client = !turn.body.is_done() && turn.line.exchange.wants_body(turn.slot);
        match (awaits_client, config.timeout) {
            (true, _) => self.limit(config.body_timeout),
            (false, Some(timeout)) => self.limit(timeout),
            // Looked at now and then all the same: the worker may begin to wait for the client at any time.
            (false, None) if !turn.body.is_done() => self.limit(config.body_timeout),
            (false, None) => self.presence.no_limit(),
        }
    }

    /// Who kept us waiting, and what is done about it; `None` when it was nobody after all. `probed`: the event loop that runs the request was
    /// asked for a sign of life.
    pub(crate) async fn expired(&mut self, turn: &mut Turn, stage: &Stage, probed: &mut bool) -> Option<After> {
        let exchange = std::sync::Arc::clone(&turn.line.exchange);
        let awaits_client = !turn.body.is_done() && exchange.wants_body(turn.slot);
        if awaits_client {
            exchange.end_body(turn.slot, RequestEnd::Aborted);
            return Some(self.broken(turn, stage, 408, Outcome::BadBody).await);
        }
        let Some(timeout) = turn.config.timeout else {
            self.limit_for(turn);
            return None;
        };
        let progress = exchange.progress(turn.slot);
        let (_, started, _) = exchange.times(turn.slot);
        match progress.phase {
            Phase::Queued if turn.take_back() => {
                Some(self.fail(turn, 503, "No worker became free in time.", Outcome::Overloaded).await)
            }
            Phase::Running => {
                // Time in the queue is not the worker's, and neither is time since it last moved.
                let now = now_ns();
                let since = started.min(now).max(turn.began);
                let ran = Duration::from_nanos(now.saturating_sub(since));
                if ran < timeout {
                    self.limit(timeout - ran);
                    return None;
                }
                let is_loop = exchange.is_loop(progress.worker);
                if is_loop && matches!(stage, Stage::Body { .. }) && !self.is_stuck(turn, probed, timeout) {
                    return None;
                }
                let (method, target) = turn.line.first_line(turn.slot);
                tracing::error!(
                    message_id = WORKER_TIMED_OUT,
                    request_id = turn.id.show().as_str(),
                    method,
                    target,
                    worker = progress.worker,
                    generation = exchange.generation(progress.worker),
                    seconds = timeout.as_secs_f64(),
                    "{}",
                    match stage {
                        Stage::Head if is_loop => "a request ran past its timeout: its task is cancelled",
                        Stage::Body { .. } if is_loop =>
                            "the event loop that runs a request is stuck: what keeps it is interrupted",
                        _ => "a request ran past its timeout: it is interrupted",
                    }
                );
                // An event loop goes on with its other requests. Whether it does is seen a moment after, see `Local::cancel`.
                if !is_loop || *probed {
                    turn.line.tell(RouterEvent::TimedOut {
                        line: turn.line.number,
                        worker: progress.worker,
                        request: (!is_loop).then(|| exchange.request_in(turn.slot)),
                    });
                }
                if is_loop && matches!(stage, Stage::Body { .. }) {
                    // Perhaps the loop is saved, and the stream goes on; if not, it ends with the worker.
                    *probed = false;
                    self.limit(timeout.max(PROBE));
                    return None;
                }
                Some(self.broken(turn, stage, 504, Outcome::TimedOut).await)
            }
            _ => {
                // It began or ended this moment, or a worker damaged its state: it is looked at.
                self.limit(timeout);
                self.presence.bring_news();
                None
            }
        }
    }

    /// Whether the event loop that streams an answer gave no sign of life after it was asked for one, which is done first. A stream may be
    /// quiet for as long as it likes.
    fn is_stuck(&self, turn: &Turn, probed: &mut bool, timeout: Duration) -> bool {
        let exchange = &turn.line.exchange;
        if !*probed {
            exchange.probe_loop(turn.slot);
            *probed = true;
            self.limit(timeout.max(PROBE));
            return false;
        }
        if exchange.loop_answers(turn.slot) {
            *probed = false;
            self.limit(timeout);
            return false;
        }
        true
    }
}
