//! What the header fields say about the message itself: its length, its host, whether the connection stays.
//!
//! Fields that only the application reads are not looked at.

use httparse::Header;

use crate::authority;
use crate::head::Version;
use crate::refusal::Refusal;

/// How the end of the request body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length`: this many bytes, 0 included.
    Length(u64),
    /// `Transfer-Encoding: chunked`: see [`ChunkedDecoder`](crate::ChunkedDecoder).
    Chunked,
}

/// What [`examine`] found.
pub(crate) struct Fields<'b> {
    pub(crate) host: Option<&'b [u8]>,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) expect_continue: bool,
    pub(crate) upgrade: bool,
}

/// Reads the fields that concern the message and refuses those that contradict each other or repeat.
pub(crate) fn examine<'b>(headers: &[Header<'b>], version: Version) -> Result<Fields<'b>, Refusal> {
    let seen = Seen::collect(headers)?;
    let framing = seen.framing(version)?;
    let has_body = !matches!(framing, Framing::None | Framing::Length(0));
    let current = version == Version::Http11;
    Ok(Fields {
        host: seen.host(version)?,
        framing,
        // RFC 9112 section 9.3, in its order.
        keep_alive: !seen.close && (current || seen.keep_alive),
        // An older client cannot be waiting for 100 (RFC 9110 section 10.1.1), nor can one without a body.
        expect_continue: current && seen.expect && has_body,
        // RFC 9110 section 7.8: to be ignored from an older client, or when Connection does not name it.
        upgrade: current && seen.connection_upgrade && seen.websocket,
    })
}

/// The fields of interest as they came.
#[derive(Default)]
struct Seen<'b> {
    host: Option<&'b [u8]>,
    content_length: Option<u64>,
    transfer_encoding: Option<&'b [u8]>,
    content_type: Option<()>,
    expect: bool,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    websocket: bool,
}

impl<'b> Seen<'b> {
    /// One pass. The length of a name tells nearly all other fields apart without looking at them.
    fn collect(headers: &[Header<'b>]) -> Result<Self, Refusal> {
        let mut seen = Self::default();
        for Header { name, value } in headers {
            match name.len() {
                4 if is(name, "host") => once(&mut seen.host, value, "there are several Host headers")?,
                6 if is(name, "expect") => seen.expect(value)?,
                7 if is(name, "upgrade") => {
                    seen.websocket |= members(value).any(|member| is_bytes(member, "websocket"))
                }
                10 if is(name, "connection") => seen.connection(value),
                12 if is(name, "content-type") => {
                    once(&mut seen.content_type, (), "there are several Content-Type headers")?;
                }
                14 if is(name, "content-length") => {
                    once(&mut seen.content_length, parse_length(value)?, "there are several Content-Length headers")?;
                }
                17 if is(name, "transfer-encoding") => {
                    once(&mut seen.transfer_encoding, value, "there are several Transfer-Encoding headers")?;
                }
                _ => {}
            }
        }
        Ok(seen)
    }

    /// `Connection`, a list of tokens that may come several times (RFC 9110 section 7.6.1).
    fn connection(&mut self, value: &[u8]) {
        for member in members(value) {
            match member.len() {
                5 => self.close |= is_bytes(member, "close"),
                7 => self.connection_upgrade |= is_bytes(member, "upgrade"),
                10 => self.keep_alive |= is_bytes(member, "keep-alive"),
                _ => {}
            }
        }
    }

    /// `Expect` (RFC 9110 section 10.1.1).
    fn expect(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.expect, true) {
            return Err(Refusal::expectation_failed("there are several Expect headers"));
        }
        if !is_bytes(value, "100-continue") {
            return Err(Refusal::expectation_failed("the only expectation that is met is 100-continue"));
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, of which only the cases that no two servers read differently are served.
    fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        match (self.transfer_encoding, self.content_length) {
            (None, None) => Ok(Framing::None),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (Some(_), Some(_)) => Err(Refusal::bad_request("there are both Content-Length and Transfer-Encoding")),
            (Some(_), None) if version == Version::Http10 => {
                Err(Refusal::bad_request("there is Transfer-Encoding in an HTTP/1.0 request"))
            }
            (Some(value), None) if is_bytes(value, "chunked") => Ok(Framing::Chunked),
            (Some(value), None) => Err(refuse_transfer_encoding(value)),
        }
    }

    /// RFC 9112 section 3.2 on the missing and the malformed `Host`. An empty one is what a client without an
    /// authority sends (RFC 9110 section 7.2).
    fn host(&self, version: Version) -> Result<Option<&'b [u8]>, Refusal> {
        match self.host {
            None if version == Version::Http11 => Err(Refusal::bad_request("there is no Host header")),
            Some(host) if !host.is_empty() && !authority::is_valid(host) => {
                Err(Refusal::bad_request("the Host header is not host[:port]"))
            }
            host => Ok(host),
        }
    }
}

/// Sets what must not be set yet.
fn once<T>(slot: &mut Option<T>, value: T, reason: &'static str) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad_request(reason)),
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110 section 8.6), without the list form that RFC 9112 section 6.3 would let pass.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() {
        return Err(Refusal::bad_request("Content-Length is empty"));
    }
    value.iter().try_fold(0_u64, |length, byte| {
        if !byte.is_ascii_digit() {
            return Err(Refusal::bad_request("Content-Length is not a decimal number"));
        }
        length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(byte - b'0')))
            .ok_or(Refusal::bad_request("Content-Length is larger than 64 bits"))
    })
}

/// Anything but `chunked`. Codings that exist are told from those that cannot be (RFC 9112 sections 6.1 and 7).
fn refuse_transfer_encoding(value: &[u8]) -> Refusal {
    const KNOWN: [&str; 5] = ["gzip", "deflate", "compress", "x-gzip", "x-compress"];
    let mut codings = members(value).rev();
    let chunked_last = codings.next().is_some_and(|last| is_bytes(last, "chunked"));
    if !chunked_last {
        Refusal::bad_request("Transfer-Encoding does not end with chunked, so the body has no end")
    } else if codings.all(|coding| KNOWN.iter().any(|known| is_bytes(coding, known))) {
        Refusal::not_implemented("Transfer-Encoding has a compression, and only chunked is served")
    } else {
        Refusal::bad_request("Transfer-Encoding is not chunked, once and alone")
    }
}

/// The members of a comma list, without the white space around them. An empty member is given too.
fn members(value: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn is(name: &str, expected: &str) -> bool {
    name.eq_ignore_ascii_case(expected)
}

fn is_bytes(value: &[u8], expected: &str) -> bool {
    value.eq_ignore_ascii_case(expected.as_bytes())
}
