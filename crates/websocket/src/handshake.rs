//! The opening handshake, the server's side (RFC 6455 section 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::extension::Deflate;

/// What a server adds to the client's key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version there is.
const VERSION: &[u8] = b"13";
/// The length of a client's key in Base64: 16 bytes.
const KEY_LENGTH: usize = 24;
/// The same for a server's: 20 bytes.
const ACCEPT_LENGTH: usize = 28;

/// A request that may be answered with 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The value of the answer's `Sec-WebSocket-Accept`.
    pub accept: [u8; ACCEPT_LENGTH],
    /// The compression that the client offers, as far as it can be met. Whoever answers may leave it out.
    pub deflate: Option<Deflate>,
}

/// A request that asks for WebSocket in a way that cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The method is not GET.
    #[error("{}", self.reason())]
    Method,
    /// The version is not 13.
    #[error("{}", self.reason())]
    Version,
    /// Something is missing, or malformed.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Refused {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::Version => 426,
            Self::Malformed(_) => 400,
        }
    }

    /// What is wrong, to be read by people. It never holds bytes of the request.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Method => "a WebSocket is opened with GET",
            Self::Version => "the only version of WebSocket that is served is 13",
            Self::Malformed(reason) => reason,
        }
    }

    /// The header fields that belong to an answer with `status`, in lines that end with CRLF (RFC 9110 sections 15.5.6 and 15.5.22, RFC
    /// 6455 section 4.4); empty for none.
    pub fn fields(status: u16) -> &'static str {
        match status {
            405 => "Allow: GET\r\n",
            426 => "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        }
    }
}

/// Checks a request: its method, whether it is HTTP/1.1, and its header fields, names and values.
///
/// # Errors
/// When it is no opening handshake, with what is to be answered.
pub fn check<'h>(
    method: &str,
    http11: bool,
    headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
) -> Result<Handshake, Refused> {
    let values = |name: &'static str| {
        headers.clone().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| trimmed(value))
    };
    if !http11 {
        return Err(Refused::Malformed("a WebSocket is opened with HTTP/1.1"));
    }
    if !values("upgrade").any(|value| has_member(value, b"websocket")) {
        return Err(Refused::Malformed("the Upgrade header does not name websocket"));
    }
    if !values("connection").any(|value| has_member(value, b"upgrade")) {
        return Err(Refused::Malformed("the Connection header does not name upgrade"));
    }
    if method != "GET" {
        return Err(Refused::Method);
    }
    if values("content-length").any(|value| value != b"0") || values("transfer-encoding").next().is_some() {
        return Err(Refused::Malformed("a WebSocket is opened by a request without a body"));
    }
    let mut versions = values("sec-websocket-version");
    match (versions.next(), versions.next()) {
        (Some(VERSION), None) => {}
        _ => return Err(Refused::Version),
    }
    let mut keys = values("sec-websocket-key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(Refused::Malformed("there is no Sec-WebSocket-Key header")),
        _ => return Err(Refused::Malformed("there are several Sec-WebSocket-Key headers")),
    };
    if !is_key(key) {
        return Err(Refused::Malformed("the Sec-WebSocket-Key header is not 16 bytes in Base64"));
    }
    Ok(Handshake { accept: accept(key), deflate: Deflate::choose(values("sec-websocket-extensions")) })
}

/// The subprotocols that the values of all `Sec-WebSocket-Protocol` fields name, in the client's order.
pub fn subprotocols<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> impl Iterator<Item = &'v [u8]> {
    values.into_iter().flat_map(members).filter(|member| !member.is_empty())
}

/// The answer to a client's key (RFC 6455 section 4.2.2).
fn accept(key: &[u8]) -> [u8; ACCEPT_LENGTH] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_LENGTH];
    // It always fits: 20 bytes become 28.
    let _length = STANDARD.encode_slice(digest, &mut accept);
    accept
}

/// Whether it is 16 bytes. What the bits beyond them are does not matter: it is text to us, and some clients choose it at random.
fn is_key(key: &[u8]) -> bool {
    let Some((digits, padding)) = key.split_at_checked(KEY_LENGTH - 2) else { return false };
    padding == b"==" && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn has_member(list: &[u8], wanted: &[u8]) -> bool {
    members(list).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// The members of a list (RFC 9110 section 5.6.1); empty ones are among them.
fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(trimmed)
}

fn trimmed(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = (&'static str, &'static [u8]);

    const KEY: Field = ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==");
    const GOOD: [Field; 4] =
        [("Upgrade", b"websocket"), ("Connection", b"keep-alive, Upgrade"), KEY, ("Sec-WebSocket-Version", b"13")];

    fn check_headers(headers: &[Field]) -> Result<Handshake, Refused> {
        check("GET", true, headers.iter().copied())
    }

    /// The good handshake, with `with` in place of all fields of the same name.
    fn with(with: &[Field], name: &str) -> Result<Handshake, Refused> {
        let others = GOOD.iter().filter(|(other, _)| *other != name).chain(with);
        check_headers(&others.copied().collect::<Vec<_>>())
    }

    #[test]
    fn the_key_of_the_rfc_is_accepted() {
        let handshake = check_headers(&GOOD).unwrap();
        assert_eq!(&handshake.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(handshake.deflate, None);
        let offered = with(&[("sec-websocket-extensions", b"permessage-deflate")], "").unwrap();
        assert!(offered.deflate.is_some());
    }

    #[test]
    fn malformed_handshakes_are_refused() {
        let cases: [(&str, &[Field], u16); 13] = [
            ("Upgrade", &[], 400),
            ("Upgrade", &[("Upgrade", b"h2c")], 400),
            ("Connection", &[], 400),
            ("Connection", &[("Connection", b"upgraded")], 400),
            ("Sec-WebSocket-Key", &[], 400),
            ("Sec-WebSocket-Key", &[KEY, KEY], 400),
            ("Sec-WebSocket-Key", &[("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25j")], 400),
            ("Sec-WebSocket-Key", &[("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=a")], 400),
            ("Sec-WebSocket-Key", &[("Sec-WebSocket-Key", b"dGhlIHNhb!BsZSBub25jZQ==")], 400),
            ("Sec-WebSocket-Version", &[], 426),
            ("Sec-WebSocket-Version", &[("Sec-WebSocket-Version", b"8")], 426),
            ("Sec-WebSocket-Version", &[("Sec-WebSocket-Version", b"13, 8")], 426),
            ("", &[("Content-Length", b"1")], 400),
        ];
        for (name, fields, status) in cases {
            assert_eq!(with(fields, name).unwrap_err().status(), status, "{name}: {fields:?}");
        }
        assert_eq!(check("POST", true, GOOD.iter().copied()), Err(Refused::Method));
        assert_eq!(check("GET", false, GOOD.iter().copied()).unwrap_err().status(), 400);
    }

    #[test]
    fn subprotocols_keep_their_order() {
        let named: Vec<_> = subprotocols([b"chat, superchat".as_slice(), b" ,v2.x"]).collect();
        assert_eq!(named, [b"chat".as_slice(), b"superchat", b"v2.x"]);
    }
}
