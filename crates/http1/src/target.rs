//! The request target (RFC 9112 section 3.2): its four forms, and which method may have which.

use memchr::{memchr, memchr2};

use crate::authority;
use crate::characters::hexadecimal_digit;
use crate::refusal::Refusal;

/// The target of a request, taken apart and not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'b> {
    /// All of it, as sent: printable ASCII.
    pub raw: &'b str,
    /// The path, still percent-encoded. It begins with `/`, or is `*` for `OPTIONS *`. `/` when the
    /// absolute form has none.
    pub path: &'b [u8],
    /// What follows the first `?`, still encoded; empty without one.
    pub query: &'b [u8],
    /// The `host[:port]` of the absolute form. It is to be used in place of the `Host` field (RFC 9112 section 3.2.2).
    pub authority: Option<&'b [u8]>,
}

/// Takes a target apart. httparse saw to it that `raw` holds no space, no control and is not empty.
///
/// Of printable ASCII everything but `#` goes through, as with gunicorn, although RFC 3986 knows fewer characters:
/// browsers send `|`, `{`, `}`, `^`, the back-quote and the backslash in queries as they are.
pub(crate) fn parse<'b>(method: &str, raw: &'b str) -> Result<Target<'b>, Refusal> {
    if !raw.is_ascii() {
        return Err(Refusal::bad_request("the request target has bytes outside ASCII: percent-encode them"));
    }
    let bytes = raw.as_bytes();
    if method == "CONNECT" {
        return Err(refuse_connect(bytes));
    }
    match bytes {
        [b'/', ..] => split(raw, bytes, None),
        b"*" if method == "OPTIONS" => Ok(Target { raw, path: b"*", query: b"", authority: None }),
        b"*" => Err(Refusal::bad_request("the target * is for OPTIONS only")),
        _ => parse_absolute(raw, bytes),
    }
}

/// Appends `path` to `output`, percent-decoded once, as PEP 3333 and `urllib.parse.unquote_to_bytes` have it for
/// `PATH_INFO`: `%2F` becomes `/`, `+` stays, and an escape that is none stays as it is.
pub fn percent_decode_path(path: &[u8], output: &mut Vec<u8>) {
    output.reserve(path.len());
    let mut rest = path;
    while let Some(position) = memchr(b'%', rest) {
        let (plain, escape) = rest.split_at(position);
        output.extend_from_slice(plain);
        rest = match escape {
            [_, high, low, after @ ..] => match (hexadecimal_digit(*high), hexadecimal_digit(*low)) {
                (Some(high), Some(low)) => {
                    output.push(high << 4 | low);
                    after
                }
                _ => {
                    output.push(b'%');
                    escape.get(1..).unwrap_or_default()
                }
            },
            _ => {
                // Too short to be an escape, so nothing after it is one either.
                output.extend_from_slice(escape);
                return;
            }
        };
    }
    output.extend_from_slice(rest);
}

/// `scheme "://" authority path-abempty [ "?" query ]`, for http and https.
fn parse_absolute<'b>(raw: &'b str, bytes: &'b [u8]) -> Result<Target<'b>, Refusal> {
    let Some(rest) = strip_scheme(bytes) else {
        return Err(Refusal::bad_request(
            "the request target is neither a path, nor an http or https URL, and the method is not CONNECT",
        ));
    };
    let end = memchr2(b'/', b'?', rest).unwrap_or(rest.len());
    let (host, path_and_query) = rest.split_at(end);
    if !authority::is_valid(host) {
        return Err(Refusal::bad_request("the authority of the request target is not host[:port]"));
    }
    let mut target = split(raw, path_and_query, Some(host))?;
    if target.path.is_empty() {
        target.path = b"/";
    }
    Ok(target)
}

/// What follows `http://` or `https://`, in any case.
fn strip_scheme(bytes: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = bytes.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Cuts at the first `?`. A fragment has no place in a request target, and servers differ in what they make of one.
fn split<'b>(raw: &'b str, bytes: &'b [u8], authority: Option<&'b [u8]>) -> Result<Target<'b>, Refusal> {
    let fragment = Err(Refusal::bad_request("the request target has a fragment (#): percent-encode it as %23"));
    let Some(position) = memchr2(b'?', b'#', bytes) else {
        return Ok(Target { raw, path: bytes, query: b"", authority });
    };
    let (path, query) = bytes.split_at(position);
    match query {
        [b'?', query @ ..] if memchr(b'#', query).is_none() => Ok(Target { raw, path, query, authority }),
        _ => fragment,
    }
}

/// Hostler is an origin server: it makes no tunnels, RFC 9110 section 9.3.6.
fn refuse_connect(target: &[u8]) -> Refusal {
    if authority::is_valid(target) && authority::has_port(target) {
        Refusal::not_implemented("CONNECT is not served")
    } else {
        Refusal::bad_request("the target of CONNECT is not host:port")
    }
}
