//! The opening handshake of a WebSocket: what its request asked for, until the worker accepts it, and the 101 then.

use hostler_exchange::head::read_response;
use hostler_http1::{Head, Refusal, Version, is_field_value, is_token};
use hostler_websocket::handshake::{Handshake, Refused, check};

use crate::config::Config;
use crate::line::Line;
use crate::local::Local;
use crate::respond::{Added, header, status_line};

/// What else belongs to the server in a 101, and is never taken from an application's head.
const OWN: [&[u8]; 6] = [
    b"connection",
    b"upgrade",
    b"sec-websocket-accept",
    b"sec-websocket-extensions",
    b"content-length",
    b"transfer-encoding",
];

/// A handshake that waits for its worker.
#[derive(Debug)]
pub(crate) struct Opening(Handshake);

impl Opening {
    /// Checks a request that asks for WebSocket; `None` when that is not served, and the request is one like any other.
    pub(crate) fn check(line: &Line, head: &Head<'_, '_>) -> Result<Option<Box<Self>>, Refusal> {
        if !head.upgrade || !line.exchange.serves_websockets() {
            return Ok(None);
        }
        let headers = head.headers.iter().map(|header| (header.name, header.value));
        let mut handshake = check(head.method, head.version == Version::Http11, headers)
            .map_err(|refused| Refusal { status: refused.status(), reason: refused.reason() })?;
        if !line.config().websocket.compress {
            handshake.deflate = None;
        }
        Ok(Some(Box::new(Self(handshake))))
    }

    pub(super) fn deflate(&self) -> Option<hostler_websocket::Deflate> {
        self.0.deflate
    }

    /// Writes the 101 to `out` with what the worker's head adds; `None` when that is damaged, or no 101.
    pub(super) fn write(
        &self,
        local: &Local,
        config: &Config,
        laid_out: &[u8],
        id: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let (response, mut headers) = read_response(laid_out)?;
        if response.status != 101 {
            return None;
        }
        status_line(out, 101, b"Switching Protocols");
        header(out, b"Upgrade", b"websocket");
        header(out, b"Connection", b"Upgrade");
        header(out, b"Sec-WebSocket-Accept", &self.0.accept);
        if let Some(deflate) = self.0.deflate {
            out.extend_from_slice(b"Sec-WebSocket-Extensions: ");
            deflate.write(out);
            out.extend_from_slice(b"\r\n");
        }
        let id_header = config.request_id_header.as_deref();
        let (mut has_date, mut has_server) = (false, false);
        for (name, value) in headers.by_ref() {
            if name.is_empty()
                || !name.iter().all(|byte| is_token(*byte))
                || !value.iter().all(|byte| is_field_value(*byte))
            {
                return None;
            }
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            if OWN.iter().any(|own| is(own)) || id_header.is_some_and(|id| is(id.as_bytes())) {
                continue;
            }
            has_date |= is(b"date");
            has_server |= is(b"server");
            header(out, name, value);
        }
        if headers.left() != 0 {
            return None;
        }
        Added { has_date, has_server, id }.write(local, config, out);
        out.extend_from_slice(b"\r\n");
        Some(())
    }
}

/// Puts the header fields that belong to the refusal of a handshake into an answer, behind its status line.
pub(crate) fn add_refusal_fields(status: u16, answer: &mut Vec<u8>) {
    let fields = Refused::fields(status);
    if let Some(place) = answer.iter().position(|byte| *byte == b'\n') {
        answer.splice(place + 1..place + 1, fields.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_served() {
        let mut answer = b"HTTP/1.1 426 Upgrade Required\r\nDate: now\r\n\r\nSorry.\n".to_vec();
        add_refusal_fields(426, &mut answer);
        let expected = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Version: 13\r\nDate: now\r\n\r\nSorry.\n";
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
}
