//! Watching one worker process: its channel and its end, turned into events.
//!
//! Decides nothing. Log records go to `tracing` from here: they need no decision.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};

use hostler_channel::{Channel, FromWorker, LogRecord, ToWorker};
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

use crate::ended::Ended;
use crate::handle::StacksError;
use crate::machine::{Event, WorkerSignal};
use crate::message::Message;
use crate::process::{Process, STACKS, abandon, reap};
use crate::{orphans, report};

/// How many messages are read at most after the process has ended. A child of the worker may have inherited the channel and
/// go on writing to it.
pub(crate) const LAST_MESSAGES: usize = 1000;
/// How many may wait for the stacks of one worker.
const WAITING_FOR_STACKS: usize = 8;
/// How the record begins in which a worker tells its stacks.
const STACKS_RECORD: &str = "the Python stacks of ";

type StacksReply = oneshot::Sender<Result<String, StacksError>>;

/// A worker's process, as the driver and its watcher share it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) worker: u16,
    pub(crate) pid: u32,
    pidfd: AsyncFd<OwnedFd>,
    channel: AsyncFd<End>,
    /// Who asked for its stacks; dropped with the process.
    stacks_wanted: Mutex<Vec<StacksReply>>,
    _own: orphans::Own,
}

/// Registers a process with the current tokio runtime: its pidfd and its channel.
///
/// # Errors
/// When the runtime cannot watch it; the process is then gone.
#[expect(
    deprecated,
    reason = "the constructors that replace these are unsafe because a type may answer with another descriptor each time; \
              these two types never do, and unsafe code stays out of this crate"
)]
pub(crate) fn register(pidfd: OwnedFd, channel: Channel) -> io::Result<(AsyncFd<OwnedFd>, AsyncFd<End>)> {
    let channel = match AsyncFd::with_interest(End(channel), Interest::READABLE) {
        Ok(channel) => channel,
        Err(error) => {
            abandon(&pidfd);
            return Err(error);
        }
    };
    match AsyncFd::try_with_interest(pidfd, Interest::READABLE) {
        Ok(pidfd) => Ok((pidfd, channel)),
        Err(error) => {
            let (pidfd, error) = error.into_parts();
            abandon(&pidfd);
            Err(error)
        }
    }
}

/// Collects the status of a process whose pidfd is readable.
pub(crate) async fn collect(pidfd: &OwnedFd) -> Ended {
    loop {
        if let Some(status) = reap(pidfd) {
            return status;
        }
        // A readable pidfd is an ended process, so this is not reached in practice; it must not spin if it ever is.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

impl Watched {
    /// Registers the process with the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it; the process is then gone.
    pub(crate) fn new(worker: u16, process: Process) -> io::Result<Self> {
        let Process { pid, pidfd, channel } = process;
        let (pidfd, channel) = register(pidfd, channel)?;
        Ok(Self { worker, pid, pidfd, channel, stacks_wanted: Mutex::default(), _own: orphans::own(pid) })
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

    /// Has it write its stacks, unless it is about to; the answer comes with its record.
    pub(crate) fn ask_for_stacks(&self, reply: StacksReply) {
        let mut wanted = self.stacks_wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|waiting| !waiting.is_closed());
        if wanted.len() >= WAITING_FOR_STACKS {
            // Whoever does not wait any more needs no answer.
            let _ = reply.send(Err(StacksError::Busy { worker: self.worker }));
            return;
        }
        let first = wanted.is_empty();
        wanted.push(reply);
        if first {
            self.signal(WorkerSignal::Stacks);
        }
    }

    fn answer_stacks(&self, record: &LogRecord) {
        if !record.message.starts_with(STACKS_RECORD) {
            return;
        }
        let wanted = std::mem::take(&mut *self.stacks_wanted.lock().unwrap_or_else(PoisonError::into_inner));
        let text = match &record.detail {
            Some(detail) => format!("{}\n{detail}", record.message),
            None => record.message.clone(),
        };
        for reply in wanted {
            let _ = reply.send(Ok(text.clone()));
        }
    }

    /// Waits for the end of the process and passes on what it says until then.
    async fn until_end(&self, messages: &mpsc::Sender<Message>) {
        let mut open = true;
        loop {
            tokio::select! {
                readable = self.channel.readable(), if open => {
                    let Ok(mut guard) = readable else { return };
                    match guard.try_io(|channel| channel.get_ref().0.receive()) {
                        Ok(received) => open = self.take(received, messages).await,
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
            open = self.take(received, messages).await;
        }
    }

    /// Handles one message; false when no further one will come.
    async fn take(&self, received: io::Result<Option<FromWorker>>, messages: &mpsc::Sender<Message>) -> bool {
        let worker = self.worker;
        let event = match received {
            Ok(Some(FromWorker::Log(record))) => {
                report::record(Some(worker), self.pid, &record);
                self.answer_stacks(&record);
                return true;
            }
            Ok(Some(FromWorker::Ready(loaded))) => Event::WorkerReady { worker, loaded },
            Ok(Some(FromWorker::Failed { message, traceback })) => Event::WorkerFailed { worker, message, traceback },
            // It is no keeper.
            Ok(Some(FromWorker::Forked { .. } | FromWorker::ForkFailed { .. })) => return true,
            Ok(None) => return false,
            Err(error) => return report::unreadable(Some(worker), self.pid, &error),
        };
        messages.send(Message::Event(event)).await.is_ok()
    }
}

/// Watches until the process has ended and been reaped; [`Event::Exited`] is the last event of it.
///
/// Dropped earlier (with the runtime), the channel closes, and the worker exits by itself.
pub(crate) async fn watch(watched: Arc<Watched>, messages: mpsc::Sender<Message>) {
    watched.until_end(&messages).await;
    let status = collect(watched.pidfd.get_ref()).await;
    let worker = watched.worker;
    // Its descriptors are closed before anybody learns that it is gone.
    drop(watched);
    // Without a receiver the driver is gone, and nobody needs to know.
    let _ = messages.send(Message::Event(Event::Exited { worker, status })).await;
}

/// `AsyncFd` asks for the older of the two traits.
#[derive(Debug)]
pub(crate) struct End(pub(crate) Channel);

impl AsRawFd for End {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
