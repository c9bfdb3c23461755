//! WebSockets through a router of its own: a client on a socket, and at the other end of the exchange a worker that speaks records.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hostler_exchange::head::{Response, write_header};
use hostler_exchange::record::{Header, Kind};
use hostler_exchange::{
    Awaited, BodyChunk, Config as ExchangeConfig, Doorbells, EventLoop, Exchange, Taken, WorkerSide, response_flag,
};
use hostler_listener::{Options, bind_all};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

use crate::{Config, ForwardedHeaders, Router, TrustedPeers, Underscores};

const RING: usize = 16 * 1024;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record as the worker got it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    kind: Kind,
    more: bool,
    code: u16,
    payload: Vec<u8>,
}

/// The worker's end of one WebSocket.
struct End<'w> {
    side: &'w WorkerSide,
    events: EventLoop<'w>,
    taken: Taken,
}

impl End<'_> {
    fn wait(&self, awaited: Awaited) {
        if self.events.announce(self.taken, awaited) {
            sleep(self.events);
        }
    }

    fn read_exact(&self, to: &mut [u8]) -> bool {
        let mut read = 0;
        while read < to.len() {
            match self.side.read_body(self.taken, &mut to[read..]) {
                BodyChunk::Bytes(length) => read += length,
                BodyChunk::Nothing => self.wait(Awaited::Body),
                BodyChunk::End(_) => return false,
            }
        }
        true
    }

    fn read(&self) -> Option<Record> {
        let mut header = [0; Header::SIZE];
        if !self.read_exact(&mut header) {
            return None;
        }
        let Header { length, kind, more, code } = Header::unpack(&header).unwrap();
        assert!(self.side.body_available(self.taken) >= length as usize, "a record is whole in the ring");
        let mut payload = vec![0; length as usize];
        self.read_exact(&mut payload);
        Some(Record { kind, more, code, payload })
    }

    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.side.abandoned(self.taken) {
            let written = self.side.write(self.taken, bytes);
            bytes = &bytes[written..];
            self.side.publish(self.taken);
            if !bytes.is_empty() {
                self.wait(Awaited::Room(1));
            }
        }
    }

    fn send(&self, kind: Kind, more: bool, code: u16, payload: &[u8]) {
        self.write(&Header { length: payload.len() as u32, kind, more, code }.pack());
        self.write(payload);
    }

    fn accept(&self) {
        let mut head = Vec::new();
        Response { status: 101, reason: b"", headers: 2 }.write(&mut head);
        write_header(&mut head, b"Sec-WebSocket-Protocol", b"chat");
        write_header(&mut head, b"Upgrade", b"forged");
        self.side.write(self.taken, &head);
        self.side.flag(self.taken, response_flag::UPGRADE);
        self.side.set_head(self.taken, head.len());
        self.side.publish(self.taken);
    }

    /// Sends every message back until the client's close, and then returns it.
    fn echo(&self) -> Option<Record> {
        let mut message = Vec::new();
        loop {
            let record = self.read()?;
            if record.kind == Kind::Close {
                return Some(record);
            }
            message.extend_from_slice(&record.payload);
            if !record.more {
                self.send(record.kind, false, 0, &message);
                message.clear();
            }
        }
    }
}

fn sleep(events: EventLoop<'_>) {
    if events.prepare_sleep() {
        let doorbell = events.doorbell().unwrap();
        poll(&mut [PollFd::new(&doorbell, PollFlags::IN)], None).unwrap();
        events.answer_doorbell();
    }
    events.awake();
    events.hear(|_| ());
}

/// A router, and a worker that accepts one WebSocket and treats it as it is told.
struct Served {
    router: Router,
    exchange: Arc<Exchange>,
    path: String,
    _directory: tempfile::TempDir,
    worker: JoinHandle<()>,
    /// What the worker made of it.
    heard: Receiver<Option<Record>>,
}

impl Served {
    fn with(adapt: impl FnOnce(&mut Config), treat: impl FnOnce(&End<'_>) -> Option<Record> + Send + 'static) -> Self {
        let ring = RING as u32;
        let exchange = Arc::new(
            Exchange::create(ExchangeConfig {
                workers: 1,
                threads: 1,
                router_threads: 1,
                slots: 8,
                websockets: 4,
                head_size: 64 * 1024,
                request_ring: ring,
                response_ring: ring,
            })
            .unwrap(),
        );
        exchange.prepare_worker(0);
        let mut descriptors: Vec<OwnedFd> = exchange.worker_descriptors().unwrap();
        let mut routers = descriptors.split_off(1);
        let workers = routers.split_off(1);
        let side = WorkerSide::attach(descriptors.swap_remove(0), 0, Doorbells { routers, workers }).unwrap();
        // Before the first request: the router asks whether there is a loop.
        side.event_loop();
        let (tell, heard) = channel();
        let worker = thread::spawn(move || {
            let events = side.event_loop();
            let taken = loop {
                match events.take(None) {
                    Some(taken) => break taken,
                    None if side.retired() => return,
                    None => sleep(events),
                }
            };
            let end = End { side: &side, events, taken };
            tell.send(treat(&end)).unwrap();
            events.finish(taken, false);
        });
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket").to_str().unwrap().to_owned();
        let options = Options { backlog: 8, unix_mode: None, unix_owner: None };
        let listeners = bind_all(&[format!("unix:{path}")], &options).unwrap();
        let mut config = config();
        adapt(&mut config);
        let (events, _) = mpsc::channel(4);
        let router = Router::start(config, &exchange, listeners, || None, &events).unwrap();
        Self { router, exchange, path, _directory: directory, worker, heard }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection with a WebSocket on it.
    fn open(&self, extensions: &str) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(handshake("13", extensions).as_bytes()).unwrap();
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(head.contains("Sec-WebSocket-Protocol: chat\r\n") && !head.contains("forged"), "{head}");
        assert_eq!(head.contains("permessage-deflate"), !extensions.is_empty(), "{head}");
        stream
    }

    /// What the worker made of it; nothing is left running.
    fn end(self) -> Option<Record> {
        let heard = self.heard.recv_timeout(PATIENCE).unwrap();
        self.worker.join().unwrap();
        // The slot of a client that left before its worker was done is freed with the worker's last news, if the router still runs.
        let begun = Instant::now();
        while self.exchange.in_flight() > 0 && begun.elapsed() < PATIENCE {
            thread::yield_now();
        }
        self.router.stop();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.router.stopped()).unwrap();
        assert_eq!(self.exchange.in_flight(), 0);
        heard
    }
}

fn config() -> Config {
    Config {
        head_limits: hostler_http1::Limits::default(),
        body_limit: None,
        keepalive: PATIENCE / 2,
        header_timeout: PATIENCE / 2,
        body_timeout: PATIENCE / 2,
        send_timeout: PATIENCE / 2,
        timeout: Some(PATIENCE / 2),
        underscores: Underscores::Drop,
        trusted: TrustedPeers(Arc::new(|_| false)),
        forwarded: ForwardedHeaders::default(),
        request_id_header: None,
        server_header: false,
        slow_request: None,
        threads: 1,
        websocket: crate::config::WebSocketConfig {
            max_message: 4 << 20,
            ping_interval: None,
            ping_timeout: PATIENCE / 2,
            compress: true,
        },
    }
}

fn handshake(version: &str, extensions: &str) -> String {
    let extensions =
        if extensions.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {extensions}\r\n") };
    format!(
        "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n{extensions}\r\n"
    )
}

fn read_head(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A client's frame, masked with zeros: its payload reads as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0xff);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A server's frame: its first byte, and its payload.
fn read_frame(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut start = [0; 2];
    stream.read_exact(&mut start).unwrap();
    let mut long = [0; 8];
    let length = match start[1] {
        126 => {
            stream.read_exact(&mut long[6..]).unwrap();
            u64::from_be_bytes(long)
        }
        127 => {
            stream.read_exact(&mut long).unwrap();
            u64::from_be_bytes(long)
        }
        length => length.into(),
    };
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).unwrap();
    (start[0], payload)
}

fn closed(code: u16, reason: &str) -> Option<Record> {
    Some(Record { kind: Kind::Close, more: false, code, payload: reason.as_bytes().to_vec() })
}

fn assert_ended(stream: &mut UnixStream) {
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

fn accept_and_echo(end: &End<'_>) -> Option<Record> {
    end.accept();
    end.echo()
}

#[test]
fn messages_go_both_ways_and_pings_are_answered() {
    let served = Served::with(|_| (), accept_and_echo);
    let mut client = served.open("");
    client.write_all(&[frame(0x81, b"Hello"), frame(0x89, b"?"), frame(0x82, b"")].concat()).unwrap();
    // The pong need not wait for the worker.
    assert_eq!(read_frame(&mut client), (0x8a, b"?".to_vec()));
    assert_eq!(read_frame(&mut client), (0x81, b"Hello".to_vec()));
    assert_eq!(read_frame(&mut client), (0x82, vec![]));
    client.write_all(&frame(0x88, b"\x0f\xa0bye")).unwrap();
    assert_eq!(read_frame(&mut client), (0x88, b"\x0f\xa0".to_vec()));
    assert_ended(&mut client);
    drop(client);
    assert_eq!(served.end(), closed(4000, "bye"));
}

#[test]
fn messages_stream_through_rings_that_are_smaller() {
    for extensions in ["", "permessage-deflate; server_max_window_bits=9"] {
        let served = Served::with(|_| (), accept_and_echo);
        let mut client = served.open(extensions);
        let message: Vec<u8> = (0..1u32 << 18).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        let mut writer = client.try_clone().unwrap();
        let expected = message.clone();
        let writing = thread::spawn(move || {
            let small: Vec<u8> = (0..500u32).flat_map(|number| frame(0x82, &number.to_le_bytes())).collect();
            writer.write_all(&[frame(0x02, &message[..100_000]), frame(0x80, &message[100_000..]), small].concat())
        });
        let mut inflate = Vec::new();
        loop {
            let (first, payload) = read_frame(&mut client);
            inflate.push((first, payload));
            if first & 0x80 != 0 {
                break;
            }
        }
        assert_eq!(inflate[0].0 & 0x40 != 0, !extensions.is_empty());
        if extensions.is_empty() {
            assert_eq!(inflate.len(), 1);
            assert!(inflate[0].1 == expected);
        } else {
            assert!(decompress(&inflate) == expected);
        }
        for number in 0..500u32 {
            assert_eq!(read_frame(&mut client), (0x82, number.to_le_bytes().to_vec()));
        }
        writing.join().unwrap().unwrap();
        client.write_all(&frame(0x88, b"")).unwrap();
        assert_eq!(read_frame(&mut client), (0x88, vec![]));
        drop(client);
        assert_eq!(served.end(), closed(1005, ""));
    }
}

/// The message in a server's frames, read by a decoder as if a client had sent them.
fn decompress(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect();
    let mut decoder = hostler_websocket::Decoder::new(true);
    let mut inflaters = hostler_websocket::Inflaters::default();
    let (mut out, mut used) = (Vec::new(), 0);
    while used < bytes.len() || decoder.holds_more() {
        let mut space = vec![0; 64 * 1024];
        let decoded = decoder.decode(&bytes[used..], &mut space, u64::MAX, &mut inflaters).unwrap();
        used += decoded.consumed;
        out.extend_from_slice(&space[..decoded.produced]);
    }
    out
}

#[test]
fn who_does_wrong_is_told_and_so_is_the_worker() {
    for (bytes, code) in [
        (b"\x81\x05Hello".to_vec(), 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x82, &vec![0; (4 << 20) + 1])[..14].to_vec(), 1009),
    ] {
        let served = Served::with(|_| (), accept_and_echo);
        let mut client = served.open("");
        client.write_all(&[frame(0x81, b"first"), bytes].concat()).unwrap();
        // What came before is answered.
        assert_eq!(read_frame(&mut client), (0x81, b"first".to_vec()));
        let (first, payload) = read_frame(&mut client);
        assert_eq!((first, &payload[..2]), (0x88, u16::to_be_bytes(code).as_slice()));
        assert_ended(&mut client);
        drop(client);
        assert_eq!(served.end().unwrap().code, code);
    }
}

#[test]
fn a_client_that_vanishes_is_told_to_the_worker() {
    let served = Served::with(|_| (), accept_and_echo);
    drop(served.open(""));
    assert_eq!(served.end(), closed(1006, ""));
}

#[test]
fn the_worker_closes() {
    let served = Served::with(
        |_| (),
        |end| {
            end.accept();
            end.send(Kind::Text, false, 0, b"last");
            end.send(Kind::Close, false, 4001, b"enough");
            end.echo()
        },
    );
    let mut client = served.open("");
    assert_eq!(read_frame(&mut client), (0x81, b"last".to_vec()));
    assert_eq!(read_frame(&mut client), (0x88, b"\x0f\xa1enough".to_vec()));
    // What the client sends before its close is nobody's any more.
    client.write_all(&[frame(0x81, b"late"), frame(0x88, b"\x0f\xa1")].concat()).unwrap();
    assert_ended(&mut client);
    drop(client);
    assert_eq!(served.end(), closed(4001, ""));
}

#[test]
fn a_worker_that_just_ends_closes_too() {
    for (flags, code) in [(response_flag::COMPLETE, 1000), (response_flag::FAILED, 1011), (0, 1011)] {
        let served = Served::with(
            |_| (),
            move |end| {
                end.accept();
                end.side.flag(end.taken, flags);
                None
            },
        );
        let mut client = served.open("");
        assert_eq!(read_frame(&mut client), (0x88, u16::to_be_bytes(code).to_vec()));
        client.write_all(&frame(0x88, &u16::to_be_bytes(code))).unwrap();
        assert_ended(&mut client);
        drop(client);
        assert_eq!(served.end(), None);
    }
}

#[test]
fn a_stop_closes_what_is_open() {
    let served = Served::with(|_| (), accept_and_echo);
    let mut client = served.open("");
    served.router.stop();
    assert_eq!(read_frame(&mut client), (0x88, 1012u16.to_be_bytes().to_vec()));
    client.write_all(&frame(0x88, &1012u16.to_be_bytes())).unwrap();
    assert_ended(&mut client);
    drop(client);
    assert_eq!(served.end(), closed(1012, ""));
}

#[test]
fn a_switch_closes_what_is_open_on_the_former_line() {
    let served = Served::with(|_| (), accept_and_echo);
    let mut client = served.open("");
    let next = Arc::new(Exchange::create(*served.exchange.config()).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(served.router.switch(config(), &next)).unwrap();
    assert_eq!(read_frame(&mut client), (0x88, 1012u16.to_be_bytes().to_vec()));
    client.write_all(&frame(0x88, &1012u16.to_be_bytes())).unwrap();
    assert_ended(&mut client);
    drop(client);
    runtime.block_on(served.router.former_finished(0));
    assert_eq!(runtime.block_on(served.router.statistics()).websockets, 0);
    assert_eq!(served.end(), closed(1012, ""));
}

#[test]
fn a_quiet_client_is_pinged_and_then_closed() {
    let adapt = |config: &mut Config| {
        config.websocket.ping_interval = Some(Duration::from_millis(100));
        // Time enough for the client to answer the first ones.
        config.websocket.ping_timeout = Duration::from_secs(5);
    };
    let served = Served::with(adapt, accept_and_echo);
    let mut client = served.open("");
    // One that answers stays.
    for _ in 0..3 {
        assert_eq!(read_frame(&mut client), (0x89, vec![]));
        client.write_all(&frame(0x8a, b"")).unwrap();
    }
    assert_eq!(read_frame(&mut client), (0x89, vec![]));
    let (first, payload) = read_frame(&mut client);
    assert_eq!((first, &payload[..2]), (0x88, 1011u16.to_be_bytes().as_slice()));
    assert_ended(&mut client);
    drop(client);
    assert_eq!(served.end().unwrap().code, 1011);
}

#[test]
fn handshakes_that_cannot_be_served_are_answered_by_the_router() {
    let served = Served::with(|_| (), |_| None);
    for (request, status, field) in [
        (handshake("8", ""), "426", "Sec-WebSocket-Version: 13\r\n"),
        (handshake("13", "").replace("GET", "PUT"), "405", "Allow: GET\r\n"),
        (handshake("13", "").replace("==", ""), "400", "Connection: close\r\n"),
    ] {
        let mut client = served.connect();
        client.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut client);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(field), "{head}");
    }
    // Not of interest here, but the worker waits for one.
    let mut client = served.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 500"));
    drop(client);
    assert_eq!(served.end(), None);
}
