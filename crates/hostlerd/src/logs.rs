//! Logs for clients: a page, and a stream into a socket of which the client has the other end.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use hostler_bus::daemon::{Error, LogFilter, LogLine, LogPage, Result};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::clients::Using;
use crate::journal::{Journal, matches};
use crate::scope::Kind;

/// How many lines there are when nobody says how many, and at most.
const LINES: u32 = 500;
const LINES_LIMIT: u32 = 100_000;
/// A page is one message of D-Bus.
const PAGE_LIMIT: u32 = 5_000;
/// What is held at once: the texts of so many bytes, the latest.
const BYTES_LIMIT: usize = 16 << 20;

/// A part of the log: the last lines, or the first that follow a cursor, so that who goes on from page to page misses none.
pub(crate) async fn page(kind: Kind, name: &str, filter: &LogFilter) -> Result<LogPage> {
    let lines = filter.lines.unwrap_or(LINES).min(PAGE_LIMIT);
    let read = if filter.cursor.is_empty() {
        read(kind, name, &LogFilter { lines: Some(lines), ..filter.clone() }).await
    } else {
        read_on(kind, name, filter, lines).await
    };
    read.map_err(|reason| Error::Refused { reason })
}

/// The first lines behind the cursor that match. What follows the last of them is left for the next page.
async fn read_on(kind: Kind, name: &str, filter: &LogFilter, most: u32) -> std::result::Result<LogPage, String> {
    let all = LogFilter { lines: None, ..filter.clone() };
    let mut journal = Journal::open(kind, name, &all, false).map_err(|error| format!("journalctl: {error}"))?;
    let (mut page, mut bytes) = (LogPage { lines: Vec::new(), cursor: filter.cursor.clone() }, 0);
    while page.lines.len() < most as usize && bytes < BYTES_LIMIT {
        let Some(line) = journal.next().await.map_err(|error| format!("journalctl: {error}"))? else {
            journal.end().await?;
            break;
        };
        page.cursor.clone_from(&line.cursor);
        if matches(&line, filter) {
            bytes += line.message.len();
            page.lines.push(line);
        }
    }
    Ok(page)
}

/// The last lines that match, the oldest first.
async fn read(kind: Kind, name: &str, filter: &LogFilter) -> std::result::Result<LogPage, String> {
    let most = filter.lines.unwrap_or(LINES).min(LINES_LIMIT) as usize;
    let mut journal = Journal::open(kind, name, filter, false).map_err(|error| format!("journalctl: {error}"))?;
    let (mut lines, mut cursor, mut bytes) = (VecDeque::<LogLine>::new(), filter.cursor.clone(), 0);
    while let Some(line) = journal.next().await.map_err(|error| format!("journalctl: {error}"))? {
        cursor.clone_from(&line.cursor);
        if matches(&line, filter) {
            bytes += line.message.len();
            lines.push_back(line);
            while lines.len() > most || bytes > BYTES_LIMIT {
                bytes -= lines.pop_front().map_or(bytes, |line| line.message.len());
            }
        }
    }
    journal.end().await?;
    Ok(LogPage { lines: lines.into(), cursor })
}

/// Begins a stream, and returns the reader's end of it. It ends when the reader closes it, or without `follow` at the last line; with `elsewhere`,
/// why nothing follows, after what there is.
pub(crate) fn stream(
    kind: Kind,
    name: String,
    filter: LogFilter,
    elsewhere: Option<String>,
    using: Using,
) -> Result<OwnedFd> {
    let (theirs, mut frames) = Frames::pair().map_err(|error| Error::Internal { reason: error.to_string() })?;
    tokio::spawn(async move {
        let _using = using;
        let ended = match elsewhere {
            None => follow(kind, &name, &filter, &mut frames).await,
            Some(reason) => {
                let there = follow(kind, &name, &LogFilter { follow: false, ..filter }, &mut frames).await;
                there.and(Err(Some(reason)))
            }
        };
        if let Err(Some(error)) = ended {
            // The reader may be gone, and then nobody wants to know.
            let _ = frames.send(&Failure { error }).await;
        }
    });
    Ok(theirs)
}

/// The last frame of a stream that failed.
#[derive(Serialize)]
struct Failure {
    error: String,
}

/// The error is `None` when the reader has left.
async fn follow(
    kind: Kind,
    name: &str,
    filter: &LogFilter,
    frames: &mut Frames,
) -> std::result::Result<(), Option<String>> {
    let began_us = crate::metrics::now_us();
    let page = tokio::select! {
        page = read(kind, name, filter) => page.map_err(Some)?,
        () = frames.left() => return Err(None),
    };
    for line in &page.lines {
        frames.send(line).await.map_err(|_| None)?;
    }
    if !filter.follow {
        return Ok(());
    }
    // From where the page ended; an empty log goes on from when the reading began.
    let since_us = if page.cursor.is_empty() { Some(began_us) } else { None };
    let rest = LogFilter { cursor: page.cursor, since_us, ..filter.clone() };
    let mut journal = Journal::open(kind, name, &rest, true).map_err(|error| Some(format!("journalctl: {error}")))?;
    loop {
        let next = tokio::select! {
            next = journal.next() => next,
            // What of an entry was read is lost, and nobody is there to miss it.
            () = frames.left() => return Err(None),
        };
        match next.map_err(|error| Some(format!("journalctl: {error}")))? {
            Some(line) if matches(&line, filter) => frames.send::<LogLine>(&line).await.map_err(|_| None)?,
            Some(_) => {}
            None => return journal.end().await.map_err(Some),
        }
    }
}

/// Frames to a reader: one JSON object a line.
pub(crate) struct Frames(UnixStream);

impl Frames {
    /// The reader's end, and ours. A socket and not a pipe, as it tells when the reader closes its end.
    pub(crate) fn pair() -> std::io::Result<(OwnedFd, Self)> {
        let (theirs, ours) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        Ok((theirs.into(), Self(UnixStream::from_std(ours)?)))
    }

    /// Sends one; waits while the reader is slow.
    pub(crate) async fn send<T: Serialize>(&mut self, frame: &T) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(frame)?;
        text.push(b'\n');
        self.0.write_all(&text).await
    }

    /// Waits until the reader has closed its end.
    pub(crate) async fn left(&mut self) {
        // Whatever a reader writes is passed over.
        let mut nothing = [0; 64];
        while matches!(self.0.read(&mut nothing).await, Ok(1..)) {}
    }
}
