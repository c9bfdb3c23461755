//! From a head on the wire to a request in the queue.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use hostler_exchange::RequestEnd;
use hostler_exchange::head::Request;
use hostler_http1::{Framing, Head, MAX_FIELDS, Refusal, Version, parse_head, percent_decode_path};

use crate::body::Body;
use crate::config::{Config, Underscores};
use crate::connection::Opening;
use crate::forwarded::{Forwarded, without_port};
use crate::held::{Held, Wanted, asks_about_failure};
use crate::id::RequestId;
use crate::local::Local;
use crate::presence::Presence;
use crate::stream::Peer;
use crate::turn::{Record, Turn};

/// A client's own request id is taken over up to this length.
const LONGEST_ID: usize = 128;

/// All slots are in use.
pub(crate) const OVERLOADED: Refusal =
    Refusal { status: 503, reason: "limit_concurrency requests are in flight already" };

/// All slots for WebSockets are.
pub(crate) const TOO_MANY_WEBSOCKETS: Refusal =
    Refusal { status: 503, reason: "limit_websockets WebSockets are open already" };

/// A request that nobody serves, and what its answer depends on.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// Its method is HEAD, whose answers have no content (RFC 9110 section 9.3.2). False where the head could not be read.
    pub(crate) to_head: bool,
    /// The request's id, if it got one.
    pub(crate) id: Option<RequestId>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, to_head: false, id: None }
    }
}

/// A request that was begun.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) asked: Asked,
    /// Its handshake, when it asks for WebSocket.
    pub(crate) opening: Option<Box<Opening>>,
    /// Bytes of the buffer that belong to it: the head, and what went into the slot of its body.
    pub(crate) used: usize,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It is in the queue.
    Served(Turn),
    /// The router answers it.
    Held(Unserved),
}

/// A request that is answered as a [`Held`] says.
#[derive(Debug)]
pub(crate) struct Unserved {
    pub(crate) held: Arc<Held>,
    pub(crate) wanted: Wanted,
    /// The client wants the connection kept, and sends no body.
    pub(crate) keep_alive: bool,
    pub(crate) id: RequestId,
    /// For the logs, when somebody wants them.
    pub(crate) record: Option<Box<Record>>,
}

/// Parses a head, and puts the request into the queue with what is there of its body; `None` when the head is not complete.
pub(crate) fn begin(
    local: &Rc<Local>,
    peer: &Peer,
    presence: &Rc<Presence>,
    buffer: &[u8],
) -> Result<Option<Begun>, Refused> {
    let line = local.line();
    let config = &line.config();
    let mut scratch = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let fields = config.head_limits.fields.min(MAX_FIELDS);
    let Some(head) = parse_head(buffer, &config.head_limits, &mut scratch[..fields])? else {
        return Ok(None);
    };
    let said = if peer.trusted {
        Forwarded::read(head.headers, config.forwarded, &config.trusted)
    } else {
        Forwarded::default()
    };
    let logged = local.access_log.borrow().is_some() || config.slow_request.is_some();
    if let Some(held) = &*local.held.borrow()
        && held.answers(&head)
    {
        let unserved = unserved(local, config, Arc::clone(held), &head, peer, said, logged);
        return Ok(Some(Begun { asked: Asked::Held(unserved), opening: None, used: head.length }));
    }
    let to_head = head.method == "HEAD";
    let refused = |refusal| Refused { refusal, to_head, id: None };
    let opening = Opening::check(&line, &head).map_err(refused)?;
    let mut body = Body::new(head.framing, config.body_limit).map_err(refused)?;
    let rest = &buffer[head.length..];
    let (first, end) = match head.framing {
        Framing::Length(length) if !body.is_done() => {
            let ring = line.exchange.config().request_ring as usize;
            let here = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len()).min(ring);
            let left = length - here as u64;
            body = if left == 0 { Body::Done } else { Body::Length(left) };
            (&rest[..here], if left == 0 { RequestEnd::Complete } else { RequestEnd::Open })
        }
        Framing::Chunked => (&rest[..0], RequestEnd::Open),
        // What comes after the handshake are records.
        _ if opening.is_some() => (&rest[..0], RequestEnd::Open),
        _ => (&rest[..0], RequestEnd::Complete),
    };
    let mut laid_out = local.head.borrow_mut();
    laid_out.clear();
    let id = lay_out(local, config, peer, &head, &said, opening.is_some(), &mut laid_out).map_err(refused)?;
    let record = logged.then(|| Box::new(record(&head, peer, said)));
    let (slot, full) = if opening.is_some() {
        (line.submit_websocket(presence, &laid_out), TOO_MANY_WEBSOCKETS)
    } else {
        (line.submit(presence, &laid_out, first, end), OVERLOADED)
    };
    let Some(slot) = slot else {
        return Err(Refused { refusal: full, to_head, id: Some(id) });
    };
    // From here on the slot is given up with it.
    let turn = Turn {
        local: Rc::clone(local),
        line,
        config: Rc::clone(config),
        slot,
        presence: Rc::clone(presence),
        to_head,
        idempotent: matches!(head.method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"),
        http11: head.version == Version::Http11,
        keep_alive: head.keep_alive,
        awaits_continue: head.expect_continue && !body.is_done() && first.is_empty(),
        body,
        retries: 0,
        taken_back: None,
        sent: 0,
        began: local.clock(),
        id,
        record,
        status: 0,
        ended: Cell::new(false),
    };
    local.defer_wake(&turn.line);
    Ok(Some(Begun { asked: Asked::Served(turn), opening, used: head.length + first.len() }))
}

/// The client that a trusted proxy tells of, in the head of a request that was refused; `None` where it tells of none, or the head is no head.
pub(crate) fn client_of(peer: &Peer, config: &Config, buffer: &[u8]) -> Option<Box<str>> {
    if !peer.trusted {
        return None;
    }
    let mut scratch = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let fields = config.head_limits.fields.min(MAX_FIELDS);
    let head = parse_head(buffer, &config.head_limits, &mut scratch[..fields]).ok()??;
    Forwarded::read(head.headers, config.forwarded, &config.trusted).client
}

/// Lays the head out for the worker; returns the request's id.
fn lay_out(
    local: &Local,
    config: &Config,
    peer: &Peer,
    head: &Head<'_, '_>,
    said: &Forwarded,
    websocket: bool,
    to: &mut Vec<u8>,
) -> Result<RequestId, Refusal> {
    let mut decoded = Vec::new();
    let path = if head.target.path.contains(&b'%') {
        percent_decode_path(head.target.path, &mut decoded);
        &decoded
    } else {
        head.target.path
    };
    let id_header = config.request_id_header.as_deref();
    let id = id_of(local, config, head);
    let https = said.https.unwrap_or(false);
    let mut trailers = false;
    for header in head.headers {
        trailers |= header.name.eq_ignore_ascii_case("te") && accepts_trailers(header.value);
    }
    let shown = id.show();
    // An absolute target's authority is the host, whatever Host says (RFC 9112 section 3.2.2).
    let asked = head.target.authority.or(head.host).unwrap_or_default();
    let told = said.host(asked, https);
    let replacement = told.as_deref().or(head.target.authority);
    let host = replacement.unwrap_or(asked);
    let (server, server_port) =
        if peer.server.is_empty() { host_and_port(host, https) } else { (peer.server.as_bytes(), peer.server_port) };
    let (remote, remote_port) = match &said.client {
        Some(client) => (client.as_bytes(), said.client_port),
        None => (peer.remote.as_bytes(), peer.remote_port),
    };
    let request = Request {
        version: if head.version == Version::Http11 { 11 } else { 10 },
        https,
        chunked: head.framing == Framing::Chunked,
        websocket,
        trailers,
        content_length: if let Framing::Length(length) = head.framing { Some(length) } else { None },
        method: head.method.as_bytes(),
        remote,
        remote_port,
        server,
        server_port,
        id: shown.as_bytes(),
        socket: peer.socket.as_bytes(),
        target: head.target.raw.as_bytes(),
        path,
        query: head.target.query,
    };
    let mut writer = request.write(to);
    for header in head.headers {
        let name = header.name;
        if name.as_bytes().contains(&b'_') {
            match config.underscores {
                Underscores::Pass => {}
                Underscores::Drop => continue,
                Underscores::Refuse => {
                    return Err(Refusal {
                        status: 400,
                        reason: "a header's name has an underscore, and header_map is refuse",
                    });
                }
            }
        }
        // `Proxy` would become HTTP_PROXY, which libraries take for the way out (CVE-2016-5385, "httpoxy").
        let replaced = id_header.is_some_and(|id| name.eq_ignore_ascii_case(id))
            || name.eq_ignore_ascii_case("proxy")
            || (replacement.is_some() && name.eq_ignore_ascii_case("host"));
        if !replaced {
            writer.header(name.as_bytes(), header.value);
        }
    }
    if let Some(host) = replacement {
        writer.header(b"Host", host);
    }
    if let Some(name) = id_header {
        writer.header(name.as_bytes(), shown.as_bytes());
    }
    writer.finish();
    Ok(id)
}

/// The client's id of the request if it is of use, else one of ours; none if requests have none.
fn id_of(local: &Local, config: &Config, head: &Head<'_, '_>) -> RequestId {
    let Some(name) = config.request_id_header.as_deref() else { return RequestId::None };
    let mut theirs = head.headers.iter().rev().filter(|header| header.name.eq_ignore_ascii_case(name));
    match theirs.find(|header| is_sane_id(header.value)) {
        Some(header) => RequestId::Theirs(header.value.into()),
        None => local.new_id(),
    }
}

/// What is to be known of a request that is only answered. Its body is not looked at.
fn unserved(
    local: &Local,
    config: &Config,
    held: Arc<Held>,
    head: &Head<'_, '_>,
    peer: &Peer,
    said: Forwarded,
    logged: bool,
) -> Unserved {
    let has_body = !matches!(head.framing, Framing::None | Framing::Length(0));
    Unserved {
        held,
        wanted: Wanted::of(head),
        keep_alive: head.keep_alive && !has_body,
        id: id_of(local, config, head),
        record: (logged && !asks_about_failure(head)).then(|| Box::new(record(head, peer, said))),
    }
}

/// Whether `TE` names trailers among what the client accepts (RFC 9110 section 10.1.4).
fn accepts_trailers(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|member| member.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Short, and of characters that do no harm in a log or a header.
fn is_sane_id(value: &[u8]) -> bool {
    !value.is_empty()
        && value.len() <= LONGEST_ID
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~:@+/=".contains(byte))
}

/// The server as a client on a unix socket named it.
fn host_and_port(host: &[u8], https: bool) -> (&[u8], u16) {
    let name = without_port(host);
    let port = host.get(name.len() + 1..).and_then(|port| std::str::from_utf8(port).ok());
    let name: &[u8] = if name.is_empty() { b"localhost" } else { name };
    (name, port.and_then(|port| port.parse().ok()).unwrap_or(if https { 443 } else { 80 }))
}

/// What the access log will want to know.
fn record(head: &Head<'_, '_>, peer: &Peer, said: Forwarded) -> Record {
    let find = |name: &str| {
        head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.to_vec())
    };
    Record {
        received: SystemTime::now(),
        remote: said.client.unwrap_or_else(|| if peer.remote.is_empty() { "unix".into() } else { peer.remote.clone() }),
        method: head.method.to_owned(),
        target: head.target.raw.to_owned(),
        referer: find("referer"),
        user_agent: find("user-agent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_names_server_and_port() {
        for (host, name, port) in [
            ("example.org", "example.org", 80),
            ("example.org:8080", "example.org", 8080),
            ("[::1]", "[::1]", 80),
            ("[::1]:81", "[::1]", 81),
            ("", "localhost", 80),
        ] {
            assert_eq!(host_and_port(host.as_bytes(), false), (name.as_bytes(), port), "{host}");
        }
        assert_eq!(host_and_port(b"example.org", true), (b"example.org".as_slice(), 443));
    }

    #[test]
    fn ids_that_could_forge_a_log_line_are_not_taken() {
        assert!(is_sane_id(b"req-1.2_3:4@5"));
        for bad in [b"".as_slice(), b"a b", b"a\"", b"a\\", &[b'a'; 129], "\u{e9}".as_bytes()] {
            assert!(!is_sane_id(bad));
        }
    }
}
