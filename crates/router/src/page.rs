//! The answers that the server gives itself: refusals, failures, overload.

use crate::config::Config;
use crate::local::Local;
use crate::respond::{connection, content_length, header, status_line};

/// An answer of the server's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) status: u16,
    /// One sentence for the developer who sees it; nothing of the application.
    pub(crate) reason: &'a str,
    pub(crate) http11: bool,
    pub(crate) to_head: bool,
    pub(crate) keep_alive: bool,
    /// The request's id; empty for none.
    pub(crate) id: &'a [u8],
}

impl Page<'_> {
    /// Writes head and body to `out`; the length of the body.
    pub(crate) fn write(&self, local: &Local, config: &Config, out: &mut Vec<u8>) -> u64 {
        let phrase = phrase(self.status);
        let body = format!("{} {phrase}\n{}\n", self.status, self.reason);
        status_line(out, self.status, phrase.as_bytes());
        header(out, b"Content-Type", b"text/plain; charset=utf-8");
        content_length(out, body.len() as u64);
        out.extend_from_slice(b"Date: ");
        local.write_date(out);
        out.extend_from_slice(b"\r\n");
        if self.status == 503 {
            header(out, b"Retry-After", b"1");
        }
        if let Some(name) = config.request_id_header.as_deref()
            && !self.id.is_empty()
        {
            header(out, name.as_bytes(), self.id);
        }
        connection(out, self.http11, self.keep_alive);
        out.extend_from_slice(b"\r\n");
        if self.to_head {
            return 0;
        }
        out.extend_from_slice(body.as_bytes());
        body.len() as u64
    }
}

/// RFC 9110 section 15, of the codes the server itself answers with.
fn phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
