//! How one server process takes another's place: what both say to each other. `upgrade` is the predecessor's side.
//!
//! ```text
//!   predecessor                                successor
//!   starts who starts it ────────────────────► is nobody's child: systemd's, where that is
//!                              ◄── started ─── loads its first generation, with the predecessor's sockets
//!                                              accepts, beside the predecessor
//!                              ◄───── ready ── waits
//!   tells systemd, lets its names go
//!                              ── take over ─► takes the names: the control socket, the pidfile
//!   finishes what it runs
//!   ends                       ──── its end ──► may end as well
//! ```
//!
//! Until "take over" the predecessor is in charge: a successor that fails, or falls silent, is gone without a trace. From there on the successor is,
//! whatever becomes of the predecessor. It says nothing to systemd before, which hears the main process alone. Of a service whose main process has
//! ended systemd kills the rest: a successor that is stopped waits for its predecessor, as long as the requests of both are waited for.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use hostler_listener::take_over;
use hostler_router::Statistics;
use hostler_systemd::store;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::kept::{Before, read_past};
use super::sockets::{Role, Sockets};

/// The longest message, in bytes: a traceback is clipped well below that.
const LONGEST: u64 = 256 * 1024;

/// The variable in which a successor finds what it was given.
pub(crate) const VARIABLE: &str = "HOSTLER_TAKEOVER";

/// What a successor is given: the sockets by their descriptors. Its standard input is the channel between the two.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inheritance {
    /// The generation that serves now.
    pub(super) generation: u64,
    pub(super) sockets: Vec<Inherited>,
    /// They are held by somebody else as well, who starts the server when it is needed.
    pub(super) passed: bool,
    /// The file of what the instance was like, by its descriptor; written for the last time before "take over".
    #[serde(default)]
    pub(super) past: Option<u32>,
    /// The process that finds this is only to start the successor, and to end.
    pub(super) starts: bool,
}

/// A listening socket that is inherited.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inherited {
    pub(super) role: Role,
    pub(super) number: u32,
    /// The file that whoever has the socket last is to remove.
    pub(super) file: Option<PathBuf>,
    /// What it is called in systemd's store, if it is there.
    pub(super) kept_as: Option<String>,
}

/// What a successor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromSuccessor {
    /// It was started, and is this process.
    Started(u32),
    /// It accepts.
    Ready(Accepting),
    /// It will not, and ends.
    Failed { reason: String, traceback: Option<String> },
}

/// What is to be known of a successor that accepts.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Accepting {
    /// Of its program.
    pub(super) version: String,
}

/// What a predecessor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromPredecessor {
    /// Its names are free. This is what it has counted.
    TakeOver(Box<Statistics>),
}

/// The process before, as its successor sees it.
pub(super) struct Predecessor {
    stream: UnixStream,
    /// Its last generation.
    pub(super) generation: u64,
    past: Option<OwnedFd>,
}

/// Whether this process is only to start a successor, which it then has done. A successor must be nobody's child: systemd would not notice the end
/// of a main process that is another's.
///
/// # Errors
/// When it cannot be started; for people.
pub(super) fn has_started_another(variable: Option<&OsStr>) -> Result<bool, String> {
    let Some(mut inheritance) = variable.map(read).transpose()? else { return Ok(false) };
    if !inheritance.starts {
        return Ok(false);
    }
    inheritance.starts = false;
    let started = || {
        let given = serde_json::to_string(&inheritance)?;
        let mut words = std::env::args_os();
        let mut command = Command::new(std::env::current_exe()?);
        // By the name that this process has: the next upgrade starts what stands there then.
        if let Some(called) = words.next() {
            command.arg0(called);
        }
        let child = command.args(words).env(VARIABLE, given).spawn()?;
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        say(&stream, &FromSuccessor::Started(child.id()))
    };
    started().map(|()| true).map_err(|error| format!("the new server cannot be started: {error}"))
}

fn read(given: &OsStr) -> Result<Inheritance, String> {
    let text = given.to_str().ok_or_else(|| unusable(&"it is no text"))?;
    serde_json::from_str(text).map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::fmt::Display) -> String {
    format!("{VARIABLE} is set, and cannot be used: {error}")
}

impl Predecessor {
    /// Finds what was given to this process, if it is a successor. The error is for people.
    pub(super) fn of(variable: Option<&OsStr>) -> Result<Option<(Self, Sockets)>, String> {
        let Some(Inheritance { generation, sockets, passed, past, .. }) = variable.map(read).transpose()? else {
            return Ok(None);
        };
        let stream = io::stdin().as_fd().try_clone_to_owned().map_err(|error| unusable(&error))?;
        let mut all = Sockets { passed, ..Sockets::default() };
        for Inherited { role, number, file, kept_as } in sockets {
            let mut bound = take_over(number, file, passed).map_err(|error| unusable(&error))?;
            if let Some(name) = kept_as {
                bound.keep_as(name);
            }
            all.add(role, bound);
        }
        // Without it the day begins anew, which is no reason not to serve.
        let past = past.and_then(|number| {
            store::inherited(number).inspect_err(|error| tracing::debug!(%error, "nothing is known of the past")).ok()
        });
        Ok(Some((Self { stream: UnixStream::from(stream), generation, past }, all)))
    }

    /// Says that this process accepts, and waits until it is in charge. Returns what is known from the predecessor.
    pub(super) async fn relieve(&mut self) -> Before {
        let statistics = self.in_charge().await;
        Before { statistics, past: self.past.take().and_then(read_past) }
    }

    async fn in_charge(&self) -> Option<Statistics> {
        let accepting = Accepting { version: env!("CARGO_PKG_VERSION").to_owned() };
        let told = say(&self.stream, &FromSuccessor::Ready(accepting)).and_then(|()| Hearing::of(&self.stream));
        let answered = match told {
            Ok(mut hearing) => hearing.hear().await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(FromPredecessor::TakeOver(statistics)) => Some(*statistics),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "what the server before counted cannot be read, and begins anew: this one is in charge");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the server before ended without a word: this one is in charge");
                None
            }
        }
    }

    /// Whether it has ended, asked once this process is in charge.
    pub(super) fn has_ended(&self) -> bool {
        // It has nothing more to say: there is nothing to read, or the end.
        let waits = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.stream.set_nonblocking(true).is_err() || !(&self.stream).read(&mut [0]).is_err_and(|error| waits(&error))
    }

    /// Waits for its end, once this process is in charge. Cancel safe.
    pub(super) async fn ended(&self) {
        if let Ok(mut hearing) = Hearing::of(&self.stream) {
            let _end = hearing.hear::<FromPredecessor>().await;
        }
    }

    /// Says why this process will never accept.
    pub(super) fn refuse(&self, reason: String, traceback: Option<&str>) {
        // One that is gone already needs no reason.
        let _told =
            say(&self.stream, &FromSuccessor::Failed { reason, traceback: traceback.map(hostler_channel::clip) });
    }
}

/// Says to the server that this process was to follow that it will not: `given` is what the variable has. Whether it still hears is its own affair.
pub(crate) fn refuse_succession(given: &OsStr, reason: String) {
    if read(given).is_ok()
        && let Ok(stream) = io::stdin().as_fd().try_clone_to_owned()
    {
        let _told = say(&UnixStream::from(stream), &FromSuccessor::Failed { reason, traceback: None });
    }
}

/// Sends one message.
pub(super) fn say<M: Serialize>(mut stream: &UnixStream, message: &M) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// What one end hears, message by message.
pub(super) struct Hearing {
    reader: BufReader<tokio::net::UnixStream>,
    line: Vec<u8>,
}

impl Hearing {
    /// Of a stream that is written to elsewhere.
    pub(super) fn of(stream: &UnixStream) -> io::Result<Self> {
        let stream = stream.try_clone()?;
        stream.set_nonblocking(true)?;
        Ok(Self { reader: BufReader::new(tokio::net::UnixStream::from_std(stream)?), line: Vec::new() })
    }

    /// Waits for the next message. Cancel safe: what came of it is kept.
    pub(super) async fn hear<M: for<'de> Deserialize<'de>>(&mut self) -> io::Result<M> {
        let room = LONGEST.saturating_sub(self.line.len() as u64);
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line).await?;
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_slice(&line)?)
    }
}
