//! The log of an instance, followed over losses of the connection: as a stream, or page by page where no descriptor
//! passes. Lines are told in batches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hostler_bus::daemon::{Error, LogFilter, LogLine, LogPage};
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use zbus::zvariant::DynamicDeserialize;

use super::Event;
use super::asking::Click;
use super::observing::ask;
use super::session::Line;
use crate::model::Failure;

/// How many lines an event has at most.
const BATCH: usize = 1000;
/// For how long lines are gathered.
const GATHER: Duration = Duration::from_millis(40);
/// How much is read at once, and how long a line may be: messages of the journal are shorter.
const CHUNK: usize = 64 * 1024;
const LINE_LIMIT: usize = 4 << 20;
/// How many lines are asked for when the log goes on after a loss, or page by page.
const RESUMED_LINES: u32 = 100_000;
const PAGE_LINES: u32 = 5_000;
/// How often pages are asked for.
const PAGE_INTERVAL: Duration = Duration::from_secs(1);
/// The pause before a stream that ended by itself is opened again; and how often it may end without a line.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
const REOPEN_LIMIT: u32 = 3;

/// A log that is followed. Cloned, it is the same.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    filter: LogFilter,
    cursor: Arc<Mutex<String>>,
    over: Arc<AtomicBool>,
}

impl Followed {
    pub(super) fn new(filter: LogFilter) -> Self {
        Self { filter, cursor: Arc::default(), over: Arc::default() }
    }

    /// Whether it has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What is to be asked for: after what was told already.
    fn rest(&self) -> LogFilter {
        let cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if cursor.is_empty() {
            return self.filter.clone();
        }
        LogFilter { cursor, lines: Some(RESUMED_LINES), ..self.filter.clone() }
    }

    fn told_until(&self, cursor: &str) {
        if !cursor.is_empty() {
            cursor.clone_into(&mut self.cursor.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Follows a log to its end, and tells that. The person may be asked for a password for a click of theirs.
pub(super) async fn follow(line: Line, name: String, followed: Followed, click: Option<Click>) {
    // The user's own daemon asks nobody.
    let click = click.filter(|_| !line.reach.user);
    let reader = Reader { line, name, followed };
    let result = if reader.line.client.is_remote() { reader.pages(click).await } else { reader.streams(click).await };
    reader.followed.over.store(true, Ordering::Relaxed);
    reader.line.outbox.put(Event::LogsEnded(reader.line.key(&reader.name), result.err())).await;
}

struct Reader {
    line: Line,
    name: String,
    followed: Followed,
}

/// How a stream ended.
enum Ended {
    /// The other end closed it; and whether a line had come.
    Closed(bool),
    /// The daemon said why.
    Because(String),
}

/// The last frame of a stream that failed.
#[derive(Deserialize)]
struct FailureFrame {
    error: String,
}

impl Reader {
    async fn streams(&self, mut click: Option<Click>) -> Result<(), Failure> {
        let mut empty = 0;
        loop {
            let descriptor: zbus::zvariant::OwnedFd = self.read("Logs", click.take(), self.followed.rest()).await?;
            let stream = stream_of(descriptor).map_err(|error| failed(&error.to_string()))?;
            self.opened().await;
            match self.stream(stream).await? {
                Ended::Because(message) => return Err(Failure { message, ..Failure::default() }),
                Ended::Closed(_) if !self.followed.filter.follow => return Ok(()),
                Ended::Closed(true) => empty = 0,
                Ended::Closed(false) => empty += 1,
            }
            if empty == REOPEN_LIMIT {
                let message = "the stream of the log ends again and again; see `journalctl -u hostlerd`".to_owned();
                return Err(Failure { message, ..Failure::default() });
            }
            // A daemon that leaves closes its streams first: then the session ends in this pause, and the next goes on.
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    }

    async fn stream(&self, mut stream: UnixStream) -> Result<Ended, Failure> {
        let (mut bytes, mut batch, mut any) = (Vec::with_capacity(CHUNK), Vec::new(), false);
        let mut deadline = Instant::now();
        loop {
            bytes.reserve(CHUNK);
            let read = if batch.is_empty() {
                stream.read_buf(&mut bytes).await
            } else {
                match timeout_at(deadline, stream.read_buf(&mut bytes)).await {
                    Ok(read) => read,
                    Err(_) => {
                        self.tell(&mut batch).await;
                        continue;
                    }
                }
            };
            if read.map_err(|error| failed(&error.to_string()))? == 0 {
                self.tell(&mut batch).await;
                return Ok(Ended::Closed(any));
            }
            let mut begin = 0;
            while let Some(length) = bytes[begin..].iter().position(|byte| *byte == b'\n') {
                let frame = &bytes[begin..begin + length];
                begin += length + 1;
                match parse(frame)? {
                    Ok(line) => {
                        if batch.is_empty() {
                            deadline = Instant::now() + GATHER;
                        }
                        batch.push(line);
                    }
                    Err(message) => {
                        self.tell(&mut batch).await;
                        return Ok(Ended::Because(message));
                    }
                }
                if batch.len() >= BATCH {
                    self.tell(&mut batch).await;
                }
                any = true;
            }
            bytes.drain(..begin);
            if bytes.len() > LINE_LIMIT {
                return Err(failed(&format!("a line is longer than {} MiB", LINE_LIMIT >> 20)));
            }
        }
    }

    async fn pages(&self, mut click: Option<Click>) -> Result<(), Failure> {
        let mut is_open = false;
        loop {
            let mut filter = self.followed.rest();
            filter.lines = filter.lines.map(|lines| lines.min(PAGE_LINES));
            let page: LogPage = self.read("ReadLogs", click.take(), filter).await?;
            if !std::mem::replace(&mut is_open, true) {
                self.opened().await;
            }
            let full = page.lines.len() >= PAGE_LINES as usize;
            let mut lines = page.lines;
            while !lines.is_empty() {
                let rest = lines.split_off(lines.len().min(BATCH));
                self.tell(&mut lines).await;
                lines = rest;
            }
            self.followed.told_until(&page.cursor);
            if !self.followed.filter.follow {
                return Ok(());
            }
            if !full {
                tokio::time::sleep(PAGE_INTERVAL).await;
            }
        }
    }

    async fn read<T>(&self, method: &'static str, click: Option<Click>, filter: LogFilter) -> Result<T, Error>
    where
        T: for<'d> DynamicDeserialize<'d>,
    {
        let instance = self.line.client.known_instance(&self.name).await?;
        let (instance, body) = (instance.inner(), (filter,));
        let fetch = |interactive| ask(instance, method, &body, interactive);
        self.line.clicks.read(click, fetch, |asking| asking).await
    }

    /// Until now somebody may have been asked for a password.
    async fn opened(&self) {
        self.line.outbox.put(Event::LogsOpened(self.line.key(&self.name))).await;
    }

    async fn tell(&self, batch: &mut Vec<LogLine>) {
        let Some(cursor) = batch.last().map(|line| line.cursor.clone()) else { return };
        self.line.outbox.put(Event::Logged(self.line.key(&self.name), std::mem::take(batch))).await;
        self.followed.told_until(&cursor);
    }
}

fn stream_of(descriptor: zbus::zvariant::OwnedFd) -> std::io::Result<UnixStream> {
    let stream = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(descriptor));
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A line, or why the stream ends.
fn parse(frame: &[u8]) -> Result<Result<LogLine, String>, Failure> {
    // Looked for first: each field of a line may be left out, so that this would be an empty one.
    if frame.starts_with(b"{\"error\"")
        && let Ok(FailureFrame { error }) = serde_json::from_slice(frame)
    {
        return Ok(Err(error));
    }
    serde_json::from_slice(frame).map(Ok).map_err(|error| failed(&error.to_string()))
}

fn failed(why: &str) -> Failure {
    Failure { message: format!("the stream of the log cannot be read: {why}"), ..Failure::default() }
}
