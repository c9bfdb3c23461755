//! From the client to the worker: frames become records in the slot's ring.

use std::rc::Rc;
use std::task::{Context, Poll};

use hostler_websocket::{Event, write_pong};

use super::pieces::wanted_room;
use super::socket::Socket;
use super::tools::Tools;
use crate::connection::Connection;
use crate::local::Local;

impl Socket {
    /// Reads once from the client; whether that brought anything. Answers go to `out`.
    pub(super) fn receive(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> bool {
        let local = Rc::clone(&connection.local);
        if !self.listens() || !self.has_room(&local) {
            return false;
        }
        if !connection.pending.is_empty() || self.decoder.holds_more() {
            let mut pending = std::mem::take(&mut connection.pending);
            let used = self.feed(pending.as_slice(), tools, out);
            pending.consume(used);
            connection.pending = pending;
            return true;
        }
        let mut scratch = local.scratch.borrow_mut();
        match connection.stream.poll_read(context, &mut scratch) {
            Poll::Pending => false,
            Poll::Ready(Ok(0) | Err(_)) => {
                self.lose_client();
                true
            }
            Poll::Ready(Ok(length)) => {
                local.counts.read(length);
                self.hear(local.clock());
                let used = self.feed(&scratch[..length], tools, out);
                if used < length {
                    connection.pending.extend(&scratch[used..length]);
                }
                drop(scratch);
                local.breathe();
                true
            }
        }
    }

    /// Whether the worker has room for what a client may send; news of the slot follow otherwise. Nothing is expected of the client meanwhile.
    fn has_room(&mut self, local: &Local) -> bool {
        let line = Rc::clone(&self.line);
        let exchange = &line.exchange;
        let wanted = wanted_room(exchange.config().request_ring as usize);
        let has_room = self.discards() || exchange.body_room(self.slot) >= wanted || {
            // Announced before it is looked at again.
            exchange.await_body_room(self.slot);
            exchange.body_room(self.slot) >= wanted
        };
        self.blocked = !has_room;
        if self.blocked {
            self.hear(local.clock());
        }
        has_room
    }

    /// Decodes bytes as far as there is room for what comes of them; how many were used.
    fn feed(&mut self, bytes: &[u8], tools: &mut Tools, out: &mut Vec<u8>) -> usize {
        let line = Rc::clone(&self.line);
        let exchange = &line.exchange;
        let wanted = wanted_room(exchange.config().request_ring as usize);
        let limit = line.config().websocket.max_message;
        let Tools { inflaters, pieces, .. } = tools;
        // Does not change within one call: whatever ends the WebSocket here comes after what is gathered.
        let discards = self.discards();
        pieces.begin(if discards { usize::MAX } else { exchange.body_room(self.slot) });
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Some(space) = pieces.space(rest.len()) else {
                if pieces.make_room(exchange, self.slot, wanted) {
                    continue;
                }
                break;
            };
            let full = space.is_empty();
            let decoded = match self.decoder.decode(rest, space, limit, inflaters) {
                Ok(decoded) => decoded,
                Err(failure) => {
                    self.fail(failure);
                    used = bytes.len();
                    break;
                }
            };
            used += decoded.consumed;
            match decoded.event {
                Some(Event::Message { .. }) if discards => pieces.begin(usize::MAX),
                Some(Event::Message { kind, finished }) => pieces.add(kind, decoded.produced, finished),
                Some(Event::Ping(payload)) => self.answer_ping(payload, out),
                Some(Event::Pong) => {}
                Some(Event::Close(close)) => {
                    self.hear_close(close);
                    used = bytes.len();
                    break;
                }
                None if full && used < bytes.len() => {
                    if !pieces.make_room(exchange, self.slot, wanted) {
                        break;
                    }
                }
                None => break,
            }
            if used == bytes.len() && !self.decoder.holds_more() {
                break;
            }
        }
        if !discards {
            pieces.flush(exchange, self.slot);
        }
        used
    }

    /// Answers a ping at once where a frame may begin. Otherwise only the last ping is answered, as RFC 6455 section 5.5.3 allows.
    fn answer_ping(&mut self, payload: Box<[u8]>, out: &mut Vec<u8>) {
        if self.said_close() {
            return;
        }
        if self.unsent.is_empty() && self.outgoing.is_between_frames() {
            write_pong(&payload, out);
        } else {
            self.pong = Some(payload);
        }
    }
}
