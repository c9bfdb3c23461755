//! The error log: `tracing` events as lines.
//!
//! ```text
//! 2026-11-21T04:00:00.000Z [4711] ERROR the application failed request_id=7f3a
//!   Traceback (most recent call last):
//!     File "app.py", line 3, in application
//! ```
//!
//! The field `message` comes first, then the others as `key=value`, quoted where a value is not one plain word. The
//! field `detail` may have many lines, which follow indented by two spaces; all is one write. Spans are not shown.

use std::error::Error as StdError;
use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry, reload};

use crate::escape::{visible, visible_value};
use crate::shade::Shade;
use crate::sink::{Error, Sink, Target};
use crate::timestamp::{SecondCache, since_epoch};

/// A longer value is cut.
const VALUE_LIMIT: usize = 8 * 1024;

/// A longer detail is cut in its middle: the first and the last lines of a traceback are the ones that tell.
const DETAIL_LIMIT: usize = 64 * 1024;

/// The error log of this process.
#[derive(Debug, Clone)]
pub struct ErrorLog {
    sink: Arc<Sink>,
    level: reload::Handle<LevelFilter, Registry>,
}

/// Makes `target` the place of all `tracing` events up to `level`. Coloured when it is a standard stream that is a
/// terminal, and `NO_COLOR` is not set.
///
/// # Errors
///
/// The target cannot be opened, or the process has a subscriber already.
pub fn init_error_log(target: &Target, level: LevelFilter) -> Result<ErrorLog, Error> {
    let (subscriber, log) = subscriber(target, level)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::AlreadyInstalled)?;
    Ok(log)
}

impl ErrorLog {
    /// Opens the log file anew, as [`Sink::reopen`].
    ///
    /// # Errors
    ///
    /// The file cannot be opened; the log goes on into the old one.
    pub fn reopen(&self) -> Result<(), Error> {
        self.sink.reopen()
    }

    /// Shows events up to `level` from now on.
    pub fn set_level(&self, level: LevelFilter) {
        // It fails only when the subscriber is gone, and then there is nothing left to set.
        let _ = self.level.reload(level);
    }

    /// Up to which level events are shown.
    pub fn level(&self) -> LevelFilter {
        self.level.clone_current().unwrap_or(LevelFilter::OFF)
    }

    /// The place itself, for its count of lost records and for [`Sink::finish`].
    pub fn sink(&self) -> &Arc<Sink> {
        &self.sink
    }
}

/// `2026-11-21T04:00:00.000Z [PID]`, for now.
pub(crate) fn line_start() -> String {
    let now = since_epoch(SystemTime::now());
    start_at(now)
}

fn start_at(now: Duration) -> String {
    format!("{}.{:03}Z [{}]", SecondCache::rfc3339().text(now), now.subsec_millis(), std::process::id())
}

fn subscriber(target: &Target, level: LevelFilter) -> Result<(impl Subscriber + Send + Sync, ErrorLog), Error> {
    let sink = Arc::new(Sink::open(target)?);
    let (filter, level) = reload::Layer::new(level);
    let lines = Lines { sink: Arc::clone(&sink), coloured: is_coloured(target) };
    let subscriber = Registry::default().with(filter).with(lines);
    Ok((subscriber, ErrorLog { sink, level }))
}

fn is_coloured(target: &Target) -> bool {
    let terminal = match target {
        Target::Stdout => std::io::stdout().is_terminal(),
        Target::Stderr => std::io::stderr().is_terminal(),
        Target::File(_) => false,
    };
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

struct Lines {
    sink: Arc<Sink>,
    coloured: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = render(&line_start(), *event.metadata().level(), &fields, self.coloured);
        self.sink.write(line.as_bytes());
    }
}

fn render(start: &str, level: Level, fields: &Fields, coloured: bool) -> String {
    let colour = match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        _ => "2",
    };
    let mut line = if coloured {
        format!("\x1b[2m{start}\x1b[0m \x1b[{colour}m{level}\x1b[0m ")
    } else {
        format!("{start} {level} ")
    };
    visible(&mut line, &fields.message);
    line.push_str(&fields.pairs);
    line.push('\n');
    let mut shade = Shade::default();
    for text in fields.detail.lines() {
        line.push_str("  ");
        let colour = if coloured { shade.of(text) } else { None };
        if let Some(colour) = colour {
            line.push_str(colour);
        }
        // Tabs stay: they are how the sources of a traceback are indented, and they move nothing but the text.
        for (index, part) in text.split('\t').enumerate() {
            if index > 0 {
                line.push('\t');
            }
            visible(&mut line, part);
        }
        line.push_str(if colour.is_some() { "\x1b[0m\n" } else { "\n" });
    }
    line
}

/// The fields of one event, as they are shown.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    pairs: String,
    detail: String,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = cut(value, VALUE_LIMIT),
            "detail" => self.detail = cut(value, DETAIL_LIMIT),
            name => {
                self.pairs.push(' ');
                self.pairs.push_str(name);
                self.pairs.push('=');
                visible_value(&mut self.pairs, &cut(value, VALUE_LIMIT));
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
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
fn cut(text: &str, limit: usize) -> String {
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

#[cfg(test)]
#[path = "error_log_tests.rs"]
mod tests;
