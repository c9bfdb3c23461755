//! Making bytes of strangers harmless in a log line: they can end neither the line nor their quotes, nor steer a
//! terminal.

/// Appends `bytes` for the inside of double quotes, as Apache does: quote and backslash get a backslash, every byte
/// that is not printable ASCII becomes `\xHH`. Reversible, and free of raw control characters whatever comes in.
pub(crate) fn quoted_ascii(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(position) = rest.iter().position(|byte| !(0x20..0x7f).contains(byte) || matches!(byte, b'"' | b'\\'))
    {
        let (plain, after) = rest.split_at(position);
        out.extend_from_slice(plain);
        if let Some((byte, after)) = after.split_first() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                byte => out.extend_from_slice(&[b'\\', b'x', hex_digit(byte >> 4), hex_digit(byte & 15)]),
            }
            rest = after;
        }
    }
    out.extend_from_slice(rest);
}

/// Appends a value that stands alone: as it is when it is plain, `-` when it is empty, else in quotes.
pub(crate) fn bare_ascii(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push(b'-');
    } else if bytes.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')) {
        out.extend_from_slice(bytes);
    } else {
        out.push(b'"');
        quoted_ascii(out, bytes);
        out.push(b'"');
    }
}

/// Appends `bytes` as a JSON string with its quotes (RFC 8259, 7). What is not UTF-8 becomes U+FFFD; characters that
/// are not visible themselves (control, direction, separators) are escaped though JSON allows most of them raw.
pub(crate) fn json_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        json_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

/// Appends text for the error log: UTF-8 stays readable, what is not visible becomes `\n`, `\t`, `\x1b`, `\u{202e}`.
pub(crate) fn visible(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if u32::from(character) < 0x80 && character.is_control() => {
                let byte = character as u8;
                out.push_str("\\x");
                out.push(char::from(hex_digit(byte >> 4)));
                out.push(char::from(hex_digit(byte & 15)));
            }
            character if is_invisible(character) => out.extend(character.escape_unicode()),
            character => out.push(character),
        }
    }
}

/// Appends a value of the error log: as it is when it is one plain word, else in quotes.
pub(crate) fn visible_value(out: &mut String, text: &str) {
    let plain = !text.is_empty()
        && text.chars().all(|character| {
            !character.is_whitespace() && !is_invisible(character) && !matches!(character, '"' | '\\' | '=')
        });
    if plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for piece in text.split_inclusive(['"', '\\']) {
        match piece.char_indices().next_back() {
            Some((position, last @ ('"' | '\\'))) => {
                visible(out, piece.get(..position).unwrap_or_default());
                out.push('\\');
                out.push(last);
            }
            _ => visible(out, piece),
        }
    }
    out.push('"');
}

/// Control characters, and those that order or separate text without being seen: they make a line on a terminal read
/// otherwise than it is written.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
                | 0xfff9..=0xfffb | 0xe0000..=0xe007f
        )
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    let mut start = 0;
    for (position, character) in text.char_indices() {
        if !matches!(character, '"' | '\\') && !is_invisible(character) {
            continue;
        }
        out.extend_from_slice(text.get(start..position).unwrap_or_default().as_bytes());
        start = position + character.len_utf8();
        match character {
            '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            character => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let [high, low] = unit.to_be_bytes();
                    out.extend_from_slice(b"\\u");
                    for byte in [high, low] {
                        out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
                    }
                }
            }
        }
    }
    out.extend_from_slice(text.get(start..).unwrap_or_default().as_bytes());
}

fn hex_digit(value: u8) -> u8 {
    match value & 15 {
        digit @ 0..10 => b'0' + digit,
        letter => b'a' + letter - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(escape: fn(&mut Vec<u8>, &[u8]), bytes: &[u8]) -> String {
        let mut out = Vec::new();
        escape(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_hold() {
        for (bytes, expected) in [
            (&b"plain text"[..], "plain text"),
            (b"\" 200 \"", "\\\" 200 \\\""),
            (b"a\\\"", "a\\\\\\\""),
            (b"a\r\nb\0\x1b[2J\x7f", "a\\x0d\\x0ab\\x00\\x1b[2J\\x7f"),
            ("é".as_bytes(), "\\xc3\\xa9"),
            (b"\xff", "\\xff"),
        ] {
            assert_eq!(collect(quoted_ascii, bytes), expected);
        }
        assert_eq!(collect(bare_ascii, b""), "-");
        assert_eq!(collect(bare_ascii, b"a-1"), "a-1");
        assert_eq!(collect(bare_ascii, b"a status=200"), "\"a status=200\"");
    }

    #[test]
    fn json_strings() {
        for (bytes, expected) in [
            ("é\"\\".as_bytes(), "\"é\\\"\\\\\""),
            (b"a\n\t\x1b\x7f", "\"a\\n\\t\\u001b\\u007f\""),
            (b"a\xff\xfeb", "\"a\\ufffd\\ufffdb\""),
            ("\u{202e}\u{e0001}".as_bytes(), "\"\\u202e\\udb40\\udc01\""),
        ] {
            assert_eq!(collect(json_string, bytes), expected);
        }
    }

    #[test]
    fn values_of_the_error_log() {
        for (text, expected) in [
            ("plain", "plain"),
            ("é", "é"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a\" level=x", "\"a\\\" level=x\""),
            ("\\\"\\", "\"\\\\\\\"\\\\\""),
            ("a\n\x1b\u{202e}", "\"a\\n\\x1b\\u{202e}\""),
        ] {
            let mut out = String::new();
            visible_value(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
