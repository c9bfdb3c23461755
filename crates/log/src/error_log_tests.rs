//! Tests of the error log.

use std::error::Error as StdError;
use std::time::UNIX_EPOCH;

use super::*;
use crate::access::AccessRecord;
use crate::fields::cut;

/// What `work` logs at `level`, without the time and process id of each record.
fn logged(level: LevelFilter, work: impl FnOnce(&ErrorLog)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let (subscriber, log) = subscriber(&Target::File(path.clone()), level).unwrap();
    tracing::subscriber::with_default(subscriber, || work(&log));
    let text = std::fs::read_to_string(path).unwrap();
    let mut out = String::new();
    for line in text.lines() {
        let start = format!("Z [{}] ", std::process::id());
        match line.split_once(&start) {
            Some((time, rest)) => {
                assert_eq!(time.len(), "2026-11-21T04:00:00.000".len());
                out.push_str(rest);
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[test]
fn message_fields_and_detail() {
    let text = logged(LevelFilter::INFO, |_| {
        let error = std::io::Error::other("cause");
        tracing::error!(
            pid = 7,
            path = "a b",
            word = %"plain",
            error = &error as &dyn StdError,
            message_id = "0011",
            detail = "Traceback:\n\tFile \"a.py\"\x1b[2J\r\n2026-01-01T00:00:00.000Z [1] INFO forged\n",
            "the worker failed"
        );
        tracing::info!("next\nline");
        tracing::debug!("unseen");
    });
    assert_eq!(
        text,
        "ERROR the worker failed pid=7 path=\"a b\" word=plain error=cause\n  Traceback:\n  \tFile \"a.py\"\\x1b[2J\n  \
         2026-01-01T00:00:00.000Z [1] INFO forged\nINFO next\\nline\n"
    );
}

#[test]
fn the_level_can_be_changed() {
    let text = logged(LevelFilter::WARN, |log| {
        for round in 0..2 {
            tracing::debug!(round, "seen at debug");
            tracing::warn!(round, "seen at warn");
            log.set_level(LevelFilter::DEBUG);
        }
    });
    assert_eq!(text, "WARN seen at warn round=0\nDEBUG seen at debug round=1\nWARN seen at warn round=1\n");
}

#[test]
fn a_slow_request_is_a_warning_with_its_fields() {
    let text = logged(LevelFilter::WARN, |_| {
        crate::slow_request(&AccessRecord {
            remote: "unix",
            method: "GET",
            target: "/\" x",
            version: "HTTP/1.1",
            status: 200,
            bytes: 1,
            referer: None,
            user_agent: None,
            request_id: Some("id"),
            received: UNIX_EPOCH,
            queue: Duration::from_millis(1),
            application: Duration::from_millis(2500),
            total: Duration::from_secs(3),
            worker: None,
            generation: None,
            outcome: "ok",
        });
    });
    assert_eq!(
        text,
        "WARN slow request remote=unix method=GET target=\"/\\\" x\" status=200 bytes=1 request_id=id queue=0.001 \
         application=2.5 total=3.0 outcome=ok\n"
    );
}

#[test]
fn colours_are_for_terminals() {
    let fields = Fields { message: "a\x1b[0m".into(), ..Fields::default() };
    assert_eq!(render("START", Level::ERROR, &fields, true), "\x1b[2mSTART\x1b[0m \x1b[31mERROR\x1b[0m a\\x1b[0m\n");
    assert!(!is_coloured(&Target::File("x".into())));
    let detail = "  File \"<frozen x>\", line 1\nError: x\n".to_owned();
    let fields = Fields { detail, ..Fields::default() };
    let shown = render("START", Level::ERROR, &fields, true);
    assert!(
        shown.ends_with("\n  \x1b[2m  File \"<frozen x>\", line 1\x1b[0m\n  \x1b[1;31mError: x\x1b[0m\n"),
        "{shown:?}"
    );
    assert!(!render("START", Level::ERROR, &fields, false).contains('\x1b'));
}

#[test]
fn long_texts_are_cut_in_the_middle() {
    assert_eq!(cut("short", 10), "short");
    let long = format!("{}{}", "é".repeat(100), "z".repeat(100));
    let short = cut(&long, 21);
    assert!(short.starts_with("ééééé\n[... "), "{short}");
    assert!(short.ends_with("]\nzzzzzzzzzz"), "{short}");
}

#[test]
fn a_second_error_log_of_a_process_is_refused() {
    let first = init_error_log(&Target::Stderr, LevelFilter::OFF).unwrap();
    assert_eq!(first.sink().dropped(), 0);
    first.reopen().unwrap();
    assert!(matches!(init_error_log(&Target::Stderr, LevelFilter::OFF), Err(Error::AlreadyInstalled)));
}
