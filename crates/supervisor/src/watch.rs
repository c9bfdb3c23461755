//! Watching one worker process: its channel and its end, turned into events.
//!
//! Decides nothing. Log records go to `tracing` from here: they need no decision.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use hostler_channel::{Channel, FromWorker, ToWorker};
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::machine::{Event, WorkerSignal};
use crate::process::{Process, STACKS, abandon, reap};
use crate::report;

/// How many messages are read at most after the process has ended. A child of the worker may have inherited the channel and
/// go on writing to it.
const LAST_MESSAGES: usize = 1000;

/// A worker's process, as the driver and its watcher share it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) worker: u16,
    pub(crate) pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    channel: AsyncFd<End>,
}

impl Watched {
    /// Registers the process with the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it; the process is then gone.
    #[expect(
        deprecated,
        reason = "the constructors that replace these are unsafe because a type may answer with another descriptor each time; \
                  these two types never do, and unsafe code stays out of this crate"
    )]
    pub(crate) fn new(worker: u16, process: Process) -> io::Result<Self> {
        let Process { pid, pidfd, channel } = process;
        let channel = match AsyncFd::with_interest(End(channel), Interest::READABLE) {
            Ok(channel) => channel,
            Err(error) => {
                abandon(&pidfd);
                return Err(error);
            }
        };
        match AsyncFd::try_with_interest(pidfd, Interest::READABLE) {
            Ok(pidfd) => Ok(Self { worker, pid, pidfd, channel }),
            Err(error) => {
                let (pidfd, error) = error.into_parts();
                abandon(&pidfd);
                Err(error)
            }
        }
    }

    /// Sends a message; when the worker reads none any more its time to stop runs out instead.
    pub(crate) fn send(&self, message: &ToWorker) {
        if let Err(error) = self.channel.get_ref().0.send(message) {
            tracing::debug!(worker = self.worker, pid = self.pid, %error, "a message could not be sent to a worker");
        }
    }

    pub(crate) fn signal(&self, signal: WorkerSignal) {
        let signal = match signal {
            WorkerSignal::Terminate => Signal::TERM,
            WorkerSignal::Kill => Signal::KILL,
            WorkerSignal::Stacks => STACKS,
        };
        // It fails only for a process that is gone already, which the watcher is about to tell.
        if let Err(error) = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), signal) {
            tracing::debug!(worker = self.worker, pid = self.pid, %error, "a signal could not be sent to a worker");
        }
    }

    /// Waits for the end of the process and passes on what it says until then.
    async fn until_end(&self, events: &mpsc::Sender<Event>) {
        let mut open = true;
        loop {
            tokio::select! {
                readable = self.channel.readable(), if open => {
                    let Ok(mut guard) = readable else { return };
                    match guard.try_io(|channel| channel.get_ref().0.receive()) {
                        Ok(received) => open = self.take(received, events).await,
                        Err(_would_block) => {}
                    }
                }
                _ = self.pidfd.readable() => break,
            }
        }
        for _ in 0..LAST_MESSAGES {
            let received = self.channel.get_ref().0.receive();
            let nothing_left = matches!(&received, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if !open || nothing_left {
                break;
            }
            open = self.take(received, events).await;
        }
    }

    /// Handles one message; false when no further one will come.
    async fn take(&self, received: io::Result<Option<FromWorker>>, events: &mpsc::Sender<Event>) -> bool {
        let worker = self.worker;
        let event = match received {
            Ok(Some(FromWorker::Log(record))) => {
                report::record(worker, self.pid, &record);
                return true;
            }
            Ok(Some(FromWorker::Ready(loaded))) => Event::WorkerReady { worker, loaded },
            Ok(Some(FromWorker::Failed { message, traceback })) => Event::WorkerFailed { worker, message, traceback },
            Ok(None) => return false,
            Err(error) => return report::unreadable(worker, self.pid, &error),
        };
        events.send(event).await.is_ok()
    }
}

/// Watches until the process has ended and been reaped; [`Event::Exited`] is the last event of it.
///
/// Dropped earlier (with the runtime), the channel closes, and the worker exits by itself.
pub(crate) async fn watch(watched: Arc<Watched>, events: mpsc::Sender<Event>) {
    watched.until_end(&events).await;
    let status = loop {
        if let Some(status) = reap(watched.pidfd.get_ref()) {
            break status;
        }
        // A readable pidfd is an ended process, so this is not reached in practice; it must not spin if it ever is.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let worker = watched.worker;
    // Its descriptors are closed before anybody learns that it is gone.
    drop(watched);
    // Without a receiver the driver is gone, and nobody needs to know.
    let _ = events.send(Event::Exited { worker, status }).await;
}

/// `AsyncFd` asks for the older of the two traits.
#[derive(Debug)]
struct End(Channel);

impl AsRawFd for End {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
