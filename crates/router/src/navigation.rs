//! Whether a request is one whose answer a person will look at: a navigation of a browser.

use hostler_http1::Head;

/// Whether a browser shows the answer as a page. It says so itself (Fetch Metadata, `Sec-Fetch-Mode`) where the connection is trustworthy, which
/// means over TLS or on the same machine; else it is told by HTML being what is wanted most (RFC 9110 section 12.5.1).
pub(crate) fn is_navigation(head: &Head<'_, '_>) -> bool {
    if !matches!(head.method, "GET" | "HEAD") {
        return false;
    }
    let find = |name: &str| head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    match find("sec-fetch-mode") {
        Some(mode) => mode.value.eq_ignore_ascii_case(b"navigate"),
        None => find("accept").is_some_and(|accept| prefers_html(accept.value)),
    }
}

/// Whether HTML is named, and nothing else is wanted more.
fn prefers_html(accept: &[u8]) -> bool {
    let (mut html, mut others) = (0, 0);
    for range in accept.split(|byte| *byte == b',') {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(quality).unwrap_or(1000);
        if media.eq_ignore_ascii_case(b"text/html") || media.eq_ignore_ascii_case(b"application/xhtml+xml") {
            html = html.max(weight);
        } else if !media.is_empty() {
            others = others.max(weight);
        }
    }
    html > 0 && html >= others
}

/// The weight of a parameter `q=`, in thousandths; one that cannot be read wants nothing.
fn quality(parameter: &[u8]) -> Option<u32> {
    let (name, value) = parameter.split_at_checked(2)?;
    if !name.eq_ignore_ascii_case(b"q=") {
        return None;
    }
    let weight: f32 = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(0.0);
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use hostler_http1::{Limits, parse_head};

    use super::*;

    fn navigates(method: &str, headers: &str) -> bool {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        let mut scratch = [const { MaybeUninit::uninit() }; 8];
        let limits = Limits { request_line: 100, fields: 8, field_size: 200, head: 1000 };
        is_navigation(&parse_head(text.as_bytes(), &limits, &mut scratch).unwrap().unwrap())
    }

    #[test]
    fn browsers_say_what_they_do() {
        assert!(navigates("GET", "Sec-Fetch-Mode: navigate\r\nAccept: */*\r\n"));
        assert!(!navigates("POST", "Sec-Fetch-Mode: navigate\r\n"));
        for mode in ["cors", "no-cors", "websocket", "same-origin"] {
            assert!(!navigates("GET", &format!("sec-fetch-mode: {mode}\r\nAccept: text/html\r\n")), "{mode}");
        }
    }

    #[test]
    fn others_are_told_by_what_they_accept() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "application/json;q=0.5, text/html; q=0.6",
            "application/xhtml+xml",
        ] {
            assert!(navigates("GET", &format!("Accept: {accept}\r\n")), "{accept}");
        }
        for accept in
            ["*/*", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", "text/html;q=x", ""]
        {
            assert!(!navigates("GET", &format!("Accept: {accept}\r\n")), "{accept}");
        }
        assert!(!navigates("GET", ""));
    }
}
