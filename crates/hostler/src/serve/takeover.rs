//! How one server process takes another's place: what both say to each other. `upgrade` is the predecessor's side.
//!
//! ```text
//!   predecessor                                successor
//!   starts it, with its sockets ─────────────► loads its first generation
//!                                              accepts, beside the predecessor
//!                              ◄───── ready ── waits
//!   tells systemd, lets its names go
//!                              ── take over ─► takes the names: the control socket, the pidfile
//!   finishes what it runs, ends
//! ```
//!
//! Until "take over" the predecessor is in charge: a successor that fails, or falls silent, is gone without a trace. From there on the successor is,
//! whatever becomes of the predecessor.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use hostler_listener::take_over;
use hostler_router::Statistics;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::sockets::{Role, Sockets};

/// The longest message, in bytes: a traceback is clipped well below that.
const LONGEST: u64 = 256 * 1024;

/// The variable in which a successor finds what it was given.
pub(super) const VARIABLE: &str = "HOSTLER_TAKEOVER";

/// What a successor is given: the sockets by their descriptors. Its standard input is the channel between the two.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inheritance {
    /// The generation that serves now.
    pub(super) generation: u64,
    pub(super) sockets: Vec<Inherited>,
    /// They are held by somebody else as well, who starts the server when it is needed.
    pub(super) passed: bool,
}

/// A listening socket that is inherited.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Inherited {
    pub(super) role: Role,
    pub(super) number: u32,
    /// The file that whoever has the socket last is to remove.
    pub(super) file: Option<PathBuf>,
}

/// What a successor says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromSuccessor {
    /// It accepts.
    Ready,
    /// It will not, and ends.
    Failed { reason: String, traceback: Option<String> },
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
}

impl Predecessor {
    /// Finds what was given to this process, if it is a successor. The error is for people.
    pub(super) fn of(variable: Option<&OsStr>) -> Result<Option<(Self, Sockets)>, String> {
        let Some(given) = variable else { return Ok(None) };
        let unusable = |error: &dyn std::fmt::Display| format!("{VARIABLE} is set, and cannot be used: {error}");
        let text = given.to_str().ok_or_else(|| unusable(&"it is no text"))?;
        let Inheritance { generation, sockets, passed } =
            serde_json::from_str(text).map_err(|error| unusable(&error))?;
        let stream = io::stdin().as_fd().try_clone_to_owned().map_err(|error| unusable(&error))?;
        let mut all = Sockets { passed, ..Sockets::default() };
        for Inherited { role, number, file } in sockets {
            all.add(role, take_over(number, file).map_err(|error| unusable(&error))?);
        }
        Ok(Some((Self { stream: UnixStream::from(stream), generation }, all)))
    }

    /// Says that this process accepts, and waits until it is in charge. Returns what the predecessor counted.
    pub(super) async fn relieve(&self) -> Option<Statistics> {
        let answered = match say(&self.stream, &FromSuccessor::Ready).and_then(|()| self.stream.try_clone()) {
            Ok(stream) => hear(stream).await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(FromPredecessor::TakeOver(statistics)) => Some(*statistics),
            Err(error) => {
                tracing::warn!(%error, "the server before ended without a word: this one is in charge");
                None
            }
        }
    }

    /// Says why this process will never accept.
    pub(super) fn refuse(&self, reason: String, traceback: Option<&str>) {
        // One that is gone already needs no reason.
        let _told =
            say(&self.stream, &FromSuccessor::Failed { reason, traceback: traceback.map(hostler_channel::clip) });
    }
}

/// Sends one message.
pub(super) fn say<M: Serialize>(mut stream: &UnixStream, message: &M) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Waits for one message.
pub(super) async fn hear<M: for<'de> Deserialize<'de>>(stream: UnixStream) -> io::Result<M> {
    stream.set_nonblocking(true)?;
    let mut line = String::new();
    BufReader::new(tokio::net::UnixStream::from_std(stream)?.take(LONGEST)).read_line(&mut line).await?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
