//! Values as they are written in a file, as words that are typed, and back.

use hostler_bus::daemon::{Form, SettingInfo};

/// The words of a value as it is written in a file: one, or several of a list. Bounds `{ min = 1, max = 8 }` are the
/// word `1..8`. What is no value is taken as a word as it is.
#[must_use]
pub fn words(value: &str) -> Vec<String> {
    let value = value.trim();
    if let Some(items) = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return parts(items).into_iter().map(word).collect();
    }
    vec![word(value)]
}

/// Words as they would be written in a file.
#[must_use]
pub fn written(info: &SettingInfo, words: &[String]) -> String {
    if info.list {
        let items: Vec<String> = words.iter().map(|word| item(info.form, word)).collect();
        return format!("[{}]", items.join(", "));
    }
    item(info.form, words.first().map_or("", String::as_str))
}

/// What stands between the commas of a list; commas in texts and tables part nothing.
fn parts(list: &str) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quote, mut escaped) = (Vec::new(), 0, 0_usize, None, false);
    for (at, character) in list.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn word(value: &str) -> String {
    let value = value.trim();
    if let Some(text) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return unescaped(text);
    }
    if let Some(text) = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return text.to_owned();
    }
    bounds(value).unwrap_or_else(|| value.to_owned())
}

/// `{ min = 1, max = 8 }` as `1..8`.
fn bounds(value: &str) -> Option<String> {
    let entries = value.strip_prefix('{')?.strip_suffix('}')?;
    let of = |name: &str| {
        let entry = entries.split(',').find_map(|entry| {
            let (key, value) = entry.split_once('=')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        });
        entry.filter(|value| !value.is_empty())
    };
    Some(format!("{}..{}", of("min")?, of("max")?))
}

/// A text without the escapes of TOML, and of Rust, which defaults are written with.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('0') => plain.push('\0'),
            Some(mark @ ('u' | 'U')) => {
                let digits: String = match rest.clone().next() {
                    Some('{') => rest.by_ref().skip(1).take_while(|digit| *digit != '}').collect(),
                    _ => rest.by_ref().take(if mark == 'u' { 4 } else { 8 }).collect(),
                };
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                plain.push(code.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

fn item(form: Form, word: &str) -> String {
    let number = !word.is_empty() && word.chars().all(|character| character.is_ascii_digit() || character == '.');
    let bare = match form {
        Form::Boolean => word == "true" || word == "false",
        Form::Count | Form::CountOrAuto | Form::Bytes | Form::Duration => number,
        Form::Workers => number && !word.contains(".."),
        _ => false,
    };
    if bare { word.to_owned() } else { quoted(word) }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other if other.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_words() {
        let cases: [(&str, &[&str]); 12] = [
            ("30", &["30"]),
            ("true", &["true"]),
            ("\"16MiB\"", &["16MiB"]),
            ("\"shop.wsgi:application\"", &["shop.wsgi:application"]),
            ("{ min = 1, max = 8 }", &["1..8"]),
            ("0o027", &["0o027"]),
            ("[]", &[]),
            ("[\":80\", \"unix:/run/a,b.sock\"]", &[":80", "unix:/run/a,b.sock"]),
            ("[\"A=\\\"x, y\\\"\", 'B=]']", &["A=\"x, y\"", "B=]"]),
            ("\"tab\\tand \\u{e9} and \\u00e9\"", &["tab\tand é and é"]),
            ("\"back\\\\slash\"", &["back\\slash"]),
            ("", &[""]),
        ];
        for (value, expected) in cases {
            assert_eq!(words(value), expected, "{value}");
        }
    }

    #[test]
    fn words_become_values() {
        let info = |form: Form, list: bool| SettingInfo { form, list, ..SettingInfo::default() };
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (form, list, typed, value) in [
            (Form::Count, false, vec!["4"], "4"),
            (Form::Count, false, vec!["4x"], "\"4x\""),
            (Form::Boolean, false, vec!["true"], "true"),
            (Form::Workers, false, vec!["1..8"], "\"1..8\""),
            (Form::Workers, false, vec!["8"], "8"),
            (Form::Duration, false, vec!["1.5"], "1.5"),
            (Form::Duration, false, vec!["5min"], "\"5min\""),
            (Form::Text, true, vec![":80", "a\"b\\c\n"], "[\":80\", \"a\\\"b\\\\c\\n\"]"),
            (Form::Text, true, vec![], "[]"),
            (Form::Path, false, vec!["/srv/é"], "\"/srv/é\""),
        ] {
            let value_of = written(&info(form, list), &all(&typed));
            assert_eq!(value_of, value);
            assert_eq!(words(&value_of), typed, "and back");
        }
    }
}
