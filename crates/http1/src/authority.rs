//! `host[:port]`, the form that `Host` and the authority of a target share (RFC 9110 section 7.2, RFC 3986 section 3.2).

use std::net::Ipv6Addr;

use crate::characters::{hexadecimal_digit, is_host};

/// Whether `authority` is a host with an optional port: a registered name, an IPv4 address, or an IPv6 address in
/// brackets. The port may be empty, as RFC 3986 has it.
///
/// User information (`user@host`) is none of it: RFC 9110 section 4.2.4 has it treated as an error. Neither are
/// a zone of an IPv6 address and the never used `IPvFuture`. An empty host is not valid here.
#[must_use]
pub fn is_valid(authority: &[u8]) -> bool {
    match authority {
        [] | [b':', ..] => false,
        [b'[', rest @ ..] => is_bracketed(rest),
        _ => is_named(authority),
    }
}

/// Whether a valid `authority` names a port, as the target of CONNECT has to (RFC 9110 section 9.3.6).
pub(crate) fn has_port(authority: &[u8]) -> bool {
    authority.contains(&b':') && authority.last().is_some_and(u8::is_ascii_digit)
}

/// `reg-name [ ":" port ]`, known not to be empty. One round for a plain name, another for each percent-encoded byte.
fn is_named(authority: &[u8]) -> bool {
    let mut rest = authority;
    loop {
        let plain = rest.iter().position(|byte| !is_host(*byte)).unwrap_or(rest.len());
        match rest.get(plain..) {
            None | Some([]) => return true,
            Some([b':', port @ ..]) => return is_port(port),
            Some([b'%', high, low, after @ ..])
                if hexadecimal_digit(*high).is_some() && hexadecimal_digit(*low).is_some() =>
            {
                rest = after;
            }
            Some(_) => return false,
        }
    }
}

/// `IPv6address "]" [ ":" port ]`, what follows the opening bracket.
fn is_bracketed(rest: &[u8]) -> bool {
    let Some(end) = rest.iter().position(|byte| *byte == b']') else {
        return false;
    };
    let (address, after) = rest.split_at(end);
    let is_address = std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    is_address
        && match after {
            [b']'] => true,
            [b']', b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// `port = *DIGIT`, at most 65535.
fn is_port(port: &[u8]) -> bool {
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0')) <= 65535
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_authorities() {
        for text in [
            "a",
            "example.com",
            "example.com:80",
            "example.com:",
            "127.0.0.1:8000",
            "localhost:65535",
            "a_b",
            "0.0.0.0=5000",
            "%41bc",
            "a%2dz:1",
            "[::1]",
            "[::1]:8080",
            "[2001:db8::192.0.2.1]:",
            "xn--bcher-kva.example",
            "EXAMPLE.com.",
        ] {
            assert!(is_valid(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn invalid_authorities() {
        for text in [
            "",
            ":",
            ":80",
            "a b",
            "a,b",
            "a@b",
            "user:pass@a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:-1",
            "a:000080",
            "a:+80",
            "%4",
            "%",
            "a%zz",
            "a%4g",
            "[::1",
            "::1",
            "::1]",
            "[]",
            "[a]",
            "[::1]80",
            "[::1]:x",
            "[::1]]",
            "[fe80::1%eth0]",
            "[v1.a]",
            "[127.0.0.1]",
            "a[::1]",
            "b\u{fc}cher",
            "a\t",
            "a\"b",
            "a<b>",
            "a|b",
            "a{b}",
            "a^b",
            "a`b",
        ] {
            assert!(!is_valid(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn ports_named() {
        for (text, named) in
            [("a", false), ("a:", false), ("a:1", true), ("[::1]", false), ("[::1]:443", true), ("a1", false)]
        {
            assert_eq!(has_port(text.as_bytes()), named, "{text:?}");
        }
    }
}
