//! A hold: while the application is broken, new requests are answered at once by the router.

use std::sync::Arc;

use hostler_http1::{Head, Version};

use crate::connection::{After, Connection};
use crate::navigation::is_navigation;
use crate::request::Unserved;
use crate::respond::{connection, content_length, header, status_line};
use crate::turn::Outcome;
use crate::{Command, Router};

/// Names the failure that a page is about: in each answer of [`Held::Failed`], and in what a page asks to learn whether it still stands.
pub const FAILURE_HEADER: &str = "Hostler-Failure";

const HTML: &[u8] = b"text/html; charset=utf-8";
const PLAIN: &[u8] = b"text/plain; charset=utf-8";

/// Why new requests are not served, and what they are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The application does not work: 503, until it is mended.
    Broken {
        /// When the client may come again, in seconds.
        retry_after_s: u32,
        /// What a browser shows as a page is answered with this: HTML in UTF-8; what it quotes is escaped already.
        page: String,
        /// Who takes JSON is answered with this.
        json: String,
        /// All others are, as plain text in UTF-8.
        text: String,
    },
    /// The code that somebody is writing does not work: 500. What a browser shows as a page is answered with `page`, and so is a request that
    /// has the header [`FAILURE_HEADER`], which is not logged.
    Failed {
        /// Tells this failure from others.
        number: u64,
        /// HTML in UTF-8; what it quotes is escaped already.
        page: String,
        /// What all other requests are answered with, as plain text; without it they are served.
        text: Option<String>,
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
    /// Whether this request is answered so, and not served.
    pub(crate) fn answers(&self, head: &Head<'_, '_>) -> bool {
        self.answers_all() || shows_page(head)
    }

    /// Whether no request is served.
    pub(crate) fn answers_all(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Failed { text, .. } => text.is_some(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Broken { .. } => 503,
            Self::Failed { .. } => 500,
        }
    }

    /// Writes the answer to `out`, with the header fields that `add` appends; the length of its body.
    pub(crate) fn write(
        &self,
        wanted: Wanted,
        keep_alive: bool,
        out: &mut Vec<u8>,
        add: impl FnOnce(&mut Vec<u8>),
    ) -> u64 {
        let (phrase, text, kind): (&[u8], _, &[u8]) = match self {
            Self::Broken { page, .. } if wanted.shows_page => (b"Service Unavailable", page, HTML),
            Self::Broken { json, .. } if wanted.takes_json => (b"Service Unavailable", json, b"application/json"),
            Self::Broken { text, .. } => (b"Service Unavailable", text, PLAIN),
            Self::Failed { text: Some(text), .. } if !wanted.shows_page => (b"Internal Server Error", text, PLAIN),
            Self::Failed { page, .. } => (b"Internal Server Error", page, HTML),
        };
        status_line(out, self.status(), phrase);
        header(out, b"Content-Type", kind);
        content_length(out, text.len() as u64);
        header(out, b"Cache-Control", b"no-store");
        // One address has several answers.
        header(out, b"Vary", b"Accept");
        match self {
            Self::Broken { retry_after_s, .. } => {
                header(out, b"Retry-After", itoa::Buffer::new().format(*retry_after_s).as_bytes());
            }
            Self::Failed { number, .. } => {
                header(out, FAILURE_HEADER.as_bytes(), itoa::Buffer::new().format(*number).as_bytes());
            }
        }
        add(out);
        connection(out, wanted.http11, keep_alive);
        out.extend_from_slice(b"\r\n");
        if wanted.to_head {
            return 0;
        }
        out.extend_from_slice(text.as_bytes());
        text.len() as u64
    }
}

/// What of a request decides the form of such an answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) http11: bool,
    pub(crate) to_head: bool,
    /// It is one that a page is the answer to.
    shows_page: bool,
    /// The client takes JSON.
    takes_json: bool,
}

impl Wanted {
    pub(crate) fn of(head: &Head<'_, '_>) -> Self {
        Self {
            http11: head.version == Version::Http11,
            to_head: head.method == "HEAD",
            shows_page: shows_page(head),
            takes_json: takes_json(head),
        }
    }
}

/// Whether JSON is among what the client names (RFC 9110 section 12.5.1).
fn takes_json(head: &Head<'_, '_>) -> bool {
    let accepts = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("accept"));
    let mut ranges = accepts.flat_map(|accept| accept.value.split(|byte| *byte == b','));
    ranges.any(|range| {
        let media = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        media == b"application/json" || media.ends_with(b"+json")
    })
}

/// Whether a page that was shown asks if it still stands.
pub(crate) fn asks_about_failure(head: &Head<'_, '_>) -> bool {
    head.headers.iter().any(|header| header.name.eq_ignore_ascii_case(FAILURE_HEADER))
}

/// Whether the request is one that a page is the answer to.
fn shows_page(head: &Head<'_, '_>) -> bool {
    is_navigation(head) || asks_about_failure(head)
}

impl Connection {
    /// Answers a request that is not served.
    pub(crate) async fn answer_held(&mut self, unserved: Unserved) -> After {
        let local = std::rc::Rc::clone(&self.local);
        let keep_alive = unserved.keep_alive && !local.stopping.get() && !local.line().config().keepalive.is_zero();
        let sent = {
            let mut out = local.out.borrow_mut();
            out.clear();
            unserved.held.write(unserved.wanted, keep_alive, &mut out, |out| {
                out.extend_from_slice(b"Date: ");
                local.write_date(out);
                out.extend_from_slice(b"\r\n");
                if let Some(name) = local.line().config().request_id_header.as_deref() {
                    header(out, name.as_bytes(), unserved.id.show().as_bytes());
                }
            })
        };
        local.counts.ended(unserved.held.status(), Outcome::Broken, None, None);
        self.log_held(&unserved, sent);
        match self.write_out().await {
            Ok(()) if keep_alive => After::Next,
            Ok(()) => After::Linger,
            Err(_) => After::Cut,
        }
    }
}
