//! A router in this process, between clients on a socket and generations of workers that only pretend to be processes.

mod configuring;
mod hold;
pub(crate) mod panics;
mod statistics;
mod switch;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hostler_exchange::head::{Response, read_request, write_header};
use hostler_exchange::{
    BodyChunk, Config as ExchangeConfig, Doorbells, Exchange, Taken, Wait, WorkerSide, response_flag,
};
use hostler_listener::{Options, bind_all};
use tokio::sync::mpsc;

use crate::{Config, ForwardedHeaders, Router, RouterEvent, TrustedPeers, Underscores, WebSocketConfig};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What holds answers back until the test says so.
#[derive(Debug, Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let closed = self.open.lock().unwrap();
        let _open = self.changed.wait_timeout_while(closed, PATIENCE, |open| !*open).unwrap();
    }
}

/// An exchange and its workers. What they answer begins with the generation's name.
struct Generation {
    exchange: Arc<Exchange>,
    gate: Arc<Gate>,
    /// The targets of all requests that were begun.
    begun: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

fn exchange(workers: u32, router_threads: u32) -> Arc<Exchange> {
    let config = ExchangeConfig {
        workers,
        threads: 2,
        router_threads,
        slots: 32,
        websockets: 0,
        head_size: 64 * 1024,
        request_ring: 4096,
        response_ring: 4096,
    };
    Arc::new(Exchange::create(config).unwrap())
}

impl Generation {
    /// With so many workers of `threads` threads each.
    fn start(name: &'static str, workers: u16, threads: u16) -> Self {
        let mut generation =
            Self { exchange: exchange(4, 2), gate: Arc::default(), begun: Arc::default(), threads: Vec::new() };
        (0..workers).for_each(|worker| generation.add(name, worker, threads));
        generation
    }

    fn add(&mut self, name: &'static str, worker: u16, threads: u16) {
        self.exchange.prepare_worker(worker);
        let mut descriptors: Vec<OwnedFd> = self.exchange.worker_descriptors().unwrap();
        let mut routers = descriptors.split_off(1);
        let workers = routers.split_off(2);
        let doorbells = Doorbells { routers, workers };
        let side = Arc::new(WorkerSide::attach(descriptors.swap_remove(0), worker, doorbells).unwrap());
        for number in 0..threads {
            let (side, gate, begun) = (Arc::clone(&side), Arc::clone(&self.gate), Arc::clone(&self.begun));
            self.threads.push(thread::spawn(move || {
                let own = side.thread(number);
                while !side.retired() {
                    match own.take(None) {
                        Some(taken) => {
                            serve(&side, taken, name, &gate, &begun);
                            own.finish(taken);
                        }
                        None => own.sleep(None),
                    }
                }
            }));
        }
    }

    /// Ends its workers; nothing may be in flight, and nobody but the test may hold its exchange any more.
    fn end(self) {
        for worker in 0..4 {
            self.exchange.retire_worker(worker);
        }
        self.gate.open();
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(self.exchange.in_flight(), 0);
        let left = Arc::downgrade(&self.exchange);
        drop(self.exchange);
        eventually("the exchange is dropped", || left.strong_count() == 0);
    }

    /// The worker that runs the request for `target`.
    fn worker_of(&self, target: &str) -> u16 {
        let mut found = None;
        eventually("a worker runs it", || {
            found = self.exchange.requests().into_iter().find(|request| request.target == target);
            found.as_ref().is_some_and(|request| request.worker.is_some())
        });
        found.unwrap().worker.unwrap()
    }

    fn await_queued(&self, target: &str) {
        eventually("it is queued", || {
            self.exchange.requests().iter().any(|request| request.target == target && request.worker.is_none())
        });
    }
}

/// Answers with the generation's name, the target, and the length of the body. `/gate…` waits before its head, `/stream…` in its body.
fn serve(side: &WorkerSide, taken: Taken, name: &str, gate: &Gate, begun: &Mutex<Vec<String>>) {
    let head = side.head(taken).to_vec();
    let (request, _) = read_request(&head).unwrap();
    let target = String::from_utf8(request.target.to_vec()).unwrap();
    begun.lock().unwrap().push(target.clone());
    let (mut length, mut chunk) = (0, [0; 1000]);
    loop {
        match side.read_body(taken, &mut chunk) {
            BodyChunk::Bytes(read) => length += read,
            BodyChunk::Nothing => side.await_body(taken),
            BodyChunk::End(_) => break,
        }
    }
    if target.starts_with("/gate") {
        gate.pass();
    }
    let body = format!("{name} {target} {length}");
    let mut head = Vec::new();
    Response { status: 200, reason: b"OK", headers: 1 }.write(&mut head);
    write_header(&mut head, b"Content-Length", body.len().to_string().as_bytes());
    if side.write(taken, &head) < head.len() {
        return;
    }
    side.set_head(taken, head.len());
    let (first, rest) = body.as_bytes().split_at(body.len() / 2);
    put(side, taken, first);
    if target.starts_with("/stream") {
        gate.pass();
    }
    put(side, taken, rest);
    side.flag(taken, response_flag::COMPLETE);
    side.publish(taken);
}

fn put(side: &WorkerSide, taken: Taken, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = side.write(taken, bytes);
        bytes = &bytes[written..];
        side.publish(taken);
        if !bytes.is_empty() && side.await_room(taken) == Wait::Abandoned {
            return;
        }
    }
}

/// A router with two threads, and where it listens.
struct Running {
    router: Router,
    events: mpsc::Receiver<RouterEvent>,
    path: String,
    runtime: tokio::runtime::Runtime,
    _directory: tempfile::TempDir,
}

impl Running {
    fn with(exchange: &Arc<Exchange>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket").to_str().unwrap().to_owned();
        let options = Options { backlog: 64, unix_mode: None, unix_owner: None };
        let listeners = bind_all(&[format!("unix:{path}")], &options).unwrap();
        let (tell, events) = mpsc::channel(16);
        let router = Router::start(config(), exchange, listeners, || None, &tell).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { router, events, path, runtime, _directory: directory }
    }

    fn switch(&self, to: &Generation) {
        self.runtime.block_on(self.router.switch(config(), &to.exchange)).unwrap();
    }

    fn connect(&self) -> Client {
        Client::connect(&self.path)
    }

    fn stop(self) {
        self.router.stop();
        self.runtime.block_on(self.router.stopped()).unwrap();
        assert_eq!(self.router.former_in_use(), 0);
    }
}

struct Client(UnixStream);

impl Client {
    fn connect(path: &str) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    fn get(&mut self, target: &str) {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }

    /// Head and body of an answer that tells its length.
    fn answer(&mut self) -> (String, String) {
        let head = self.head();
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// The body of a 200.
    fn body(&mut self) -> String {
        let (head, body) = self.answer();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}{body}");
        body
    }

    fn ask(&mut self, target: &str) -> String {
        self.get(target);
        self.body()
    }

    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

fn config() -> Config {
    let patience = PATIENCE / 2;
    Config {
        head_limits: hostler_http1::Limits::default(),
        body_limit: None,
        keepalive: patience,
        header_timeout: patience,
        body_timeout: patience,
        send_timeout: patience,
        timeout: Some(patience),
        underscores: Underscores::Drop,
        trusted: TrustedPeers(Arc::new(|_| false)),
        forwarded: ForwardedHeaders::default(),
        request_id_header: None,
        server_header: false,
        slow_request: None,
        threads: 2,
        websocket: WebSocketConfig {
            max_message: 4 << 20,
            ping_interval: None,
            ping_timeout: patience,
            compress: true,
        },
    }
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not so in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
