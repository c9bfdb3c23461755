//! The traffic of a site that is worked on: kept connections and new ones, uploads, WebSockets, all at once and at a steady pace. Tells what
//! failed and what was run twice, and which processes answered.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Connection, Refused};
use super::frames::{self, Closed, Part, Reader, TEXT};
use super::load::prefer_this_thread;

/// A client's requests are due this often.
const PACE: Duration = Duration::from_millis(10);
const UPLOAD: u64 = 300 * 1024;
/// How long after its last answer a process still counts as one that serves.
const RECENT: Duration = Duration::from_millis(300);
/// The codes with which a server may close a WebSocket that it was not asked to close: "going away" and "service restart" (RFC 6455,
/// section 7.4.1, and IANA's registry).
const COME_AGAIN: [u16; 2] = [1001, 1012];

/// How many clients of each kind there are.
#[derive(Clone, Copy)]
pub(super) struct Clients {
    pub(super) kept: usize,
    /// Each request on a connection of its own.
    pub(super) fresh: usize,
    pub(super) uploads: usize,
    pub(super) websockets: usize,
}

/// The traffic to one server.
pub(super) struct Traffic {
    port: u16,
    /// Where the application notes the numbers of the uploads that it ran.
    notes: PathBuf,
    next_upload: AtomicU64,
    is_over: AtomicBool,
    tally: Mutex<Tally>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tally {
    /// Of all requests with a good answer, from the time they were due.
    pub(super) answered: Vec<Duration>,
    /// GET requests without a whole good answer: refused, reset, cut off, or an error.
    pub(super) failed: u64,
    /// Uploads without an answer at all. One that is answered with 502 was told that nobody knows what became of it.
    pub(super) failed_uploads: u64,
    /// Uploads that were answered 502.
    pub(super) bad_gateway: u64,
    /// WebSockets that ended without a word.
    pub(super) dropped: u64,
    /// WebSockets that were told to come again.
    pub(super) told: u64,
    /// The first failure.
    pub(super) first: Option<String>,
    /// Numbers of the uploads that were answered 200.
    uploaded: Vec<u64>,
    /// When each process answered last.
    seen: HashMap<u32, Instant>,
}

impl Traffic {
    pub(super) fn new(port: u16, notes: PathBuf) -> Result<Self> {
        fs::write(&notes, "").with_context(|| format!("cannot write {}", notes.display()))?;
        let (next_upload, is_over, tally) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::default());
        Ok(Self { port, notes, next_upload, is_over, tally })
    }

    /// Runs the clients while `act` runs; returns what it returned.
    pub(super) fn during<T>(&self, clients: Clients, act: impl FnOnce(&Self) -> T) -> T {
        self.is_over.store(false, Ordering::Relaxed);
        let Clients { kept, fresh, uploads, websockets } = clients;
        type Client = fn(&Traffic);
        let kinds: [(usize, Client); 4] = [
            (kept, |traffic| traffic.ask(true)),
            (fresh, |traffic| traffic.ask(false)),
            (uploads, Self::upload),
            (websockets, Self::echo),
        ];
        thread::scope(|scope| {
            for (count, client) in kinds {
                for _ in 0..count {
                    scope.spawn(move || {
                        prefer_this_thread();
                        client(self);
                    });
                }
            }
            let result = act(self);
            self.is_over.store(true, Ordering::Relaxed);
            result
        })
    }

    /// What came of it since this was last asked.
    pub(super) fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The processes that answered just now.
    pub(super) fn serving(&self) -> Vec<u32> {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.seen.iter().filter(|(_, at)| at.elapsed() < RECENT).map(|(pid, _)| *pid).collect()
    }

    /// A process is gone: it serves no more, whenever it last answered.
    pub(super) fn forget(&self, pid: u32) {
        self.note(|tally| {
            tally.seen.remove(&pid);
        });
    }

    /// Uploads that were run more than once, and those that were answered without having been run.
    pub(super) fn run_wrongly(&self, uploaded: &[u64]) -> Result<(u64, u64)> {
        let text = fs::read_to_string(&self.notes)?;
        let mut runs: HashMap<u64, u64> = HashMap::new();
        for line in text.lines() {
            *runs.entry(line.parse()?).or_default() += 1;
        }
        let twice = runs.values().filter(|runs| **runs > 1).count() as u64;
        let never = uploaded.iter().filter(|number| !runs.contains_key(number)).count() as u64;
        Ok((twice, never))
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Calls `once` whenever it is due. What it waited for the server before counts.
    fn steadily(&self, mut once: impl FnMut(Instant)) {
        let mut due = Instant::now();
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            once(due);
            due += PACE;
        }
    }

    fn ask(&self, keeps: bool) {
        let mut connection = None;
        self.steadily(|due| {
            let answered = over(self.port, &mut connection, |connection| connection.get("/"));
            if !keeps {
                connection = None;
            }
            match answered.and_then(|body| pid_of(&body)) {
                Ok(pid) => self.answered(due, pid),
                Err(error) => self.note(|tally| {
                    tally.failed += 1;
                    tally.first(&error);
                }),
            }
        });
    }

    fn upload(&self) {
        let mut connection = None;
        self.steadily(|due| {
            let number = self.next_upload.fetch_add(1, Ordering::Relaxed);
            let path = format!("/upload?number={number}&notes={}", self.notes.display());
            let answered = over(self.port, &mut connection, |connection| connection.upload(&path, UPLOAD));
            match answered.and_then(|body| pid_of(&body)) {
                Ok(pid) => {
                    self.answered(due, pid);
                    self.note(|tally| tally.uploaded.push(number));
                }
                Err(error) => self.note(|tally| match error.downcast_ref::<Refused>() {
                    Some(Refused(502)) => tally.bad_gateway += 1,
                    _ => {
                        tally.failed_uploads += 1;
                        tally.first(&error);
                    }
                }),
            }
        });
    }

    fn echo(&self) {
        let mut socket = None;
        self.steadily(|due| {
            let echoed = self.echo_once(&mut socket);
            match echoed {
                Ok(()) => self.note(|tally| tally.answered.push(due.elapsed())),
                Err(error) => {
                    socket = None;
                    self.note(|tally| match error.downcast_ref::<Closed>() {
                        Some(Closed(code)) if COME_AGAIN.contains(code) => tally.told += 1,
                        _ => {
                            tally.dropped += 1;
                            tally.first(&error);
                        }
                    });
                }
            }
        });
    }

    /// A message, and its echo.
    fn echo_once(&self, socket: &mut Option<(TcpStream, Reader)>) -> Result<()> {
        if socket.is_none() {
            *socket = Some((frames::open(Connection::open(self.port)?)?, Reader::default()));
        }
        let Some((stream, reader)) = socket else { bail!("there is no WebSocket") };
        stream.write_all(&frames::masked(TEXT, b"a message"))?;
        let mut is_whole = false;
        let mut block = [0; 4096];
        while !is_whole {
            let read = stream.read(&mut block)?;
            ensure!(read > 0, "the WebSocket was closed without a word");
            reader.take(&block[..read], |part| {
                is_whole |= matches!(part, Part::Message { is_end: true, .. });
                Ok(())
            })?;
        }
        Ok(())
    }

    fn answered(&self, due: Instant, pid: u32) {
        self.note(|tally| {
            tally.answered.push(due.elapsed());
            tally.seen.insert(pid, Instant::now());
        });
    }
}

impl Tally {
    /// Everything that went wrong, whatever it was.
    pub(super) fn lost(&self) -> u64 {
        self.failed + self.failed_uploads + self.bad_gateway + self.dropped
    }

    pub(super) fn uploaded(&self) -> &[u64] {
        &self.uploaded
    }

    fn first(&mut self, error: &anyhow::Error) {
        self.first.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// One request over the connection, which is opened first if there is none. One that failed is not used again.
fn over<T>(
    port: u16,
    connection: &mut Option<Connection>,
    ask: impl FnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => Connection::open(port)?,
    };
    let answer = ask(&mut open)?;
    *connection = Some(open);
    Ok(answer)
}

fn pid_of(body: &[u8]) -> Result<u32> {
    let text = String::from_utf8_lossy(body);
    text.split(' ')
        .next()
        .and_then(|pid| pid.parse().ok())
        .with_context(|| format!("the answer {text:?} names no process"))
}
