//! A request head: from bytes to [`Head`], or to the reason why not.
//!
//! httparse makes the one pass over all bytes (SIMD). It is more lenient than RFC 9112 allows a careful server to be,
//! about bare LF above all, so every line end is looked at again: two bytes a field.

use std::mem::MaybeUninit;

use httparse::{Header, Request, Status};

use crate::diagnosis::{self, BARE_CARRIAGE_RETURN, BARE_LINE_FEED};
use crate::fields::{self, Fields, Framing};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::target::{self, Target};

/// The HTTP version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// A request head. Everything borrows from the buffer but `headers`, which lie in the scratch.
#[derive(Debug, Clone, Copy)]
pub struct Head<'h, 'b> {
    /// A token of at most 32 bytes that begins with a capital letter and has no small ones.
    pub method: &'b str,
    /// What is asked for.
    pub target: Target<'b>,
    /// The version of the request line.
    pub version: Version,
    /// The fields in the order sent, names as sent, values without the white space around them.
    pub headers: &'h [Header<'b>],
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the client is ready for another request on this connection.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body. Never without a body.
    pub expect_continue: bool,
    /// The client asks for WebSocket: `Connection: upgrade` and `Upgrade: websocket`.
    pub upgrade: bool,
    /// The bytes of the head in the buffer, a skipped leading CRLF and the last empty line included.
    pub length: usize,
    /// The `Host` field: `host[:port]` or empty. [`Target::authority`] comes before it.
    pub host: Option<&'b [u8]>,
}

/// Reads the head at the start of `buffer`. What follows the head (a body, the next request) is not looked at.
///
/// `Ok(None)`: not all there yet, call again with more. A head that can no longer become valid or small enough is refused
/// at once; once refused, more bytes never make it valid. `scratch` takes the fields: as many as it has
/// elements, or [`Limits::fields`] if that is fewer; make it `[const { MaybeUninit::uninit() }; MAX_FIELDS]`.
///
/// # Errors
///
/// 400 malformed or ambiguous, 414 request line too long, 417 an unknown expectation, 431 too many or too large fields,
/// 501 CONNECT or a compressed transfer coding, 505 neither HTTP/1.0 nor HTTP/1.1.
pub fn parse_head<'h, 'b>(
    buffer: &'b [u8],
    limits: &Limits,
    scratch: &'h mut [MaybeUninit<Header<'b>>],
) -> Result<Option<Head<'h, 'b>>, Refusal> {
    let Some(text) = skip_empty_line(buffer)? else {
        return Ok(None);
    };
    let skipped = buffer.len() - text.len();
    let limits = Limits { fields: limits.fields.min(scratch.len()), ..*limits };
    let scratch = scratch.get_mut(..limits.fields).unwrap_or_default();

    let mut request = Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(text, scratch) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return limits.check_unfinished(text, skipped).map(|()| None),
        Err(error) => return Err(diagnosis::explain(error, text)),
    };
    let (Some(method), Some(raw)) = (request.method, request.path) else {
        return Err(Refusal::bad_request("the request line is malformed"));
    };
    let headers: &'h [Header<'b>] = request.headers;
    let version = if request.version == Some(1) { Version::Http11 } else { Version::Http10 };

    check_lines(text.get(..length).unwrap_or_default(), headers, &limits)?;
    limits.check_head(skipped + length)?;
    check_method(method)?;
    let target = target::parse(method, raw)?;
    let Fields { host, framing, keep_alive, expect_continue, upgrade } = fields::examine(headers, version)?;
    if target.authority.is_some() && host.is_some_and(<[u8]>::is_empty) {
        return Err(Refusal::bad_request("the Host header is empty although the request target names a host"));
    }
    Ok(Some(Head {
        method,
        target,
        version,
        headers,
        framing,
        keep_alive,
        expect_continue,
        upgrade,
        length: skipped + length,
        host,
    }))
}

/// Skips one empty line before the request line, which RFC 9112 section 2.2 asks for, and no second one.
/// `None`: nothing of the request line is there.
fn skip_empty_line(buffer: &[u8]) -> Result<Option<&[u8]>, Refusal> {
    let text = match buffer {
        [b'\r'] => return Ok(None),
        [b'\r', b'\n', rest @ ..] => rest,
        _ => buffer,
    };
    match text {
        [] => Ok(None),
        [b'\n', ..] => Err(BARE_LINE_FEED),
        [b'\r'] | [b'\r', b'\n', ..] => Err(Refusal::bad_request("more than one empty line before the request line")),
        [b'\r', ..] => Err(BARE_CARRIAGE_RETURN),
        _ => Ok(Some(text)),
    }
}

/// Checks each line's end and length. `head` ends with its last line; a field's name begins its line, so the two bytes
/// before it are the end of the line before.
fn check_lines(head: &[u8], headers: &[Header<'_>], limits: &Limits) -> Result<(), Refusal> {
    let Some(fields_end) = head.len().checked_sub(4).filter(|_| head.ends_with(b"\r\n\r\n")) else {
        return Err(BARE_LINE_FEED);
    };
    let start = head.as_ptr().addr();
    let mut line_starts = headers.iter().map(|header| header.name.as_ptr().addr().wrapping_sub(start));
    let Some(mut line) = line_starts.next() else {
        return limits.check_request_line(fields_end);
    };
    check_line_end(head, line)?;
    limits.check_request_line(line.wrapping_sub(2))?;
    for next in line_starts {
        check_line_end(head, next)?;
        limits.check_field(next.wrapping_sub(line).wrapping_sub(2))?;
        line = next;
    }
    limits.check_field(fields_end.wrapping_sub(line))
}

/// Whether CRLF stands before `line`, the offset of a line's first byte.
fn check_line_end(head: &[u8], line: usize) -> Result<(), Refusal> {
    match head.get(line.wrapping_sub(2)..line) {
        Some(b"\r\n") => Ok(()),
        _ => Err(BARE_LINE_FEED),
    }
}

/// A token already, thanks to httparse. All registered methods are capitals; others get past access rules that compare
/// methods in another case, so gunicorn refuses them too.
fn check_method(method: &str) -> Result<(), Refusal> {
    if matches!(method, "GET" | "POST") {
        return Ok(());
    }
    let bytes = method.as_bytes();
    if bytes.len() > 32 {
        return Err(Refusal::bad_request("the method is longer than 32 bytes"));
    }
    if bytes.iter().any(|byte| byte.is_ascii_lowercase() || *byte == b'#') {
        return Err(Refusal::bad_request("the method has small letters or a number sign"));
    }
    if !bytes.first().is_some_and(u8::is_ascii_uppercase) {
        return Err(Refusal::bad_request("the method does not begin with a letter"));
    }
    Ok(())
}
