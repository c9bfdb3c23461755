//! The end of a WebSocket: who said what to whom (RFC 6455 section 7), and the time limits.

use std::time::Duration;

use hostler_websocket::{Close, Failure};

use super::socket::Socket;
use crate::config::Config;
use crate::local::Local;
use crate::turn::Outcome;

/// How long the client may take to answer a close.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a worker may take to read how its WebSocket ended, before what it still sends fails.
const PATIENCE: Duration = Duration::from_secs(1);

/// The connection was cut (RFC 6455 section 7.4.1).
const CUT: u16 = 1006;
/// The server fails, or the client does not answer.
const INTERNAL_ERROR: u16 = 1011;
/// The server stops, or the application was replaced.
const RESTART: u16 = 1012;

/// What the client is told at the end.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) enum Farewell {
    #[default]
    None,
    /// When the worker has answered what came before.
    Held(Close),
    /// As soon as a frame may begin.
    Due(Close),
    Said,
}

/// What the worker is told at the end.
#[derive(Debug, PartialEq, Eq, Default)]
enum Notice {
    #[default]
    None,
    /// As soon as there is room for it.
    Due(Close),
    Given,
}

/// How far the end has come.
#[derive(Debug)]
pub(super) struct Closing {
    pub(super) farewell: Farewell,
    notice: Notice,
    /// Nothing of what the client may still send counts: it said close, or did something wrong.
    pub(super) client_over: bool,
    /// The socket is of no use any more.
    pub(super) gone: bool,
    /// The worker's side is over: it said close, or is done.
    worker_over: bool,
    /// The first thing that ended it, for the log.
    pub(super) outcome: Outcome,
    decided: bool,
    /// When the first close was said or heard.
    began: u64,
    /// When our direction was ended.
    pub(super) shut: u64,
}

impl Default for Closing {
    fn default() -> Self {
        Self {
            farewell: Farewell::None,
            notice: Notice::None,
            client_over: false,
            gone: false,
            worker_over: false,
            outcome: Outcome::Ok,
            decided: false,
            began: 0,
            shut: 0,
        }
    }
}

impl Closing {
    pub(super) fn begin(&mut self, now: u64) {
        if self.began == 0 {
            self.began = now.max(1);
        }
    }

    fn decide(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.decided, true) {
            self.outcome = outcome;
        }
    }

    fn notify(&mut self, close: Close) {
        if self.notice == Notice::None {
            self.notice = Notice::Due(close);
        }
    }

    fn bid(&mut self, close: Close) {
        if self.farewell == Farewell::None {
            self.farewell = Farewell::Due(close);
        }
        self.release();
    }

    /// Ends the hold.
    fn release(&mut self) {
        self.farewell = match std::mem::take(&mut self.farewell) {
            Farewell::Held(close) => Farewell::Due(close),
            other => other,
        };
    }

    /// What the worker is still to be told.
    pub(super) fn to_tell(&self) -> Option<&Close> {
        if let Notice::Due(close) = &self.notice { Some(close) } else { None }
    }

    pub(super) fn told(&mut self) {
        self.notice = Notice::Given;
    }

    pub(super) fn is_told(&self) -> bool {
        self.notice == Notice::Given
    }

    pub(super) fn is_patience_over(&self, now: u64) -> bool {
        over(self.shut, PATIENCE, now)
    }
}

impl Socket {
    /// Whether frames of the client are looked at.
    pub(super) fn listens(&self) -> bool {
        !self.closing.client_over && !self.closing.gone
    }

    /// Whether messages of the client are thrown away: one side has said close.
    pub(super) fn discards(&self) -> bool {
        self.closing.farewell != Farewell::None || self.closing.notice != Notice::None
    }

    /// Whether records of the worker are thrown away. Not in the middle of a frame: a close cannot be said there.
    pub(super) fn is_deaf_to_worker(&self) -> bool {
        let closing = &self.closing;
        let ends = matches!(closing.farewell, Farewell::Due(_) | Farewell::Said);
        closing.gone || closing.worker_over || (ends && self.outgoing.is_between_frames())
    }

    /// Whether the close frame was written: no frame may follow it.
    pub(super) fn said_close(&self) -> bool {
        self.closing.farewell == Farewell::Said
    }

    // ---- What may end it ---------------------------------------------------------------------------------------------------

    /// The client said close: it is answered with the same code.
    pub(super) fn hear_close(&mut self, close: Close) {
        self.closing.client_over = true;
        self.closing.decide(Outcome::Ok);
        self.closing.bid(Close { code: close.code, reason: Box::default() });
        self.closing.notify(close);
    }

    /// The client did something wrong. What it sent before that is answered first.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.closing.client_over = true;
        self.closing.decide(Outcome::BadBody);
        let close = || Close { code: failure.code, reason: failure.reason.into() };
        if self.closing.farewell == Farewell::None {
            self.closing.farewell = Farewell::Held(close());
        }
        self.closing.notify(close());
    }

    /// Says close, if that was held back until the worker had answered what came before: it has once it has read its end, and all it wrote
    /// is taken. Whether it was held until now.
    pub(super) fn release(&mut self, local: &Local, heard: bool) -> bool {
        if !matches!(self.closing.farewell, Farewell::Held(_)) {
            return false;
        }
        let answered = heard && self.line.exchange.progress(self.slot).available == 0;
        if !answered && !over(self.closing.began, PATIENCE, local.clock()) {
            return false;
        }
        self.closing.release();
        true
    }

    /// The client is gone, or is to be cut off.
    pub(super) fn lose_client(&mut self) {
        // Some clients do not wait until they were answered.
        let outcome = if self.discards() { Outcome::Ok } else { Outcome::ClientGone };
        self.closing.decide(outcome);
        self.closing.gone = true;
        self.closing.notify(Close { code: CUT, reason: Box::default() });
    }

    /// The worker said close.
    pub(super) fn say_close(&mut self, close: Close, outcome: Outcome) {
        self.closing.worker_over = true;
        self.closing.decide(outcome);
        self.closing.bid(close);
    }

    /// The worker is done, or died, without a close.
    pub(super) fn worker_ended(&mut self, code: u16, outcome: Outcome) {
        if !self.outgoing.is_between_frames() {
            // The rest of a frame will not come.
            self.closing.decide(outcome);
            self.closing.gone = true;
        }
        self.say_close(Close { code, reason: Box::default() }, outcome);
    }

    /// The worker wrote what makes no sense.
    pub(super) fn damaged(&mut self) {
        if !self.closing.worker_over {
            tracing::error!("a worker damaged the messages of a WebSocket in shared memory");
            self.worker_ended(INTERNAL_ERROR, Outcome::WorkerDied);
        }
    }

    /// The server stops, or the worker's generation is replaced.
    pub(super) fn stop(&mut self) {
        if self.discards() {
            return;
        }
        self.closing.decide(Outcome::Ok);
        let close = || Close { code: RESTART, reason: Box::default() };
        self.closing.bid(close());
        self.closing.notify(close());
    }

    // ---- Time --------------------------------------------------------------------------------------------------------------

    /// Sees to what is due: a ping, or the end.
    pub(super) fn check_time(&mut self, local: &Local, out: &mut Vec<u8>) {
        let now = local.clock();
        let line = std::rc::Rc::clone(&self.line);
        let config = &line.config();
        let stalled = !self.unsent.is_empty() && over(self.took, config.send_timeout, now);
        if stalled || (over(self.closing.began, HANDSHAKE, now) && self.closing.shut == 0) {
            self.lose_client();
        }
        if !self.is_pinged() {
            return;
        }
        if over(self.pinged, config.websocket.ping_timeout, now) {
            self.closing.client_over = true;
            self.closing.decide(Outcome::ClientGone);
            let close = || Close { code: INTERNAL_ERROR, reason: "no answer to a ping".into() };
            self.closing.bid(close());
            self.closing.notify(close());
        } else if self.pinged == 0 && config.websocket.ping_interval.is_some_and(|after| over(self.heard, after, now)) {
            self.ping(now, out);
        }
    }

    /// Whether the client is expected to show that it is there.
    fn is_pinged(&self) -> bool {
        self.listens() && !self.blocked && !self.discards() && self.unsent.is_empty()
    }

    /// When [`Socket::check_time`] has something to do next, on the thread's clock.
    pub(super) fn deadline(&self, config: &Config) -> Option<u64> {
        let Closing { began, shut, .. } = self.closing;
        if shut > 0 {
            return Some(after(shut, PATIENCE));
        }
        let patience = if matches!(self.closing.farewell, Farewell::Held(_)) { PATIENCE } else { HANDSHAKE };
        let closing = (began > 0).then(|| after(began, patience));
        let sending = (!self.unsent.is_empty()).then(|| after(self.took, config.send_timeout));
        let listening = match config.websocket.ping_interval {
            _ if !self.is_pinged() => None,
            _ if self.pinged > 0 => Some(after(self.pinged, config.websocket.ping_timeout)),
            interval => interval.map(|interval| after(self.heard, interval)),
        };
        [closing, sending, listening].into_iter().flatten().min()
    }
}

fn after(begin: u64, time: Duration) -> u64 {
    begin.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// Whether `time` has passed since `begin`, if that was ever.
fn over(begin: u64, time: Duration, now: u64) -> bool {
    begin > 0 && after(begin, time) <= now
}
