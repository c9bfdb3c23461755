//! What the settings file will say. The daemon writes the file; this shows it before, as near as a text without its
//! grammar can be had: keys at the beginning of lines, values that may go on over several.

use hostler_bus::daemon::Change;

/// The text after the changes, each with its value as it is written; keys that are not there stand at the end.
#[must_use]
pub fn preview(text: &str, set: &[(String, String)], unset: &[String]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for key in unset {
        if let Some(place) = place(&lines, key) {
            lines.drain(place);
        }
    }
    let mut added = Vec::new();
    for (key, value) in set {
        match place(&lines, key) {
            Some(place) => {
                let comment = comment(&lines[place.end - 1]).map(|comment| format!("  {comment}")).unwrap_or_default();
                lines.splice(place, [format!("{key} = {value}{comment}")]);
            }
            None => added.push(format!("{key} = {value}")),
        }
    }
    // Tables end the settings at the top.
    let end = lines.iter().position(|line| line.starts_with('[')).unwrap_or(lines.len());
    lines.splice(end..end, added);
    let mut text = lines.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// The difference between two texts, unified.
#[must_use]
pub fn difference(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after).unified_diff().context_radius(2).to_string()
}

/// The difference that a change makes to a text; `value` says how words are written.
#[must_use]
pub fn difference_of(text: &str, change: &Change, value: impl Fn(&str, &[String]) -> String) -> String {
    let set: Vec<(String, String)> = change.set.iter().map(|(key, words)| (key.clone(), value(key, words))).collect();
    difference(text, &preview(text, &set, &change.unset))
}

/// The lines of a key with its value.
fn place(lines: &[String], key: &str) -> Option<std::ops::Range<usize>> {
    let start = lines.iter().position(|line| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let mut depth = 0;
    for (offset, line) in lines[start..].iter().enumerate() {
        depth += depth_of(line);
        if depth <= 0 {
            return Some(start..start + offset + 1);
        }
    }
    Some(start..start + 1)
}

/// By how much a line opens more brackets than it closes, outside of texts and comments.
fn depth_of(line: &str) -> i32 {
    let (mut depth, mut quote) = (0, None);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') => break,
            (None, '[') => depth += 1,
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    depth
}

/// The comment at the end of a line.
fn comment(line: &str) -> Option<&str> {
    let mut quote = None;
    for (at, character) in line.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '#') => return Some(&line[at..]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# The shop.\nworkers = 2   # two are enough\n\nbind = [\n  \":80\", # all ]\n]\ntimeout = 60\n";

    fn after(set: &[(&str, &str)], unset: &[&str]) -> String {
        let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let unset: Vec<_> = unset.iter().map(|key| (*key).to_owned()).collect();
        preview(TEXT, &set, &unset)
    }

    #[test]
    fn values_are_replaced_where_they_stand() {
        assert_eq!(after(&[("workers", "4")], &[]), TEXT.replace("2   # two", "4  # two"));
        let bound = after(&[("bind", "[\":8000\"]")], &[]);
        assert_eq!(bound, "# The shop.\nworkers = 2   # two are enough\n\nbind = [\":8000\"]\ntimeout = 60\n");
        assert_eq!(after(&[("threads", "8")], &["bind", "nothing"]).lines().last(), Some("threads = 8"));
        assert_eq!(after(&[], &["timeout"]), TEXT.replace("timeout = 60\n", ""));
        assert_eq!(preview("", &[("a".to_owned(), "1".to_owned())], &[]), "a = 1\n");
        assert_eq!(
            preview("a = 1\n[env]\nB = 2\n", &[("c".to_owned(), "3".to_owned())], &[]),
            "a = 1\nc = 3\n[env]\nB = 2\n"
        );
    }

    #[test]
    fn the_difference_is_unified() {
        let told = difference(TEXT, &after(&[("timeout", "90")], &[]));
        assert!(told.contains("\n-timeout = 60\n+timeout = 90\n"), "{told}");
        assert_eq!(difference(TEXT, TEXT), "");
    }
}
