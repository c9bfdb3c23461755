//! The answer to one request: from its slot to the client, while its body goes the other way.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use hostler_exchange::{Phase, RequestEnd, ResponseProgress, now_ns};
use hostler_http1::Refusal;

use crate::connection::{After, Connection, Interrupted};
use crate::orphan::PROBE;
use crate::page::Page;
use crate::respond::Framing;
use crate::turn::{Outcome, Turn};
use crate::{RouterEvent, WORKER_TIMED_OUT};

/// How often a request is queued again after its worker died, when it is known to have crashed it: it ran alone.
const RETRIES_TO_BLAME: u8 = 1;
/// The same for others: they may have run beside the one to blame, and once more beside it the second time.
const RETRIES: u8 = 2;
/// How much of a body nobody read is taken off the wire, to keep the connection; bytes.
const DRAINED: u64 = 1 << 20;
/// How much a client may send ahead of its next request while it is watched; bytes.
const AHEAD: usize = 64 * 1024;

/// What ended a wait during an answer.
enum Event {
    /// The worker did something.
    News,
    /// The time limit is over.
    Expired,
    /// The client ended its body too early, or is gone.
    BodyCut,
    /// The body is not valid, or too long.
    BodyRefused(Refusal),
    /// The client left, and the worker wants to know.
    Gone,
}

/// Where the answer is.
pub(crate) enum Stage {
    /// Nothing was sent.
    Head,
    Body {
        framing: Framing,
        status: u16,
    },
}

impl Connection {
    /// Runs one request to the end of its answer.
    pub(crate) async fn answer(&mut self, mut turn: Turn) -> After {
        let mut stage = Stage::Head;
        let mut probed = false;
        self.limit_for(&turn);
        loop {
            match poll_fn(|context| self.poll_event(context, &mut turn)).await {
                Event::News => {}
                Event::Expired => match self.expired(&mut turn, &stage, &mut probed).await {
                    Some(after) => return after,
                    None => continue,
                },
                Event::BodyCut => {
                    // The worker may still answer: a client can end its direction, and wait. It will see the body cut off.
                    turn.line.exchange.end_body(turn.slot, RequestEnd::Aborted);
                    turn.body = crate::body::Body::Done;
                    turn.keep_alive = false;
                    continue;
                }
                Event::BodyRefused(refusal) => {
                    turn.line.exchange.end_body(turn.slot, RequestEnd::Refused);
                    turn.body = crate::body::Body::Done;
                    turn.keep_alive = false;
                    if matches!(stage, Stage::Head) {
                        return self.fail(&mut turn, refusal.status, refusal.reason, Outcome::BadBody).await;
                    }
                    continue;
                }
                Event::Gone => return self.interrupted(&mut turn, Interrupted::Gone),
            }
            probed = false;
            if let Some(after) = self.hear(&mut turn, &mut stage).await {
                return after;
            }
            self.limit_for(&turn);
        }
    }

    /// Deals with all the worker has done; the end of the answer, if it is one.
    async fn hear(&mut self, turn: &mut Turn, stage: &mut Stage) -> Option<After> {
        loop {
            let progress = turn.line.exchange.progress(turn.slot);
            if progress.corrupt {
                let generation = turn.line.exchange.generation(progress.worker);
                tracing::error!(worker = progress.worker, generation, "a worker damaged its answer in shared memory");
                return Some(self.broken(turn, stage, 502, Outcome::WorkerDied).await);
            }
            if progress.has_hints() {
                if let Err(interrupted) = self.send_hints(turn, progress).await {
                    return Some(self.interrupted(turn, interrupted));
                }
                continue;
            }
            if turn.awaits_continue && matches!(stage, Stage::Head) && turn.line.exchange.wants_body(turn.slot) {
                turn.awaits_continue = false;
                if let Err(interrupted) = self.send_continue().await {
                    return Some(self.interrupted(turn, interrupted));
                }
            }
            match *stage {
                Stage::Head if progress.has_head() && progress.upgrades() => {
                    return Some(match self.websocket(turn, progress).await {
                        Some(after) => after,
                        None => self.broken(turn, stage, 502, Outcome::WorkerDied).await,
                    });
                }
                Stage::Head if progress.has_head() && !progress.failed() => {
                    match self.send_head(turn, progress).await {
                        Ok(Some(body)) => *stage = body,
                        Ok(None) => return Some(self.broken(turn, stage, 502, Outcome::WorkerDied).await),
                        Err(interrupted) => return Some(self.interrupted(turn, interrupted)),
                    }
                }
                Stage::Head => match progress.phase {
                    _ if progress.failed() => {
                        return Some(
                            self.fail(turn, 500, "The application failed; its log says why.", Outcome::Failed).await,
                        );
                    }
                    Phase::Lost => return self.lost(turn).await,
                    Phase::Done | Phase::Free => {
                        return Some(self.fail(turn, 500, "The application gave no answer.", Outcome::Failed).await);
                    }
                    Phase::Queued => return self.move_on(turn).await,
                    Phase::Running => return None,
                },
                Stage::Body { framing: Framing::Empty | Framing::Length(0), status } if self.over(progress) => {
                    return Some(self.finish(turn, status).await);
                }
                Stage::Body { framing, status } if progress.available > 0 => {
                    match self.send_body(turn, framing, progress).await {
                        Ok(framing) => *stage = Stage::Body { framing, status },
                        Err(interrupted) => return Some(self.interrupted(turn, interrupted)),
                    }
                }
                Stage::Body { framing, status } => {
                    if progress.complete() && !progress.failed() {
                        return Some(match framing {
                            Framing::Length(left) if left > 0 => self.cut(turn, framing, status, Outcome::CutOff),
                            Framing::Chunked => match self.send_last_chunk(turn, progress).await {
                                Ok(()) => self.finish(turn, status).await,
                                Err(interrupted) => self.interrupted(turn, interrupted),
                            },
                            _ => self.finish(turn, status).await,
                        });
                    }
                    match progress.phase {
                        _ if progress.failed() => return Some(self.cut(turn, framing, status, Outcome::CutOff)),
                        Phase::Lost => return Some(self.cut(turn, framing, status, Outcome::WorkerDied)),
                        Phase::Done | Phase::Free => return Some(self.cut(turn, framing, status, Outcome::CutOff)),
                        Phase::Queued | Phase::Running => return None,
                    }
                }
            }
        }
    }

    /// Whether an answer whose body was sent whole is over: not while the worker may still find that it failed.
    fn over(&self, progress: ResponseProgress) -> bool {
        progress.complete() || !matches!(progress.phase, Phase::Running)
    }

    // ---- Waiting -----------------------------------------------------------------------------------------------------------

    fn poll_event(&mut self, context: &mut Context<'_>, turn: &mut Turn) -> Poll<Event> {
        self.presence.attend(context.waker());
        if self.presence.take_news() {
            // The body need not stand still meanwhile, but what the worker says comes first.
            return Poll::Ready(Event::News);
        }
        let client = if !turn.body.is_done() {
            self.poll_body(context, turn)
        } else if turn.line.exchange.watches_client(turn.slot) {
            self.poll_gone(context)
        } else {
            Poll::Pending
        };
        if client.is_ready() {
            return client;
        }
        if self.presence.expired() { Poll::Ready(Event::Expired) } else { Poll::Pending }
    }

    /// Looks whether the client leaves. What it sends meanwhile belongs to its next request.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            let ahead = self.pending.as_slice().len();
            if ahead >= AHEAD {
                return Poll::Pending;
            }
            let mut scratch = self.local.scratch.borrow_mut();
            match self.stream.poll_read(context, &mut scratch[..AHEAD - ahead]) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Ready(Ok(length)) => {
                    self.local.counts.read(length);
                    self.pending.extend(&scratch[..length]);
                }
            }
        }
    }

    /// Moves the body on, as far as the socket has bytes and the slot has room.
    fn poll_body(&mut self, context: &mut Context<'_>, turn: &mut Turn) -> Poll<Event> {
        let local = std::rc::Rc::clone(&self.local);
        let line = std::rc::Rc::clone(&turn.line);
        let exchange = &line.exchange;
        while !turn.body.is_done() {
            if exchange.body_room(turn.slot) == 0 && !exchange.await_body_room(turn.slot) {
                return Poll::Pending;
            }
            let fed = if self.pending.is_empty() {
                let mut scratch = local.scratch.borrow_mut();
                let length = match self.stream.poll_read(context, &mut scratch) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::BodyCut),
                    Poll::Ready(Ok(length)) => length,
                };
                local.counts.read(length);
                let fed = turn.body.feed(&scratch[..length], exchange, turn.slot);
                let used = fed.as_ref().map_or(length, |fed| fed.used);
                if used < length {
                    self.pending.extend(&scratch[used..length]);
                }
                fed
            } else {
                let fed = turn.body.feed(self.pending.as_slice(), exchange, turn.slot);
                if let Ok(fed) = &fed {
                    self.pending.consume(fed.used);
                }
                fed
            };
            match fed {
                Ok(_) => {
                    turn.awaits_continue = false;
                    turn.began = local.clock();
                    self.limit_for(turn);
                }
                Err(refusal) => return Poll::Ready(Event::BodyRefused(refusal)),
            }
        }
        Poll::Pending
    }

    /// Sets the limit for what is waited for: the client's body while there is room for it, else the worker.
    fn limit_for(&self, turn: &Turn) {
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
    async fn expired(&mut self, turn: &mut Turn, stage: &Stage, probed: &mut bool) -> Option<After> {
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
            Phase::Queued if turn.line.take_back(turn.slot) => {
                turn.taken_back = true;
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

    // ---- Ends --------------------------------------------------------------------------------------------------------------

    /// The answer was sent whole.
    async fn finish(&mut self, turn: &mut Turn, status: u16) -> After {
        turn.log(status, Outcome::Ok);
        // A refused handshake has no body, though its slot waited for records: its worker hears that nobody listens.
        if turn.body.is_done() && self.opening.is_none() {
            turn.line.leave(turn.slot, self.local.clock());
        } else {
            turn.line.give_up(turn.slot, self.local.clock());
        }
        if !turn.keep_alive {
            return After::Linger;
        }
        if turn.body.is_done() || self.drain(turn).await { After::Next } else { After::Linger }
    }

    /// Takes the rest of a body that nobody reads off the wire; `false` when it is too long or does not come.
    async fn drain(&mut self, turn: &mut Turn) -> bool {
        self.limit(turn.config.body_timeout);
        let mut drained = 0;
        poll_fn(|context| {
            self.presence.attend(context.waker());
            while !turn.body.is_done() {
                if self.pending.is_empty() {
                    let mut scratch = self.local.scratch.borrow_mut();
                    match self.stream.poll_read(context, &mut scratch) {
                        Poll::Pending if self.presence.expired() => return Poll::Ready(false),
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                        Poll::Ready(Ok(length)) => {
                            self.local.counts.read(length);
                            self.pending.extend(&scratch[..length]);
                        }
                    }
                }
                let Ok(used) = turn.body.discard(self.pending.as_slice()) else {
                    return Poll::Ready(false);
                };
                self.pending.consume(used);
                drained += used as u64;
                if drained > DRAINED {
                    return Poll::Ready(false);
                }
            }
            Poll::Ready(true)
        })
        .await
    }

    /// The worker died with the request. It is queued once more if that can do no harm, else answered 502.
    async fn lost(&mut self, turn: &mut Turn) -> Option<After> {
        let (method, target) = turn.line.first_line(turn.slot);
        let limit = if turn.line.exchange.is_blamed(turn.slot) { RETRIES_TO_BLAME } else { RETRIES };
        let again =
            turn.idempotent && turn.retries < limit && turn.body.is_done() && turn.line.exchange.requeue(turn.slot);
        tracing::warn!(
            request_id = turn.id.show().as_str(),
            method,
            target,
            outcome = if again { "queued once more" } else { "answered 502" },
            "the worker of a request died"
        );
        if again {
            turn.retries += 1;
            turn.began = self.local.clock();
            self.local.defer_wake(&turn.line);
            return self.move_on(turn).await;
        }
        Some(self.fail(turn, 502, "The worker that ran this request died.", Outcome::WorkerDied).await)
    }

    /// An answer of the server's own if none was begun, else a cut.
    async fn broken(&mut self, turn: &mut Turn, stage: &Stage, status: u16, outcome: Outcome) -> After {
        let reason = match status {
            408 => "The body of the request did not arrive in time.",
            504 => "The application did not answer in time.",
            _ => "The worker that ran this request gave no valid answer.",
        };
        match *stage {
            Stage::Head => self.fail(turn, status, reason, outcome).await,
            Stage::Body { framing, status } => self.cut(turn, framing, status, outcome),
        }
    }

    /// Answers in the application's place.
    pub(crate) async fn fail(&mut self, turn: &mut Turn, status: u16, reason: &str, outcome: Outcome) -> After {
        let keep_alive = turn.keep_alive && turn.body.is_done() && !self.local.stopping.get() && status != 408;
        let id = turn.id.show();
        let page = Page { status, reason, http11: turn.http11, to_head: turn.to_head, keep_alive, id: id.as_bytes() };
        self.local.out.borrow_mut().clear();
        turn.sent = page.write(&self.local, &turn.config, &mut self.local.out.borrow_mut());
        turn.log(status, outcome);
        match outcome {
            _ if turn.taken_back => {}
            Outcome::TimedOut => turn.line.cancel(turn.slot, self.local.clock()),
            _ => turn.line.give_up(turn.slot, self.local.clock()),
        }
        match self.write_out().await {
            Ok(()) if keep_alive => After::Next,
            Ok(()) => After::Linger,
            Err(_) => After::Cut,
        }
    }

    /// The head is out, the rest will not come: the client must see that it is not whole.
    fn cut(&mut self, turn: &mut Turn, framing: Framing, status: u16, outcome: Outcome) -> After {
        if framing == Framing::Close {
            self.stream.reset_at_close();
        }
        turn.log(status, outcome);
        turn.line.give_up(turn.slot, self.local.clock());
        After::Cut
    }

    fn interrupted(&mut self, turn: &mut Turn, _: Interrupted) -> After {
        turn.log(499, Outcome::ClientGone);
        turn.line.give_up(turn.slot, self.local.clock());
        After::Cut
    }
}
