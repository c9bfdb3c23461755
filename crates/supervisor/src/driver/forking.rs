//! Workers by fork: the keeper's process, and what it is asked for, one fork at a time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use hostler_channel::{Channel, ToWorker, WorkerStart};
use tracing::Instrument;

use super::{Driver, luck};
use crate::keeper;
use crate::machine::{Event, WorkerSignal};
use crate::process::{self, Process, abandon};
use crate::report;
use crate::tended::Tended;

/// The keeper, and the workers that it is to fork.
#[derive(Default)]
pub(super) struct Forking {
    keeper: Option<Arc<Tended>>,
    /// Places that a worker is wanted in.
    waiting: VecDeque<u16>,
    /// The keeper was asked for this one.
    under_way: Option<UnderWay>,
}

struct UnderWay {
    worker: u16,
    age: u64,
    /// Our end of its channel.
    channel: Channel,
}

impl Forking {
    pub(super) fn ask(&mut self, worker: u16) {
        self.waiting.push_back(worker);
    }

    pub(super) fn stop_keeper(&self) {
        self.send(&ToWorker::Stop);
    }

    pub(super) fn signal_keeper(&self, signal: WorkerSignal) {
        if let Some(keeper) = &self.keeper {
            keeper.signal(signal);
        }
    }

    fn send(&self, message: &ToWorker) {
        if let Some(keeper) = &self.keeper {
            keeper.send(message);
        }
    }
}

impl Driver {
    pub(super) fn start_keeper(&mut self) {
        let answer = match self.launch_keeper() {
            Ok(pid) => Event::KeeperSpawned { pid },
            Err(error) => Event::KeeperSpawnFailed { error },
        };
        self.follow_up.push_back(answer);
    }

    /// Starts the keeper and its watcher; an error is for people.
    fn launch_keeper(&mut self) -> Result<u32, String> {
        // Those of all workers are the same: each has the doorbells of all.
        let shared = self.pool.descriptors(0).map_err(|error| format!("no descriptors for it can be had: {error}"))?;
        let first = ToWorker::Keep(self.options.start.clone());
        let process = process::launch(&self.options, &first, shared, |_| {}).map_err(|error| error.to_string())?;
        let keeper = Tended::new(process).map_err(|error| format!("it cannot be watched: {error}"))?;
        let pid = keeper.pid;
        tracing::debug!(pid, "the keeper was started");
        let keeper = Arc::new(keeper);
        tokio::spawn(
            keeper::watch(Arc::clone(&keeper), self.messages.clone()).instrument(report::of(self.options.edition)),
        );
        self.forking.keeper = Some(keeper);
        Ok(pid)
    }

    /// Asks the keeper for the next worker that is wanted, unless it is at one.
    pub(super) fn fork_next(&mut self) {
        while self.forking.under_way.is_none()
            && let Some(worker) = self.forking.waiting.pop_front()
        {
            let asked = if self.machine.is_stopping() {
                Err("the server stops".to_owned())
            } else {
                self.ask_for_fork(worker).map_err(|error| format!("the keeper cannot be asked for it: {error}"))
            };
            if let Err(error) = asked {
                self.follow_up.push_back(Event::SpawnFailed { worker, error });
                self.follow_up();
            }
        }
    }

    fn ask_for_fork(&mut self, worker: u16) -> io::Result<()> {
        self.pool.prepare(worker, self.options.edition)?;
        let (channel, theirs) = Channel::pair()?;
        let age = self.started + 1;
        if let Some(keeper) = &self.forking.keeper
            && let Err(error) = keeper.send_with(&ToWorker::Fork { worker, age }, theirs.as_fd())
        {
            // One that is gone is about to be told of, with what it was asked for.
            let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
            if !gone {
                return Err(error);
            }
        }
        self.started = age;
        self.forking.under_way = Some(UnderWay { worker, age, channel });
        Ok(())
    }

    /// A worker was forked. Only now that it is known here it is told to begin: one that nobody knew of might serve beside its successor.
    pub(super) fn forked(&mut self, worker: u16, pid: u32, pidfd: OwnedFd) {
        let Some(UnderWay { age, channel, .. }) = self.forking.under_way.take_if(|fork| fork.worker == worker) else {
            tracing::warn!(worker, pid, "a worker was forked that nobody asked for; it is killed");
            return abandon(&pidfd);
        };
        self.join_group(worker, pid);
        let start = WorkerStart { worker, age, ..self.options.start.clone() };
        if let Err(error) = channel.send(&ToWorker::Start(start)) {
            tracing::debug!(worker, pid, %error, "a message could not be sent to a new worker");
        }
        let answer = match self.watch_worker(worker, age, Process { pid, pidfd, channel }) {
            Ok(pid) => Event::Spawned { worker, pid, luck: luck() },
            Err(error) => Event::SpawnFailed { worker, error },
        };
        self.take(answer);
    }

    pub(super) fn fork_failed(&mut self, worker: u16, message: String, traceback: Option<String>) {
        if self.forking.under_way.take_if(|fork| fork.worker == worker).is_none() {
            return;
        }
        self.take(match traceback {
            Some(_) => Event::ForkRefused { worker, message, traceback },
            None => Event::SpawnFailed { worker, error: message },
        });
    }

    /// What it was about to fork will not come. A worker of which it could not tell any more finds its channel closed.
    pub(super) fn keeper_gone(&mut self) {
        self.forking = Forking::default();
    }

    /// Tells the keeper of the end of a worker, for its hooks.
    pub(super) fn tell_keeper(&self, worker: u16, pid: u32) {
        if self.options.start.hooks.is_some()
            && let Some(place) = self.places.get(usize::from(worker))
        {
            self.forking.send(&ToWorker::Ended { worker, pid, age: place.age });
        }
    }
}
