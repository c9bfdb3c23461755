//! permessage-deflate: the agreement on compression (RFC 7692 section 7.1).
//!
//! The client offers it, perhaps several times with other parameters, in the order it prefers them; the first offer that can be
//! met is answered. An offer with anything unknown, repeated or out of range is passed over.

use crate::deflate::{LARGEST_WINDOW, SMALLEST_WINDOW};

/// The name of the extension.
const NAME: &str = "permessage-deflate";

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    /// The largest window the client can decompress, in bits: 9 to 15.
    pub(crate) window_bits: u8,
    /// Whether the client asked for a smaller one, which is to be answered.
    asked: bool,
}

impl Deflate {
    /// Chooses among what the values of all `Sec-WebSocket-Extensions` fields offer; `None` when nothing of it can be met.
    pub fn choose<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Self> {
        values.into_iter().filter_map(|value| std::str::from_utf8(value).ok()).find_map(choose_in)
    }

    /// Appends the value of the answer's `Sec-WebSocket-Extensions`.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME.as_bytes());
        // The second binds the client whether or not it offered it (RFC 7692 section 7.1.1.2).
        out.extend_from_slice(b"; server_no_context_takeover; client_no_context_takeover");
        if self.asked {
            let bits = self.window_bits.to_string();
            out.extend_from_slice(b"; server_max_window_bits=");
            out.extend_from_slice(bits.as_bytes());
        }
    }
}

/// The first offer of one field that can be met. A field that is malformed has none from there on.
fn choose_in(value: &str) -> Option<Deflate> {
    let mut rest = value;
    while !rest.is_empty() {
        let (offer, after) = split_outside_quotes(rest, ',')?;
        rest = after;
        let met = meet(offer);
        if met.is_some() {
            return met;
        }
    }
    None
}

fn meet(offer: &str) -> Option<Deflate> {
    let (name, mut rest) = split_outside_quotes(offer, ';')?;
    if !name.trim_matches(SPACE).eq_ignore_ascii_case(NAME) {
        return None;
    }
    let mut seen = [false; 4];
    let mut deflate = Deflate { window_bits: LARGEST_WINDOW, asked: false };
    let mut more = offer.len() > name.len();
    while more {
        let (parameter, after) = split_outside_quotes(rest, ';')?;
        more = rest.len() > parameter.len();
        rest = after;
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_matches(SPACE), Some(unquote(value.trim_matches(SPACE))?)),
            None => (parameter.trim_matches(SPACE), None),
        };
        let place = match (name, value) {
            ("server_no_context_takeover", None) => 0,
            ("client_no_context_takeover", None) => 1,
            ("server_max_window_bits", Some(bits)) => {
                deflate.window_bits = window_bits(bits).filter(|bits| *bits >= SMALLEST_WINDOW)?;
                deflate.asked = true;
                2
            }
            ("client_max_window_bits", None) => 3,
            ("client_max_window_bits", Some(bits)) => {
                window_bits(bits)?;
                3
            }
            _ => return None,
        };
        if std::mem::replace(&mut seen[place], true) {
            return None;
        }
    }
    Some(deflate)
}

/// White space between the parts (RFC 9110 section 5.6.3).
const SPACE: [char; 2] = [' ', '\t'];

/// 8 to 15, without leading zeros (RFC 7692 section 7.1.2).
fn window_bits(text: &str) -> Option<u8> {
    match text {
        "8" => Some(8),
        "9" => Some(9),
        _ => text.parse().ok().filter(|bits| text.len() == 2 && (10..=LARGEST_WINDOW).contains(bits)),
    }
}

/// The value of a parameter that may be a quoted string; `None` when the quotes do not match. Nothing that is accepted needs an escape.
fn unquote(value: &str) -> Option<&str> {
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// What stands before the first `separator` that is in no quoted string, and after it; `None` when a quote is not closed.
fn split_outside_quotes(text: &str, separator: char) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => return Some((&text[..place], &text[place + 1..])),
            _ => {}
        }
    }
    (!quoted).then_some((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offers: &[&str]) -> Option<String> {
        let chosen = Deflate::choose(offers.iter().map(|offer| offer.as_bytes()))?;
        let mut out = Vec::new();
        chosen.write(&mut out);
        String::from_utf8(out).unwrap().strip_prefix(NAME).map(str::to_owned)
    }

    #[test]
    fn offers_that_can_be_met() {
        const BOTH: &str = "; server_no_context_takeover; client_no_context_takeover";
        for offers in [
            ["permessage-deflate"].as_slice(),
            &["Permessage-Deflate ; client_max_window_bits"],
            &["permessage-deflate; client_max_window_bits=8; server_no_context_takeover"],
            &["permessage-deflate;client_no_context_takeover;client_max_window_bits=\"10\""],
            &["x-webkit-deflate-frame, permessage-deflate"],
            &["unknown; of=\"a,b;\\\"\"", "permessage-deflate"],
            &[", permessage-deflate"],
            &["permessage-deflate; server_max_window_bits=8, permessage-deflate"],
        ] {
            assert_eq!(answer(offers).as_deref(), Some(BOTH), "{offers:?}");
        }
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(answer(&[&offer]), Some(format!("{BOTH}; server_max_window_bits={bits}")));
        }
    }

    #[test]
    fn offers_that_cannot() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate;",
            "permessage-deflate; other",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=\"10",
            "permessage-deflate; client_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        ] {
            assert_eq!(answer(&[offer]), None, "{offer}");
        }
    }
}
