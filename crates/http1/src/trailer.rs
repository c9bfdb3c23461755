//! The names that no trailer field may have.

/// The longest forbidden name, in bytes: of longer names nothing but the start has to be kept.
pub(crate) const LONGEST: usize = 19;

/// Whether RFC 9110 section 6.5.1 forbids a trailer field of this name, given in small letters: fields for framing, routing,
/// request modifiers (controls and conditionals), authentication, and how to read the content.
pub(crate) fn is_forbidden(name: &[u8]) -> bool {
    is_forbidden_start(name) || FORBIDDEN.contains(&name)
}

/// Whether every name that begins so is forbidden: the conditionals, known and to come.
pub(crate) fn is_forbidden_start(name: &[u8]) -> bool {
    name.starts_with(b"if-")
}

const FORBIDDEN: [&[u8]; 25] = [
    // Framing and the connection.
    b"content-length",
    b"transfer-encoding",
    b"trailer",
    b"te",
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"upgrade",
    // Routing.
    b"host",
    b"forwarded",
    // Request modifiers.
    b"cache-control",
    b"expect",
    b"max-forwards",
    b"pragma",
    b"range",
    // Authentication and state.
    b"authorization",
    b"proxy-authorization",
    b"proxy-authenticate",
    b"www-authenticate",
    b"authentication-info",
    b"cookie",
    b"set-cookie",
    // How to read the content.
    b"content-encoding",
    b"content-type",
    b"content-range",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_the_longest_and_all_are_small() {
        assert_eq!(FORBIDDEN.iter().map(|name| name.len()).max(), Some(LONGEST));
        for name in FORBIDDEN {
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }
}
