//! WebSockets: from the handshake that a worker accepts to the end of the connection.
//!
//! ```text
//!   opening ──101──► open ──a close, from either side──► closing ──both said it, or time is over──► shut ──the worker knows──► ended
//!                      └──the client is gone──────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The slot stays with the WebSocket, and carries records both ways (see [`hostler_exchange::record`]). An idle WebSocket holds a
//! [`socket::Socket`] and no buffer: what is read and sent goes through buffers of the thread, and what is left of it when the connection has to
//! wait moves to the connection then.

mod closing;
mod incoming;
mod opening;
mod outgoing;
mod pieces;
mod socket;
#[cfg(test)]
mod tests;
mod tools;

use std::future::poll_fn;

use hostler_exchange::ResponseProgress;

pub(crate) use opening::{Opening, add_refusal_fields};

use crate::connection::{After, Connection};
use crate::turn::Turn;

use socket::{Ended, Socket};

impl Connection {
    /// Runs the WebSocket that the worker has accepted to its end; `None` when nothing was sent, as the worker's head is damaged or no WebSocket
    /// was asked for.
    pub(crate) async fn websocket(&mut self, turn: &mut Turn, progress: ResponseProgress) -> Option<After> {
        let mut socket = self.open(turn, progress)?;
        turn.status = 101;
        self.local.counts.websocket_opened();
        let Ended { after, outcome } = poll_fn(|context| socket.poll(self, context)).await;
        self.local.counts.websocket_closed();
        turn.sent = socket.sent();
        turn.log(101, outcome);
        turn.line.give_up(turn.slot, self.local.clock());
        Some(after)
    }

    /// Writes the 101, which is sent together with what follows it.
    fn open(&mut self, turn: &Turn, progress: ResponseProgress) -> Option<Box<Socket>> {
        let opening = self.opening.take()?;
        let local = &self.local;
        let mut laid_out = local.head.borrow_mut();
        laid_out.clear();
        turn.line.exchange.read_response(turn.slot, progress.head.min(progress.available), &mut laid_out);
        let mut out = local.out.borrow_mut();
        out.clear();
        opening.write(local, &turn.config, &laid_out, turn.id.show().as_bytes(), &mut out)?;
        Some(Box::new(Socket::new(&turn.line, turn.slot, opening.deflate(), local.clock(), &out)))
    }
}
