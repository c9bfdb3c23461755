//! Chunked bodies, one line a case.

use hostler_http1::{ChunkedDecoder, Refusal};

/// The body and the number of bytes consumed; `None` while the body is not complete.
fn decode(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Refusal> {
    let mut output = vec![0; input.len()];
    let mut decoder = ChunkedDecoder::new();
    let decoded = decoder.decode(input, &mut output)?;
    output.truncate(decoded.produced);
    assert_eq!(decoded.finished, decoder.is_finished());
    Ok(decoded.finished.then_some((output, decoded.consumed)))
}

#[test]
fn served() {
    let cases: &[(&[u8], &[u8])] = &[
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", b"hello world"),
        (b"1e\r\nall your base are belong to us\r\n0\r\n\r\n", b"all your base are belong to us"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"0005\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        // Extensions.
        (b"5; some; parameters=stuff\r\nhello\r\n6; blahblah; blah\r\n world\r\n0\r\n\r\n", b"hello world"),
        (b"1;a\r\nx\r\n0;b\r\n\r\n", b"x"),
        (b"1;a=b\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a=\"b c\"\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a=\"b\\\"c\\\\\"\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a=\"b\tc;d\xe9\"\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a=\"\"\r\nx\r\n0\r\n\r\n", b"x"),
        (b"1;a=b;c;d=\"e\" ; f \t=\t g\r\nx\r\n0\r\n\r\n", b"x"),
        // Trailers.
        (b"0\r\nVary: *\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\nX-Checksum:abc\r\nX-Empty:\r\nX-Long-Name-That-Goes-On-And-On: \t caf\xc3\xa9\r\n\r\n", b"hello"),
        (b"0\r\nContent-Lengthy: 1\r\nHosts: 1\r\nT: 1\r\nTEE: 1\r\nX-If-Match: 1\r\nProxy-AuthorizationX: 1\r\n\r\n", b""),
    ];
    for (input, body) in cases {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(decode(input), Ok(Some((body.to_vec(), input.len()))), "{shown:?}");
        // What follows belongs to the next request, whatever it is.
        assert_eq!(decode(&[input, &b"\r\nGET"[..]].concat()), Ok(Some((body.to_vec(), input.len()))), "{shown:?}");
        for end in 0..input.len() {
            assert_eq!(decode(&input[..end]), Ok(None), "the first {end} bytes of {shown:?}");
        }
    }
}

#[test]
fn refused() {
    let cases: &[(&[u8], &str)] = &[
        // Sizes.
        (b"\r\n", "begin with its size"),
        (b" 5\r\nhello\r\n", "begin with its size"),
        (b"\t5\r\nhello\r\n", "begin with its size"),
        (b"-5\r\nhello\r\n", "begin with its size"),
        (b"+5\r\nhello\r\n", "begin with its size"),
        (b";a\r\n", "begin with its size"),
        (b" ;foo=bar\r\nhello\r\n", "begin with its size"),
        (b"g\r\n", "begin with its size"),
        (b"x5\r\n", "begin with its size"),
        (b"0x5\r\nhello\r\n", "plain hexadecimal"),
        (b"5 \r\nhello\r\n", "plain hexadecimal"),
        (b"5\t\r\nhello\r\n", "plain hexadecimal"),
        (b"5 ;a\r\nhello\r\n", "plain hexadecimal"),
        (b"5\t;a\r\nhello\r\n", "plain hexadecimal"),
        (b"5\0\r\n", "plain hexadecimal"),
        (b"6_0\r\n", "plain hexadecimal"),
        (b"5,5\r\n", "plain hexadecimal"),
        (b"5.\r\n", "plain hexadecimal"),
        (b"5h\r\n", "plain hexadecimal"),
        (b"5\r\nhello\r\n0 \r\n\r\n", "plain hexadecimal"),
        (b"5\r\nhello\r\n 0\r\n\r\n", "begin with its size"),
        (b"5\r\nhello\r\n\r\n", "begin with its size"),
        (b"00000000000000005\r\n", "16 digits"),
        (b"10000000000000000\r\n", "16 digits"),
        (b"fffffffffffffffff", "16 digits"),
        // Line ends.
        (b"5\nhello\r\n", "bare LF"),
        (b"5\n;\r\nhello\r\n", "bare LF"),
        (b"\n", "bare LF"),
        (b"5\rhello", "CR is not followed"),
        (b"5\r\rhello", "CR is not followed"),
        (b"5;a\nhello", "bare LF"),
        (b"5;a\rb\r\nhello", "CR is not followed"),
        (b"5;a=\"b\nc\"\r\nhello", "bare LF"),
        (b"5;a=\"b\r\nc\"\r\nhello", "extension is malformed"),
        (b"5\r\nhello\n0\r\n\r\n", "longer than its size"),
        (b"5\r\nhello0\r\n\r\n", "longer than its size"),
        (b"5\r\nhello!\r\n0\r\n\r\n", "longer than its size"),
        (b"5\r\nhello\r0\r\n\r\n", "CR is not followed"),
        (b"5\r\nhello\r\r\n", "CR is not followed"),
        (b"0\n\n", "bare LF"),
        (b"0\r\n\n", "bare LF"),
        (b"0\r\n\rX", "CR is not followed"),
        // Extensions.
        (b"1;\r\nx", "extension is malformed"),
        (b"1; \r\nx", "extension is malformed"),
        (b"1;;a\r\nx", "extension is malformed"),
        (b"1;a;\r\nx", "extension is malformed"),
        (b"1;a \r\nx", "extension is malformed"),
        (b"1;a=b \r\nx", "extension is malformed"),
        (b"1;a=\"b\" \r\nx", "extension is malformed"),
        (b"1;a b\r\nx", "extension is malformed"),
        (b"1;a=b c\r\nx", "extension is malformed"),
        (b"1;=b\r\nx", "extension is malformed"),
        (b"1;a=\r\nx", "extension is malformed"),
        (b"1;a=;b\r\nx", "extension is malformed"),
        (b"1;a==b\r\nx", "extension is malformed"),
        (b"1;a=b=c\r\nx", "extension is malformed"),
        (b"1;a\x01\r\nx", "extension is malformed"),
        (b"1;a\x7f\r\nx", "extension is malformed"),
        (b"1;a=b\x01\r\nx", "extension is malformed"),
        (b"1;a@b\r\nx", "extension is malformed"),
        (b"1;a=\"b\x01\"\r\nx", "extension is malformed"),
        (b"1;a=\"\\\x01\"\r\nx", "extension is malformed"),
        (b"1;a=\"b\r\nx", "extension is malformed"),
        (b"1;a=\"b\"c\r\nx", "extension is malformed"),
        (b"1;\"a\"\r\nx", "extension is malformed"),
        // Trailers.
        (b"0\r\nX\r\n\r\n", "name, colon, value"),
        (b"0\r\n: v\r\n\r\n", "name, colon, value"),
        (b"0\r\nX : v\r\n\r\n", "name, colon, value"),
        (b"0\r\n X: v\r\n\r\n", "name, colon, value"),
        (b"0\r\nX: v\r\n folded\r\n\r\n", "name, colon, value"),
        (b"0\r\nX\xe9: v\r\n\r\n", "name, colon, value"),
        (b"0\r\nX: v\n\r\n", "bare LF"),
        (b"0\r\nX\n\r\n", "bare LF"),
        (b"0\r\nX: v\rY: w\r\n\r\n", "CR is not followed"),
        (b"0\r\nX: a\0b\r\n\r\n", "control character"),
        (b"0\r\nX: a\x7fb\r\n\r\n", "control character"),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", "name, colon, value"),
    ];
    for (input, reason) in cases {
        let shown = String::from_utf8_lossy(input);
        match decode(input) {
            Err(refusal) => {
                assert_eq!(refusal.status, 400, "{shown:?}");
                assert!(refusal.reason.contains(reason), "{shown:?}: {refusal}");
            }
            other => panic!("{shown:?} is not refused but {other:?}"),
        }
    }
}

#[test]
fn forbidden_trailers() {
    for name in [
        "Content-Length",
        "content-length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Proxy-Authorization",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Trailer",
        "Connection",
        "Cookie",
        "Set-Cookie",
        "Cache-Control",
        "Expect",
        "TE",
        "Max-Forwards",
        "Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
        "If-Range",
        "IF-ANYTHING-OF-ANY-LENGTH-AT-ALL",
        "Pragma",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Connection",
        "WWW-Authenticate",
    ] {
        let refusal = decode(format!("0\r\nX: y\r\n{name}: a\r\n\r\n").as_bytes()).unwrap_err();
        assert_eq!(refusal.reason, "a field that is not allowed in the trailer section", "{name}");
    }
}

#[test]
fn a_refusal_is_final() {
    let mut decoder = ChunkedDecoder::new();
    let refusal = decoder.decode(b"x", &mut [0; 8]).unwrap_err();
    assert_eq!(decoder.decode(b"0\r\n\r\n", &mut [0; 8]), Err(refusal));
    assert_eq!(decoder.decode(b"", &mut []), Err(refusal));
}

#[test]
fn nothing_is_read_after_the_end() {
    let mut decoder = ChunkedDecoder::new();
    assert!(decoder.decode(b"0\r\n\r\n", &mut []).unwrap().finished);
    let again = decoder.decode(b"GET / HTTP/1.1\r\n", &mut [0; 8]).unwrap();
    assert!(again.finished && again.consumed == 0 && again.produced == 0);
}

#[test]
fn a_full_output_stops_it() {
    let mut decoder = ChunkedDecoder::new();
    let input = b"5\r\nhello\r\n0\r\n\r\n";
    let first = decoder.decode(input, &mut []).unwrap();
    assert_eq!((first.consumed, first.produced, first.finished), (3, 0, false));
    let mut output = [0; 2];
    let second = decoder.decode(&input[3..], &mut output).unwrap();
    assert_eq!((second.consumed, second.produced, &output), (2, 2, b"he"));
    let mut output = [0; 3];
    let third = decoder.decode(&input[5..], &mut output).unwrap();
    assert_eq!((third.consumed, third.produced, third.finished, &output), (10, 3, true, b"llo"));
}

/// Feeds `piece` again and again; gives the number of bytes until it was refused.
fn flood(start: &[u8], piece: &[u8], most: usize) -> Result<(), (usize, Refusal)> {
    let mut decoder = ChunkedDecoder::new();
    let mut output = vec![0; start.len() + piece.len()];
    decoder.decode(start, &mut output).expect("a start that is well-formed");
    let mut fed = 0;
    while fed < most {
        decoder.decode(piece, &mut output).map_err(|refusal| (fed, refusal))?;
        fed += piece.len();
    }
    Ok(())
}

#[test]
fn floods_are_bounded() {
    let data = [
        b"10000;chunk-signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
        &vec![b'x'; 0x10000][..],
        b"\r\n",
    ]
    .concat();
    assert_eq!(flood(b"", &data, 64 << 20), Ok(()), "signed chunks may go on");
    assert_eq!(flood(b"", b"1\r\nx\r\n", 1 << 20), Ok(()), "small chunks may go on");

    let (fed, refusal) = flood(b"1;", b"a", 1 << 20).unwrap_err();
    assert!(fed <= 16 * 1024 && refusal.status == 400, "one endless extension: {fed} {refusal}");
    let (fed, refusal) = flood(b"1;a=\"", b"a", 1 << 20).unwrap_err();
    assert!(fed <= 16 * 1024 && refusal.status == 400, "one endless string: {fed} {refusal}");
    let many = [b"1;", &[b'a'; 1000][..], b"\r\nx\r\n"].concat();
    let (fed, refusal) = flood(b"", &many, 1 << 20).unwrap_err();
    assert!(fed <= 20 * 1024 && refusal.status == 400, "an extension with each byte: {fed} {refusal}");

    for piece in [&b"X: y\r\n"[..], b"a"] {
        let (fed, refusal) = flood(b"0\r\n", piece, 1 << 20).unwrap_err();
        assert!(fed <= 8 * 1024 && refusal.status == 431, "trailers: {fed} {refusal}");
    }
    let (fed, refusal) = flood(b"0\r\nX:", b" ", 1 << 20).unwrap_err();
    assert!(fed <= 8 * 1024 && refusal.status == 431, "one endless trailer: {fed} {refusal}");
    let (fed, refusal) = flood(b"", b"0", 1 << 20).unwrap_err();
    assert!(fed <= 16 && refusal.status == 400, "zeros: {fed} {refusal}");
}
