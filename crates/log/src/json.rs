//! One JSON object a line. Written by hand: the keys are known, and nothing is allocated.

use std::time::Duration;

use crate::access::AccessRecord;
use crate::escape::json_string;
use crate::number::{push_integer, push_padded};
use crate::timestamp::{SecondCache, since_epoch};

#[derive(Debug)]
pub(crate) struct Json {
    time: SecondCache,
}

impl Json {
    pub(crate) fn new() -> Self {
        Json { time: SecondCache::rfc3339() }
    }

    pub(crate) fn append(&mut self, out: &mut Vec<u8>, record: &AccessRecord) {
        let received = since_epoch(record.received);
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(self.time.text(received).as_bytes());
        out.push(b'.');
        push_padded(out, received.subsec_micros(), 6);
        out.extend_from_slice(b"Z\"");
        text(out, b"remote", Some(record.remote.as_bytes()));
        text(out, b"method", Some(record.method.as_bytes()));
        text(out, b"target", Some(record.target.as_bytes()));
        text(out, b"protocol", Some(record.version.as_bytes()));
        integer(out, b"status", Some(record.status.into()));
        integer(out, b"bytes", Some(record.bytes));
        text(out, b"referer", record.referer);
        text(out, b"user_agent", record.user_agent);
        text(out, b"request_id", record.request_id.map(str::as_bytes));
        integer(out, b"queue_us", Some(microseconds(record.queue)));
        integer(out, b"application_us", Some(microseconds(record.application)));
        integer(out, b"total_us", Some(microseconds(record.total)));
        integer(out, b"worker", record.worker.map(u64::from));
        integer(out, b"generation", record.generation);
        text(out, b"outcome", Some(record.outcome.as_bytes()));
        out.extend_from_slice(b"}\n");
    }
}

fn text(out: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
    key(out, name);
    match value {
        Some(value) => json_string(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

fn key(out: &mut Vec<u8>, name: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name);
    out.extend_from_slice(b"\":");
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn integer(out: &mut Vec<u8>, name: &[u8], value: Option<u64>) {
    key(out, name);
    match value {
        Some(value) => push_integer(out, value),
        None => out.extend_from_slice(b"null"),
    }
}
