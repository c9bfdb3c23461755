//! The daemon's log: lines on standard error, with their severity where the journal reads them.

use std::fmt;
use std::os::unix::fs::MetadataExt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Begins it, for the rest of the process.
pub(crate) fn begin(level: LevelFilter) {
    // The journal has its own clock.
    let lines = Format::default().without_time().with_ansi(false);
    let lines = Lines { lines, for_journal: is_journal() };
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).event_format(lines).init();
}

/// Whether standard error goes to the journal: `JOURNAL_STREAM` names its device and inode (systemd.exec(5)).
fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").ok();
    let own = std::fs::metadata("/proc/self/fd/2").ok().map(|data| format!("{}:{}", data.dev(), data.ino()));
    named.is_some() && named == own
}

struct Lines {
    lines: Format<Full, ()>,
    for_journal: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.for_journal {
            write!(line, "<{}>", severity(*event.metadata().level()))?;
        }
        self.lines.format_event(context, line, event)
    }
}

/// As `<N>` at the beginning of a line says it (sd-daemon(3), syslog(3)).
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
