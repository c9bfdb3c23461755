//! The answer to one request: from its slot to the client, while its body goes the other way.

use std::future::poll_fn;
use std::task::{Context, Poll};

use hostler_exchange::{Phase, RequestEnd, ResponseProgress};
use hostler_http1::Refusal;

use crate::connection::{After, Connection, Interrupted};
use crate::respond::Framing;
use crate::turn::{Outcome, Turn};

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
        #[cfg(test)]
        crate::tests::panics::inject(&turn, "panic-before");
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
            #[cfg(test)]
            crate::tests::panics::inject(&turn, "panic-in-answer");
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
                        Ok(None) => {
                            tracing::error!(
                                request_id = turn.id.show().as_str(),
                                "the head of an answer cannot be sent as it is: 502 instead"
                            );
                            return Some(self.broken(turn, stage, 502, Outcome::WorkerDied).await);
                        }
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
}
