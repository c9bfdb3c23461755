//! Tests of the access log and its two formats.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::*;
use crate::sink::Target;

fn record<'a>() -> AccessRecord<'a> {
    AccessRecord {
        remote: "192.0.2.1",
        method: "GET",
        target: "/a?b=c",
        version: "HTTP/1.1",
        status: 200,
        bytes: 12,
        referer: None,
        user_agent: Some(b"curl/8"),
        request_id: Some("7f3a"),
        received: UNIX_EPOCH + Duration::new(1_795_233_600, 42_000),
        queue: Duration::from_micros(12),
        application: Duration::from_micros(1_500),
        total: Duration::from_secs(61),
        worker: Some(4711),
        generation: Some(2),
        outcome: "ok",
    }
}

fn line(format: Format, record: &AccessRecord) -> String {
    let mut out = Vec::new();
    match format {
        Format::Combined => Combined::new().append(&mut out, record),
        Format::Json => Json::new().append(&mut out, record),
    }
    String::from_utf8(out).unwrap()
}

fn log(path: &Path, format: Format) -> AccessLog {
    let sink = Sink::open(&Target::File(path.to_owned())).unwrap();
    AccessLog::new(format, Arc::new(sink))
}

#[test]
fn combined() {
    assert_eq!(
        line(Format::Combined, &record()),
        "192.0.2.1 - - [21/Nov/2026:04:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 12 \"-\" \"curl/8\" request_id=7f3a \
         queue=0.000012 application=0.001500 total=61.000000 worker=4711 outcome=ok\n"
    );
    let empty = AccessRecord { bytes: 0, request_id: None, worker: None, ..record() };
    let line = line(Format::Combined, &empty);
    assert!(line.contains("\" 200 - \"-\""), "{line}");
    assert!(line.contains(" request_id=- "), "{line}");
    assert!(line.contains(" worker=- "), "{line}");
}

#[test]
fn json() {
    assert_eq!(
        line(Format::Json, &record()),
        "{\"time\":\"2026-11-21T04:00:00.000042Z\",\"remote\":\"192.0.2.1\",\"method\":\"GET\",\"target\":\"/a?b=c\",\
         \"protocol\":\"HTTP/1.1\",\"status\":200,\"bytes\":12,\"referer\":null,\"user_agent\":\"curl/8\",\
         \"request_id\":\"7f3a\",\"queue_us\":12,\"application_us\":1500,\"total_us\":61000000,\"worker\":4711,\"generation\":2,\
         \"outcome\":\"ok\"}\n"
    );
}

#[test]
fn records_gather_until_flushed_or_many() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = log(&path, Format::Combined);
    assert!(log.is_empty());
    log.record(&record());
    assert!(!log.is_empty());
    assert_eq!(std::fs::read(&path).unwrap().len(), 0);
    log.flush();
    assert!(log.is_empty());
    let one = std::fs::read(&path).unwrap().len();
    assert_eq!(one, line(Format::Combined, &record()).len());
    let until_full = FLUSH_AT.div_ceil(one);
    for _ in 0..until_full {
        log.record(&record());
    }
    assert!(log.is_empty());
    log.record(&record());
    drop(log);
    assert_eq!(std::fs::read(&path).unwrap().len(), one * (until_full + 2));
}

#[test]
fn threads_do_not_mix_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let sink = Arc::new(Sink::open(&Target::File(path.clone())).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut log = AccessLog::new(Format::Json, Arc::clone(&sink));
            scope.spawn(move || {
                for _ in 0..1000 {
                    log.record(&record());
                }
            });
        }
    });
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 4000);
    let expected = line(Format::Json, &record());
    assert!(text.lines().all(|line| line == expected.trim_end()));
    assert_eq!(sink.dropped(), 0);
}

#[test]
fn a_line_cannot_be_forged() {
    let forged = "x\" 200 1 \"-\" \"-\" outcome=ok\n10.0.0.1 - - [";
    let hostile = AccessRecord {
        target: forged,
        referer: Some(b"\x1b]0;x\x07\\\" \xff\r\n"),
        user_agent: Some(forged.as_bytes()),
        request_id: Some("a outcome=ok"),
        ..record()
    };
    let line = line(Format::Combined, &hostile);
    assert_combined(&line);
    assert!(line.contains("request_id=\"a outcome=ok\" queue="), "{line}");
}

/// Any bytes in any field: a combined line keeps its shape, and a JSON line gives back what went in.
#[test]
fn any_bytes_keep_the_shape() {
    bolero::check!()
        .with_iterations(5_000)
        .with_type::<(String, String, Vec<u8>, Vec<u8>, String, u16, u64, u64, u32)>()
        .for_each(|(method, target, referer, user_agent, id, status, bytes, time, worker)| {
            let record = AccessRecord {
                method,
                target,
                referer: Some(referer),
                user_agent: Some(user_agent),
                request_id: Some(id),
                status: *status,
                bytes: *bytes,
                received: UNIX_EPOCH + Duration::from_micros(*time),
                queue: Duration::from_nanos(*time),
                worker: Some(*worker),
                ..record()
            };
            assert_combined(&line(Format::Combined, &record));
            let line = line(Format::Json, &record);
            assert_eq!(line.chars().filter(|character| character.is_control()).count(), 1);
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), 16);
            assert_eq!(value["target"], **target);
            assert_eq!(value["request_id"], **id);
            assert_eq!(value["referer"], *String::from_utf8_lossy(referer));
            assert_eq!(value["bytes"], *bytes);
        });
}

/// One line of printable ASCII, with its four quoted parts at most four more for a request id.
fn assert_combined(line: &str) {
    let body = line.strip_suffix('\n').unwrap();
    assert!(body.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line}");
    // Outside of quotes, what is left has a fixed number of words.
    let mut outside = String::new();
    let mut inside = false;
    let mut characters = body.chars();
    while let Some(character) = characters.next() {
        match (inside, character) {
            (true, '\\') => {
                let next = characters.next().unwrap();
                assert!(matches!(next, '"' | '\\' | 'x'), "{line}");
            }
            (_, '"') => {
                inside = !inside;
                outside.push('Q');
            }
            (false, character) => outside.push(character),
            (true, _) => {}
        }
    }
    assert!(!inside, "{line}");
    let words: Vec<&str> = outside.split(' ').collect();
    assert_eq!(words.len(), 16, "{outside}");
    assert_eq!([words[5], words[8], words[9]], ["QQ"; 3], "{outside}");
    let keys: Vec<&str> = words[10..].iter().map(|word| word.split_once('=').unwrap().0).collect();
    assert_eq!(keys, ["request_id", "queue", "application", "total", "worker", "outcome"]);
}
