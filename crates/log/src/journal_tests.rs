//! Tests of entries, against a real datagram socket.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use hostler_systemd::journal::MessageId;
use tracing::level_filters::LevelFilter;

use super::*;
use crate::error_log::{Form, assemble};
use crate::sink::{Sink, Target};

/// A journal, and what is written beside it.
struct Rig {
    directory: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Rig {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("socket")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { directory, socket }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Logs what `work` logs, with the journal at `path`.
    fn log(&self, path: &Path, work: impl FnOnce(&crate::ErrorLog)) {
        let origin = Arc::new(Origin::default());
        let entries = Entries { journal: Journal::at(path).unwrap(), origin: Arc::clone(&origin) };
        let sink = Arc::new(Sink::open(&Target::File(self.path("stderr"))).unwrap());
        let (subscriber, log) = assemble(sink, Form::Entries(entries), LevelFilter::DEBUG, origin);
        tracing::subscriber::with_default(subscriber, || work(&log));
    }

    /// The next entry, its lines sorted.
    fn entry(&self) -> Vec<String> {
        let mut bytes = vec![0; 65536];
        let length = self.socket.recv(&mut bytes).unwrap();
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&bytes[..length]).lines().map(|line| line.to_owned()).collect();
        lines.retain(|line| !line.starts_with("CODE_LINE="));
        lines.sort();
        lines
    }

    fn beside(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap()
    }
}

#[test]
fn an_event_is_an_entry_with_fields() {
    let rig = Rig::new();
    rig.log(&rig.path("socket"), |log| {
        tracing::debug!("early");
        log.set_instance("shop");
        log.set_instance("another");
        log.set_generation(2);
        tracing::error!(
            message_id = "WORKER_DIED",
            worker = 3u16,
            pid = 4711,
            request_id = "7f3a",
            method = "GET",
            status = 502,
            total = 0.0015,
            seconds = 0.5,
            "a worker died"
        );
        tracing::warn!(generation = 1, "late");
        let former = tracing::error_span!("generation", generation = 1u64);
        former.in_scope(|| {
            tracing::error_span!("inner", port = 80).in_scope(|| tracing::warn!(worker = 0, "of a worker that drains"))
        });
        former.in_scope(|| tracing::warn!(generation = 3, "of another"));
    });
    assert_eq!(
        rig.entry(),
        [
            "CODE_FILE=crates/log/src/journal_tests.rs",
            "CODE_MODULE=hostler_log::journal::tests",
            "MESSAGE=early",
            "PRIORITY=7",
            "SYSLOG_IDENTIFIER=hostler",
        ]
    );
    assert_eq!(
        rig.entry(),
        [
            "CODE_FILE=crates/log/src/journal_tests.rs",
            "CODE_MODULE=hostler_log::journal::tests",
            "HOSTLER_APP=shop",
            "HOSTLER_DURATION_US=1500",
            "HOSTLER_GENERATION=2",
            "HOSTLER_INSTANCE=shop",
            "HOSTLER_METHOD=GET",
            "HOSTLER_REQUEST_ID=7f3a",
            "HOSTLER_SECONDS=0.5",
            "HOSTLER_STATUS=502",
            "HOSTLER_WORKER=3",
            "HOSTLER_WORKER_PID=4711",
            "MESSAGE=a worker died worker=3 pid=4711 request_id=7f3a method=GET status=502 total=0.0015 seconds=0.5",
            &format!("MESSAGE_ID={}", MessageId::WORKER_DIED),
            "PRIORITY=3",
            "SYSLOG_IDENTIFIER=hostler",
        ]
    );
    for generation in ["1", "1", "3"] {
        let late = rig.entry();
        let generations: Vec<_> = late.iter().filter(|line| line.starts_with("HOSTLER_GENERATION")).collect();
        assert_eq!(generations, [&format!("HOSTLER_GENERATION={generation}")]);
    }
    assert_eq!(rig.beside(), "");
}

#[test]
fn a_traceback_is_one_entry() {
    let rig = Rig::new();
    rig.log(&rig.path("socket"), |_| {
        tracing::error!(detail = "Traceback:\n\tFile \"a.py\"\x1b[2J\nPRIORITY=0\n", "it\nfailed");
    });
    let mut bytes = vec![0; 65536];
    let length = rig.socket.recv(&mut bytes).unwrap();
    let message = "it\\nfailed\nTraceback:\n\tFile \"a.py\"\\x1b[2J\nPRIORITY=0";
    let mut expected = b"MESSAGE\n".to_vec();
    expected.extend_from_slice(&(message.len() as u64).to_le_bytes());
    expected.extend_from_slice(format!("{message}\nPRIORITY=3\n").as_bytes());
    assert_eq!(bytes[..length][..expected.len()], expected);
    assert!(rig.socket.recv(&mut bytes).is_err());
}

#[test]
fn what_the_journal_does_not_take_goes_to_its_stream() {
    let rig = Rig::new();
    rig.log(&rig.path("none"), |_| tracing::warn!(worker = 1, detail = "a\nb", "odd"));
    assert_eq!(rig.beside(), "<4>odd worker=1\n<4>  a\n<4>  b\n");
}
