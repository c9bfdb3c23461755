//! One request and its answer on a connection: what is known of it between its head and its end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::SystemTime;

use crate::body::Body;
use crate::config::Config;
use crate::id::RequestId;
use crate::line::Line;
use crate::local::Local;
use crate::presence::Presence;

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) local: Rc<Local>,
    /// Where it is run. It may move on when that line has no workers any more.
    pub(crate) line: Rc<Line>,
    /// How it is treated, to its end.
    pub(crate) config: Rc<Config>,
    pub(crate) slot: u32,
    /// Of the connection, which waits for news of the slot.
    pub(crate) presence: Rc<Presence>,
    /// The method is HEAD: the answer has no body.
    pub(crate) to_head: bool,
    /// The method may be repeated without harm (RFC 9110 section 9.2.2).
    pub(crate) idempotent: bool,
    pub(crate) http11: bool,
    /// The client wants the connection kept.
    pub(crate) keep_alive: bool,
    /// The client sends its body when it is told to.
    pub(crate) awaits_continue: bool,
    pub(crate) body: Body,
    /// How often it was queued again after its worker died.
    pub(crate) retries: u8,
    /// It was taken out of the queue again, into which it was put at this time (CLOCK_MONOTONIC, nanoseconds): its slot is free already, or another's.
    pub(crate) taken_back: Option<u64>,
    /// Bytes of the answer's body that were sent.
    pub(crate) sent: u64,
    /// When it began, on the thread's clock; the last progress counts as one.
    pub(crate) began: u64,
    pub(crate) id: RequestId,
    /// For the logs, when somebody wants them.
    pub(crate) record: Option<Box<Record>>,
    /// The status that was sent; 0 before.
    pub(crate) status: u16,
    /// Its end was counted and recorded.
    pub(crate) ended: Cell<bool>,
}

impl Turn {
    /// Takes it out of the queue again, if no worker has begun it.
    pub(crate) fn take_back(&mut self) -> bool {
        let (queued, ..) = self.line.exchange.times(self.slot);
        let taken_back = self.line.take_back(self.slot);
        if taken_back {
            self.taken_back = Some(queued);
        }
        taken_back
    }
}

impl Drop for Turn {
    /// An answer that nobody brought to an end was cut off with its connection: its task panicked, or the server was stopped by force. Its slot is
    /// given up then.
    fn drop(&mut self) {
        if !self.ended.get() {
            let status = if self.status == 0 { 503 } else { self.status };
            self.log(status, Outcome::CutOff);
        }
        self.line.reclaim(self.slot, &self.presence, self.local.clock());
    }
}

/// What the access log tells of a request.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) received: SystemTime,
    /// The client's address: the peer's, or what a trusted proxy told; `unix` without one.
    pub(crate) remote: Box<str>,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) referer: Option<Vec<u8>>,
    pub(crate) user_agent: Option<Vec<u8>>,
}

/// How a request ended, for the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// The client left, or did not read.
    ClientGone,
    /// The body was refused, or did not come.
    BadBody,
    /// The application failed after its head was sent, or gave less than it declared; or the server was stopped before the answer was whole.
    CutOff,
    /// The application failed before.
    Failed,
    WorkerDied,
    TimedOut,
    Overloaded,
    /// The server answered while the application is broken.
    Broken,
    /// It was not even a request, or one that cannot be served.
    Refused,
}

impl Outcome {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 10] = [
        Self::Ok,
        Self::ClientGone,
        Self::BadBody,
        Self::CutOff,
        Self::Failed,
        Self::WorkerDied,
        Self::TimedOut,
        Self::Overloaded,
        Self::Broken,
        Self::Refused,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientGone => "client_gone",
            Self::BadBody => "bad_body",
            Self::CutOff => "cut_off",
            Self::Failed => "failed",
            Self::WorkerDied => "worker_died",
            Self::TimedOut => "timeout",
            Self::Overloaded => "overloaded",
            Self::Broken => "broken",
            Self::Refused => "refused",
        }
    }
}
