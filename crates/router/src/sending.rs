//! Sending an answer: its head, then its body step by step, in the framing the head promised.

use hostler_exchange::ResponseProgress;

use crate::answer::Stage;
use crate::connection::{Connection, Interrupted};
use crate::respond::{Circumstances, Framing, chunk_head, write_head, write_hints, write_trailers};
use crate::turn::Turn;

/// The most bytes of a body that are sent with one call, together with what stands before them: a head, or the size of a chunk.
const STEP: usize = 128 * 1024;
/// The chunk that ends a body (RFC 9112 section 7.1); trailers and an empty line follow.
const LAST_CHUNK: &[u8] = b"0\r\n";

impl Connection {
    pub(crate) async fn send_continue(&mut self) -> Result<(), Interrupted> {
        self.send_bytes(b"HTTP/1.1 100 Continue\r\n\r\n").await
    }

    pub(crate) async fn send_hints(&mut self, turn: &Turn, progress: ResponseProgress) -> Result<(), Interrupted> {
        let mut laid_out = Vec::new();
        turn.line.exchange.read_response(turn.slot, progress.head.min(progress.available), &mut laid_out);
        self.local.out.borrow_mut().clear();
        let written = turn.http11 && write_hints(&laid_out, &mut self.local.out.borrow_mut()).is_some();
        let sent = if written { self.write_out().await } else { Ok(()) };
        turn.line.exchange.hints_taken(turn.slot);
        sent
    }

    /// Sends the head, and with it as much of the body as is small; `None` for a damaged head.
    pub(crate) async fn send_head(
        &mut self,
        turn: &mut Turn,
        progress: ResponseProgress,
    ) -> Result<Option<Stage>, Interrupted> {
        let local = std::rc::Rc::clone(&self.local);
        let line = std::rc::Rc::clone(&turn.line);
        let exchange = &line.exchange;
        let head = progress.head.min(progress.available);
        let there = progress.available - head;
        let written = {
            let mut out = local.out.borrow_mut();
            let mut laid_out = local.head.borrow_mut();
            laid_out.clear();
            out.clear();
            exchange.read_response(turn.slot, head, &mut laid_out);
            let keep_alive =
                turn.keep_alive && !local.stopping.get() && !turn.awaits_continue && !turn.config.keepalive.is_zero();
            let id = turn.id.show();
            let how = Circumstances {
                http11: turn.http11,
                to_head: turn.to_head,
                keep_alive,
                whole: (progress.complete() && !self.sends_trailers(turn, progress)).then_some(there as u64),
                id: id.as_bytes(),
            };
            write_head(&local, &turn.config, &laid_out, how, &mut out)
        };
        let Some(written) = written else { return Ok(None) };
        turn.keep_alive = written.keep_alive;
        turn.status = written.status;
        let mut framing = written.framing;
        let first = there.min(STEP);
        if first > 0 {
            framing = self.take_body(turn, framing, first);
        }
        if framing == Framing::Chunked && progress.complete() && first == there {
            self.take_end(turn, progress);
            framing = Framing::Empty;
        }
        self.write_out().await?;
        Ok(Some(Stage::Body { framing, status: written.status }))
    }

    /// Appends available bytes of the body to `out`, framed; what does not belong to the body is dropped. The framing of what is left.
    fn take_body(&self, turn: &mut Turn, framing: Framing, length: usize) -> Framing {
        let exchange = &turn.line.exchange;
        let out = &mut self.local.out.borrow_mut();
        match framing {
            Framing::Empty => {
                exchange.consume(turn.slot, length);
                Framing::Empty
            }
            Framing::Length(left) => {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(length);
                exchange.read_response(turn.slot, wanted, out);
                exchange.consume(turn.slot, length - wanted);
                turn.sent += wanted as u64;
                Framing::Length(left - wanted as u64)
            }
            Framing::Chunked => {
                chunk_head(out, length);
                exchange.read_response(turn.slot, length, out);
                out.extend_from_slice(b"\r\n");
                turn.sent += length as u64;
                Framing::Chunked
            }
            Framing::Close => {
                exchange.read_response(turn.slot, length, out);
                turn.sent += length as u64;
                Framing::Close
            }
        }
    }

    /// Sends what is available of the body, a step of it; the framing of what is left.
    ///
    /// It is copied out of the ring first: the worker goes on filling the ring while the socket takes it.
    pub(crate) async fn send_body(
        &mut self,
        turn: &mut Turn,
        framing: Framing,
        progress: ResponseProgress,
    ) -> Result<Framing, Interrupted> {
        turn.began = self.local.clock();
        self.local.out.borrow_mut().clear();
        let framing = self.take_body(turn, framing, progress.available.min(STEP));
        self.write_out().await?;
        Ok(framing)
    }

    /// Ends a chunked body whose last byte was sent.
    pub(crate) async fn send_last_chunk(&mut self, turn: &Turn, progress: ResponseProgress) -> Result<(), Interrupted> {
        self.local.out.borrow_mut().clear();
        self.take_end(turn, progress);
        self.write_out().await
    }

    /// Appends the last chunk to `out`, and the trailers if the client takes any.
    fn take_end(&self, turn: &Turn, progress: ResponseProgress) {
        let sends_trailers = self.sends_trailers(turn, progress);
        let out = &mut self.local.out.borrow_mut();
        out.extend_from_slice(LAST_CHUNK);
        if sends_trailers {
            let mut laid_out = Vec::new();
            turn.line.exchange.read_response(turn.slot, progress.trailers, &mut laid_out);
            write_trailers(&laid_out, turn.config.request_id_header.as_deref(), out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Whether there are trailers, and the client said that it takes them: others may lose them on the way (RFC 9110 section 6.5.1).
    fn sends_trailers(&self, turn: &Turn, progress: ResponseProgress) -> bool {
        progress.trailers > 0 && turn.http11 && turn.line.accepts_trailers(turn.slot)
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Interrupted> {
        {
            let mut out = self.local.out.borrow_mut();
            out.clear();
            out.extend_from_slice(bytes);
        }
        self.write_out().await
    }
}
