//! What holds for all clients: any cut of the bytes gives the same, what is encoded decodes, and nothing brings the decoder down.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod frames;

use frames::{Heard, Told, decode_in, frame};
use hostler_websocket::{Deflate, Deflaters, Encoder, Kind, write_close, write_ping};
use proptest::prelude::*;

/// Bytes for the fuzzer: one below the number of pieces stands for a piece, any other for itself.
fn spell(input: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
    input.iter().flat_map(|byte| pieces.get(usize::from(*byte)).cloned().unwrap_or_else(|| vec![*byte])).collect()
}

fn pieces() -> Vec<Vec<u8>> {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    vec![
        frame(0x81, "h\u{e9}llo".as_bytes()),
        frame(0x01, b"\xce"),
        frame(0x00, b"\xba"),
        frame(0x80, b""),
        frame(0x02, &[7; 130]),
        frame(0xc1, hello),
        frame(0x41, &hello[..4]),
        frame(0x80, &hello[4..]),
        // A block that says it is the last.
        frame(0xc2, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
        frame(0x42, b"\x03\x00\x03\x00"),
        // A long run of the same, compressed: 1000 times "a".
        frame(0xc1, b"\x4a\x4c\x1c\x05\xa3\x60\x14\x0c\x77\x00\x00"),
        frame(0x89, b"ping"),
        frame(0x8a, b""),
        frame(0x88, b"\x03\xe8"),
        frame(0x41, b"\x02\x00"),
        vec![0x81, 0x85, 0, 0, 0, 0],
        vec![0xc2, 0x84, 0, 0, 0, 0],
    ]
}

fn whole(bytes: &[u8], deflate: bool, limit: u64) -> Told {
    decode_in(bytes, deflate, limit, &[usize::MAX], &[65_536])
}

#[test]
fn fuzz_decoder() {
    let pieces = pieces();
    bolero::check!().with_iterations(50_000).with_max_len(24).for_each(|input: &[u8]| {
        let bytes = spell(input, &pieces);
        for (bytes, deflate, limit) in [(input, true, 20), (bytes.as_slice(), true, 200), (bytes.as_slice(), false, 20)]
        {
            let expected = whole(bytes, deflate, limit);
            assert_eq!(decode_in(bytes, deflate, limit, &[1], &[1]), expected);
            assert_eq!(decode_in(bytes, deflate, limit, &[3, 1, 7], &[0, 64, 5]), expected);
        }
    });
}

/// A message as a server may send it: what it carries, and where it is cut.
fn message() -> impl Strategy<Value = (bool, Vec<u8>, Vec<usize>)> {
    let random = prop::collection::vec(any::<u8>(), 0..3000);
    let dull = (any::<u8>(), 0usize..70_000).prop_map(|(byte, length)| vec![byte & 0x7f; length]);
    (any::<bool>(), prop_oneof![random, dull], prop::collection::vec(0usize..5000, 0..4))
}

/// A server's frames as a client's: the same with a key.
fn as_client(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            _ => (usize::from(*second), rest),
        };
        out.extend_from_slice(&frame(*first, &rest[..length]));
        bytes = &rest[length..];
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_encoded_decodes(
        messages in prop::collection::vec(message(), 0..5),
        window_bits in prop::option::of(9u8..=15),
        inputs in prop::collection::vec(1usize..3000, 1..4),
        outputs in prop::collection::vec(1usize..3000, 1..4),
    ) {
        let deflate = window_bits.and_then(|bits| {
            Deflate::choose([format!("permessage-deflate; server_max_window_bits={bits}").as_bytes()])
        });
        let mut encoder = Encoder::new(deflate);
        let mut deflaters = Deflaters::default();
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        for (text, payload, cuts) in messages {
            let payload = if text { String::from_utf8_lossy(&payload).into_owned().into_bytes() } else { payload };
            let kind = if text { Kind::Text } else { Kind::Binary };
            let mut rest = payload.as_slice();
            for place in 0..=cuts.len() {
                let last = place == cuts.len();
                let (piece, after) = rest.split_at(if last { rest.len() } else { cuts[place].min(rest.len()) });
                rest = after;
                if encoder.compresses(piece.len() as u64, last) {
                    encoder.compressed(kind, last, piece, &mut deflaters, &mut out);
                } else {
                    encoder.head(kind, last, piece.len() as u64, &mut out);
                    out.extend_from_slice(piece);
                }
                write_ping(b"between", &mut out);
                expected.push(Heard::Ping(b"between".to_vec()));
            }
            // The message was complete before the last ping.
            let at = expected.len() - 1;
            expected.insert(at, Heard::Message(kind, payload));
        }
        write_close(1001, "end", &mut out);
        expected.push(Heard::Close(1001, "end".to_owned()));
        let told = decode_in(&as_client(&out), deflate.is_some(), u64::MAX, &inputs, &outputs);
        let decodes = told == Told { heard: expected, failure: None };
        prop_assert!(decodes, "{:?}", told.failure);
    }
}
