//! Apache's combined format with Hostler's own values behind it.

use std::time::Duration;

use crate::access::AccessRecord;
use crate::escape::{bare_ascii, quoted_ascii};
use crate::number::{push_integer, push_padded};
use crate::timestamp::{SecondCache, since_epoch};

#[derive(Debug)]
pub(crate) struct Combined {
    time: SecondCache,
}

impl Combined {
    pub(crate) fn new() -> Self {
        Combined { time: SecondCache::common() }
    }

    pub(crate) fn append(&mut self, out: &mut Vec<u8>, record: &AccessRecord) {
        bare_ascii(out, record.remote.as_bytes());
        out.extend_from_slice(b" - - [");
        let time = self.time.text(since_epoch(record.received));
        out.extend_from_slice(time.as_bytes());
        out.extend_from_slice(b"] \"");
        quoted_ascii(out, record.method.as_bytes());
        out.push(b' ');
        quoted_ascii(out, record.target.as_bytes());
        out.push(b' ');
        quoted_ascii(out, record.version.as_bytes());
        out.extend_from_slice(b"\" ");
        push_integer(out, record.status);
        out.push(b' ');
        match record.bytes {
            0 => out.push(b'-'),
            bytes => push_integer(out, bytes),
        }
        for header in [record.referer, record.user_agent] {
            out.extend_from_slice(b" \"");
            quoted_ascii(out, header.unwrap_or(b"-"));
            out.push(b'"');
        }
        out.extend_from_slice(b" request_id=");
        bare_ascii(out, record.request_id.unwrap_or_default().as_bytes());
        seconds(out, b" queue=", record.queue);
        seconds(out, b" application=", record.application);
        seconds(out, b" total=", record.total);
        out.extend_from_slice(b" worker=");
        match record.worker {
            None => out.push(b'-'),
            Some(worker) => push_integer(out, worker),
        }
        out.extend_from_slice(b" outcome=");
        bare_ascii(out, record.outcome.as_bytes());
        out.push(b'\n');
    }
}

fn seconds(out: &mut Vec<u8>, key: &[u8], duration: Duration) {
    out.extend_from_slice(key);
    push_integer(out, duration.as_secs());
    out.push(b'.');
    push_padded(out, duration.subsec_micros(), 6);
}
