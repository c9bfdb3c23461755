//! `Forwarded` taken apart (RFC 7239 section 4): elements with commas between them, and in each of them pairs with semicolons.
//!
//! Elements are split off from the right, so that what a proxy appended is read as it meant it, whatever a client wrote before: with an open quotation
//! mark it would swallow the rest of a list that is read from the left.

use std::net::IpAddr;

use hostler_http1::{Header, is_authority};

use super::{is_https, node};
use hostler_http1::{is_field_value, is_token};

/// What one proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// `for`: whom it got the request from; `None` where it does not tell an address.
    pub(super) client: Option<(IpAddr, u16)>,
    /// `proto`.
    pub(super) https: Option<bool>,
    /// `host`.
    pub(super) host: Option<Vec<u8>>,
}

/// The elements of all fields, the last one first; empty ones are none.
pub(super) fn elements<'h>(headers: &'h [Header<'h>]) -> impl Iterator<Item = &'h [u8]> {
    let fields = headers.iter().rev().filter(|header| header.name.eq_ignore_ascii_case("forwarded"));
    let elements = fields.flat_map(|header| {
        let mut rest = Some(header.value);
        std::iter::from_fn(move || {
            let (before, last) = split_last(rest?);
            rest = before;
            Some(last)
        })
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// What stands before the last comma that is in no quotation marks, and what stands after it.
fn split_last(list: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, byte) in list.iter().enumerate().rev() {
        match byte {
            b'"' if !quoted => quoted = true,
            b'"' => quoted = is_escaped(list, at),
            b',' if !quoted => return (Some(&list[..at]), &list[at + 1..]),
            _ => {}
        }
    }
    (None, list)
}

/// Whether an odd number of backslashes stands before this place.
fn is_escaped(list: &[u8], at: usize) -> bool {
    list[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

impl Element {
    /// `None` for what is no element: a name twice, a value that is neither a token nor quoted, an address that is none.
    pub(super) fn parse(mut rest: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let (mut has_client, mut has_proto, mut has_host) = (false, false, false);
        let once = |seen: &mut bool| !std::mem::replace(seen, true);
        loop {
            rest = rest.trim_ascii_start();
            if let Some(after) = rest.strip_prefix(b";") {
                rest = after;
                continue;
            }
            if rest.is_empty() {
                return Some(found);
            }
            let (name, value, after) = pair(rest)?;
            rest = after.trim_ascii_start();
            if !rest.is_empty() && rest[0] != b';' {
                return None;
            }
            if name.eq_ignore_ascii_case(b"for") {
                found.client = once(&mut has_client).then(|| client(&value))??;
            } else if name.eq_ignore_ascii_case(b"proto") {
                found.https = once(&mut has_proto).then(|| is_https(&value))?;
            } else if name.eq_ignore_ascii_case(b"host") {
                found.host = once(&mut has_host).then_some(value)?.into();
                found.host = found.host.filter(|host| is_authority(host));
            }
        }
    }
}

/// `token "=" ( token / quoted-string )`, and what follows it.
fn pair(from: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let (name, rest) = token(from)?;
    let rest = rest.strip_prefix(b"=")?;
    let Some(mut rest) = rest.strip_prefix(b"\"") else {
        let (value, rest) = token(rest)?;
        return Some((name, value.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'"' => return Some((name, value, rest)),
            b'\\' => {
                let (escaped, after) = rest.split_first()?;
                rest = after;
                value.push(*escaped);
            }
            _ => value.push(*byte),
        }
        if !value.last().copied().is_none_or(is_field_value) {
            return None;
        }
    }
}

fn token(from: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = from.iter().position(|byte| !is_token(*byte)).unwrap_or(from.len());
    (end > 0).then(|| from.split_at(end))
}

/// A node (RFC 7239 section 6): an address, or one that is `unknown` or hidden (`_…`); `None` for what is neither.
fn client(value: &[u8]) -> Option<Option<(IpAddr, u16)>> {
    let text = std::str::from_utf8(value).ok()?;
    let name = text.split(':').next()?;
    if name.eq_ignore_ascii_case("unknown") || name.starts_with('_') {
        return Some(None);
    }
    node(text).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(value: &str) -> Vec<String> {
        let headers = [Header { name: "Forwarded", value: value.as_bytes() }];
        elements(&headers).map(|one| String::from_utf8_lossy(one).into_owned()).collect()
    }

    #[test]
    fn elements_are_split_from_the_right() {
        for (value, expected) in [
            ("for=1.2.3.4", &["for=1.2.3.4"][..]),
            ("for=a, for=b;proto=http ,for=c", &["for=c", "for=b;proto=http", "for=a"]),
            ("for=\"_a,b\",for=c", &["for=c", "for=\"_a,b\""]),
            ("for=\"a\\\",b\", for=c", &["for=c", "for=\"a\\\",b\""]),
            ("for=\"a\\\\\", for=c", &["for=c", "for=\"a\\\\\""]),
            // What a client left open takes nothing of what follows.
            ("for=\"x, for=1.2.3.4", &["for=1.2.3.4", "for=\"x"]),
            ("\", for=\"[::1]\"", &["for=\"[::1]\"", "\""]),
            (",, ,", &[]),
        ] {
            assert_eq!(split(value), expected, "{value}");
        }
    }

    #[test]
    fn an_element_is_taken_apart() {
        let element = Element::parse(
            b"For=\"[2001:db8:cafe::17]:4711\"; PROTO=HTTPS;host=\"shop.example:8443\";by=_me;x=\"\\\"\"",
        )
        .unwrap();
        assert_eq!(element.client, Some(("2001:db8:cafe::17".parse().unwrap(), 4711)));
        assert_eq!((element.https, element.host.as_deref()), (Some(true), Some(b"shop.example:8443".as_slice())));
        for (text, client) in [
            ("for=192.0.2.43", Some("192.0.2.43")),
            ("for=\"192.0.2.43:47011\"", Some("192.0.2.43")),
            ("for=\"192.0.2.43:_port\"", Some("192.0.2.43")),
            ("for=\"[::ffff:192.0.2.43]\"", Some("192.0.2.43")),
            ("for=unknown", None),
            ("for=_hidden", None),
            ("proto=gopher", None),
            ("host=\"a b\"", None),
            (";;", None),
        ] {
            let element = Element::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(element.client.map(|(ip, _)| ip.to_string()).as_deref(), client, "{text}");
            assert_eq!((element.https, element.host), (None, None), "{text}");
        }
    }

    #[test]
    fn what_is_no_element_is_told() {
        for text in [
            "for",
            "for=",
            "=1.2.3.4",
            "for = 1.2.3.4",
            "for=1.2.3.4;for=1.2.3.4",
            "for=1.2.3.4 proto=http",
            "for=\"1.2.3.4",
            "for=\"1.2.3.4\"x",
            "for=1.2.3.4:80",
            "for=[::1]",
            "for=\"::1\"",
            "for=\"[::1\"",
            "for=\"[::1]x\"",
            "for=\"[1.2.3.4]\"",
            "for=\"1.2.3.4:\"",
            "for=\"1.2.3.4:+1\"",
            "for=\"1.2.3.4:65536\"",
            "for=1.2.3",
            "for=somebody",
            "for=\"1.2.3.4\\\"",
        ] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_wrote_before_the_proxys_word_is_the_last(before in "[ -~\\t]{0,40}", host in "[ -!#-\\[\\]-~]{0,10}") {
            let value = format!("{before}, for=\"[2001:db8::1]:80\";by=\"{host}\"");
            let headers = [Header { name: "Forwarded", value: value.as_bytes() }];
            let last = elements(&headers).next().and_then(Element::parse).unwrap();
            prop_assert_eq!(last.client, Some(("2001:db8::1".parse().unwrap(), 80)));
            for element in elements(&headers) {
                let _no_panic = Element::parse(element);
            }
        }
    }
}
