//! A log's place, shared by threads: whole records, reopening, and what happens when it cannot be written.
//!
//! A record is one write(2), so that lines never mix. What a slow reader does not take is kept up to a limit; past it,
//! and when the place itself fails, records are lost and counted. That is said on stderr when it begins and when it
//! ends, and when a disk hangs. No caller ever waits or fails because of a log, but for a tenth of a second when a disk
//! begins to hang.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use thiserror::Error;

use crate::error_log::line_start;
use crate::output::Output;

/// How much is kept for a reader, or a disk, that is behind.
const KEEP_LIMIT: usize = 1024 * 1024;
/// A disk that has not ended a write for so long is told of.
const HANGS: Duration = Duration::from_secs(5);

/// What all logs of this process have lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many records all logs of this process have lost since its start.
pub fn records_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Where a log goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, made if it is missing (mode 0640 less the umask) and appended to. A named pipe will do, too.
    File(PathBuf),
}

/// Why a log cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The place cannot be opened.
    #[error("the log {target} cannot be opened: {source}{}", advice(.source))]
    Open {
        /// Which log.
        target: Target,
        /// What the kernel said.
        source: io::Error,
    },
    /// The process has a tracing subscriber already.
    #[error("the error log is installed twice in this process")]
    AlreadyInstalled,
}

/// A log file or standard stream, shared between threads.
#[derive(Debug)]
pub struct Sink {
    state: Mutex<State>,
    dropped: AtomicU64,
    notice: fn(&str),
}

impl Sink {
    /// Opens a log.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]: the directory is missing, no permission, nobody reads the named pipe.
    pub fn open(target: &Target) -> Result<Self, Error> {
        Sink::with_notice(target, say_on_stderr)
    }

    fn with_notice(target: &Target, notice: fn(&str)) -> Result<Self, Error> {
        Ok(Sink {
            state: Mutex::new(State {
                target: target.clone(),
                output: open(target)?,
                kept: VecDeque::new(),
                kept_bytes: 0,
                written: 0,
                lost: None,
            }),
            dropped: AtomicU64::new(0),
            notice,
        })
    }

    /// Writes one record, which ends with a newline. Several lines of one record stay together.
    pub fn write(&self, record: &[u8]) {
        let mut state = self.lock();
        self.put(&mut state, record, 1);
    }

    /// Writes many records, each of one line, in as few writes as keep every line whole. With none, it only tries to
    /// write what is kept for a slow reader.
    pub fn write_lines(&self, lines: &[u8]) {
        let mut state = self.lock();
        let limit = state.output.atomic_limit();
        if lines.is_empty() {
            self.put(&mut state, lines, 0);
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(whole_lines(rest, limit));
            let records = piece.iter().filter(|byte| **byte == b'\n').count();
            self.put(&mut state, piece, records as u64);
            rest = after;
        }
    }

    /// Opens the file anew under its name, after logrotate has renamed it. Standard streams stay as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]: the log then goes on into the old file.
    pub fn reopen(&self) -> Result<(), Error> {
        let target = self.lock().target.clone();
        if !matches!(target, Target::File(_)) {
            return Ok(());
        }
        self.move_to(&target)
    }

    /// Writes elsewhere from the next record on. What a slow reader of the old place has not taken goes to the new one.
    ///
    /// # Errors
    ///
    /// [`Error::Open`]: the log then goes on where it was.
    pub fn move_to(&self, target: &Target) -> Result<(), Error> {
        let output = open(target)?;
        let mut state = self.lock();
        let _ = self.drain(&mut state);
        // The rest of a record whose beginning is in the old file makes no sense in the new one.
        if state.written > 0
            && let Some(torn) = state.forget_first()
        {
            self.lose(&mut state, torn.records, "it was reopened in the middle of a record");
        }
        state.output = output;
        state.target = target.clone();
        Ok(())
    }

    /// How many records were lost since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits up to `limit` for a slow reader to take what is kept for it. For the end of the process.
    pub fn finish(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut state = self.lock();
        while let Err(Errno::AGAIN) = self.drain(&mut state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !state.output.is_writable_within(left) {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: &mut State, bytes: &[u8], records: u64) {
        if state.lost.is_none() && state.output.hangs_for() >= HANGS {
            state.lost = Some(0);
            let seconds = HANGS.as_secs();
            let kept = KEEP_LIMIT / 1024 / 1024;
            let target = &state.target;
            (self.notice)(&format!(
                "the log {target} has taken nothing for {seconds} s: {kept} MiB is kept for it, then records are lost"
            ));
        }
        let behind = match self.drain(state) {
            Ok(()) if bytes.is_empty() => return,
            Ok(()) => match state.output.write(bytes) {
                Ok(written) if written == bytes.len() => {
                    self.recovered(state);
                    return;
                }
                Ok(written) => {
                    state.keep(bytes, records);
                    state.written = written;
                    let _ = self.drain(state);
                    return;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        if records == 0 {
            return;
        }
        if behind != Errno::AGAIN {
            self.lose(state, records, &io::Error::from(behind).to_string());
        } else if state.kept_bytes + bytes.len() > KEEP_LIMIT {
            let disk = !state.output.hangs_for().is_zero();
            self.lose(state, records, if disk { "its disk is too slow" } else { "its reader is too slow" });
        } else {
            state.keep(bytes, records);
        }
    }

    /// Writes what is kept. When the place fails, only the rest of a record that was begun is kept on, so that its
    /// line is whole when the place works again.
    fn drain(&self, state: &mut State) -> Result<(), Errno> {
        while let Some(first) = state.kept.front() {
            let rest = first.bytes.get(state.written..).unwrap_or_default();
            match state.output.write(rest) {
                Ok(written) if written == rest.len() => {
                    state.forget_first();
                    if state.kept.is_empty() {
                        self.recovered(state);
                    }
                }
                Ok(written) => state.written += written,
                Err(Errno::AGAIN) => return Err(Errno::AGAIN),
                Err(error) => {
                    let begun = if state.written > 0 && error != Errno::PIPE { 1 } else { 0 };
                    let lost: u64 = state.kept.iter().skip(begun).map(|kept| kept.records).sum();
                    state.kept.truncate(begun);
                    state.kept_bytes = state.kept.iter().map(|kept| kept.bytes.len()).sum();
                    state.written = if begun == 1 { state.written } else { 0 };
                    if lost > 0 {
                        self.lose(state, lost, &io::Error::from(error).to_string());
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn lose(&self, state: &mut State, records: u64, reason: &str) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
        LOST.fetch_add(records, Ordering::Relaxed);
        if state.lost.is_none_or(|lost| lost == 0) {
            (self.notice)(&format!("the log {} cannot be written, records are being lost: {reason}", state.target));
        }
        *state.lost.get_or_insert(0) += records;
    }

    fn recovered(&self, state: &mut State) {
        if let Some(lost) = state.lost.take() {
            (self.notice)(&format!("the log {} can be written again, lost records: {lost}", state.target));
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => formatter.write_str("on standard output"),
            Target::Stderr => formatter.write_str("on standard error"),
            Target::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

#[derive(Debug)]
struct State {
    target: Target,
    output: Output,
    /// What a slow reader has not taken yet, oldest first.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// How much of the first one is written already.
    written: usize,
    /// Records lost since the log last worked; none while it works.
    lost: Option<u64>,
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    records: u64,
}

impl State {
    fn keep(&mut self, bytes: &[u8], records: u64) {
        self.kept_bytes += bytes.len();
        self.kept.push_back(Kept { bytes: bytes.to_vec(), records });
    }

    fn forget_first(&mut self) -> Option<Kept> {
        let first = self.kept.pop_front()?;
        self.kept_bytes -= first.bytes.len();
        self.written = 0;
        Some(first)
    }
}

fn open(target: &Target) -> Result<Output, Error> {
    Output::open(target).map_err(|error| Error::Open { target: target.clone(), source: error.into() })
}

fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => "; create its directory (under systemd: LogsDirectory=)",
        Some(Errno::ACCESS) => "; the server's user must be allowed to write it",
        Some(Errno::NXIO) => "; it is a named pipe (or a socket) that nobody reads",
        _ => "",
    }
}

/// How much of `lines` to write at once: whole lines up to `limit`, or one line that is longer.
fn whole_lines(lines: &[u8], limit: usize) -> usize {
    let Some(head) = lines.get(..limit) else {
        return lines.len();
    };
    let newline = |part: &[u8]| part.iter().position(|byte| *byte == b'\n');
    if let Some(last) = head.iter().rposition(|byte| *byte == b'\n') {
        return last + 1;
    }
    newline(lines).map_or(lines.len(), |first| first + 1)
}

/// Best effort: when stderr is the log that fails, the word that it did comes when it works again.
fn say_on_stderr(text: &str) {
    static STDERR: OnceLock<Option<Output>> = OnceLock::new();
    if let Some(output) = STDERR.get_or_init(|| Output::open(&Target::Stderr).ok()) {
        let _ = output.write(format!("{} WARN {text}\n", line_start()).as_bytes());
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
