//! Values as they are written in a file, as words that are typed, and back.

use hostler_bus::daemon::{Form, SettingInfo};
use toml_edit::Value;

/// The words of a value as it is written in a file: one, or several of a list. What is no value is taken as a word as it
/// is.
#[must_use]
pub fn words(value: &str) -> Vec<String> {
    let value = value.trim();
    value.parse().map_or_else(|_| vec![value.to_owned()], |value| words_of(&value))
}

/// The words of a value: one, or several of a list. Bounds `{ min = 1, max = 8 }` are the word `1..8`.
#[must_use]
pub fn words_of(value: &Value) -> Vec<String> {
    let bare = |value: &Value| value.clone().decorated("", "").to_string();
    match value {
        Value::Array(items) => items.iter().flat_map(words_of).collect(),
        Value::String(text) => vec![text.value().clone()],
        Value::InlineTable(bounds) => match (bounds.get("min"), bounds.get("max")) {
            (Some(min), Some(max)) => vec![format!("{}..{}", bare(min), bare(max))],
            _ => vec![bare(value)],
        },
        other => vec![bare(other)],
    }
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
            ("\"tab\\tand é and \\u00e9\"", &["tab\tand é and é"]),
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
