//! Events as entries of the journal, with fields that journalctl(1) finds.
//!
//! | field of the event | field of the entry |
//! |---|---|
//! | `message`, the others as `key=value`, and the lines of `detail` | `MESSAGE` |
//! | `message_id`: 32 hexadecimal digits, or a name in `MessageId::ALL`, as `WORKER_DIED` | `MESSAGE_ID` |
//! | `pid`, of a worker | `HOSTLER_WORKER_PID` |
//! | `python_level`, of Python's `logging` | `PRIORITY` |
//! | `total`, `queue`, `application`, in seconds | `HOSTLER_DURATION_US`, `HOSTLER_QUEUE_US`, `HOSTLER_APPLICATION_US` |
//! | `worker`, `request_id`, `method`, `status` and every other | `HOSTLER_` and its name in upper case |
//!
//! Further there are `PRIORITY`, `SYSLOG_IDENTIFIER`, the name of the instance as `HOSTLER_APP` and `HOSTLER_INSTANCE`, `HOSTLER_GENERATION`, and
//! where in the source the event is: `CODE_FILE`, `CODE_LINE`, `CODE_MODULE`. The journal itself adds what is trusted (`_PID`, `_SYSTEMD_UNIT`, …).
//!
//! The generation is the one that the event names as `generation`, else that of the innermost span around it which does, else the current one: what a
//! worker of a former generation says while that drains is of the former one.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use hostler_systemd::journal::{Entry, Journal, MessageId, Priority};
use tracing::{Level, Metadata};

use crate::access::AccessRecord;
use crate::fields::{Fields, Value};

/// Times in seconds, and the field that has them in microseconds.
const DURATIONS: [(&str, &str); 3] =
    [("total", "HOSTLER_DURATION_US"), ("queue", "HOSTLER_QUEUE_US"), ("application", "HOSTLER_APPLICATION_US")];

/// What is known of all entries and not said with each event.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    instance: OnceLock<String>,
    /// 0 while there is none.
    generation: AtomicU64,
}

/// The journal as a place for events.
#[derive(Debug)]
pub(crate) struct Entries {
    journal: Journal,
    origin: Arc<Origin>,
}

impl Origin {
    pub(crate) fn set_instance(&self, name: &str) {
        // A process is one instance; a second name would be a mistake and changes nothing.
        let _ = self.instance.set(name.to_owned());
    }

    pub(crate) fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// `generation` is the one that the entry is about, where that is known.
    fn describe(&self, entry: &mut Entry, generation: Option<u64>) {
        if let Some(instance) = self.instance.get() {
            entry.field("HOSTLER_APP", instance).field("HOSTLER_INSTANCE", instance);
        }
        let generation = generation.unwrap_or_else(|| self.generation.load(Ordering::Relaxed));
        if generation > 0 {
            entry.field("HOSTLER_GENERATION", &generation.to_string());
        }
    }
}

impl Entries {
    pub(crate) fn open(origin: Arc<Origin>) -> io::Result<Self> {
        Ok(Self { journal: Journal::open()?, origin })
    }

    /// Sends an event as one entry; does not wait.
    pub(crate) fn send(&self, metadata: &Metadata<'_>, fields: &Fields) -> io::Result<()> {
        self.journal.send(&self.entry(metadata, fields))
    }

    /// Sends a request as one entry, whose message is its `line` in the access log; does not wait.
    pub(crate) fn send_request(&self, line: &str, record: &AccessRecord<'_>) -> io::Result<()> {
        let mut entry = Entry::new(Priority::Info, line);
        entry.field("SYSLOG_IDENTIFIER", "hostler");
        self.origin.describe(&mut entry, record.generation);
        let worker = record.worker.map(|worker| worker.to_string());
        let (status, bytes) = (record.status.to_string(), record.bytes.to_string());
        let fields = [
            ("HOSTLER_REMOTE", Some(record.remote)),
            ("HOSTLER_METHOD", Some(record.method)),
            ("HOSTLER_TARGET", Some(record.target)),
            ("HOSTLER_STATUS", Some(status.as_str())),
            ("HOSTLER_BYTES", Some(bytes.as_str())),
            ("HOSTLER_REQUEST_ID", record.request_id),
            ("HOSTLER_WORKER", worker.as_deref()),
            ("HOSTLER_OUTCOME", Some(record.outcome)),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                entry.field(name, value);
            }
        }
        let times = [record.total, record.queue, record.application];
        for ((_, name), time) in DURATIONS.iter().zip(times) {
            entry.field(name, &time.as_micros().to_string());
        }
        self.journal.send(&entry)
    }

    /// What is written to the journal's stream when an entry cannot be sent. Each line there is an entry of its own, and says its
    /// priority (sd-daemon(3)).
    pub(crate) fn instead(&self, metadata: &Metadata<'_>, fields: &Fields) -> String {
        let prefix = format!("<{}>", priority(*metadata.level()) as u8);
        let mut text = prefix.clone();
        fields.append_text(&mut text, &format!("{prefix}  "), false);
        text.push('\n');
        text
    }

    fn entry(&self, metadata: &Metadata<'_>, fields: &Fields) -> Entry {
        let mut message = String::new();
        fields.append_text(&mut message, "", false);
        let priority = fields.python_level.map_or(priority(*metadata.level()), Priority::of_python_level);
        let mut entry = Entry::new(priority, &message);
        entry.field("SYSLOG_IDENTIFIER", "hostler").field("CODE_MODULE", metadata.target());
        if let (Some(file), Some(line)) = (metadata.file(), metadata.line()) {
            entry.field("CODE_FILE", file).field("CODE_LINE", &line.to_string());
        }
        if let Some(id) = &fields.message_id {
            match MessageId::named(id) {
                Some(id) => entry.field("MESSAGE_ID", &id.to_string()),
                None => entry.field("MESSAGE_ID", id),
            };
        }
        let says =
            |(name, value): &(&'static str, Value)| (*name == "generation").then(|| value.to_string().parse().ok());
        let said = fields.pairs.iter().find_map(says).flatten();
        self.origin.describe(&mut entry, said.or(fields.generation));
        for (name, value) in fields.pairs.iter().filter(|(name, _)| *name != "generation") {
            add(&mut entry, name, value);
        }
        entry
    }
}

fn add(entry: &mut Entry, name: &str, value: &Value) {
    let duration = DURATIONS.iter().find(|(seconds, _)| *seconds == name);
    match (duration, value) {
        (Some((_, microseconds)), Value::Fraction(seconds)) => {
            entry.field(microseconds, &format!("{:.0}", seconds * 1e6));
        }
        _ if name == "pid" => {
            entry.field("HOSTLER_WORKER_PID", &value.to_string());
        }
        _ => {
            entry.field(&format!("HOSTLER_{name}"), &value.to_string());
        }
    }
}

/// The levels that this server uses, and workers' records with them: `ERROR` of Python is error, `WARNING` warn, `INFO` info.
fn priority(level: Level) -> Priority {
    match level {
        Level::ERROR => Priority::Error,
        Level::WARN => Priority::Warning,
        Level::INFO => Priority::Info,
        _ => Priority::Debug,
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
