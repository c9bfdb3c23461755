//! Watching one worker process: its channel and its end, turned into events.
//!
//! Decides nothing. Log records go to `tracing` from here: they need no decision.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use hostler_channel::{FromWorker, LogRecord, ToWorker};
use tokio::sync::{mpsc, oneshot};

use crate::handle::{Collected, StacksError};
use crate::machine::{Event, WorkerSignal};
use crate::message::Message;
use crate::process::Process;
use crate::report;
use crate::tended::{Listening, Received, Tended};

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
    process: Tended,
    /// Who asked for its stacks; dropped with the process.
    stacks_wanted: Mutex<Vec<StacksReply>>,
    /// Who asked it last to collect its garbage; dropped with the process.
    collected_for: Mutex<Option<mpsc::Sender<Collected>>>,
}

impl Watched {
    /// Registers the process with the current tokio runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it; the process is then gone.
    pub(crate) fn new(worker: u16, process: Process) -> io::Result<Self> {
        let process = Tended::new(process)?;
        Ok(Self { worker, pid: process.pid, process, stacks_wanted: Mutex::default(), collected_for: Mutex::default() })
    }

    /// Sends a message; when the worker reads none any more its time to stop runs out instead.
    pub(crate) fn send(&self, message: &ToWorker) {
        self.process.send(message);
    }

    pub(crate) fn signal(&self, signal: WorkerSignal) {
        self.process.signal(signal);
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

    /// Has it collect its garbage; the answer comes when it has.
    pub(crate) fn ask_to_collect(&self, answers: mpsc::Sender<Collected>) {
        *self.collected_for.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
        self.send(&ToWorker::Collect);
    }

    fn answer_collected(&self, collected: Collected) {
        let wanted = self.collected_for.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(answers) = wanted {
            // There is room for one answer of each, and whoever does not wait any more needs none.
            let _ = answers.try_send(collected);
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

    /// Handles one message; false when no further one will come.
    async fn take(&self, received: Received, messages: &mpsc::Sender<Message>) -> bool {
        let worker = self.worker;
        let event = match received {
            Ok(Some((FromWorker::Log(record), _))) => {
                report::record(Some(worker), self.pid, &record);
                self.answer_stacks(&record);
                return true;
            }
            Ok(Some((FromWorker::Ready(loaded), _))) => Event::WorkerReady { worker, loaded },
            Ok(Some((FromWorker::Failed { message, traceback }, _))) => {
                Event::WorkerFailed { worker, message, traceback }
            }
            Ok(Some((FromWorker::Collected { objects, before, after }, _))) => {
                self.answer_collected(Collected { worker, objects, before, after });
                return true;
            }
            // It is no keeper.
            Ok(Some((FromWorker::Forked { .. } | FromWorker::ForkFailed { .. }, _))) => return true,
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
    let mut listening = Listening::default();
    while let Some(received) = watched.process.next(&mut listening).await {
        listening.is_open = watched.take(received, &messages).await;
    }
    let status = watched.process.collect().await;
    let worker = watched.worker;
    // Its descriptors are closed before anybody learns that it is gone.
    drop(watched);
    // Without a receiver the driver is gone, and nobody needs to know.
    let _ = messages.send(Message::Event(Event::Exited { worker, status })).await;
}
