//! The access log: one record a request, buffered by the thread that serves it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::combined::Combined;
use crate::journal::Entries;
use crate::json::Json;
use crate::sink::Sink;

/// The buffer is written when it holds this many bytes.
const FLUSH_AT: usize = 32 * 1024;

/// One request and its answer.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The client's IP address, or `unix`.
    pub remote: &'a str,
    /// As received.
    pub method: &'a str,
    /// The request target as received, query included.
    pub target: &'a str,
    /// `HTTP/1.1`.
    pub version: &'a str,
    /// The status that was sent.
    pub status: u16,
    /// Bytes of the body that were sent, without chunk framing.
    pub bytes: u64,
    /// The field `Referer`, raw.
    pub referer: Option<&'a [u8]>,
    /// The field `User-Agent`, raw.
    pub user_agent: Option<&'a [u8]>,
    /// Made by the server or taken from `X-Request-Id`.
    pub request_id: Option<&'a str>,
    /// When the head had been read.
    pub received: SystemTime,
    /// Time spent waiting for a free worker.
    pub queue: Duration,
    /// Time spent in the application.
    pub application: Duration,
    /// From the head's arrival to the last byte sent.
    pub total: Duration,
    /// The number of the worker that had the request, as in the error log.
    pub worker: Option<u32>,
    /// The generation of that worker.
    pub generation: Option<u64>,
    /// How it ended: `ok`, `client_gone`, `worker_died`, `timeout` and so on.
    pub outcome: &'a str,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache's combined format, then `key=value` pairs. The time is UTC, the durations are seconds with six decimals:
    ///
    /// ```text
    /// 192.0.2.1 - - [21/Nov/2026:04:00:00 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8" request_id=7f3a queue=0.000012 application=0.001500 total=0.001600 worker=0 outcome=ok
    /// ```
    ///
    /// Bytes are `-` when there are none, missing values are `-`, and a request id that is not one plain word stands
    /// in quotes. In quotes, `"` and `\` get a backslash and all but printable ASCII becomes `\xHH`.
    Combined,
    /// One JSON object a line, always with all of these keys, in this order: `time` (RFC 3339, UTC, microseconds),
    /// `remote`, `method`, `target`, `protocol`, `status`, `bytes`, `referer`, `user_agent`, `request_id`, `queue_us`,
    /// `application_us`, `total_us`, `worker`, `generation`, `outcome`. `referer`, `user_agent`, `request_id`, `worker` and `generation` may
    /// be null. Bytes that are not UTF-8 become U+FFFD.
    Json,
}

/// The access log of one thread. Records gather in its buffer and are written at 32 KiB; the owner calls
/// [`AccessLog::flush`] at least once a second. The only lock is the sink's, once a flush.
#[derive(Debug)]
pub struct AccessLog {
    format: Formatter,
    sink: Arc<Sink>,
    buffer: Vec<u8>,
    /// Where each record goes as an entry of its own; the sink then gets what cannot be sent.
    entries: Option<Entries>,
}

#[derive(Debug)]
enum Formatter {
    Combined(Combined),
    Json(Json),
}

impl AccessLog {
    /// An access log that writes to `sink`, which other threads may share.
    pub fn new(format: Format, sink: Arc<Sink>) -> Self {
        AccessLog {
            format: match format {
                Format::Combined => Formatter::Combined(Combined::new()),
                Format::Json => Formatter::Json(Json::new()),
            },
            sink,
            buffer: Vec::new(),
            entries: None,
        }
    }

    /// The same where the sink is the journal's stream: each record is an entry with fields.
    #[must_use]
    pub(crate) fn with_entries(mut self, entries: Entries) -> Self {
        self.entries = Some(entries);
        self
    }

    /// Appends a record. It never fails: what cannot be written is counted by [`Sink::dropped`].
    pub fn record(&mut self, record: &AccessRecord) {
        match &mut self.format {
            Formatter::Combined(format) => format.append(&mut self.buffer, record),
            Formatter::Json(format) => format.append(&mut self.buffer, record),
        }
        if let Some(entries) = &self.entries {
            let line = String::from_utf8_lossy(&self.buffer);
            if entries.send_request(line.trim_end(), record).is_ok() {
                self.buffer.clear();
            }
        }
        if self.buffer.len() >= FLUSH_AT {
            self.flush();
        }
    }

    /// Writes what has gathered, and whatever the sink still keeps for a slow reader.
    pub fn flush(&mut self) {
        self.sink.write_lines(&self.buffer);
        self.buffer.clear();
    }

    /// Whether nothing waits in the buffer, so that a timer need not be set.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
