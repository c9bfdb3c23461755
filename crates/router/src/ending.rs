//! The ends of an answer: whole, in the application's place, or cut off.

use std::future::poll_fn;
use std::task::Poll;

use crate::answer::Stage;
use crate::connection::{After, Connection, Interrupted};
use crate::page::Page;
use crate::respond::Framing;
use crate::turn::{Outcome, Turn};

/// How often a request is queued again after its worker died, when it is known to have crashed it: it ran alone.
const RETRIES_TO_BLAME: u8 = 1;
/// The same for others: they may have run beside the one to blame, and once more beside it the second time.
const RETRIES: u8 = 2;
/// How much of a body nobody read is taken off the wire, to keep the connection; bytes.
const DRAINED: u64 = 1 << 20;
impl Connection {
    /// The answer was sent whole.
    pub(crate) async fn finish(&mut self, turn: &mut Turn, status: u16) -> After {
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
    pub(crate) async fn lost(&mut self, turn: &mut Turn) -> Option<After> {
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
    pub(crate) async fn broken(&mut self, turn: &mut Turn, stage: &Stage, status: u16, outcome: Outcome) -> After {
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
            _ if turn.taken_back.is_some() => {}
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
    pub(crate) fn cut(&mut self, turn: &mut Turn, framing: Framing, status: u16, outcome: Outcome) -> After {
        if framing == Framing::Close {
            self.stream.reset_at_close();
        }
        turn.log(status, outcome);
        turn.line.give_up(turn.slot, self.local.clock());
        After::Cut
    }

    pub(crate) fn interrupted(&mut self, turn: &mut Turn, _: Interrupted) -> After {
        turn.log(499, Outcome::ClientGone);
        turn.line.give_up(turn.slot, self.local.clock());
        After::Cut
    }
}
