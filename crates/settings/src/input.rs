//! What was written for a setting, before it has a type. It owns the wording of "found …" in mistakes; what is wanted
//! instead is said by the values (`value.rs`).

/// One value as it was written, in a file, on the command line or in the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A word of the command line or of the environment: it has no type of its own yet, so `4` may become a number.
    Word(String),
    /// A string of a file.
    Text(String),
    /// An integer of a file.
    Integer {
        /// Its value.
        value: i64,
        /// Whether it was written in octal, as `0o660`.
        octal: bool,
    },
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<Input>),
    /// A table: keys and values in the order of the file.
    Table(Vec<(String, Input)>),
    /// A date or a time, which no setting takes.
    Date,
}

impl Input {
    /// Names what was found, for a mistake: `the text "four"`, `the number 4`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Integer { value, octal: true } => format!("the number 0o{value:o}"),
            Self::Integer { value, .. } => format!("the number {value}"),
            Self::Float(number) => format!("the number {number}"),
            Self::Boolean(truth) => format!("`{truth}`"),
            Self::List(items) => match items.len() {
                0 => "an empty list".to_owned(),
                1 => "a list of 1 item".to_owned(),
                count => format!("a list of {count} items"),
            },
            Self::Table(_) => "a table".to_owned(),
            Self::Date => "a date or time".to_owned(),
        }
    }

    /// The text of a word or of a string; `None` for all else.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) | Self::Text(text) => Some(text),
            _ => None,
        }
    }
}
