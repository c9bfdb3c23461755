//! From a worker's head to a head on the wire (RFC 9112): framing, Date, what the server adds.

use hostler_exchange::head::{read_response, read_trailers};
use hostler_http1::{is_field_value, is_token};

use crate::config::Config;
use crate::local::Local;

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes are still to be sent.
    Length(u64),
    Chunked,
    /// By closing the connection.
    Close,
}

/// What of the request and its progress decides the head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub(crate) http11: bool,
    pub(crate) to_head: bool,
    /// Whether the connection may serve another request.
    pub(crate) keep_alive: bool,
    /// The length of the whole body, when all of it is there already.
    pub(crate) whole: Option<u64>,
    /// The request's id; empty for none.
    pub(crate) id: &'a [u8],
}

/// A head that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
}

/// Writes the head of an answer to `out`; `None` when the worker's head is damaged. Nothing of it is believed unchecked: what could split
/// the answer, or contradict its framing, makes it damaged or is left out.
pub(crate) fn write_head(
    local: &Local,
    config: &Config,
    laid_out: &[u8],
    how: Circumstances<'_>,
    out: &mut Vec<u8>,
) -> Option<Written> {
    let (response, mut headers) = read_response(laid_out)?;
    if !(200..=999).contains(&response.status) || !response.reason.iter().copied().all(is_field_value) {
        return None;
    }
    let no_body = how.to_head || matches!(response.status, 204 | 304);
    status_line(out, response.status, response.reason);
    let (mut declared, mut has_date, mut has_server, mut closes) = (None, false, false, false);
    let id_header = config.request_id_header.as_deref();
    for (name, value) in headers.by_ref() {
        if !name.iter().all(|byte| is_token(*byte)) || name.is_empty() || !value.iter().copied().all(is_field_value) {
            return None;
        }
        // By length first: most names are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"date") => has_date = true,
            6 if name.eq_ignore_ascii_case(b"server") => has_server = true,
            10 if name.eq_ignore_ascii_case(b"connection") => {
                closes |= asks_to_close(value);
                continue;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => continue,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                declared = Some(std::str::from_utf8(value).ok()?.parse::<u64>().ok()?);
                continue;
            }
            _ if id_header.is_some_and(|id| id.as_bytes().eq_ignore_ascii_case(name)) => continue,
            _ => {}
        }
        header(out, name, value);
    }
    if headers.left() != 0 {
        return None;
    }
    Added { has_date, has_server, id: how.id }.write(local, config, out);
    let framing = match (no_body, declared.or(how.whole.filter(|_| !no_body))) {
        (true, _) => Framing::Empty,
        (false, Some(length)) => Framing::Length(length),
        (false, None) if how.http11 => Framing::Chunked,
        (false, None) => Framing::Close,
    };
    let keep_alive = how.keep_alive && !closes && framing != Framing::Close;
    match (framing, declared) {
        (Framing::Length(length), _) => content_length(out, length),
        // What GET would have had; a 304 tells it too (RFC 9110 section 8.6).
        (Framing::Empty, Some(length)) if response.status != 204 => content_length(out, length),
        (Framing::Chunked, _) => header(out, b"Transfer-Encoding", b"chunked"),
        _ => {}
    }
    connection(out, how.http11, keep_alive);
    out.extend_from_slice(b"\r\n");
    Some(Written { status: response.status, framing, keep_alive })
}

/// What the server adds to every head, where the application did not say it.
pub(crate) struct Added<'a> {
    pub(crate) has_date: bool,
    pub(crate) has_server: bool,
    /// The request's id.
    pub(crate) id: &'a [u8],
}

impl Added<'_> {
    pub(crate) fn write(&self, local: &Local, config: &Config, out: &mut Vec<u8>) {
        if !self.has_date {
            out.extend_from_slice(b"Date: ");
            local.write_date(out);
            out.extend_from_slice(b"\r\n");
        }
        if config.server_header && !self.has_server {
            header(out, b"Server", b"hostler");
        }
        if let Some(name) = config.request_id_header.as_deref() {
            header(out, name.as_bytes(), self.id);
        }
    }
}

/// Writes early hints (RFC 8297); `None` when they are damaged.
pub(crate) fn write_hints(laid_out: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (response, mut headers) = read_response(laid_out)?;
    if response.status != 103 || !response.reason.iter().copied().all(is_field_value) {
        return None;
    }
    let start = out.len();
    status_line(out, response.status, response.reason);
    for (name, value) in headers.by_ref() {
        if !name.iter().all(|byte| is_token(*byte)) || !value.iter().copied().all(is_field_value) {
            out.truncate(start);
            return None;
        }
        header(out, name, value);
    }
    if headers.left() != 0 {
        out.truncate(start);
        return None;
    }
    out.extend_from_slice(b"\r\n");
    Some(())
}

/// Writes trailer fields. What may not stand there is left out, and what is damaged ends them: the body before them is whole.
/// `id_header` is the header that told the request's id, if there is one.
pub(crate) fn write_trailers(laid_out: &[u8], id_header: Option<&str>, out: &mut Vec<u8>) {
    for (name, value) in read_trailers(laid_out).into_iter().flatten() {
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) || !value.iter().copied().all(is_field_value) {
            return;
        }
        let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(name);
        if !NO_TRAILERS.into_iter().chain(id_header).any(is) {
            header(out, name, value);
        }
    }
}

/// Fields that are of no use, or do harm, after the body (RFC 9110 section 6.5.1): framing, routing, controls, authentication, and how the
/// content is to be read.
const NO_TRAILERS: [&str; 26] = [
    "Content-Length",
    "Transfer-Encoding",
    "Trailer",
    "TE",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Upgrade",
    "Host",
    "Age",
    "Cache-Control",
    "Date",
    "Expires",
    "Location",
    "Pragma",
    "Retry-After",
    "Vary",
    "Warning",
    "Set-Cookie",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    "Proxy-Authenticate",
    "WWW-Authenticate",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
];

pub(crate) fn status_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn content_length(out: &mut Vec<u8>, length: u64) {
    header(out, b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
}

/// Whether `close` is among the options of a connection (RFC 9110 section 7.6.1).
fn asks_to_close(options: &[u8]) -> bool {
    options.split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// What is not the version's default must be said (RFC 9112 section 9.3).
pub(crate) fn connection(out: &mut Vec<u8>, http11: bool, keep_alive: bool) {
    match (http11, keep_alive) {
        (_, false) => header(out, b"Connection", b"close"),
        (false, true) => header(out, b"Connection", b"keep-alive"),
        (true, true) => {}
    }
}

/// The head of a chunk (RFC 9112 section 7.1).
pub(crate) fn chunk_head(out: &mut Vec<u8>, length: usize) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    let mut left = length;
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[left & 0xf];
        left >>= 4;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use hostler_exchange::head::write_header;

    use super::*;

    fn trailers(fields: &[(&str, &str)]) -> String {
        let mut laid_out = (fields.len() as u16).to_le_bytes().to_vec();
        for (name, value) in fields {
            write_header(&mut laid_out, name.as_bytes(), value.as_bytes());
        }
        let mut out = Vec::new();
        write_trailers(&laid_out, Some("X-Request-Id"), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn trailers_are_written_as_headers_are() {
        assert_eq!(
            trailers(&[("server-timing", "db;dur=1.5"), ("etag", "\"x\"")]),
            "server-timing: db;dur=1.5\r\netag: \"x\"\r\n"
        );
        assert_eq!(trailers(&[]), "");
    }

    #[test]
    fn what_may_not_be_a_trailer_is_left_out() {
        for name in
            ["transfer-encoding", "Content-Length", "HOST", "trailer", "set-cookie", "x-request-id", "connection"]
        {
            assert_eq!(trailers(&[(name, "1"), ("a", "b")]), "a: b\r\n", "{name}");
        }
    }

    #[test]
    fn a_trailer_cannot_end_its_line() {
        for (name, value) in [("a\r\nb", "c"), ("a", "b\r\nc: d"), ("", "a"), ("a b", "c"), ("a", "\u{7f}")] {
            assert_eq!(
                trailers(&[("first", "1"), (name, value), ("last", "2")]),
                "first: 1\r\n",
                "{name:?}: {value:?}"
            );
        }
    }

    #[test]
    fn damaged_trailers_end() {
        let mut laid_out = 2u16.to_le_bytes().to_vec();
        write_header(&mut laid_out, b"a", b"b");
        let whole = laid_out.len();
        // Two are announced, of which one is there; then it is cut, then the count is.
        for (length, expected) in [(whole, "a: b\r\n"), (whole - 1, ""), (1, ""), (0, "")] {
            let mut out = Vec::new();
            write_trailers(&laid_out[..length], None, &mut out);
            assert_eq!(out, expected.as_bytes(), "{length} of {whole} bytes");
        }
    }

    #[test]
    fn chunk_heads_are_hexadecimal() {
        for (length, expected) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (65_536, "10000\r\n")] {
            let mut out = Vec::new();
            chunk_head(&mut out, length);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
