//! The files of uWSGI: ini, XML and YAML, as it reads them, which is not as others do: a key may stand there many times, and
//! `%` and `$()` are replaced as the file is read (uWSGI docs, Configuration).

use std::path::Path;

use super::rule::Given;

/// The keys of a file in their order; one that stands there many times is a list. The error says what is wrong with the file.
pub(crate) fn read(
    path: &Path,
    text: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, Given)>, String> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let pairs = match ending {
        "xml" => xml(text)?,
        "yaml" | "yml" => yaml(text),
        _ => ini(text)?,
    };
    let mut keys: Vec<(String, Given)> = Vec::new();
    let mut known: Vec<(String, String)> = Vec::new();
    for (key, value) in pairs {
        let value = replaced(&value, path, &known, &variable);
        known.push((key.clone(), value.clone()));
        if matches!(key.as_str(), "set-placeholder" | "set-ph" | "set") {
            known.extend(value.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
            continue;
        }
        match keys.iter_mut().find(|(other, _)| *other == key) {
            Some((_, given)) => given.push(value),
            None => keys.push((key, given(&value))),
        }
    }
    Ok(keys)
}

/// `true` and `false` are switches; an empty value is one that is on.
fn given(value: &str) -> Given {
    match value {
        "" | "true" | "yes" | "on" => Given::Truth(true),
        "false" | "no" | "off" => Given::Truth(false),
        _ => Given::Text(value.to_owned()),
    }
}

fn ini(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let (mut ours, mut sections) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            ours = section == "uwsgi";
            sections.push(section.to_owned());
        } else if ours {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            pairs.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    if sections.iter().any(|section| section == "uwsgi") {
        Ok(pairs)
    } else if sections.is_empty() {
        Err("it has no section [uwsgi]".to_owned())
    } else {
        Err(format!("it has no section [uwsgi], only [{}]", sections.join("], [")))
    }
}

fn xml(text: &str) -> Result<Vec<(String, String)>, String> {
    let document = roxmltree::Document::parse(text).map_err(|error| format!("it is not XML: {error}"))?;
    let root = document.descendants().find(|node| node.has_tag_name("uwsgi")).ok_or("it has no element <uwsgi>")?;
    let pair = |node: roxmltree::Node<'_, '_>| {
        (node.tag_name().name().to_owned(), node.text().unwrap_or_default().trim().to_owned())
    };
    Ok(root.children().filter(roxmltree::Node::is_element).map(pair).collect())
}

/// A flat map below `uwsgi:`. uWSGI's own reader takes a key many times, which YAML's do not.
fn yaml(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let (mut ours, mut list) = (false, None::<String>);
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') || bare == "---" {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            ours = bare.trim_end_matches(':') == "uwsgi";
            continue;
        }
        if !ours {
            continue;
        }
        if let (Some(item), Some(key)) = (bare.strip_prefix("- "), &list) {
            pairs.push((key.clone(), unquoted(item)));
            continue;
        }
        // A colon without a space behind it belongs to the value: `socket: 127.0.0.1:3031`.
        let (key, value) = bare.split_once(": ").unwrap_or((bare.trim_end_matches(':'), ""));
        list = (value.is_empty() && bare.ends_with(':')).then(|| key.to_owned());
        if list.is_none() {
            pairs.push((unquoted(key), unquoted(value)));
        }
    }
    pairs
}

fn unquoted(text: &str) -> String {
    let text = text.trim();
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    if let Some(quote) = quote
        && let Some((inside, _)) = text[1..].split_once(quote)
    {
        return inside.to_owned();
    }
    text.split(" #").next().unwrap_or(text).trim().to_owned()
}

/// With `%d`, `%(key)`, `$(NAME)` and their like replaced. What cannot be stays as it is.
fn replaced(
    value: &str,
    path: &Path,
    known: &[(String, String)],
    variable: &impl Fn(&str) -> Option<String>,
) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some(at) = rest.find(['%', '$']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (put, length) = placeholder(rest, path, known, variable).unwrap_or_else(|| (rest[..1].to_owned(), 1));
        text.push_str(&put);
        rest = &rest[length..];
    }
    text + rest
}

/// What stands for the placeholder that a text begins with, and its length.
fn placeholder(
    text: &str,
    path: &Path,
    known: &[(String, String)],
    variable: &impl Fn(&str) -> Option<String>,
) -> Option<(String, usize)> {
    if let Some(rest) = text.strip_prefix("%(") {
        let (key, _) = rest.split_once(')')?;
        let value = known.iter().rev().find(|(name, _)| name == key)?.1.clone();
        return Some((value, key.len() + 3));
    }
    if let Some(rest) = text.strip_prefix("$(") {
        let (name, _) = rest.split_once(')')?;
        return Some((variable(name)?, name.len() + 3));
    }
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let directory = path.parent()?;
    let put = match text.strip_prefix('%')?.chars().next()? {
        '%' => "%".to_owned(),
        'p' => path.display().to_string(),
        's' => name(path)?,
        'n' => path.file_stem()?.to_string_lossy().into_owned(),
        'd' => format!("{}/", directory.display()),
        'c' => name(directory)?,
        'e' => path.extension()?.to_string_lossy().into_owned(),
        'k' => std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string(),
        _ => return None,
    };
    Some((put, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str, text: &str) -> Vec<(String, String)> {
        let variable = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let read = read(&Path::new("/srv/shop").join(name), text, variable).unwrap();
        read.into_iter().map(|(key, given)| (key, given.shown())).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_three_forms_say_the_same() {
        let same =
            pairs(&[("module", "shop:app"), ("master", "true"), ("env", "A=1, B=2"), ("socket", "127.0.0.1:3031")]);
        let ini = "[other]\nx = 1\n[uwsgi]\n; a comment\nmodule = shop:app\nmaster\nenv = A=1\nenv=B=2\nsocket = 127.0.0.1:3031\n";
        assert_eq!(keys("a.ini", ini), same);
        let xml = "<uwsgi><module>shop:app</module><master/><env>A=1</env><env>B=2</env><socket>127.0.0.1:3031</socket></uwsgi>";
        assert_eq!(keys("a.xml", xml), same);
        let yaml = "uwsgi:\n  module: shop:app # it\n  master: true\n  env: A=1\n  env: \"B=2\"\n  socket: 127.0.0.1:3031\nother:\n  x: 1\n";
        assert_eq!(keys("a.yaml", yaml), same);
        assert_eq!(keys("b.yml", "uwsgi:\n  env:\n    - A=1\n    - 'B=2'\n"), pairs(&[("env", "A=1, B=2")]));
    }

    #[test]
    fn placeholders_are_replaced() {
        let text = "[uwsgi]\nname = shop\nset-placeholder = base=/srv\nchdir = %d\nhome = %(base)/%(name)/venv\nlogto = $(HOME)/%n.log\n\
                    x = 100%% %(absent) $(ABSENT) %c %";
        let expected = pairs(&[
            ("name", "shop"),
            ("chdir", "/srv/shop/"),
            ("home", "/srv/shop/venv"),
            ("logto", "/home/me/app.log"),
            ("x", "100% %(absent) $(ABSENT) shop %"),
        ]);
        assert_eq!(keys("app.ini", text), expected);
    }

    #[test]
    fn files_of_others_are_refused() {
        let read = |name: &str, text: &str| read(Path::new(name), text, |_| None).unwrap_err();
        assert_eq!(read("a.ini", "[app:main]\nuse = x"), "it has no section [uwsgi], only [app:main]");
        assert!(read("a.xml", "<uwsgi>").starts_with("it is not XML"));
        assert_eq!(read("a.xml", "<x/>"), "it has no element <uwsgi>");
    }
}
