//! The decoder and the encoder against the examples of the standards, and what is to be refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod frames;

use frames::{Heard, Told, decode_in, frame, masked};
use hostler_websocket::{Deflaters, Encoder, Kind, handshake, write_close, write_ping, write_pong};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

fn text(text: &str) -> Heard {
    Heard::Message(Kind::Text, text.as_bytes().to_vec())
}

fn decode(bytes: &[u8]) -> Told {
    decode_in(bytes, true, u64::MAX, &[usize::MAX], &[65_536])
}

/// RFC 6455 section 5.7.
#[test]
fn examples_of_rfc_6455() {
    let cases: [(&[u8], Vec<Heard>); 4] = [
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", vec![text("Hello")]),
        (b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", vec![Heard::Pong]),
        (b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", vec![Heard::Ping(b"Hello".to_vec())]),
        (&[frame(1, b"Hel"), frame(FIN, b"lo")].concat(), vec![text("Hello")]),
    ];
    for (bytes, heard) in cases {
        assert_eq!(decode(bytes), Told { heard, failure: None });
    }
    for length in [256, 65_536] {
        let payload = vec![7; length];
        let told = decode(&frame(FIN | 2, &payload));
        assert_eq!(told.heard, [Heard::Message(Kind::Binary, payload)]);
    }
    assert_eq!(decode(b"\x81\x05Hello").failure, Some(1002));
}

/// The frames of RFC 6455 section 5.7 that a server sends.
#[test]
fn what_a_server_sends() {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(None);
    encoder.head(Kind::Text, true, 5, &mut out);
    out.extend_from_slice(b"Hello");
    encoder.head(Kind::Text, false, 3, &mut out);
    out.extend_from_slice(b"Hel");
    encoder.head(Kind::Text, true, 2, &mut out);
    out.extend_from_slice(b"lo");
    assert_eq!(out, b"\x81\x05Hello\x01\x03Hel\x80\x02lo");
    out.clear();
    encoder.head(Kind::Binary, true, 256, &mut out);
    encoder.head(Kind::Binary, true, 65_536, &mut out);
    assert_eq!(out, b"\x82\x7e\x01\x00\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00");
    out.clear();
    write_ping(b"Hello", &mut out);
    write_pong(b"Hello", &mut out);
    write_close(1000, "bye", &mut out);
    write_close(1005, "", &mut out);
    assert_eq!(out, b"\x89\x05Hello\x8a\x05Hello\x88\x05\x03\xe8bye\x88\x00");
    out.clear();
    write_close(1006, &"\u{e9}".repeat(62), &mut out);
    assert_eq!((out[1], &out[2..4], out.len()), (124, b"\x03\xf3".as_slice(), 126));
}

/// RFC 7692 section 7.2.3.
#[test]
fn examples_of_rfc_7692() {
    let whole = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let cases: [Vec<u8>; 5] = [
        frame(FIN | RSV1 | 1, whole),
        [frame(RSV1 | 1, &whole[..3]), frame(FIN, &whole[3..])].concat(),
        // Stored, in a block that says it is the last, and in two blocks.
        frame(FIN | RSV1 | 1, b"\x00\x05\x00\xfa\xffHello\x00"),
        frame(FIN | RSV1 | 1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        frame(FIN | RSV1 | 1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
    ];
    for bytes in cases {
        assert_eq!(decode(&bytes), Told { heard: vec![text("Hello")], failure: None }, "{bytes:x?}");
        // Compressed or not is said of each message; with no agreement it cannot be said.
        assert_eq!(decode_in(&bytes, false, 99, &[usize::MAX], &[99]).failure, Some(1002));
    }
    // A second message may not refer to the first.
    let second = [frame(FIN | RSV1 | 1, whole), frame(FIN | RSV1 | 1, b"\xf2\x00\x11\x00\x00")].concat();
    assert_eq!(decode(&second), Told { heard: vec![text("Hello")], failure: Some(1007) });
    // What is compressed and empty.
    assert_eq!(decode(&frame(FIN | RSV1 | 1, b"\x00")).heard, [text("")]);
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes = [frame(1, b"a"), frame(FIN | 9, b"?"), frame(0, b""), frame(FIN | 10, b""), frame(FIN, b"b")].concat();
    assert_eq!(decode(&bytes).heard, [Heard::Ping(b"?".to_vec()), Heard::Pong, text("ab")]);
}

#[test]
fn nothing_counts_after_a_close_or_a_failure() {
    let close = frame(FIN | 8, b"\x03\xe8bye");
    let bytes = [close.as_slice(), &frame(FIN | 1, b"more"), b"\xff\xff"].concat();
    assert_eq!(decode(&bytes), Told { heard: vec![Heard::Close(1000, "bye".to_owned())], failure: None });
    let bytes = [b"\x83\x80keys".to_vec(), frame(FIN | 1, b"more")].concat();
    assert_eq!(decode(&bytes), Told { heard: vec![], failure: Some(1002) });
}

#[test]
fn text_fails_at_the_first_byte_that_cannot_be_mended() {
    // The frame announces more than ever comes.
    for (payload, fails) in [(b"\xce\xba\xf4\x90".as_slice(), true), (b"\xce\xba\xf4\x8f", false), (b"\xff", true)] {
        let mut bytes = masked(FIN | 1, 1000, payload);
        assert_eq!(decode(&bytes).failure, fails.then_some(1007), "{payload:x?}");
        bytes[0] = FIN | 2;
        assert_eq!(decode(&bytes).failure, None);
    }
    assert_eq!(decode(&frame(FIN | 1, b"\xce")).failure, Some(1007));
    assert_eq!(decode(&[frame(1, b"\xce"), frame(FIN, b"\xba")].concat()).heard, [text("\u{3ba}")]);
}

#[test]
fn messages_over_the_limit_are_refused_before_they_are_received() {
    let told = |bytes: &[u8]| decode_in(bytes, true, 5, &[usize::MAX], &[64]);
    assert_eq!(told(&frame(FIN | 1, b"Hello")).heard, [text("Hello")]);
    assert_eq!(told(&masked(FIN | 1, 6, b"")).failure, Some(1009));
    assert_eq!(told(&[frame(1, b"Hel"), masked(0, 3, b"")].concat()).failure, Some(1009));
    assert_eq!(told(&masked(FIN | 2, u64::MAX >> 1, b"")).failure, Some(1009));
    // A bomb: a kilobyte that becomes a megabyte.
    let mut bomb = Vec::new();
    let mut encoder = Encoder::new(offered("permessage-deflate"));
    encoder.compressed(Kind::Binary, true, &vec![0; 1 << 20], &mut Deflaters::default(), &mut bomb);
    let payload = &bomb[4..];
    assert!(payload.len() < 8192);
    assert_eq!(told(&frame(FIN | RSV1 | 2, payload)).failure, Some(1009));
    let exact = decode_in(&frame(FIN | RSV1 | 2, payload), true, 1 << 20, &[usize::MAX], &[1000]);
    assert_eq!(exact, Told { heard: vec![Heard::Message(Kind::Binary, vec![0; 1 << 20])], failure: None });
}

fn offered(extensions: &str) -> Option<hostler_websocket::Deflate> {
    let headers: [(&str, &[u8]); 5] = [
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Extensions", extensions.as_bytes()),
    ];
    handshake::check("GET", true, headers.into_iter()).unwrap().deflate
}
