//! What holds for any input: how bytes are cut into reads changes nothing, what was encoded is decoded, and the
//! parsers agree with slow ones that are written to be read.

use std::mem::MaybeUninit;

use hostler_http1::{ChunkedDecoder, Framing, Limits, MAX_FIELDS, Refusal, Version, parse_head, percent_decode_path};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Small enough that generated heads reach them.
const LIMITS: Limits = Limits { request_line: 80, fields: 6, field_size: 60, head: 250 };

/// What random bytes would hardly ever spell. Concatenated at random they make heads that are nearly right.
const HEAD_PIECES: [&[u8]; 48] = [
    b"GET ",
    b"POST ",
    b"OPTIONS ",
    b"CONNECT ",
    b"get ",
    b"PRI * HTTP/2.0\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"POST /p HTTP/1.1\r\nHost: a\r\n",
    b"GET / HTTP/1.0\r\n",
    b"/",
    b"/path?query",
    b"*",
    b"http://a:80/b",
    b"a:80",
    b"#",
    b"%2f",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b" HTTP/1.",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"\x7f",
    b"\xc3\xa9",
    b"Host: a\r\n",
    b"Host: a b\r\n",
    b"Host:",
    b"Content-Length: 5\r\n",
    b"Content-Length: 5, 5\r\n",
    b"content-length:",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding: gzip, ",
    b"chunked",
    b"Connection: close\r\n",
    b"Connection: keep-alive, upgrade\r\n",
    b"Upgrade: websocket\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Type: a/b\r\n",
    b"X: y\r\n",
    b"X-Long: 0123456789012345678901234567890123456789\r\n",
    b"X : y\r\n",
    b" folded\r\n",
    b"X",
];

const CHUNKED_PIECES: [&[u8]; 24] = [
    b"0\r\n\r\n",
    b"0\r\n",
    b"1\r\nx\r\n",
    b"a\r\n0123456789\r\n",
    b"5\r\nhel",
    b"lo\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"0",
    b"1",
    b"F",
    b";a",
    b";a=b",
    b"=\"b c\"",
    b"\"",
    b"\\",
    b" ",
    b"X: y\r\n",
    b"Host: a\r\n",
    b"TE",
    b":",
    b"ffffffffffffffff\r\n",
    b"\xff",
];

/// Half of them begin and end well, or few would be served.
fn near_head() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), vec(select(&HEAD_PIECES[..]), 0..10))
        .prop_map(|(framed, pieces)| if framed { frame(&pieces.concat()) } else { pieces.concat() })
}

/// Something, or nothing, between a good first line and a good end.
fn frame(pieces: &[u8]) -> Vec<u8> {
    [b"POST /p HTTP/1.1\r\nHost: a\r\n", pieces, b"\r\n\r\n"].concat()
}

fn near_chunked() -> impl Strategy<Value = Vec<u8>> {
    vec(select(&CHUNKED_PIECES[..]), 0..20).prop_map(|pieces| pieces.concat())
}

/// What a head comes to, as far as it can be compared.
#[derive(Debug, Clone, PartialEq)]
struct Outline {
    length: usize,
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    framing: Framing,
    keep_alive: bool,
}

fn outline(bytes: &[u8]) -> Result<Option<Outline>, Refusal> {
    let mut scratch = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let head = parse_head(bytes, &LIMITS, &mut scratch)?;
    Ok(head.map(|head| Outline {
        length: head.length,
        method: head.method.to_owned(),
        target: head.target.raw.to_owned(),
        fields: head.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect(),
        framing: head.framing,
        keep_alive: head.keep_alive,
    }))
}

/// What holds for every buffer. Used with nearly right heads and with random bytes.
fn check_head(bytes: &[u8]) {
    let whole = outline(bytes);
    // Once there is a result, more bytes do not change it; a refusal stays one.
    let mut earlier = Ok(None);
    for end in 0..=bytes.len() {
        let now = outline(&bytes[..end]);
        match &earlier {
            Ok(None) => {}
            Ok(Some(_)) => assert_eq!(now, earlier, "{end} bytes of {:?}", String::from_utf8_lossy(bytes)),
            Err(_) => assert!(now.is_err(), "{end} bytes of {:?}: {now:?}", String::from_utf8_lossy(bytes)),
        }
        earlier = now;
    }
    if let Ok(Some(outline)) = whole {
        check_served(&bytes[..outline.length], &outline);
    }
    assert!(bytes.len() < LIMITS.head || !matches!(earlier, Ok(None)), "waits although the limit is reached");
}

/// A served head against a reading of the same bytes that is as plain as can be.
fn check_served(head: &[u8], outline: &Outline) {
    let text = head.strip_prefix(b"\r\n").unwrap_or(head);
    let text = text.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
    let text: String = text.iter().map(|byte| *byte as char).collect();
    let mut lines = text.split("\r\n");
    let request_line = lines.next().expect("a request line");
    assert!(request_line.len() <= LIMITS.request_line && request_line.is_ascii());
    let words: Vec<_> = request_line.split(' ').collect();
    assert_eq!(words[..2], [outline.method.as_str(), outline.target.as_str()]);
    assert!(words.len() == 3 && matches!(words[2], "HTTP/1.0" | "HTTP/1.1"));
    assert!(!text.contains(['\0', '\x7f']));
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']));

    let fields: Vec<(String, Vec<u8>)> = lines
        .map(|line| {
            assert!(line.chars().count() <= LIMITS.field_size, "one character stands for one byte");
            let (name, value) = line.split_once(':').expect("a colon");
            assert!(!name.is_empty() && !name.contains([' ', '\t']));
            (name.to_owned(), value.trim_matches([' ', '\t']).chars().map(|character| character as u8).collect())
        })
        .collect();
    assert_eq!(fields, outline.fields);
    assert!(fields.len() <= LIMITS.fields);
    let all = |wanted: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| &value[..]).collect()
    };
    match (all("content-length")[..].as_ref(), all("transfer-encoding")[..].as_ref()) {
        ([], []) => assert_eq!(outline.framing, Framing::None),
        ([length], []) => {
            let length = std::str::from_utf8(length).expect("digits").parse().expect("a number");
            assert_eq!(outline.framing, Framing::Length(length));
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && words[2] == "HTTP/1.1");
            assert_eq!(outline.framing, Framing::Chunked);
        }
        _ => panic!("served although the framing is ambiguous: {text:?}"),
    }
    assert!(all("content-type").len() <= 1 && all("host").len() <= 1);
    assert!(words[2] == "HTTP/1.0" || all("host").len() == 1);
}

/// A body decoded: what came out, how much of the input was consumed, and whether it is complete.
type Body = (Vec<u8>, usize, bool);

/// Decodes `input`, cut into reads and writes of the given sizes, over and over.
fn decode_in_pieces(input: &[u8], reads: &[usize], writes: &[usize]) -> Result<Body, Refusal> {
    let mut decoder = ChunkedDecoder::new();
    let mut body = Vec::new();
    let (mut consumed, mut arrived) = (0, 0);
    let mut reads = reads.iter().cycle();
    let mut writes = writes.iter().cycle();
    loop {
        let mut output = vec![0; *writes.next().expect("endless")];
        let decoded = decoder.decode(&input[consumed..arrived], &mut output)?;
        assert!(decoded.consumed <= arrived - consumed && decoded.produced <= output.len());
        assert!(decoded.produced <= decoded.consumed && decoded.finished == decoder.is_finished());
        body.extend_from_slice(&output[..decoded.produced]);
        consumed += decoded.consumed;
        if decoded.finished {
            assert_eq!(decoder.decode(&input[consumed..], &mut output)?.consumed, 0, "reads on after the end");
            return Ok((body, consumed, true));
        }
        if consumed == arrived {
            if arrived == input.len() {
                return Ok((body, consumed, false));
            }
            arrived = input.len().min(arrived + reads.next().expect("endless"));
        }
    }
}

fn decode_whole(input: &[u8]) -> Result<Body, Refusal> {
    decode_in_pieces(input, &[usize::MAX >> 1], &[input.len() + 1])
}

/// `urllib.parse.unquote_to_bytes`, as its source reads: split at `%`, and look at two digits of each piece.
fn unquote_to_bytes(path: &[u8]) -> Vec<u8> {
    let mut pieces = path.split(|byte| *byte == b'%');
    let mut output = pieces.next().unwrap_or_default().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|digits| std::str::from_utf8(digits).ok()) {
            Some(digits) => {
                output.push(u8::from_str_radix(digits, 16).expect("two digits"));
                output.extend_from_slice(&piece[2..]);
            }
            None => {
                output.push(b'%');
                output.extend_from_slice(piece);
            }
        }
    }
    output
}

fn check_percent_decoding(path: &[u8]) {
    let mut output = b"kept".to_vec();
    percent_decode_path(path, &mut output);
    assert_eq!(output, [b"kept", &unquote_to_bytes(path)[..]].concat());
}

#[derive(Debug, Clone)]
struct EncodedChunk {
    data: Vec<u8>,
    zeros: usize,
    capitals: bool,
    extension: &'static str,
}

fn encoded_chunk() -> impl Strategy<Value = EncodedChunk> {
    let extension = select(&["", ";a", ";a=b", "; a = \"b; \\\" c\" ;d", ";\ta"][..]);
    (vec(any::<u8>(), 1..300), 0..12_usize, any::<bool>(), extension)
        .prop_map(|(data, zeros, capitals, extension)| EncodedChunk { data, zeros, capitals, extension })
}

fn encode(chunks: &[EncodedChunk], trailer: &str) -> Vec<u8> {
    let mut output = Vec::new();
    for EncodedChunk { data, zeros, capitals, extension } in chunks {
        let size = if *capitals { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
        output.extend_from_slice(format!("{}{size}{extension}\r\n", "0".repeat(*zeros)).as_bytes());
        output.extend_from_slice(data);
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    output
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn heads_in_pieces(bytes in near_head()) {
        check_head(&bytes);
    }

    /// A good head with one byte changed, added or taken away: the neighbourhood in which smuggling happens.
    #[test]
    fn heads_with_one_mistake(place in any::<Index>(), byte in any::<u8>(), kind in 0..3) {
        let mut bytes = b"POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 15\r\nX: y\r\nConnection: close\r\n\r\n".to_vec();
        let place = place.index(bytes.len());
        match kind {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            _ => { bytes.remove(place); }
        }
        check_head(&bytes);
    }

    #[test]
    fn bodies_in_pieces(bytes in near_chunked(), reads in vec(1..9_usize, 1..6), mut writes in vec(0..9_usize, 0..6)) {
        writes.push(1);
        prop_assert_eq!(decode_in_pieces(&bytes, &reads, &writes), decode_whole(&bytes));
    }

    #[test]
    fn what_was_encoded_is_decoded(
        chunks in vec(encoded_chunk(), 0..8),
        trailer in select(&["", "X: y\r\n", "X-A:\r\nVary: *\r\n"][..]),
        next in vec(any::<u8>(), 0..20),
        reads in vec(1..400_usize, 1..6),
        writes in vec(1..400_usize, 1..6),
    ) {
        let body: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.iter().copied()).collect();
        let encoded = encode(&chunks, trailer);
        let input = [&encoded[..], &next[..]].concat();
        prop_assert_eq!(decode_in_pieces(&input, &reads, &writes), Ok((body, encoded.len(), true)));
    }

    #[test]
    fn paths_are_decoded_as_python_does(path in "[%0-9a-gA-G/+]{0,40}") {
        check_percent_decoding(path.as_bytes());
    }
}

#[test]
fn examples_of_percent_decoding() {
    for (path, decoded) in [
        ("/a%20b", &b"/a b"[..]),
        ("/a+b", b"/a+b"),
        ("/%2F%2f", b"///"),
        ("/%c3%A9", b"/\xc3\xa9"),
        ("/%00", b"/\0"),
        ("/%", b"/%"),
        ("/%4", b"/%4"),
        ("/%zz%41", b"/%zzA"),
        ("/%%41", b"/%A"),
        ("/%2541", b"/%41"),
        ("*", b"*"),
        ("", b""),
    ] {
        let mut output = Vec::new();
        percent_decode_path(path.as_bytes(), &mut output);
        assert_eq!(output, decoded, "{path}");
    }
}

/// Bytes for the fuzzer: one below the number of pieces stands for a piece, any other for itself.
fn spell(input: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let single: Vec<[u8; 1]> = (0..=u8::MAX).map(|byte| [byte]).collect();
    let letter = |byte: &u8| pieces.get(usize::from(*byte)).copied().unwrap_or(&single[usize::from(*byte)]);
    input.iter().flat_map(|byte| letter(byte).to_vec()).collect()
}

#[test]
fn fuzz_parse_head() {
    bolero::check!().with_iterations(50_000).with_max_len(12).for_each(|input: &[u8]| {
        let _ = outline(input);
        let bytes = spell(input, &HEAD_PIECES);
        if let Ok(Some(outline)) = outline(&bytes) {
            check_served(&bytes[..outline.length], &outline);
        }
    });
}

#[test]
fn fuzz_chunked_decoder() {
    bolero::check!().with_iterations(50_000).with_max_len(64).for_each(|input: &[u8]| {
        let _ = decode_whole(input);
        let bytes = spell(input, &CHUNKED_PIECES);
        let whole = decode_whole(&bytes);
        assert_eq!(decode_in_pieces(&bytes, &[1, 7], &[3, 0, 64]), whole);
        if let Ok((body, consumed, finished)) = whole {
            assert!(consumed == bytes.len() || finished);
            assert!(body.len() <= consumed);
        }
    });
}

#[test]
fn fuzz_percent_decode_path() {
    bolero::check!().with_iterations(50_000).with_max_len(64).for_each(|input: &[u8]| {
        check_percent_decoding(input);
        check_percent_decoding(&spell(input, &[b"%", b"%4", b"%41", b"%fF", b"%g", b"0", b"a"]));
    });
}

/// The version is told apart where it matters: the same fields mean different things.
#[test]
fn versions_differ() {
    let mut scratch = [const { MaybeUninit::uninit() }; 4];
    let head = parse_head(b"GET / HTTP/1.0\r\n\r\n", &LIMITS, &mut scratch).unwrap().unwrap();
    assert!(head.version == Version::Http10 && !head.keep_alive && head.host.is_none());
}
