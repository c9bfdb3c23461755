//! The error log: `tracing` events as lines, or as entries of the journal.
//!
//! ```text
//! 2026-11-21T04:00:00.000Z [4711] ERROR the application failed request_id=7f3a
//!   Traceback (most recent call last):
//!     File "app.py", line 3, in application
//! ```
//!
//! The field `message` comes first, then the others as `key=value`, quoted where a value is not one plain word. The
//! field `detail` may have many lines, which follow indented by two spaces; all is one write. The field `message_id` is for
//! the journal and not shown. Spans are not shown; their field `generation` is for the journal as well.
//!
//! When the log goes to standard error, and that is the journal (`JOURNAL_STREAM`), each event is one entry with fields
//! instead; see `journal.rs`. An entry that the journal does not take is written to standard error, as lines.

use std::io::IsTerminal;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hostler_systemd::Environment;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, reload};

use crate::access::AccessLog;
use crate::fields::Fields;
use crate::journal::{Entries, Origin};
use crate::last_error::{LastError, LoggedError};
use crate::sink::{Error, Sink, Target};
use crate::timestamp::{SecondCache, since_epoch};

/// The error log of this process.
#[derive(Debug, Clone)]
pub struct ErrorLog {
    sink: Arc<Sink>,
    level: reload::Handle<LevelFilter, Registry>,
    form: Arc<RwLock<Form>>,
    origin: Arc<Origin>,
    last_error: Arc<LastError>,
}

/// Makes `target` the place of all `tracing` events up to `level`. Standard error that is the journal gets entries with
/// fields; any other place gets lines, coloured when it is a standard stream that is a terminal, and `NO_COLOR` is not set.
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

    /// Writes elsewhere from now on: as lines or as entries, as [`init_error_log`] would.
    ///
    /// # Errors
    ///
    /// The target cannot be opened; the log goes on where it was.
    pub fn move_to(&self, target: &Target) -> Result<(), Error> {
        let form = form_of(target, &self.origin);
        self.sink.move_to(target)?;
        *self.form.write().unwrap_or_else(PoisonError::into_inner) = form;
        Ok(())
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

    /// Whether events are entries of the journal.
    #[must_use]
    pub fn is_journal(&self) -> bool {
        matches!(*self.form.read().unwrap_or_else(PoisonError::into_inner), Form::Entries(_))
    }

    /// The last event of severity error, wherever it went; `None` while there was none.
    #[must_use]
    pub fn last_error(&self) -> Option<LoggedError> {
        self.last_error.get()
    }

    /// Says which instance the entries of the journal are from (`HOSTLER_INSTANCE`). The first call counts.
    pub fn set_instance(&self, name: &str) {
        self.origin.set_instance(name);
    }

    /// Says which generation entries are from that do not say it themselves (`HOSTLER_GENERATION`), counted from 1.
    pub fn set_generation(&self, generation: u64) {
        self.origin.set_generation(generation);
    }

    /// An access log like `log`, on standard output: where that is the journal, as entries with fields.
    #[must_use]
    pub fn with_entries(&self, log: AccessLog) -> AccessLog {
        let is_journal = hostler_systemd::journal::is_journal(&Environment::of_process(), std::io::stdout());
        match is_journal.then(|| Entries::open(Arc::clone(&self.origin)).ok()).flatten() {
            Some(entries) => log.with_entries(entries),
            None => log,
        }
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
    let origin = Arc::new(Origin::default());
    let form = form_of(target, &origin);
    Ok(assemble(sink, form, level, origin))
}

pub(crate) fn assemble(
    sink: Arc<Sink>,
    form: Form,
    level: LevelFilter,
    origin: Arc<Origin>,
) -> (impl Subscriber + Send + Sync, ErrorLog) {
    let (filter, level) = reload::Layer::new(level);
    let last_error = Arc::<LastError>::default();
    let form = Arc::new(RwLock::new(form));
    let records = Records { sink: Arc::clone(&sink), form: Arc::clone(&form), last_error: Arc::clone(&last_error) };
    let subscriber = Registry::default().with(filter).with(records);
    (subscriber, ErrorLog { sink, level, form, origin, last_error })
}

/// How records look in this place.
fn form_of(target: &Target, origin: &Arc<Origin>) -> Form {
    match entries(target, origin) {
        Some(entries) => Form::Entries(entries),
        None => Form::Lines { coloured: is_coloured(target) },
    }
}

/// The journal, when `target` is its stream. A journal that cannot be had is no reason to be without a log.
fn entries(target: &Target, origin: &Arc<Origin>) -> Option<Entries> {
    let is_journal = *target == Target::Stderr
        && hostler_systemd::journal::is_journal(&Environment::of_process(), std::io::stderr());
    is_journal.then(|| Entries::open(Arc::clone(origin)).ok()).flatten()
}

fn is_coloured(target: &Target) -> bool {
    let terminal = match target {
        Target::Stdout => std::io::stdout().is_terminal(),
        Target::Stderr => std::io::stderr().is_terminal(),
        Target::File(_) => false,
    };
    terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

struct Records {
    sink: Arc<Sink>,
    form: Arc<RwLock<Form>>,
    last_error: Arc<LastError>,
}

/// How records look.
#[derive(Debug)]
pub(crate) enum Form {
    Lines { coloured: bool },
    Entries(Entries),
}

/// The generation that a span is about.
struct Generation(u64);

/// Looks for it among the fields of a span.
#[derive(Default)]
struct FindGeneration(Option<u64>);

impl Visit for FindGeneration {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "generation" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Records {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = FindGeneration::default();
        attributes.record(&mut found);
        if let (Some(generation), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().replace(Generation(generation));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::of(event);
        let around = context.event_scope(event).into_iter().flatten();
        fields.generation =
            around.map(|span| span.extensions().get::<Generation>().map(|found| found.0)).find_map(|found| found);
        if *event.metadata().level() == Level::ERROR {
            self.last_error.set(&fields);
        }
        // Held while it is written: the journal's entries are not cloned.
        let form = self.form.read().unwrap_or_else(PoisonError::into_inner);
        let record = match &*form {
            Form::Lines { coloured } => render(&line_start(), *event.metadata().level(), &fields, *coloured),
            Form::Entries(entries) => match entries.send(event.metadata(), &fields) {
                Ok(()) => return,
                Err(_) => entries.instead(event.metadata(), &fields),
            },
        };
        self.sink.write(record.as_bytes());
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
    fields.append_text(&mut line, "  ", coloured);
    line.push('\n');
    line
}

#[cfg(test)]
#[path = "error_log_tests.rs"]
mod tests;
