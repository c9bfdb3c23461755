//! The text of a settings file: keys with what they mean, and what is often changed with its default.

use std::path::Path;

use hostler_settings::{Mistakes, Reading, SettingMeta, Settings, metas};
use toml_edit::Value;

/// One setting of a file.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// What is to be said of this value, below what the setting is; one line or more.
    pub note: Option<String>,
}

impl Entry {
    /// A setting of which nothing is to be said.
    #[must_use]
    pub fn new(key: &str, value: impl Into<Value>) -> Self {
        Self { key: key.to_owned(), value: value.into(), note: None }
    }

    /// The same with something said of it.
    #[must_use]
    pub fn note(mut self, note: &str) -> Self {
        self.note = Some(note.to_owned());
        self
    }
}

/// The text of a file: `head` as a comment, the entries, and behind them the keys of `offered` that are not among them, each
/// with its default (or the example that is given) and out of force. `path` is for mistakes only. What Hostler makes of it is told, too.
///
/// # Errors
/// When what the entries say is not what Hostler takes; all mistakes at once.
pub fn compose(
    path: &Path,
    head: &str,
    entries: &[Entry],
    offered: &[(&str, &str)],
) -> Result<(String, Settings), Mistakes> {
    let mut text = comment(head);
    for entry in entries {
        text.push('\n');
        if let Some(meta) = meta(&entry.key) {
            text.push_str(&comment(summary(meta)));
        }
        text.push_str(&entry.note.as_deref().map(comment).unwrap_or_default());
        text.push_str(&format!("{} = {}\n", entry.key, entry.value.to_string().trim()));
    }
    let offered = offered.iter().filter(|(key, _)| entries.iter().all(|entry| entry.key != *key));
    // What a key of another version is called is of no use to anybody.
    let offered: Vec<_> = offered.filter_map(|(key, example)| Some((meta(key)?, *example))).collect();
    if !offered.is_empty() {
        text.push_str("\n# Often changed, with what holds without them. `hostler help run` lists all settings.\n");
    }
    for (meta, example) in offered {
        let value = if example.is_empty() { meta.default.as_deref().unwrap_or("\"\"") } else { example };
        text.push_str(&format!("\n{}#{} = {value}\n", comment(summary(meta)), meta.key));
    }
    let mut reading = Reading::new();
    reading.file(path, &text);
    let settings = reading.finish()?;
    Ok((text, settings))
}

fn meta(key: &str) -> Option<&'static SettingMeta> {
    metas().iter().find(|meta| meta.key == key)
}

fn summary(meta: &SettingMeta) -> &str {
    meta.doc.lines().next().unwrap_or_default()
}

fn comment(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_its_keys_are_and_can_be_read() {
        let entries = [Entry::new("app", "shop:app"), Entry::new("workers", 2).note("As gunicorn had it.")];
        let text = compose(Path::new("x"), "A shop.", &entries, &[("workers", ""), ("threads", "4"), ("no_such", "")]);
        let (text, _) = text.unwrap();
        assert!(text.starts_with("# A shop.\n\n# The application, as "), "{text}");
        assert!(text.contains("\n# As gunicorn had it.\nworkers = 2\n"), "{text}");
        assert!(
            text.ends_with("\n#threads = 4\n") && !text.contains("#workers") && !text.contains("no_such"),
            "{text}"
        );
        let named: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' '))).collect();
        assert_eq!(named, ["threads = 4"]);
    }

    #[test]
    fn a_text_is_quoted_and_what_is_wrong_is_told() {
        let (text, _) = compose(Path::new("x"), "", &[Entry::new("chdir", "/srv/a \"b\"\\c")], &[]).unwrap();
        let mut reading = Reading::new();
        reading.file(Path::new("x"), &text);
        assert_eq!(reading.finish().unwrap().app.chdir.unwrap(), Path::new("/srv/a \"b\"\\c"));
        let mistakes = compose(Path::new("x"), "", &[Entry::new("workers", 0), Entry::new("timeout", "x")], &[]);
        assert_eq!(mistakes.unwrap_err().0.len(), 2);
    }
}
