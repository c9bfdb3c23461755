//! Moving on: a request that waits on a former line that no worker serves any more is handed over to the current one.
//!
//! It is safe as no worker has begun it: taking it back from the old queue is what decides that. Nothing of it was lost, its head and what came of
//! its body stand in the slot.

use std::rc::Rc;

use crate::connection::{After, Connection};
use crate::turn::{Outcome, Turn};

impl Connection {
    /// Hands a queued request over, if nobody is there to serve it; the end of its answer, if that cannot be done.
    pub(crate) async fn move_on(&mut self, turn: &mut Turn) -> Option<After> {
        if !turn.line.is_former() || turn.line.exchange.takes_requests() {
            return None;
        }
        let request = turn.line.exchange.read_queued(turn.slot)?;
        if !turn.take_back() {
            return None;
        }
        let line = self.local.line();
        let held = self.local.held.borrow().as_ref().is_some_and(|held| held.answers_all());
        let served = !held && (self.opening.is_none() || line.exchange.serves_websockets());
        let slot = match &self.opening {
            _ if !served => None,
            Some(_) => line.submit_websocket(&self.presence, &request.head),
            None => line.submit(&self.presence, &request.head, &request.body, request.end),
        };
        let Some(slot) = slot else {
            return Some(
                self.fail(turn, 503, "The server could not keep this request over a change.", Outcome::Overloaded)
                    .await,
            );
        };
        self.local.defer_wake(&line);
        tracing::debug!(request_id = turn.id.show().as_str(), "a request that nobody served moved on to the next line");
        turn.taken_back = None;
        turn.slot = slot;
        turn.began = self.local.clock();
        turn.line = Rc::clone(&line);
        None
    }
}
