//! A client's frames, and what a decoder hears of them.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use hostler_websocket::{Close, Decoder, Event, Inflaters, Kind};

/// A client's key.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame of a client.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload.len() as u64, payload)
}

/// A frame that announces `length` bytes, with the start of its payload.
pub(crate) fn masked(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0xff);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// One thing a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(u16, String),
}

/// What a client said, and the close code for what it did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) heard: Vec<Heard>,
    pub(crate) failure: Option<u16>,
}

/// Decodes `bytes` in pieces of the given lengths, into outputs of the given lengths, both used in turn.
pub(crate) fn decode_in(bytes: &[u8], deflate: bool, limit: u64, inputs: &[usize], outputs: &[usize]) -> Told {
    let mut decoder = Decoder::new(deflate);
    let mut inflaters = Inflaters::default();
    let mut told = Told { heard: Vec::new(), failure: None };
    let mut message = Vec::new();
    let mut inputs = inputs.iter().cycle();
    let mut outputs = outputs.iter().cycle();
    let mut rest = bytes;
    let mut piece: &[u8] = b"";
    while !rest.is_empty() || !piece.is_empty() || decoder.holds_more() {
        if piece.is_empty() {
            (piece, rest) = rest.split_at(rest.len().min(*inputs.next().unwrap()));
        }
        let mut output = vec![0; *outputs.next().unwrap()];
        let decoded = match decoder.decode(piece, &mut output, limit, &mut inflaters) {
            Ok(decoded) => decoded,
            Err(failure) => {
                told.failure = Some(failure.code);
                return told;
            }
        };
        assert!(decoded.produced <= output.len());
        assert!(decoded.produced == 0 || matches!(decoded.event, Some(Event::Message { .. })));
        piece = &piece[decoded.consumed..];
        match decoded.event {
            Some(Event::Message { kind, finished }) => {
                message.extend_from_slice(&output[..decoded.produced]);
                assert!(message.len() as u64 <= limit);
                if finished {
                    told.heard.push(Heard::Message(kind, std::mem::take(&mut message)));
                }
            }
            Some(Event::Ping(payload)) => told.heard.push(Heard::Ping(payload.into_vec())),
            Some(Event::Pong) => told.heard.push(Heard::Pong),
            Some(Event::Close(Close { code, reason })) => told.heard.push(Heard::Close(code, reason.into_string())),
            None => assert!(piece.is_empty() || output.is_empty(), "the decoder stands still"),
        }
    }
    told
}
