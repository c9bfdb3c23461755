//! The messages between the supervisor and one worker, or a keeper, over a `SOCK_SEQPACKET` pair.
//!
//! Owns the wire format (one JSON object a packet, with descriptors beside it where a message says so) and its limits. Knows nothing of
//! what either side does about a message.

mod passing;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use serde::{Deserialize, Serialize};

pub use passing::MAX_DESCRIPTORS;

/// The longest packet, in bytes. Longer texts (a traceback, a log line) are cut to fit before they are sent.
pub const MAX_PACKET: usize = 160 * 1024;
/// The longest single text inside a message, in bytes: escaped by JSON (six bytes for one at worst) it still fits a packet.
pub const MAX_TEXT: usize = 20 * 1024;

/// The descriptor numbers a worker process inherits.
pub mod descriptors {
    /// The channel to the supervisor.
    pub const CHANNEL: i32 = 3;
    /// The memfd of the exchange.
    pub const MEMORY: i32 = 4;
    /// The doorbell of router thread 0, an eventfd; thread *n* follows at `ROUTER + n`. After those of all router threads come the
    /// doorbells of all workers: worker *w*'s, its own among them, at `ROUTER + router_threads + w`.
    pub const ROUTER: i32 = 5;
}

/// Everything a worker needs to know to start; the first message it receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStart {
    /// What the instance is called, for whoever lists processes. A server that goes on while a package's upgrade put another extension in
    /// place does not say.
    #[serde(default)]
    pub instance: String,
    /// The worker's index in the exchange.
    pub worker: u16,
    /// Threads that run the application.
    pub threads: u16,
    /// How many doorbells follow from [`descriptors::ROUTER`].
    pub router_threads: u16,
    /// How many workers' doorbells follow those.
    pub worker_doorbells: u16,
    /// `package.module:attribute`, or `package.module:factory()`.
    pub app: String,
    /// How the application is called.
    pub interface: Interface,
    /// The event loop of an ASGI application.
    pub event_loop: EventLoop,
    /// Whether an ASGI application has a lifespan.
    pub lifespan: Lifespan,
    /// How long a worker may wait, when it stops, for what an ASGI application still does after its answers.
    pub graceful_timeout: Duration,
    /// Directories put in front of `sys.path`, first one first.
    pub python_path: Vec<String>,
    /// `SCRIPT_NAME` for every request; empty for an application at the root.
    pub root_path: String,
    /// `wsgi.multiprocess`.
    pub multiprocess: bool,
    /// Say which files the application was imported from.
    pub report_sources: bool,
    /// Only import the application and report; serve nothing (`hostler check`).
    pub check_only: bool,
    /// The module with the hooks, if there is one.
    pub hooks: Option<String>,
    /// The number of the generation, from 1.
    pub generation: u64,
    /// How many workers of this generation were started before, and this one: 1 for the first.
    pub age: u64,
}

/// How the application is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Told apart by looking at the callable.
    Auto,
    /// PEP 3333.
    Wsgi,
    /// ASGI 3.
    Asgi,
}

/// Which event loop runs an ASGI application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventLoop {
    /// uvloop where the application's environment has it.
    Auto,
    /// Python's own.
    Asyncio,
    /// uvloop, or the worker fails.
    Uvloop,
}

/// Whether the lifespan part of ASGI is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifespan {
    /// If the application takes it.
    Auto,
    /// The application must take it.
    On,
    /// Never.
    Off,
}

/// From the supervisor to a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Import the application and begin. To a worker that a keeper forked: begin.
    Start(WorkerStart),
    /// Take no further request, finish those that run, exit 0. To a keeper: end.
    Stop,
    /// To a process that is to be a keeper, instead of [`ToWorker::Start`]: import the application and wait. What is said of a worker in it
    /// holds for none.
    Keep(WorkerStart),
    /// To a keeper: fork a worker. Its end of its own channel comes with the message. Answered by [`FromWorker::Forked`] or
    /// [`FromWorker::ForkFailed`], in the order asked.
    Fork {
        /// The worker's place.
        worker: u16,
        /// Its [`WorkerStart::age`].
        age: u64,
    },
    /// To a keeper with hooks: a worker has ended, and was reaped.
    Ended {
        /// The worker's place.
        worker: u16,
        /// Its process.
        pid: u32,
        /// Its [`WorkerStart::age`].
        age: u64,
    },
    /// A request ran past its time: write the stacks, then raise an exception where it runs, unless it has ended meanwhile.
    Interrupt {
        /// The request, in the exchange's own form; `None` for whatever keeps the event loop from turning.
        request: Option<u64>,
        /// The limit it ran past.
        limit: Duration,
    },
    /// Something does not move: write where it is, unless it has moved on meanwhile.
    Stalled {
        /// The request, as in [`ToWorker::Interrupt`]; `None` for an event loop that does not turn.
        request: Option<u64>,
        /// For how long it has not moved.
        lasted: Duration,
    },
    /// Memory is short: collect garbage and give back what is free, between two requests. Answered by [`FromWorker::Collected`]; while one is
    /// asked for, a second has no answer of its own.
    Collect,
}

/// From a worker to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// The application is imported and every thread takes requests.
    Ready(Loaded),
    /// The application could not be loaded; the worker exits by itself.
    Failed {
        /// One line: what was looked for, and what was found instead.
        message: String,
        /// Python's traceback, when there is one.
        traceback: Option<String>,
    },
    /// Something for the error log.
    Log(LogRecord),
    /// The garbage is collected.
    Collected {
        /// Objects that nobody could reach (`gc.collect()`).
        objects: u64,
        /// Memory of the process that is resident, in bytes, before.
        before: u64,
        /// The same after.
        after: u64,
    },
    /// From a keeper: a worker was forked. A pidfd of it comes with the message. It is a child of the supervisor by now, and waits for
    /// [`ToWorker::Start`] at the other end of its channel.
    Forked {
        /// The worker's place.
        worker: u16,
        /// Its process.
        pid: u32,
    },
    /// From a keeper: there is no new worker, and nothing of it is left but, at worst, a process that finds its channel closed.
    ForkFailed {
        /// The worker's place.
        worker: u16,
        /// One line.
        message: String,
        /// Python's traceback, when a hook raised.
        traceback: Option<String>,
    },
}

/// An application that was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The interface found, never [`Interface::Auto`].
    pub interface: Interface,
    /// `sys.version`'s first word.
    pub python: String,
    /// The name of the event loop, for ASGI.
    pub event_loop: Option<String>,
    /// The framework of the application, as `Django`; `None` where it shows none.
    pub framework: Option<String>,
    /// Where it was imported from, if that was asked for: directories of packages and files of modules, but for what is installed.
    pub sources: Vec<String>,
}

/// How serious a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A request was lost or answered 500.
    Error,
    /// Recovered, or a fault of the application that cost nothing.
    Warning,
    /// For the operator.
    Info,
}

/// One entry for the error log, in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// How serious.
    pub severity: Severity,
    /// One line.
    pub message: String,
    /// The traceback, or what the application wrote to `wsgi.errors`.
    pub detail: Option<String>,
    /// The id of the request it belongs to.
    pub request_id: Option<String>,
    /// The level of Python's `logging` that it came with.
    pub python_level: Option<i64>,
}

/// One end of the pair.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// A connected pair: the supervisor's end (non-blocking) and the worker's (blocking), both close-on-exec.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((Self { socket: ours }, theirs))
    }

    /// Takes over an end that was inherited.
    pub fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Sends one message; a packet is delivered whole or not at all.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when the peer does not read, [`io::ErrorKind::BrokenPipe`] when it is gone.
    pub fn send<M: Serialize>(&self, message: &M) -> io::Result<()> {
        rustix::net::send(&self.socket, &pack(message)?, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Receives one message; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] on a non-blocking end with nothing to read, [`io::ErrorKind::InvalidData`] for a packet
    /// that is not a message.
    pub fn receive<M: for<'de> Deserialize<'de>>(&self) -> io::Result<Option<M>> {
        let mut packet = vec![0; MAX_PACKET];
        let (length, _) = rustix::net::recv(&self.socket, packet.as_mut_slice(), RecvFlags::empty())?;
        if length == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&packet[..length])?))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn pack<M: Serialize>(message: &M) -> io::Result<Vec<u8>> {
    let packet = serde_json::to_vec(message)?;
    if packet.len() > MAX_PACKET {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "message longer than a packet"));
    }
    Ok(packet)
}

/// Cuts `text` to [`MAX_TEXT`] bytes at a character border, keeping its end: the last lines of a traceback say the most.
pub fn clip(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let start = (text.len() - MAX_TEXT..text.len()).find(|&i| text.is_char_boundary(i)).unwrap_or(text.len());
    format!("[… {start} bytes cut]\n{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_whole_and_the_end_is_seen() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::from_fd(theirs);
        let sent = FromWorker::Log(LogRecord {
            severity: Severity::Error,
            message: "boom".into(),
            detail: Some(clip(&"é".repeat(MAX_TEXT))),
            request_id: None,
            python_level: None,
        });
        theirs.send(&sent).unwrap();
        assert_eq!(ours.receive::<FromWorker>().unwrap(), Some(sent));
        assert_eq!(ours.receive::<FromWorker>().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        assert_eq!(ours.receive::<FromWorker>().unwrap(), None);
    }
}
