//! The `settings!` macro: from one declaration of each setting come the struct of its group, the defaults, the
//! metadata and the setter that all sources of settings share. The declarations themselves are a file a group.

use crate::input::Input;
use crate::kind::Kind;
use crate::meta::SettingMeta;
use crate::value::Value;

/// One group of settings, as the macro makes it.
pub(crate) trait Group: Default {
    /// What is known of the group's settings, in the order of their declaration.
    fn metas() -> Vec<SettingMeta>;

    /// Sets `meta`'s setting, where it is one of this group: `None` where it is not. The error is the rest of a
    /// sentence that begins with the key.
    fn set(&mut self, meta: &SettingMeta, input: &Input) -> Option<Result<(), String>>;

    /// Takes over the values of another state, of the settings whose keys are to be taken.
    fn take(&mut self, from: &Self, is_taken: impl Fn(&str) -> bool);

    /// The values as they would be written in a file, in the order of [`Group::metas`]; `None` where one is unset.
    fn rendered(&self) -> Vec<Option<String>>;
}

/// Declares a group of settings:
///
/// ```text
/// settings! {
///     /// What the group is about.
///     Pool, "Workers";
///
///     /// What the setting does. The first line is what `--help` shows.
///     timeout: Duration = Duration::from_secs(30), letter('t') range(0..=DAY) apply(Apply::Live);
/// }
/// ```
///
/// The attributes after the default are methods of [`SettingMeta`]. A key that is a keyword of Rust is written `r#loop`, and is `loop` to
/// everybody else.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $Group:ident, $title:literal;
        $(
            $(#[doc = $doc:literal])+
            $key:ident: $Type:ty = $default:expr $(, $($attribute:ident($($argument:expr),*))+)?;
        )+
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Group {
            $($(#[doc = $doc])+ pub $key: $Type,)+
        }

        impl Default for $Group {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl $crate::declare::Group for $Group {
            fn metas() -> Vec<$crate::meta::SettingMeta> {
                let defaults = Self::default();
                vec![$(
                    $crate::meta::SettingMeta::new($crate::declare::plain(stringify!($key)), $title, concat!($($doc, "\n"),+), &defaults.$key)
                        $($(.$attribute($($argument),*))+)?
                ),+]
            }

            fn set(&mut self, meta: &$crate::meta::SettingMeta, input: &$crate::input::Input) -> Option<Result<(), String>> {
                $(if meta.key == $crate::declare::plain(stringify!($key)) {
                    return Some($crate::declare::assign(&mut self.$key, meta, input));
                })+
                None
            }

            fn take(&mut self, from: &Self, is_taken: impl Fn(&str) -> bool) {
                $(if is_taken($crate::declare::plain(stringify!($key))) {
                    self.$key.clone_from(&from.$key);
                })+
            }

            fn rendered(&self) -> Vec<Option<String>> {
                vec![$($crate::value::Value::render(&self.$key)),+]
            }
        }
    };
}
pub(crate) use settings;

/// A key without the mark of a field that bears the name of a Rust keyword: `loop` for `r#loop`.
pub(crate) fn plain(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Reads, checks and stores one value.
pub(crate) fn assign<T: Value>(place: &mut T, meta: &SettingMeta, input: &Input) -> Result<(), String> {
    let value = T::from_input(&normalized(meta, input)).map_err(|message| {
        match (&message, meta.range_in_words()) {
            // A number that its type cannot hold is as much out of range as one that it can.
            (message, Some(range)) if message.starts_with("is out of range") => {
                format!("wants {range}, found {}", input.describe())
            }
            _ => message,
        }
    })?;
    if let Some(range) = meta.range_in_words()
        && value.measure().is_some_and(|measure| !meta.allows(measure))
    {
        return Err(format!("wants {range}, found {}", input.describe()));
    }
    *place = value;
    Ok(())
}

/// Lists may be written in other ways: one text for one item (or more, with commas), a table for variables.
fn normalized(meta: &SettingMeta, input: &Input) -> Input {
    let Kind::List(item) = meta.kind else {
        return input.clone();
    };
    let split = |text: &str, wrap: fn(String) -> Input| match (meta.commas, text.is_empty()) {
        (_, true) => Vec::new(),
        (true, false) => text.split(',').map(|part| wrap(part.trim().to_owned())).collect(),
        (false, false) => vec![wrap(text.to_owned())],
    };
    match input {
        Input::Word(text) => Input::List(split(text, Input::Word)),
        Input::Text(text) => Input::List(split(text, Input::Text)),
        // The command line gives every occurrence of the option as a word.
        Input::List(items) if items.iter().all(|item| matches!(item, Input::Word(_))) => {
            Input::List(items.iter().filter_map(Input::text).flat_map(|text| split(text, Input::Word)).collect())
        }
        Input::Table(entries) if *item == Kind::Variable => {
            Input::List(entries.iter().map(|(name, value)| variable(name, value)).collect())
        }
        other => other.clone(),
    }
}

fn variable(name: &str, value: &Input) -> Input {
    match value.text() {
        Some(text) => Input::Text(format!("{name}={text}")),
        None => value.clone(),
    }
}
