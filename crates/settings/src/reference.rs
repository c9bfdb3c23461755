//! The reference of all settings in Markdown, from their declarations.

use crate::kind::Kind;
use crate::meta::SettingMeta;
use crate::reading::metas;

/// The text of `REFERENCE.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         <!-- Generated from the declarations in crates/settings/src. To change it, change them and run\n\
         HOSTLER_UPDATE=1 cargo test -p hostler-settings -->\n\n\
         A setting is a key of a TOML file (`hostler serve FILE.toml`) and an option of `hostler run`. Options win over the\n\
         file, the file over the defaults. Times are in seconds, or texts such as `\"5m\"`; sizes are in bytes, or texts such\n\
         as `\"64KiB\"`. Relative paths are taken from the directory that hostler is started in. An empty text unsets what\n\
         need not be set.\n",
    );
    let mut group = "";
    for meta in metas() {
        if meta.group != group {
            group = meta.group;
            text.push_str(&format!("\n## {group}\n"));
        }
        text.push_str(&section(meta));
    }
    text
}

fn section(meta: &SettingMeta) -> String {
    let mut facts = vec![format!("- Value: {}", value(meta))];
    facts.push(format!(
        "- Default: {}",
        meta.default.as_ref().map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"))
    ));
    if let Some(range) = meta.range_in_words() {
        facts.push(format!("- Range: {range}"));
    }
    facts.push(format!("- Option: {}", option(meta)));
    if let Some(name) = meta.environment {
        facts.push(format!("- Default from the environment: `${name}`"));
    }
    if let Some(name) = meta.gunicorn {
        facts.push(format!("- gunicorn's name: `{name}`"));
    }
    facts.push(format!("- A change takes effect {}", meta.apply.describe()));
    format!("\n### `{}`\n\n{}\n\n{}\n", meta.key, meta.doc, facts.join("\n"))
}

fn value(meta: &SettingMeta) -> String {
    match meta.kind {
        Kind::List(item) => format!("a list; each item {}", item.wanted()),
        kind => kind.wanted(),
    }
}

fn option(meta: &SettingMeta) -> String {
    if meta.positional {
        return format!("`{}`, by its place", meta.placeholder);
    }
    let letter = meta.letter.map(|letter| format!("`-{letter}`"));
    let names = meta.options.iter().map(|name| format!("`--{name}`"));
    letter.into_iter().chain(names).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_reference_is_the_one_of_these_declarations() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/REFERENCE.md");
        let text = super::markdown();
        if std::env::var_os("HOSTLER_UPDATE").is_some() {
            fs::write(path, &text).unwrap();
        }
        let stored = fs::read_to_string(path).unwrap_or_default();
        assert!(stored == text, "REFERENCE.md is out of date: run HOSTLER_UPDATE=1 cargo test -p hostler-settings");
    }
}
