//! What outlives the process: what was counted, what it was like over the last day and what happened, as files in memory in systemd's store of
//! descriptors. They go on where they were after a restart and after a crash, up to the last time they were written. Without systemd they
//! begin anew, but for an upgrade: a successor is given both.

use std::os::fd::{AsFd, OwnedFd};

use hostler_router::Statistics;
use hostler_systemd::store::{Blob, StoreName};

use super::past::{self, Past};
use super::service::Service;

/// What is counted, in the store.
pub(super) const STATISTICS: &str = "statistics";
/// What it was like, and what happened, in the store.
pub(super) const PAST: &str = "past";
/// The room for what is counted, in bytes; written out it takes some ten thousand.
pub(super) const STATISTICS_ROOM: u64 = 256 * 1024;

/// What is known from before this process.
#[derive(Default)]
pub(super) struct Before {
    pub(super) statistics: Option<Statistics>,
    pub(super) past: Option<Past>,
}

impl Before {
    /// What the process before left in the store. What cannot be used is told of, and begins anew.
    pub(super) fn stored(statistics: Option<OwnedFd>, past: Option<OwnedFd>) -> Self {
        Self {
            statistics: statistics.and_then(|stored| value(STATISTICS, stored)).and_then(|bytes| counted(&bytes)),
            past: past.and_then(read_past),
        }
    }

    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.statistics.is_none() && self.past.is_none()
    }
}

/// What it was like, from a file in memory that another process wrote.
pub(super) fn read_past(stored: OwnedFd) -> Option<Past> {
    remembered(&value(PAST, stored)?)
}

/// The value of a file in memory; what is no such file is told of.
fn value(what: &str, stored: OwnedFd) -> Option<Vec<u8>> {
    let opened = Blob::open(stored).map(|(_, value)| value);
    opened.unwrap_or_else(|error| begins_anew(what, &error))
}

/// Reads what was counted; what cannot be read is told of.
pub(super) fn counted(bytes: &[u8]) -> Option<Statistics> {
    serde_json::from_slice(bytes).map(Some).unwrap_or_else(|error| begins_anew(STATISTICS, &error))
}

/// Reads what it was like; what cannot be read is told of.
pub(super) fn remembered(bytes: &[u8]) -> Option<Past> {
    past::read(bytes).map(Some).unwrap_or_else(|error| begins_anew(PAST, &error))
}

fn begins_anew<T>(what: &str, error: &dyn std::fmt::Display) -> Option<T> {
    tracing::warn!(what, %error, "what was kept of the server process before cannot be used: it begins anew");
    None
}

/// The files that are written, as far as somebody keeps them.
#[derive(Default)]
pub(super) struct Kept {
    statistics: Option<Blob>,
    past: Option<Blob>,
}

impl Kept {
    /// New files. Without systemd there are none.
    pub(super) fn new(service: &Service) -> Self {
        let made = |what, room| service.is_active().then(|| made(what, room)).flatten();
        Self { statistics: made(STATISTICS, STATISTICS_ROOM), past: made(PAST, past::ROOM) }
    }

    /// Puts them into the store, in place of those before; once there is something in them.
    pub(super) fn store(&self, service: &Service) {
        for (what, blob) in [(STATISTICS, &self.statistics), (PAST, &self.past)] {
            if let (Ok(name), Some(blob)) = (StoreName::new(what), blob) {
                service.forget(&name.to_string());
                service.keep(&name, blob.as_fd());
            }
        }
    }

    /// Writes what is counted now.
    pub(super) fn write_statistics(&mut self, statistics: &Statistics) {
        if let Some(blob) = &mut self.statistics {
            let written = serde_json::to_vec(statistics).map_err(|error| error.to_string());
            told(written.and_then(|bytes| blob.write(&bytes).map_err(|error| error.to_string())));
        }
    }

    /// Whether somebody keeps what it was like.
    pub(super) fn keeps_past(&self) -> bool {
        self.past.is_some()
    }

    /// Writes what it was like until now.
    pub(super) fn write_past(&mut self, bytes: &[u8]) {
        if let Some(blob) = &mut self.past {
            told(blob.write(bytes).map_err(|error| error.to_string()));
        }
    }

    /// The file of what it was like, for a successor; from now on it is written where there was no store, too.
    pub(super) fn share_past(&mut self) -> Option<OwnedFd> {
        let blob = match self.past.take() {
            Some(blob) => Some(blob),
            None => made(PAST, past::ROOM),
        };
        self.past = blob;
        self.past.as_ref()?.as_fd().try_clone_to_owned().ok()
    }
}

fn made(what: &str, room: u64) -> Option<Blob> {
    let made = Blob::create(&format!("hostler-{what}"), room);
    made.inspect_err(|error| tracing::debug!(%error, what, "not kept over a restart")).ok()
}

fn told(written: Result<(), String>) {
    if let Err(error) = written {
        tracing::debug!(error, "not kept over a restart");
    }
}

#[cfg(test)]
mod tests {
    use hostler_bus::EventKind;
    use serde_json::json;

    use super::super::events::Events;
    use super::super::past::Ending;
    use super::super::samples::Spans;
    use super::*;

    #[test]
    fn what_a_process_shared_is_read_by_the_next_whatever_became_of_it() {
        let mut kept = Kept::default();
        assert!(!kept.keeps_past());
        let shared = kept.share_past().unwrap();
        let mut events = Events::default();
        events.add(EventKind::Reloaded, 4, "reloaded");
        kept.write_past(&past::write(Ending::Running, 5, &Spans::default(), &events));
        drop(kept);
        let past = read_past(shared).unwrap();
        assert_eq!((past.at_us, past.events.len()), (5, 1));
    }

    fn some() -> Statistics {
        let mut statistics = Statistics { bytes_in: 7, accepted: 3, ..Statistics::default() };
        statistics.statuses = [1, 2, 3, 4, 5, 6];
        (10u64..).zip(&mut statistics.outcomes).for_each(|(count, outcome)| *outcome = count);
        statistics.queue_time.record(1_000);
        statistics
    }

    fn reread(written: &serde_json::Value) -> Option<Statistics> {
        counted(&serde_json::to_vec(written).unwrap())
    }

    #[test]
    fn what_is_counted_is_written_by_name() {
        let written = serde_json::to_value(some()).unwrap();
        assert_eq!(written["statuses"], json!({"other": 1, "1xx": 2, "2xx": 3, "3xx": 4, "4xx": 5, "5xx": 6}));
        assert_eq!((&written["outcomes"]["ok"], &written["outcomes"]["client_gone"]), (&json!(10), &json!(11)));
        assert_eq!(reread(&written), Some(some()));
        assert_eq!(serde_json::to_value(Statistics::default()).unwrap()["outcomes"], json!({}));
    }

    #[test]
    fn a_version_that_counts_one_thing_more_or_fewer_is_read() {
        let mut more = serde_json::to_value(some()).unwrap();
        more["outcomes"]["of_a_later_version"] = json!(99);
        more["statuses"]["6xx"] = json!(99);
        more["of_a_later_version"] = json!({"a": [1]});
        assert_eq!(reread(&more), Some(some()));

        let mut fewer = serde_json::to_value(some()).unwrap();
        fewer["outcomes"].as_object_mut().unwrap().remove("refused");
        fewer["statuses"].as_object_mut().unwrap().remove("5xx");
        fewer.as_object_mut().unwrap().remove("bytes_in");
        let mut expected = some();
        expected.outcomes[Statistics::OUTCOMES.len() - 1] = 0;
        (expected.statuses[5], expected.bytes_in) = (0, 0);
        assert_eq!(reread(&fewer), Some(expected));
    }

    #[test]
    fn lists_as_they_were_written_before_are_read_whatever_their_length() {
        let mut before = serde_json::to_value(some()).unwrap();
        before["statuses"] = json!([1, 2, 3, 4, 5, 6]);
        before["outcomes"] = json!(some().outcomes);
        assert_eq!(reread(&before), Some(some()));
        let mut more = before.clone();
        more["statuses"].as_array_mut().unwrap().push(json!(99));
        more["outcomes"].as_array_mut().unwrap().push(json!(99));
        assert_eq!(reread(&more), Some(some()));
        before["outcomes"].as_array_mut().unwrap().pop();
        let mut expected = some();
        expected.outcomes[Statistics::OUTCOMES.len() - 1] = 0;
        assert_eq!(reread(&before), Some(expected));
    }

    #[test]
    fn what_is_neither_is_not_taken_for_it() {
        for wrong in [json!("ok"), json!({"ok": "many"}), json!([-1])] {
            let mut written = serde_json::to_value(some()).unwrap();
            written["outcomes"] = wrong;
            assert_eq!(reread(&written), None, "{written}");
        }
    }

    #[test]
    fn what_is_no_file_of_ours_begins_anew() {
        let (pipe, _writer) = rustix::pipe::pipe().unwrap();
        let mut other = Blob::create("other", 100).unwrap();
        other.write(b"what is this?").unwrap();
        let copy = || other.as_fd().try_clone_to_owned().unwrap();
        assert!(Before::stored(Some(pipe), Some(copy())).is_empty());
        assert!(Before::stored(Some(copy()), None).is_empty());
        let untouched = Blob::create("untouched", 100).unwrap();
        assert!(read_past(untouched.as_fd().try_clone_to_owned().unwrap()).is_none());
    }
}
