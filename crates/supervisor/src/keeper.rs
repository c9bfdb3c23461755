//! Watching the keeper's process: its channel and its end, turned into messages for the driver.
//!
//! Decides nothing. Log records go to `tracing` from here: they need no decision.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use hostler_channel::{FromWorker, ToWorker};
use rustix::process::Signal;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::machine::{Event, WorkerSignal};
use crate::message::Message;
use crate::process::{Process, STACKS};
use crate::watch::{End, LAST_MESSAGES, collect, register};
use crate::{orphans, report};

/// A message of the keeper, with what came beside it.
type Received = io::Result<Option<(FromWorker, Vec<OwnedFd>)>>;

/// The keeper's process, as the driver and its watcher share it.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    channel: AsyncFd<End>,
    _own: orphans::Own,
}

impl Keeper {
    /// Registers the process with the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it; the process is then gone.
    pub(crate) fn new(process: Process) -> io::Result<Self> {
        let Process { pid, pidfd, channel } = process;
        let (pidfd, channel) = register(pidfd, channel)?;
        Ok(Self { pid, pidfd, channel, _own: orphans::own(pid) })
    }

    /// Sends a message; when it reads none any more, its time to end runs out instead.
    pub(crate) fn send(&self, message: &ToWorker) {
        if let Err(error) = self.channel.get_ref().0.send(message) {
            tracing::debug!(pid = self.pid, %error, "a message could not be sent to the keeper");
        }
    }

    /// Sends a message with a descriptor beside it.
    pub(crate) fn ask(&self, message: &ToWorker, beside: BorrowedFd<'_>) -> io::Result<()> {
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
            tracing::debug!(pid = self.pid, %error, "a signal could not be sent to the keeper");
        }
    }

    /// Waits for the end of the process and passes on what it says until then.
    async fn until_end(&self, messages: &mpsc::Sender<Message>) {
        let mut open = true;
        loop {
            tokio::select! {
                readable = self.channel.readable(), if open => {
                    let Ok(mut guard) = readable else { return };
                    match guard.try_io(|channel| channel.get_ref().0.receive_with()) {
                        Ok(received) => open = self.take(received, messages).await,
                        Err(_would_block) => {}
                    }
                }
                _ = self.pidfd.readable() => break,
            }
        }
        for _ in 0..LAST_MESSAGES {
            let received = self.channel.get_ref().0.receive_with();
            let nothing_left = matches!(&received, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if !open || nothing_left {
                break;
            }
            open = self.take(received, messages).await;
        }
    }

    /// Handles one message; false when no further one will come.
    async fn take(&self, received: Received, messages: &mpsc::Sender<Message>) -> bool {
        let (message, mut beside) = match received {
            Ok(Some(received)) => received,
            Ok(None) => return false,
            Err(error) => return report::unreadable(None, self.pid, &error),
        };
        let message = match message {
            FromWorker::Log(record) => {
                report::record(None, self.pid, &record);
                return true;
            }
            FromWorker::Ready(_) => Message::Event(Event::KeeperReady),
            FromWorker::Failed { message, traceback } => Message::Event(Event::KeeperFailed { message, traceback }),
            FromWorker::Forked { worker, pid } => match beside.pop() {
                Some(pidfd) => Message::Forked { worker, pid, pidfd },
                None => {
                    let message = "the keeper told of a worker without a descriptor of it".to_owned();
                    Message::ForkFailed { worker, message, traceback: None }
                }
            },
            FromWorker::ForkFailed { worker, message, traceback } => Message::ForkFailed { worker, message, traceback },
        };
        messages.send(message).await.is_ok()
    }
}

/// Watches until the process has ended and been reaped; [`Event::KeeperExited`] is the last event of it.
///
/// Dropped earlier (with the runtime), the channel closes, and the keeper ends by itself.
pub(crate) async fn watch(keeper: Arc<Keeper>, messages: mpsc::Sender<Message>) {
    keeper.until_end(&messages).await;
    let status = collect(keeper.pidfd.get_ref()).await;
    drop(keeper);
    // Without a receiver the driver is gone, and nobody needs to know.
    let _ = messages.send(Message::Event(Event::KeeperExited { status })).await;
}
