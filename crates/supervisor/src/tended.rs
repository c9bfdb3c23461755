//! A process of ours while it runs: its pidfd, its channel, and what it says until its end. What it is for, its owner knows.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use hostler_channel::{Channel, FromWorker, ToWorker};
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::ended::Ended;
use crate::machine::WorkerSignal;
use crate::orphans;
use crate::process::{Process, STACKS, abandon, reap};

/// How many messages are read at most after the process has ended. A child of it may have inherited the channel and go on writing to it.
const LAST_MESSAGES: usize = 1000;

/// What came over the channel: a message and the descriptors beside it, or the end.
pub(crate) type Received = io::Result<Option<(FromWorker, Vec<OwnedFd>)>>;

/// A process that is waited for.
#[derive(Debug)]
pub(crate) struct Tended {
    pub(crate) pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    channel: AsyncFd<End>,
    _own: orphans::Own,
}

/// How far a process was listened to.
#[derive(Debug)]
pub(crate) struct Listening {
    /// A further message may come. Whoever takes the messages says when none will.
    pub(crate) is_open: bool,
    has_ended: bool,
    left: usize,
}

impl Default for Listening {
    fn default() -> Self {
        Self { is_open: true, has_ended: false, left: LAST_MESSAGES }
    }
}

impl Tended {
    /// Registers the process with the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it; the process is then gone.
    #[expect(
        deprecated,
        reason = "the constructors that replace these are unsafe because a type may answer with another descriptor each time; \
                  these two types never do, and unsafe code stays out of this crate"
    )]
    pub(crate) fn new(process: Process) -> io::Result<Self> {
        let Process { pid, pidfd, channel } = process;
        let channel = match AsyncFd::with_interest(End(channel), Interest::READABLE) {
            Ok(channel) => channel,
            Err(error) => {
                abandon(&pidfd);
                return Err(error);
            }
        };
        match AsyncFd::try_with_interest(pidfd, Interest::READABLE) {
            Ok(pidfd) => Ok(Self { pid, pidfd, channel, _own: orphans::own(pid) }),
            Err(error) => {
                let (pidfd, error) = error.into_parts();
                abandon(&pidfd);
                Err(error)
            }
        }
    }

    /// Sends a message; when it reads none any more, its time to end runs out instead.
    pub(crate) fn send(&self, message: &ToWorker) {
        if let Err(error) = self.channel.get_ref().0.send(message) {
            tracing::debug!(pid = self.pid, %error, "a message could not be sent to a process");
        }
    }

    /// Sends a message with a descriptor beside it.
    pub(crate) fn send_with(&self, message: &ToWorker, beside: BorrowedFd<'_>) -> io::Result<()> {
        self.channel.get_ref().0.send_with(message, &[beside])
    }

    pub(crate) fn signal(&self, signal: WorkerSignal) {
        let signal = match signal {
            WorkerSignal::Terminate => Signal::TERM,
            WorkerSignal::Kill => Signal::KILL,
            WorkerSignal::Stacks => STACKS,
        };
        // It fails only for a process that is gone already, which the watcher is about to tell.
        if let Err(error) = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), signal) {
            tracing::debug!(pid = self.pid, %error, "a signal could not be sent to a process");
        }
    }

    /// What it says next; `None` when it has ended, and nothing more is to be read.
    pub(crate) async fn next(&self, listening: &mut Listening) -> Option<Received> {
        while !listening.has_ended {
            tokio::select! {
                readable = self.channel.readable(), if listening.is_open => {
                    let mut guard = readable.ok()?;
                    if let Ok(received) = guard.try_io(|channel| channel.get_ref().0.receive_with()) {
                        return Some(received);
                    }
                }
                _ = self.pidfd.readable() => listening.has_ended = true,
            }
        }
        if !listening.is_open || listening.left == 0 {
            return None;
        }
        listening.left -= 1;
        let received = self.channel.get_ref().0.receive_with();
        let nothing_left = matches!(&received, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        (!nothing_left).then_some(received)
    }

    /// Collects the status of the process, whose pidfd is readable.
    pub(crate) async fn collect(&self) -> Ended {
        loop {
            if let Some(status) = reap(self.pidfd.get_ref()) {
                return status;
            }
            // A readable pidfd is an ended process, so this is not reached in practice; it must not spin if it ever is.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

/// `AsyncFd` asks for the older of the two traits.
#[derive(Debug)]
struct End(Channel);

impl AsRawFd for End {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
