//! An accepted WebSocket: its state, and one turn of its life.

use std::rc::Rc;
use std::task::{Context, Poll};

use hostler_exchange::{Exchange, Phase};
use hostler_websocket::{Decoder, Deflate, write_close, write_ping, write_pong};

use super::closing::{Closing, Farewell};
use super::outgoing::{Damaged, Outgoing};
use super::tools::{Tools, with_tools};
use crate::buffer::Buffer;
use crate::connection::{After, Connection};
use crate::line::Line;
use crate::local::Local;
use crate::turn::Outcome;

/// One WebSocket, boxed: the size of what an idle one costs beyond its connection. Times are on the thread's clock, 0 for never.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) line: Rc<Line>,
    pub(super) slot: u32,
    pub(super) decoder: Decoder,
    pub(super) outgoing: Outgoing,
    /// Bytes that the client did not take yet.
    pub(super) unsent: Buffer,
    /// The last ping that could not be answered at once.
    pub(super) pong: Option<Box<[u8]>>,
    pub(super) closing: Closing,
    /// The worker has no room for what the client may send.
    pub(super) blocked: bool,
    /// When the client was last heard.
    pub(super) heard: u64,
    /// When it was sent a ping that nothing came after.
    pub(super) pinged: u64,
    /// When it last took a byte.
    pub(super) took: u64,
    /// Bytes of frames it took.
    sent: u64,
    /// Bytes of the 101 that it did not take yet.
    head: usize,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) after: After,
    pub(super) outcome: Outcome,
}

impl Socket {
    /// `head` is the 101, to be sent before anything else.
    pub(super) fn new(line: &Rc<Line>, slot: u32, deflate: Option<Deflate>, now: u64, head: &[u8]) -> Self {
        let mut unsent = Buffer::default();
        unsent.extend(head);
        Self {
            line: Rc::clone(line),
            slot,
            decoder: Decoder::new(deflate.is_some()),
            outgoing: Outgoing::new(deflate),
            unsent,
            pong: None,
            closing: Closing::default(),
            blocked: false,
            heard: now,
            pinged: 0,
            took: now,
            sent: 0,
            head: head.len(),
        }
    }

    /// Bytes of frames that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The client said something.
    pub(super) fn hear(&mut self, now: u64) {
        self.heard = now;
        self.pinged = 0;
    }

    /// Moves everything on that can move. Never waits with something borrowed from the thread.
    pub(super) fn poll(&mut self, connection: &mut Connection, context: &mut Context<'_>) -> Poll<Ended> {
        let local = Rc::clone(&connection.local);
        connection.presence.attend(context.waker());
        // All there may be news of is looked at anyway.
        connection.presence.take_news();
        if local.stopping.get() || self.line.is_former() {
            self.stop();
        }
        with_tools(|tools| {
            let mut out = local.out.borrow_mut();
            out.clear();
            self.check_time(&local, &mut out);
            while self.go_on(connection, context, tools, &mut out) {}
        });
        if let Poll::Ready(ended) = self.poll_end(connection, context) {
            return Poll::Ready(ended);
        }
        match self.deadline(&self.line.config()) {
            Some(deadline) => {
                let after = deadline.saturating_sub(local.clock());
                connection.presence.limit(local.clock(), std::time::Duration::from_nanos(after));
            }
            None => connection.presence.no_limit(),
        }
        Poll::Pending
    }

    /// One round, in both directions; whether another may bring more.
    fn go_on(
        &mut self,
        connection: &mut Connection,
        context: &mut Context<'_>,
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> bool {
        let local = Rc::clone(&connection.local);
        let line = Rc::clone(&self.line);
        let waited = !self.unsent.is_empty();
        let received = self.receive(connection, context, tools, out);
        // Looked at before what the worker wrote: that is all there then.
        let heard = self.has_heard(&line.exchange);
        let taken = self.take(&line.exchange, local.stopping.get() || line.is_former(), tools, out);
        if self.discards() {
            self.closing.begin(local.clock());
        }
        let released = self.release(&local, heard);
        self.interject(out);
        let written = self.write(connection, context, out);
        if waited && written {
            // It takes what it is sent: it is there.
            self.hear(local.clock());
        }
        self.tell(&line, tools);
        received || released || (written && (taken || waited))
    }

    /// Appends frames for what the worker wrote; whether there was anything of it. After a close it is thrown away.
    fn take(&mut self, exchange: &Exchange, stopping: bool, tools: &mut Tools, out: &mut Vec<u8>) -> bool {
        let progress = exchange.progress(self.slot);
        if progress.corrupt {
            self.damaged();
            return false;
        }
        if self.is_deaf_to_worker() {
            exchange.consume(self.slot, progress.available);
            return false;
        }
        if self.unsent.as_slice().len() > self.head {
            // The worker waits for the client. The 101 waits for the first frames.
            return false;
        }
        if progress.available > 0 {
            match self.outgoing.take(exchange, self.slot, progress.available, tools, out) {
                Ok(Some(close)) => self.say_close(close, Outcome::Ok),
                Ok(None) => {}
                Err(Damaged) => self.damaged(),
            }
            return true;
        }
        match progress.phase {
            Phase::Queued | Phase::Running => {}
            Phase::Lost => self.worker_ended(if stopping { 1012 } else { 1011 }, Outcome::WorkerDied),
            Phase::Done | Phase::Free if progress.complete() && !progress.failed() => {
                self.worker_ended(1000, Outcome::Ok);
            }
            Phase::Done | Phase::Free => self.worker_ended(1011, Outcome::CutOff),
        }
        false
    }

    /// Appends control frames that waited for the end of another frame.
    fn interject(&mut self, out: &mut Vec<u8>) {
        if !self.outgoing.is_between_frames() {
            return;
        }
        if self.unsent.is_empty()
            && !self.said_close()
            && let Some(payload) = self.pong.take()
        {
            write_pong(&payload, out);
        }
        if let Farewell::Due(close) = &self.closing.farewell {
            write_close(close.code, &close.reason, out);
            self.closing.farewell = Farewell::Said;
        }
    }

    /// Appends a ping, if a frame may begin.
    pub(super) fn ping(&mut self, now: u64, out: &mut Vec<u8>) {
        if self.outgoing.is_between_frames() {
            self.pinged = now;
            write_ping(b"", out);
        }
    }

    /// Sends what was not sent before, and `out`; whether the client took all. What it did not take moves out of the thread's buffer.
    fn write(&mut self, connection: &mut Connection, context: &mut Context<'_>, out: &mut Vec<u8>) -> bool {
        if self.closing.gone {
            out.clear();
            return false;
        }
        if !self.unsent.is_empty() {
            self.unsent.extend(out);
            out.clear();
        }
        let now = connection.local.clock();
        let mut at = 0;
        loop {
            let bytes = if self.unsent.is_empty() { &out[at..] } else { self.unsent.as_slice() };
            if bytes.is_empty() {
                out.clear();
                self.took = now;
                return true;
            }
            match connection.stream.poll_write(context, bytes) {
                Poll::Ready(Ok(length)) if length > 0 => {
                    connection.local.counts.written(length);
                    self.count(length);
                    self.took = now;
                    if self.unsent.is_empty() {
                        at += length;
                    } else {
                        self.unsent.consume(length);
                    }
                }
                Poll::Ready(_) => {
                    self.lose_client();
                    return false;
                }
                Poll::Pending => {
                    if self.unsent.is_empty() {
                        self.unsent.extend(&out[at..]);
                    }
                    out.clear();
                    return false;
                }
            }
        }
    }

    fn count(&mut self, length: usize) {
        let of_head = self.head.min(length);
        self.head -= of_head;
        self.sent += (length - of_head) as u64;
    }

    /// Tells the worker how it ended, as soon as there is room for that.
    fn tell(&mut self, line: &Line, tools: &mut Tools) {
        let Some(close) = self.closing.to_tell() else { return };
        let exchange = &line.exchange;
        exchange.await_body_room(self.slot);
        tools.pieces.begin(exchange.body_room(self.slot));
        if tools.pieces.add_close(close.code, &close.reason) {
            tools.pieces.flush(exchange, self.slot);
            exchange.end_body(self.slot, hostler_exchange::RequestEnd::Complete);
            self.closing.told();
        }
    }

    /// Whether it is over: the client said all and was told all, and the worker knows.
    fn poll_end(&mut self, connection: &mut Connection, context: &mut Context<'_>) -> Poll<Ended> {
        let local = &connection.local;
        let closing = &mut self.closing;
        let said_all = closing.farewell == Farewell::Said && self.unsent.is_empty();
        let over = closing.gone || (said_all && closing.client_over);
        if !over {
            return Poll::Pending;
        }
        if closing.shut == 0 {
            closing.shut = local.clock().max(1);
            self.pong = None;
            self.unsent = Buffer::default();
            connection.pending = Buffer::default();
            // The client need not wait for the worker.
            let _client_may_be_gone = connection.stream.poll_shutdown(context);
        }
        if !self.worker_knows(local) {
            return Poll::Pending;
        }
        let after = if self.closing.gone { After::Cut } else { After::Linger };
        Poll::Ready(Ended { after, outcome: self.closing.outcome })
    }

    /// Whether the worker need not be waited for: it is done, or has read what it was told; not for long, unless the server stops.
    fn worker_knows(&self, local: &Local) -> bool {
        if local.stopping.get() {
            return !self.worker_runs(&self.line.exchange);
        }
        self.closing.gone || self.closing.is_patience_over(local.clock()) || self.has_heard(&self.line.exchange)
    }

    fn worker_runs(&self, exchange: &Exchange) -> bool {
        matches!(exchange.progress(self.slot).phase, Phase::Queued | Phase::Running)
    }

    /// Whether the worker has read how it ended, or is done. News of the slot follow otherwise, once it was told.
    fn has_heard(&self, exchange: &Exchange) -> bool {
        if !self.worker_runs(exchange) {
            return true;
        }
        if !self.closing.is_told() {
            return false;
        }
        exchange.await_body_room(self.slot);
        exchange.body_room(self.slot) == exchange.config().request_ring as usize
    }
}
