//! Changing single keys of a text as a person would: comments, order and layout stay.

use std::collections::BTreeSet;

use hostler_bus::daemon::{Changes, Problem, ProblemKind};
use hostler_settings::{Kind, SettingMeta, metas};
use toml_edit::{Array, DocumentMut, Item, Value};
use zbus::zvariant::{OwnedValue, Value as Variant};

/// How much a client sent with these changes: bytes of their keys and values, each number for eight.
pub(crate) fn size(changes: &Changes) -> usize {
    let set = changes.set.iter().map(|(key, value)| key.len() + size_of_value(value, 0)).sum::<usize>();
    set + changes.unset.iter().map(String::len).sum::<usize>()
}

fn size_of_value(value: &Variant<'_>, depth: usize) -> usize {
    match value {
        Variant::Str(text) => text.as_str().len(),
        Variant::Value(inner) if depth <= DEPTH_LIMIT => size_of_value(inner, depth + 1),
        Variant::Array(items) if depth <= DEPTH_LIMIT => {
            items.iter().map(|item| 8 + size_of_value(item, depth + 1)).sum()
        }
        // What is deeper, or anything else, is no value of a setting: it is refused without a look inside.
        _ => 8,
    }
}

/// Why a text cannot be edited: the problems are those of the text, or of the changes.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{} problems", .0.len())]
pub struct BadChange(pub Vec<Problem>);

/// So many keys that are to go and are neither there nor known are told.
const WRONG_TOLD: usize = 100;

/// The text after the changes. Keys that were not in the file are added at the end of its settings.
///
/// # Errors
/// When the text is not TOML, a change is of a type that no setting takes, or a key that is to go is neither there nor known. Values
/// out of range and unknown keys that are set pass by themselves: [`super::problems`] of the outcome tells of them, and beside an error
/// they are told with it.
pub fn edited(text: &str, changes: &Changes) -> Result<String, BadChange> {
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        return Err(BadChange(super::problems(text)));
    };
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for (key, value) in &changes.set {
        match written(key, value) {
            Some(value) => values.push((key, value)),
            None => wrong.push(Problem {
                kind: ProblemKind::WrongValue,
                key: key.clone(),
                line: 0,
                message: format!("`{key}`: a value is a boolean, a number, a text, or a list of those"),
                hint: String::new(),
            }),
        }
    }
    // What is in the file can go, whatever it is.
    let absent = changes.unset.iter().filter(|key| !document.contains_key(key));
    wrong.extend(absent.filter_map(|key| unknown(key)).take(WRONG_TOLD));
    for key in &changes.unset {
        document.remove(key);
    }
    // Those of a client come in no order; new ones stand as the reference has them.
    let place = |key: &str| metas().iter().position(|meta| meta.key == key).unwrap_or(usize::MAX);
    values.sort_by_cached_key(|(key, _)| (place(key), (*key).clone()));
    for (key, mut value) in values {
        match document.get_mut(key) {
            Some(Item::Value(old)) => {
                // What stands before and behind the value: spaces, and a comment on the same line.
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            _ => {
                document.insert(key, Item::Value(value));
            }
        }
    }
    let text = document.to_string();
    if wrong.is_empty() {
        return Ok(text);
    }
    // All at once: what is wrong with the rest of the change, too.
    wrong.extend(super::problems(&text));
    Err(BadChange(wrong))
}

/// What is wrong with a key that names no setting; `None` for one that does.
fn unknown(key: &str) -> Option<Problem> {
    if metas().iter().any(|meta| meta.key == key) {
        return None;
    }
    // As a file would be told that has it: with the nearest key.
    let told = super::problems(&format!("{} = 0\n", toml_edit::Key::new(key)));
    let problem = told.into_iter().find(|problem| problem.kind == ProblemKind::UnknownKey);
    let plain = || Problem {
        kind: ProblemKind::UnknownKey,
        key: key.to_owned(),
        message: format!("unknown key `{key}`"),
        ..Problem::default()
    };
    Some(Problem { line: 0, ..problem.unwrap_or_else(plain) })
}

/// The keys whose values differ between two texts, whatever their layout; `None` when one is not TOML.
#[must_use]
pub fn changed_keys(before: &str, after: &str) -> Option<BTreeSet<String>> {
    let values = |text: &str| -> Option<Vec<(String, String)>> {
        let document = text.parse::<DocumentMut>().ok()?;
        Some(document.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect())
    };
    let (before, after) = (values(before)?, values(after)?);
    let missing = |all: &[(String, String)], other: &[(String, String)]| -> Vec<String> {
        all.iter().filter(|one| !other.contains(one)).map(|(key, _)| key.clone()).collect()
    };
    Some(missing(&before, &after).into_iter().chain(missing(&after, &before)).collect())
}

/// A value without its layout.
fn plain(item: &Item) -> String {
    match item {
        Item::Value(value) => plain_value(value),
        // Tables are few here, and one that was laid out anew counts as changed.
        other => other.to_string(),
    }
}

fn plain_value(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(plain_value).collect::<Vec<_>>().join(",")),
        Value::String(text) => format!("{:?}", text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        other => other.clone().decorated("", "").to_string(),
    }
}

/// What a client gave for a key, as it is written.
pub(crate) fn written(key: &str, value: &OwnedValue) -> Option<Value> {
    let meta = metas().iter().find(|meta| meta.key == key);
    variant(meta, value, 0)
}

/// Variants within variants and lists are followed this deep: settings need two.
const DEPTH_LIMIT: usize = 4;

fn variant(meta: Option<&SettingMeta>, value: &Variant<'_>, depth: usize) -> Option<Value> {
    if depth > DEPTH_LIMIT {
        return None;
    }
    Some(match value {
        Variant::Bool(truth) => (*truth).into(),
        Variant::U8(number) => i64::from(*number).into(),
        Variant::I16(number) => i64::from(*number).into(),
        Variant::U16(number) => i64::from(*number).into(),
        Variant::I32(number) => i64::from(*number).into(),
        Variant::U32(number) => i64::from(*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => i64::try_from(*number).ok()?.into(),
        // TOML could write them, and no setting takes them.
        Variant::F64(number) if !number.is_finite() => return None,
        Variant::F64(number) => (*number).into(),
        Variant::Str(text) => word(meta, text.as_str()),
        Variant::Value(inner) => variant(meta, inner, depth + 1)?,
        Variant::Array(items) => {
            let mut array = Array::new();
            for item in items.iter() {
                array.push(variant(meta, item, depth + 1)?);
            }
            Value::Array(array)
        }
        _ => return None,
    })
}

/// A text: where the setting wants another type, it is what a person would have typed without quotation marks.
fn word(meta: Option<&SettingMeta>, text: &str) -> Value {
    let item = meta.map(|meta| match meta.kind {
        Kind::List(item) => *item,
        kind => kind,
    });
    let typed = match item {
        Some(Kind::Boolean) => text.parse::<bool>().ok().map(Value::from),
        Some(Kind::Count | Kind::CountOrAuto | Kind::Workers | Kind::Bytes | Kind::Duration) => {
            let number = text.parse::<i64>().ok().map(Value::from);
            // Nobody means `inf` or `1e9`, which Rust would read.
            let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            number.or_else(|| text.parse::<f64>().ok().filter(|_| plain).map(Value::from))
        }
        _ => None,
    };
    typed.unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(pairs: &[(&str, Variant<'_>)]) -> Changes {
        let set = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.try_to_owned().unwrap())).collect();
        Changes { set, unset: Vec::new() }
    }

    const TEXT: &str =
        "# The shop.\nworkers = 2   # two are enough\n\n# Long reports.\ntimeout = 60\nbind = [\n  \":80\", # all\n]\n";

    #[test]
    fn a_key_that_goes_is_known_or_there() {
        let unset =
            |text: &str, key: &str| edited(text, &Changes { unset: vec![key.to_owned()], ..Changes::default() });
        assert_eq!(unset("workers = 2\n", "threads").unwrap(), "workers = 2\n");
        assert_eq!(unset("worker = 2\n", "worker").unwrap(), "", "a mistake is taken out");
        let BadChange(problems) = unset("workers = 2\n", "worker").unwrap_err();
        assert_eq!(
            (problems[0].kind, problems[0].line, problems[0].hint.as_str()),
            (ProblemKind::UnknownKey, 0, "workers")
        );
        assert!(unset("", "a\"b\n").is_err());
    }

    #[test]
    fn comments_and_order_stay() {
        let changes = set(&[("workers", 4_u32.into()), ("threads", "8".into()), ("app", "shop:app".into())]);
        let expected = TEXT.replace("workers = 2", "workers = 4") + "app = \"shop:app\"\nthreads = 8\n";
        assert_eq!(edited(TEXT, &changes).unwrap(), expected);
        let changes = Changes { unset: vec!["timeout".to_owned(), "threads".to_owned()], ..Changes::default() };
        assert!(!edited(TEXT, &changes).unwrap().contains("timeout"));
        assert_eq!(edited(TEXT, &Changes::default()).unwrap(), TEXT);
    }

    #[test]
    fn words_get_the_type_that_is_wanted() {
        let pairs = [
            ("workers", "auto"),
            ("timeout", "1.5"),
            ("graceful_timeout", "5m"),
            ("threads", "many"),
            ("app", "4"),
            ("bind", ":80"),
        ];
        let pairs = pairs.map(|(key, word)| (key, Variant::from(word)));
        let text = edited("", &set(&pairs)).unwrap();
        let expected = "app = \"4\"\nbind = \":80\"\nworkers = \"auto\"\nthreads = \"many\"\ntimeout = 1.5\ngraceful_timeout = \"5m\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_values_count_as_changes() {
        let keys = |after: &str| changed_keys(TEXT, after).unwrap().into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(keys("workers=2\ntimeout=60\nbind=[\":80\"]"), "");
        assert_eq!(keys("workers=3\ntimeout=60\nbind=[\":80\"]\nthreads=1"), "threads workers");
        assert_eq!(changed_keys(TEXT, "= ="), None);
    }

    #[test]
    fn what_is_no_value_is_told() {
        let strange = set(&[("workers", Variant::from(("a", 1_u8))), ("threads", f64::NAN.into())]);
        assert_eq!(edited(TEXT, &strange).unwrap_err().0.len(), 2);
        // Not only the first: what the rest of the change would meet is told with it.
        let unset = vec!["worker".to_owned()];
        let mixed = Changes { unset, ..set(&[("threads", "many".into())]) };
        let keys: Vec<String> = edited(TEXT, &mixed).unwrap_err().0.into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["worker", "threads"]);
        let told = edited("= =", &Changes::default()).unwrap_err();
        assert_eq!(told.0[0].kind, ProblemKind::NotToml);
    }

    proptest! {
        /// Whatever a client sends: no panic, and what comes out is TOML that has what was set.
        #[test]
        fn fuzzed_changes(key in "\\PC{0,12}", text in "\\PC{0,40}", number in any::<i64>(), float in any::<f64>()) {
            for value in [Variant::from(text.as_str()), number.into(), float.into(), vec![text.as_str()].into()] {
                if let Ok(edited) = edited(TEXT, &set(&[(key.as_str(), value)])) {
                    let document = edited.parse::<DocumentMut>().unwrap();
                    prop_assert!(document.contains_key(&key));
                    prop_assert!(edited.contains("# two are enough"));
                    let _ = crate::settings::problems(&edited);
                }
            }
        }

        #[test]
        fn fuzzed_texts(text in "\\PC{0,200}") {
            let _ = crate::settings::problems(&text);
            let _ = changed_keys(TEXT, &text);
            let _ = edited(&text, &set(&[("workers", 2_u32.into())]));
        }
    }
}
