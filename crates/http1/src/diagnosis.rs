//! Why httparse refused a head, in words: httparse names a kind of error and no place, so the place is looked for.
//!
//! Never on the path of a served request.

use memchr::memchr;

use crate::characters::is_token;
use crate::refusal::Refusal;

/// A line of a head, or of a trailer section, that LF alone ends.
pub(crate) const BARE_LINE_FEED: Refusal = Refusal::bad_request("a line ends with a bare LF instead of CRLF");

/// A CR that no LF follows.
pub(crate) const BARE_CARRIAGE_RETURN: Refusal = Refusal::bad_request("a CR is not followed by LF");

/// The refusal for what httparse said about `text`, which begins at the request line.
pub(crate) fn explain(error: httparse::Error, text: &[u8]) -> Refusal {
    use httparse::Error;
    match error {
        Error::Token => explain_request_line(text),
        Error::Version => explain_version(text),
        Error::NewLine => Refusal::bad_request("the request line or the head does not end with CRLF"),
        Error::HeaderName => explain_field_name(text),
        Error::HeaderValue => {
            Refusal::bad_request("a header value has a control character, or a CR that is not followed by LF")
        }
        Error::TooManyHeaders => {
            Refusal::fields_too_large("there are more header fields than limit_request_fields allows")
        }
        Error::Status => Refusal::bad_request("the request line is malformed"),
    }
}

/// The method or the target is at fault: whichever comes first.
fn explain_request_line(text: &[u8]) -> Refusal {
    let method = text.iter().take_while(|byte| is_token(**byte)).count();
    match text.get(method..) {
        Some([0x16, ..]) if method == 0 => {
            Refusal::bad_request("this is a TLS handshake, but the port speaks plain HTTP")
        }
        Some([b' ', target @ ..]) if method > 0 => explain_target(target),
        _ => Refusal::bad_request("the method is not a token"),
    }
}

/// `target` and what follows it, up to the end of what was read.
fn explain_target(target: &[u8]) -> Refusal {
    match target.iter().find(|byte| !matches!(**byte, 0x21..=0x7e | 0x80..=0xff)) {
        _ if target.first() == Some(&b' ') => {
            Refusal::bad_request("the request target is empty, or two spaces follow the method")
        }
        Some(b' ') | None => Refusal::bad_request("the request target has bytes outside ASCII: percent-encode them"),
        Some(b'\r' | b'\n') => Refusal::bad_request("the request line has no HTTP version"),
        Some(_) => Refusal::bad_request("the request target has a control character: percent-encode it"),
    }
}

/// What stands where the version belongs. The decision must not need bytes that httparse did not need.
fn explain_version(text: &[u8]) -> Refusal {
    let mut words = text.splitn(3, |byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    let version = words.nth(1).unwrap_or_default();
    if !version.starts_with(b"HTTP/") {
        Refusal::bad_request("the request line is not: method, one space, target, one space, HTTP version")
    } else if method == b"PRI" && version.starts_with(b"HTTP/2") {
        Refusal::version_not_supported("this is the preface of HTTP/2, but the port speaks HTTP/1.1")
    } else {
        Refusal::version_not_supported("the HTTP version is neither 1.0 nor 1.1")
    }
}

/// The first field line whose name is wrong, told apart by what the attacks are called.
fn explain_field_name(text: &[u8]) -> Refusal {
    let mut rest = text;
    while let Some(end) = memchr(b'\n', rest) {
        rest = rest.get(end + 1..).unwrap_or_default();
        let name = rest.iter().take_while(|byte| is_token(**byte)).count();
        match rest.get(name..) {
            Some([b':', ..]) if name > 0 => {}
            Some([b':', ..]) => return Refusal::bad_request("a header has an empty name"),
            Some([b' ' | b'\t', ..]) if name == 0 => {
                return Refusal::bad_request("a header line begins with white space (obsolete line folding)");
            }
            Some([b' ' | b'\t', ..]) => {
                return Refusal::bad_request("white space stands between a header name and its colon");
            }
            Some([b'\r' | b'\n', ..]) => return Refusal::bad_request("a header line has no colon"),
            _ => break,
        }
    }
    Refusal::bad_request("a header name has a character that is not allowed")
}
