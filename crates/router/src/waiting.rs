//! Clients that wait in the backlog of a socket for a server that is not going to serve: each is answered, and the connection closed.
//!
//! There is no router thread then, no exchange and no worker: this is all that such a process has of the router.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hostler_http1::{Limits, MAX_FIELDS, parse_head};
use hostler_listener::Bound;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Held;
use crate::accepting::accept_at_once;
use crate::held::Wanted;
use crate::respond::header;
use crate::stream::{Detached, Stream};

/// How long all of it may take: the process is about to end, and whoever waits for that waits for this.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the head of one request may take. It was mostly sent while its client waited.
const HEAD_PATIENCE: Duration = Duration::from_millis(500);
/// How long the rest of what a client sends is read after its answer, so that the close is no reset (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_millis(500);
/// How much of it is, in bytes.
const LINGER_BYTES: usize = 1 << 20;
/// Connections that are answered at once; the others wait for one of them to end.
const AT_ONCE: usize = 500;
/// What is read at once, in bytes.
const STEP: usize = 16 * 1024;

/// Answers all clients that wait in the backlogs of `listeners` as `held` says, in two seconds at most, and returns when nobody waits there any more; how
/// many were answered. Who connected and asked for nothing is closed without an answer. The sockets go on listening, and what is still there when
/// the time is over stays in the backlog. To be called on a runtime of tokio, with its sockets and its clock. Cancelled, it closes what it accepted.
pub async fn answer_waiting(listeners: &[Bound], held: Held) -> usize {
    let held = Arc::new(held);
    let mut answered = 0;
    let mut connections = JoinSet::new();
    let all = async {
        loop {
            for bound in listeners {
                let name = bound.name.as_str().into();
                while connections.len() < AT_ONCE {
                    match accept_at_once(&bound.listener, &name) {
                        Ok(client) => drop(connections.spawn(answer(client, Arc::clone(&held)))),
                        // The client left meanwhile.
                        Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        // As when descriptors run out: those that are there are answered first.
                        Err(error) => {
                            tracing::debug!(socket = bound.name, %error, "a client that waits is not answered");
                            break;
                        }
                    }
                }
            }
            match connections.join_next().await {
                Some(ended) => answered += usize::from(matches!(ended, Ok(Ok(true)))),
                None => break,
            }
        }
    };
    // Who was not answered by then stays in the backlog, or is slower than anybody can wait for.
    let _in_time = timeout(PATIENCE, all).await;
    answered
}

/// Whether it was asked for something, and answered.
async fn answer(client: Detached, held: Arc<Held>) -> io::Result<bool> {
    let mut stream = client.attach()?;
    let mut received = Vec::new();
    let wanted = match timeout(HEAD_PATIENCE, read_head(&mut stream, &mut received)).await {
        Ok(read) => read?,
        Err(_) => None,
    };
    if received.is_empty() {
        return Ok(false);
    }
    let mut out = Vec::new();
    // Whose head is not whole, or none, gets plain text.
    held.write(wanted.unwrap_or_default(), false, &mut out, |out| {
        header(out, b"Date", httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    });
    let mut rest = out.as_slice();
    while !rest.is_empty() {
        let sent = poll_fn(|context| stream.poll_write(context, rest)).await?;
        if sent == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        rest = &rest[sent..];
    }
    poll_fn(|context| stream.poll_shutdown(context)).await?;
    let _gone_or_too_slow = timeout(LINGER, drain(&mut stream)).await;
    Ok(true)
}

/// Reads a request's head into `received`; `None` when what comes is none.
async fn read_head(stream: &mut Stream, received: &mut Vec<u8>) -> io::Result<Option<Wanted>> {
    let limits = Limits::default();
    let mut step = vec![0; STEP];
    loop {
        let length = poll_fn(|context| stream.poll_read(context, &mut step)).await?;
        received.extend_from_slice(&step[..length]);
        let mut scratch = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        match parse_head(received, &limits, &mut scratch[..limits.fields]) {
            Ok(Some(head)) => return Ok(Some(Wanted::of(&head))),
            Ok(None) if length > 0 => {}
            Ok(None) | Err(_) => return Ok(None),
        }
    }
}

/// Reads on until the client ends, or sends too much.
async fn drain(stream: &mut Stream) -> io::Result<()> {
    let mut step = vec![0; STEP];
    let mut left = LINGER_BYTES;
    loop {
        let length = poll_fn(|context| stream.poll_read(context, &mut step)).await?;
        if length == 0 || length >= left {
            return Ok(());
        }
        left -= length;
    }
}
