//! Tests of the journal's protocol, against a real datagram socket.

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read as _, Seek as _};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;

use proptest::prelude::*;
use rustix::fs::fcntl_get_seals;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

/// An entry as journald reads it.
fn fields(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
        if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            fields.insert(text(&line[..equals]), text(&line[equals + 1..]));
            bytes = rest;
        } else {
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            assert_eq!(rest[8 + length], b'\n');
            fields.insert(text(line), text(&rest[8..8 + length]));
            bytes = &rest[9 + length..];
        }
    }
    fields
}

fn journal() -> (UnixDatagram, Journal, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    (socket, Journal::at(&path).unwrap(), directory)
}

#[test]
fn an_entry_arrives_with_its_fields() {
    let (socket, journal, _directory) = journal();
    let mut entry = Entry::new(Priority::Warning, "one\ntwo=2");
    entry.field("hostler.worker", "3").field("_PID", "1").field("é", "x").field("9", "x").field("", "x");
    journal.send(&entry).unwrap();
    let mut bytes = [0; 1024];
    let length = socket.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..length], b"MESSAGE\n\x09\0\0\0\0\0\0\0one\ntwo=2\nPRIORITY=4\nHOSTLER_WORKER=3\n");
}

#[test]
fn a_large_entry_arrives_as_a_sealed_file() {
    let (socket, journal, _directory) = journal();
    let message = "x".repeat(4 * 1024 * 1024);
    journal.send(&Entry::new(Priority::Error, &message)).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 16];
    let received = recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::empty()).unwrap();
    assert_eq!(received.bytes, 0);
    let Some(RecvAncillaryMessage::ScmRights(mut files)) = control.drain().next() else { panic!("no file") };
    let mut file = File::from(files.next().unwrap());
    assert!(fcntl_get_seals(&file).unwrap().contains(SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW));
    let mut sent = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut sent).unwrap();
    assert_eq!(fields(&sent)["MESSAGE"], message);
}

#[test]
fn a_journal_that_is_behind_or_gone_does_not_hold_anybody_up() {
    let (socket, journal, _directory) = journal();
    let entry = Entry::new(Priority::Info, "x");
    let full = (0..100_000).find_map(|_| journal.send(&entry).err()).unwrap();
    assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    drop(socket);
    assert_eq!(journal.send(&entry).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn the_journals_stream_is_known_by_device_and_inode() {
    let (stream, _) = rustix::pipe::pipe().unwrap();
    let stat = fstat(&stream).unwrap();
    let of = |value: String| is_journal(&[("JOURNAL_STREAM", value)].into_iter().collect(), &stream);
    assert!(of(format!("{}:{}", stat.st_dev, stat.st_ino)));
    assert!(!of(format!("{}:{}", stat.st_dev, stat.st_ino + 1)));
    assert!(!of("nonsense".to_owned()));
    assert!(!is_journal(&Environment::default(), &stream));
}

#[test]
fn levels_of_python_have_priorities() {
    let of = Priority::of_python_level;
    assert_eq!([of(50), of(45), of(30), of(20), of(10), of(-1)].map(|one| one as u8), [2, 3, 4, 6, 7, 7]);
}

proptest! {
    #[test]
    fn values_come_back_as_they_were(values in proptest::collection::vec("(.|\n){0,30}", 1..8)) {
        let mut entry = Entry::new(Priority::Info, &values[0]);
        for (index, value) in values.iter().enumerate() {
            entry.field(&format!("f{index}"), value);
        }
        let read = fields(entry.as_bytes());
        prop_assert_eq!(read.len(), values.len() + 2);
        for (index, value) in values.iter().enumerate() {
            prop_assert_eq!(&read[&format!("F{index}")], value);
        }
    }

    #[test]
    fn any_name_is_one_that_the_journal_takes_or_left_out(name in "[a-zA-Z0-9_.=\n -]{0,70}") {
        let mut entry = Entry::new(Priority::Info, "m");
        entry.field(&name, "v");
        for name in fields(entry.as_bytes()).keys() {
            prop_assert!(name.len() <= 64 && name.starts_with(|one: char| one.is_ascii_uppercase()));
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'));
        }
    }
}
