//! A connection: request after request, until one side ends it.
//!
//! ```text
//!   next ──head──► answer ──whole──► next …
//!    │ refused        │ cut, or not to be kept
//!    └──► say why ────┴──► linger ──► closed
//! ```
//!
//! One task a connection. Every wait is a poll function that also looks at the connection's [`Presence`]: at its time limit, at news of its
//! slot, and at whether the thread stops.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hostler_http1::Refusal;

use crate::buffer::Buffer;
use crate::config::Config;
use crate::id::RequestId;
use crate::local::Local;
use crate::page::Page;
use crate::presence::Presence;
use crate::request::{Asked, Begun, OVERLOADED, Refused, TOO_MANY_WEBSOCKETS, begin};
use crate::stream::{Detached, Peer, Stream};
use crate::turn::Outcome;

pub(crate) use crate::websocket::{Opening, add_refusal_fields};

/// How long a closed connection is read from, so that the client can read the last answer: a close with unread bytes resets it.
const LINGER: Duration = Duration::from_secs(2);
/// How long a connection without a request is kept open when the server stops.
const LAST_CALL: Duration = Duration::from_millis(300);
/// Received bytes that cannot end a head are gathered up to this many before the head is looked at again.
const REPARSE: usize = 1024;
/// How much is read and thrown away then, in bytes.
const LINGER_BYTES: usize = 1 << 20;

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) local: Rc<Local>,
    pub(crate) presence: Rc<Presence>,
    pub(crate) stream: Stream,
    pub(crate) peer: Box<Peer>,
    /// Bytes that were read and not used.
    pub(crate) pending: Buffer,
    /// The handshake of the present request, when it asks for WebSocket.
    pub(crate) opening: Option<Box<Opening>>,
    /// The settings that it keeps to.
    config: Rc<Config>,
    send_timeout: Duration,
    /// The server stops, and the connection was given its last moment.
    last_call: bool,
    _registered: Registered,
}

/// A connection's entry among the presences of its thread.
#[derive(Debug)]
struct Registered {
    local: Rc<Local>,
    place: usize,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.local.presences.remove(self.place);
    }
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request.
    Next,
    /// The end, and the client may still be sending.
    Linger,
    /// The end, at once.
    Cut,
}

/// What a connection brought.
enum Next {
    Request(Asked),
    Refused(Refused),
    Closed,
    /// It goes on in another thread.
    Moved(u32),
}

/// Why a wait ended.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// The time limit is over.
    Expired,
    /// The client is gone.
    Gone,
}

impl Connection {
    pub(crate) fn new(local: Rc<Local>, stream: Stream) -> Self {
        let line = local.line();
        let config = line.config();
        let peer = Box::new(stream.peer(&config.trusted));
        let presence = Rc::new(Presence::default());
        let place = local.presences.add(Rc::clone(&presence));
        let registered = Registered { local: Rc::clone(&local), place };
        Self {
            local,
            presence,
            stream,
            peer,
            pending: Buffer::default(),
            opening: None,
            send_timeout: config.send_timeout,
            config,
            last_call: false,
            _registered: registered,
        }
    }

    /// Serves the connection to its end, or until it moves: then the thread it moves to, and the socket.
    /// One that `moved` here waits for its next request, not for its first.
    pub(crate) async fn run(mut self, moved: bool) -> Option<(u32, Detached)> {
        let mut served = false;
        loop {
            match self.next(served, moved).await {
                Next::Request(asked) => {
                    let after = match asked {
                        Asked::Served(turn) => self.answer(turn).await,
                        Asked::Held(unserved) => self.answer_held(unserved).await,
                    };
                    served = true;
                    match after {
                        After::Next => {}
                        After::Linger => break self.linger().await,
                        After::Cut => break,
                    }
                }
                Next::Refused(refused) => {
                    self.refuse(refused).await;
                    break self.linger().await;
                }
                Next::Closed => break,
                Next::Moved(thread) => return self.stream.detach().ok().map(|socket| (thread, socket)),
            }
        }
        None
    }

    /// Waits for a whole head and begins its request.
    async fn next(&mut self, served: bool, moved: bool) -> Next {
        if !self.pending.is_empty() {
            // Pipelined: it was read together with the last request.
            match self.begin_pending() {
                Ok(Some(asked)) => return Next::Request(asked),
                Ok(None) => self.limit(self.local.line().config().header_timeout),
                Err(refused) => return Next::Refused(refused),
            }
        } else if served || moved {
            // One that moved just now stays for a request at least.
            if served
                && !self.local.stopping.get()
                && let Some(thread) = self.local.load.better_thread(self.local.number)
            {
                return Next::Moved(thread);
            }
            self.limit(self.local.line().config().keepalive);
        } else {
            self.limit(self.local.line().config().header_timeout);
        }
        loop {
            let before = self.pending.is_empty();
            match poll_fn(|context| self.poll_next(context)).await {
                Ok(Read::Begun(asked)) => return Next::Request(asked),
                Ok(Read::More) if before => self.limit(self.local.line().config().header_timeout),
                Ok(Read::More) => {}
                Err(Ended::Refused(refused)) => return Next::Refused(refused),
                // A connection that said nothing (again) is closed without a word.
                Err(Ended::Expired) if before => return Next::Closed,
                Err(Ended::Expired) => {
                    let reason = "the head of the request did not arrive in time";
                    return Next::Refused(Refusal { status: 408, reason }.into());
                }
                Err(Ended::Gone) => return Next::Closed,
            }
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Read, Ended>> {
        self.presence.attend(context.waker());
        let local = Rc::clone(&self.local);
        local.breathe();
        let mut scratch = local.scratch.borrow_mut();
        match self.stream.poll_read(context, &mut scratch) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Ended::Gone)),
            Poll::Ready(Ok(length)) => {
                local.counts.read(length);
                self.keep_to_line();
                let bytes = &scratch[..length];
                if !self.pending.is_empty() {
                    let before = self.pending.as_slice().len();
                    self.pending.extend(bytes);
                    if !bytes.contains(&b'\n') && before / REPARSE == (before + length) / REPARSE {
                        return Poll::Ready(Ok(Read::More));
                    }
                    drop(scratch);
                    return Poll::Ready(match self.begin_pending() {
                        Ok(Some(asked)) => Ok(Read::Begun(asked)),
                        Ok(None) => Ok(Read::More),
                        Err(refused) => Err(Ended::Refused(refused)),
                    });
                }
                Poll::Ready(match begin(&local, &self.peer, &self.presence, bytes) {
                    Ok(Some(Begun { asked, opening, used })) => {
                        self.opening = opening;
                        if used < length {
                            self.pending.extend(&bytes[used..]);
                        }
                        Ok(Read::Begun(asked))
                    }
                    Ok(None) => {
                        self.pending.extend(bytes);
                        Ok(Read::More)
                    }
                    Err(refused) => {
                        self.pending.extend(bytes);
                        Err(Ended::Refused(refused))
                    }
                })
            }
            Poll::Pending if self.presence.expired() => Poll::Ready(Err(Ended::Expired)),
            Poll::Pending if local.stopping.get() && !self.last_call => {
                // Nothing was begun on it. But a request may be on its way, or stand unread in a socket that was accepted just now.
                self.last_call = true;
                self.limit(LAST_CALL);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn begin_pending(&mut self) -> Result<Option<Asked>, Refused> {
        self.keep_to_line();
        let begun = begin(&self.local, &self.peer, &self.presence, self.pending.as_slice())?;
        Ok(begun.map(|Begun { asked, opening, used }| {
            self.opening = opening;
            self.pending.consume(used);
            asked
        }))
    }

    /// Answers what was not even a request, or what there is no room for.
    async fn refuse(&mut self, refused: Refused) {
        let Refused { refusal, to_head, id } = refused;
        let outcome = if refusal.status == 503 { Outcome::Overloaded } else { Outcome::Refused };
        self.local.counts.ended(refusal.status, outcome, None, None);
        self.log_refused(refusal.status, outcome);
        if refusal != OVERLOADED && refusal != TOO_MANY_WEBSOCKETS {
            tracing::debug!(peer = %self.peer.remote, status = refusal.status, reason = refusal.reason, "a request was refused");
        }
        let id = id.as_ref().map(RequestId::show);
        let page = Page {
            status: refusal.status,
            reason: refusal.reason,
            http11: true,
            to_head,
            keep_alive: false,
            id: id.as_ref().map_or(b"", |id| id.as_bytes()),
        };
        self.local.out.borrow_mut().clear();
        let line = self.local.line();
        page.write(&self.local, &line.config(), &mut self.local.out.borrow_mut());
        add_refusal_fields(refusal.status, &mut self.local.out.borrow_mut());
        let _client_may_be_gone = self.write_out().await;
    }

    /// Ends our direction, and reads on for a moment.
    async fn linger(&mut self) {
        self.limit(LINGER);
        let mut left = LINGER_BYTES;
        let _ended = poll_fn(|context| self.stream.poll_shutdown(context)).await;
        poll_fn(|context| {
            self.presence.attend(context.waker());
            let mut scratch = self.local.scratch.borrow_mut();
            loop {
                match self.stream.poll_read(context, &mut scratch) {
                    Poll::Ready(Ok(length)) if length > 0 && length < left => {
                        self.local.counts.read(length);
                        left -= length;
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending if self.presence.expired() => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// Writes the thread's `out` buffer to the client. Other connections use it as soon as this one waits, so the rest moves out of it then.
    pub(crate) async fn write_out(&mut self) -> Result<(), Interrupted> {
        let mut rest: Vec<u8> = Vec::new();
        let mut sent = 0;
        let mut limited = false;
        poll_fn(|context| {
            loop {
                let shared;
                let bytes = if limited {
                    &rest[sent..]
                } else {
                    shared = self.local.out.borrow();
                    &shared[sent..]
                };
                if bytes.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                match self.stream.poll_write(context, bytes) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Interrupted::Gone)),
                    Poll::Ready(Ok(length)) => {
                        sent += length;
                        self.local.counts.written(length);
                        if limited {
                            self.presence.limit(self.local.clock(), self.send_timeout);
                        }
                    }
                    Poll::Pending if !limited => {
                        rest = bytes.to_vec();
                        sent = 0;
                        limited = true;
                        self.presence.attend(context.waker());
                        self.presence.limit(self.local.clock(), self.send_timeout);
                        return Poll::Pending;
                    }
                    Poll::Pending if self.presence.expired() => return Poll::Ready(Err(Interrupted::Expired)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    /// Takes over what the settings say now of this connection, before a request is begun there.
    fn keep_to_line(&mut self) {
        let config = self.local.line().config();
        if !Rc::ptr_eq(&self.config, &config) {
            self.send_timeout = config.send_timeout;
            self.peer.trusted = self.stream.is_trusted(&config.trusted);
            self.config = config;
        }
    }

    /// Sets the time limit of the waits that follow.
    pub(crate) fn limit(&self, after: Duration) {
        self.presence.limit(self.local.clock(), after);
    }
}

/// What a read brought.
enum Read {
    Begun(Asked),
    More,
}

/// Why there is no next request.
enum Ended {
    Refused(Refused),
    Expired,
    Gone,
}

impl From<io::Error> for Interrupted {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}
