//! Tests of the sink with real files, pipes and the device that is always full.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::*;

thread_local! {
    static NOTICES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(text: &str) {
    NOTICES.with_borrow_mut(|notices| notices.push(text.to_owned()));
}

fn notices() -> Vec<String> {
    NOTICES.take()
}

fn sink(path: &Path) -> Sink {
    Sink::with_notice(&Target::File(path.to_owned()), note).unwrap()
}

/// A named pipe and its reader, which does not wait.
fn pipe(path: &Path) -> File {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).unwrap()
}

fn read_available(reader: &mut File) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_file_is_appended_to_and_reopened_after_its_renaming() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.log");
    fs::write(&path, "before\n").unwrap();
    let sink = sink(&path);
    sink.write(b"one\n");
    let old = directory.path().join("x.log.1");
    fs::rename(&path, &old).unwrap();
    sink.write(b"two\n");
    sink.reopen().unwrap();
    sink.write_lines(b"three\nfour\n");
    assert_eq!(fs::read_to_string(&old).unwrap(), "before\none\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\nfour\n");
    assert_eq!(sink.dropped(), 0);
    assert!(notices().is_empty());
}

#[test]
fn a_reopening_that_fails_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let path = logs.join("x.log");
    let sink = sink(&path);
    let moved = directory.path().join("moved");
    fs::rename(&logs, &moved).unwrap();
    let message = sink.reopen().unwrap_err().to_string();
    assert!(message.contains("x.log cannot be opened"), "{message}");
    assert!(message.contains("create its directory"), "{message}");
    sink.write(b"still\n");
    assert_eq!(fs::read_to_string(moved.join("x.log")).unwrap(), "still\n");
}

#[test]
fn a_full_disk_is_told_once_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let sink = sink(&path);
    sink.write(b"one\n");
    sink.write_lines(b"two\nthree\n");
    sink.write_lines(b"");
    assert_eq!(sink.dropped(), 3);
    let told = notices();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("No space left on device"), "{told:?}");
    // Room again.
    fs::remove_file(&path).unwrap();
    sink.reopen().unwrap();
    sink.write(b"four\n");
    sink.write(b"five\n");
    let told = notices();
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("can be written again, lost records: 3"));
    assert_eq!(sink.dropped(), 3);
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\nfive\n");
}

#[test]
fn a_slow_reader_gets_whole_lines_and_never_holds_up_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let mut reader = pipe(&path);
    let sink = sink(&path);
    let line = |number: u32| format!("{number:0>99}\n");
    let batch = |from: u32| (from..from + 100).map(line).collect::<String>();
    // 64 KiB fit into the pipe and 1 MiB is kept: the last of 20,000 lines of 100 bytes are lost.
    for from in (0..20_000).step_by(100) {
        sink.write_lines(batch(from).as_bytes());
    }
    let lost = sink.dropped();
    assert!(lost > 0);
    assert_eq!(notices().len(), 1);
    let mut text = Vec::new();
    loop {
        let part = read_available(&mut reader);
        if part.is_empty() {
            break;
        }
        text.extend(part);
        sink.write_lines(b"");
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count() as u64, 20_000 - lost);
    assert!(text.lines().all(|line| line.len() == 99));
    assert!(text.starts_with(&line(0)));
    let told = notices();
    assert!(told[0].ends_with(&format!("lost records: {lost}")), "{told:?}");
    sink.write(b"after\n");
    assert_eq!(read_available(&mut reader), b"after\n");
    assert_eq!(sink.dropped(), lost);
}

#[test]
fn a_long_record_is_finished_before_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let mut reader = pipe(&path);
    let sink = sink(&path);
    let long = [vec![b'x'; 100_000], b"\n".to_vec()].concat();
    sink.write(&long);
    sink.write(b"next\n");
    let mut all = read_available(&mut reader);
    assert!(all.len() < long.len());
    sink.finish(Duration::from_secs(10));
    all.extend(read_available(&mut reader));
    assert_eq!(all, [long.as_slice(), b"next\n"].concat());
    assert_eq!(sink.dropped(), 0);
}

#[test]
fn a_closed_pipe_loses_everything_and_says_so_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let reader = pipe(&path);
    let sink = sink(&path);
    // Fills the pipe, and is kept beyond.
    for _ in 0..100 {
        sink.write(&[b"x".repeat(4000), b"\n".to_vec()].concat());
    }
    assert_eq!(sink.dropped(), 0);
    let started = Instant::now();
    sink.finish(Duration::from_millis(20));
    assert!(started.elapsed() >= Duration::from_millis(20));
    drop(reader);
    sink.write(b"y\n");
    assert!(sink.dropped() > 1, "{}", sink.dropped());
    let told = notices();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("Broken pipe"), "{told:?}");
    sink.finish(Duration::from_secs(10));
}

#[test]
fn a_pipe_without_reader_and_a_missing_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    drop(pipe(&path));
    let message = Sink::open(&Target::File(path)).unwrap_err().to_string();
    assert!(message.contains("that nobody reads"), "{message}");
    let path = directory.path().join("no/x.log");
    assert!(Sink::open(&Target::File(path)).is_err());
}

#[test]
fn standard_streams_open_and_reopen() {
    for target in [Target::Stdout, Target::Stderr] {
        let sink = Sink::open(&target).unwrap();
        sink.write_lines(b"");
        sink.reopen().unwrap();
        assert_eq!(sink.dropped(), 0);
    }
}

#[test]
fn pieces_are_whole_lines() {
    assert_eq!(whole_lines(b"a\nbb\n", usize::MAX), 5);
    assert_eq!(whole_lines(b"a\nbb\n", 4), 2);
    assert_eq!(whole_lines(b"aaaaaa\nbb\n", 4), 7);
    assert_eq!(whole_lines(b"aaaaaa", 4), 6);
}
