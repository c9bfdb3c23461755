//! A hold: while the application is broken, new requests are answered at once by the router.

use std::sync::Arc;

use crate::connection::{After, Connection};
use crate::local::Local;
use crate::request::Unserved;
use crate::respond::{connection, content_length, header, status_line};
use crate::turn::Outcome;
use crate::{Command, Router};

/// Why new requests are not served, and what they are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The application does not work: 503, until it is mended.
    Broken {
        /// When the client may come again, in seconds.
        retry_after_s: u32,
        /// The body of the answer; of an HTML page, what it quotes is escaped already.
        text: String,
        /// The body is HTML; plain text otherwise. UTF-8 both.
        html: bool,
    },
}

impl Router {
    /// Answers new requests as `held` says, on all lines' behalf, or serves them again (`None`). Requests in flight go on. A switch ends a hold.
    /// Returns when all threads know. Cancel safe: told to some threads and not to others, it is to be said again.
    pub async fn hold(&self, held: Option<Held>) {
        // Not in the middle of a switch.
        let _line = self.line.lock().await;
        let held = held.map(Arc::new);
        let mut told = Vec::new();
        for thread in &self.threads {
            let (tell, known) = tokio::sync::oneshot::channel();
            if thread.send(Command::Hold(held.clone(), tell)).await.is_ok() {
                told.push(known);
            }
        }
        for known in told {
            // A thread that has ended answers nobody.
            let _ended = known.await;
        }
    }
}

impl Held {
    /// Writes the answer to `out`; the length of its body.
    fn write(&self, local: &Local, unserved: &Unserved, keep_alive: bool, out: &mut Vec<u8>) -> u64 {
        let Self::Broken { retry_after_s, text, html } = self;
        let line = local.line();
        status_line(out, 503, b"Service Unavailable");
        let kind: &[u8] = if *html { b"text/html; charset=utf-8" } else { b"text/plain; charset=utf-8" };
        header(out, b"Content-Type", kind);
        content_length(out, text.len() as u64);
        header(out, b"Cache-Control", b"no-store");
        out.extend_from_slice(b"Date: ");
        local.write_date(out);
        out.extend_from_slice(b"\r\n");
        header(out, b"Retry-After", itoa::Buffer::new().format(*retry_after_s).as_bytes());
        if let Some(name) = line.config.request_id_header.as_deref() {
            header(out, name.as_bytes(), unserved.id.show().as_bytes());
        }
        connection(out, unserved.http11, keep_alive);
        out.extend_from_slice(b"\r\n");
        if unserved.to_head {
            return 0;
        }
        out.extend_from_slice(text.as_bytes());
        text.len() as u64
    }
}

impl Connection {
    /// Answers a request that is not served.
    pub(crate) async fn answer_held(&mut self, unserved: Unserved) -> After {
        let local = std::rc::Rc::clone(&self.local);
        let keep_alive = unserved.keep_alive && !local.stopping.get() && !local.line().config.keepalive.is_zero();
        let sent = {
            let mut out = local.out.borrow_mut();
            out.clear();
            unserved.held.write(&local, &unserved, keep_alive, &mut out)
        };
        local.counts.ended(503, Outcome::Broken, None, None);
        self.log_held(&unserved, sent);
        match self.write_out().await {
            Ok(()) if keep_alive => After::Next,
            Ok(()) => After::Linger,
            Err(_) => After::Cut,
        }
    }
}
