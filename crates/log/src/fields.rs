//! The fields of one event, and their text.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use tracing::Event;
use tracing::field::{Field, Visit};

use crate::escape::{visible, visible_value};
use crate::shade::Shade;

/// A longer value is cut.
const VALUE_LIMIT: usize = 8 * 1024;

/// A longer detail is cut in its middle: the first and the last lines of a traceback are the ones that tell.
const DETAIL_LIMIT: usize = 64 * 1024;

/// What an event says. All texts are cut to their limits, and as they came otherwise.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) message: String,
    pub(crate) detail: String,
    /// Which kind of event it is, for the journal: 32 hexadecimal digits.
    pub(crate) message_id: Option<String>,
    /// The level of Python's `logging`, for the journal.
    pub(crate) python_level: Option<i64>,
    /// The generation that the spans around the event are about, for the journal.
    pub(crate) generation: Option<u64>,
    /// The others, in their order.
    pub(crate) pairs: Vec<(&'static str, Value)>,
}

/// The value of a field.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    /// A number with a fraction.
    Fraction(f64),
}

impl Fields {
    /// The fields of an event.
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// Appends the message, the other fields as `key=value`, and the lines of the detail, each after a newline and `indent`, and
    /// shaded if it may be `coloured`.
    pub(crate) fn append_text(&self, line: &mut String, indent: &str, coloured: bool) {
        visible(line, &self.message);
        for (name, value) in &self.pairs {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            visible_value(line, &value.to_string());
        }
        let mut shade = Shade::default();
        for text in self.detail.lines() {
            line.push('\n');
            line.push_str(indent);
            let colour = if coloured { shade.of(text) } else { None };
            if let Some(colour) = colour {
                line.push_str(colour);
            }
            // Tabs stay: they are how the sources of a traceback are indented, and they move nothing but the text.
            for (index, part) in text.split('\t').enumerate() {
                if index > 0 {
                    line.push('\t');
                }
                visible(line, part);
            }
            if colour.is_some() {
                line.push_str("\x1b[0m");
            }
        }
    }

    fn add(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = cut(value, VALUE_LIMIT),
            "detail" => self.detail = cut(value, DETAIL_LIMIT),
            "message_id" => self.message_id = Some(cut(value, VALUE_LIMIT)),
            name => self.pairs.push((name, Value::Text(cut(value, VALUE_LIMIT)))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => formatter.write_str(text),
            Value::Fraction(number) => write!(formatter, "{number:?}"),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "python_level" {
            self.python_level = Some(value);
        } else {
            self.add(field, &value.to_string());
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pairs.push((field.name(), Value::Fraction(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }

    /// An error with its causes: `outer: inner: innermost`.
    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String does not fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.add(field, &text);
    }
}

/// The first and last parts of a text that is longer than `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = text.floor_char_boundary(limit / 2);
    let tail = text.ceil_char_boundary(text.len() - limit / 2);
    format!(
        "{}\n[... {} bytes left out ...]\n{}",
        text.get(..head).unwrap_or_default(),
        tail - head,
        text.get(tail..).unwrap_or_default()
    )
}
