//! Long work: each job is a task with a report that its object shows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hostler_bus::daemon::{Caller, Error, JobKind, JobState, Outcome, Report, Result, Tree};
use tokio::sync::{Notify, watch};

use crate::clients::InUse;

/// How many may run at once.
const LIMIT: usize = 64;

/// How long a job can be asked for after its end.
const LINGER: Duration = Duration::from_secs(60);

/// How long jobs are waited for at the daemon's end: an instance that hangs takes [`QUICK`](crate::patience::QUICK) and
/// [`SLOW`](crate::patience::SLOW) until it is given up. `TimeoutStopSec=` of the units is longer.
const END_LIMIT: Duration = Duration::from_secs(75);

/// The jobs that run.
#[derive(Default)]
pub(crate) struct Jobs {
    tree: OnceLock<Tree>,
    running: Arc<Mutex<Running>>,
    /// One has ended.
    ended: Arc<Notify>,
}

#[derive(Default)]
struct Running {
    /// Whether none begins any more.
    closed: bool,
    last: u64,
    jobs: HashMap<u64, Handle>,
}

struct Handle {
    instance: String,
    kind: JobKind,
    /// Who began it: its unique name on the bus.
    by: Option<String>,
    cancel: watch::Sender<bool>,
}

/// What a job tells while it runs, and what it is told.
#[derive(Clone)]
pub(crate) struct Progress {
    report: Arc<watch::Sender<Report>>,
    cancel: watch::Receiver<bool>,
}

impl Progress {
    /// It is at this now; `done` is between 0 and 1.
    pub(crate) fn at(&self, stage: &str, done: f64) {
        self.report.send_modify(|report| {
            report.stage = stage.to_owned();
            report.progress = done;
        });
    }

    /// Waits until it is to be cancelled. The job then takes back what it has done, and fails with [`Error::Cancelled`]. Cancel safe.
    pub(crate) async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        if cancel.wait_for(|told| *told).await.is_err() {
            // It is at its end, and nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a job writes settings or unit files, and takes them back if it comes to nothing.
fn changes_files(kind: JobKind) -> bool {
    matches!(kind, JobKind::Apply | JobKind::Undo | JobKind::Create | JobKind::Remove)
}

/// What a job that cannot be taken back in the middle does; `None` for one that can.
fn not_cancelled(kind: JobKind) -> Option<&'static str> {
    Some(match kind {
        JobKind::Stop | JobKind::Sleep => "what stops finishes what it runs first: start it again when it has stopped",
        JobKind::Restart => "a server that stops is not called back: wait for the next one, or stop it",
        JobKind::Upgrade => "the next server throws itself away if it does not serve: wait for that",
        JobKind::Create => "its files are not left half written: remove it when it is made",
        JobKind::Remove => "its files are not left half removed: make it again when they are gone",
        _ => return None,
    })
}

impl Jobs {
    /// Where the objects of jobs are from now on; once.
    pub(crate) fn show_in(&self, tree: Tree) {
        let _ = self.tree.set(tree);
    }

    /// Begins one for a caller, and answers with its number. `work` hears of it when the job is to be cancelled.
    pub(crate) async fn begin<F>(
        &self,
        kind: JobKind,
        instance: &str,
        caller: &Caller,
        in_use: &InUse,
        work: impl FnOnce(Progress) -> F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let (by, state) = (caller.sender.clone(), JobState::Running);
        let report = Report { kind, instance: instance.to_owned(), by, state, ..Report::default() };
        let (sender, receiver) = watch::channel(report);
        let (cancel, cancelled) = watch::channel(false);
        let number = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.closed {
                return Err(Error::Refused { reason: "hostlerd is leaving; try again in a moment".to_owned() });
            }
            if running.jobs.len() >= LIMIT {
                return Err(Error::Refused {
                    reason: format!("{LIMIT} jobs are under way; try again when one has ended"),
                });
            }
            running.last += 1;
            let number = running.last;
            let handle = Handle { instance: instance.to_owned(), kind, by: caller.sender.clone(), cancel };
            running.jobs.insert(number, handle);
            number
        };
        if let Some(tree) = self.tree.get()
            && let Err(error) = tree.add_job(number, receiver).await
        {
            self.running.lock().unwrap_or_else(PoisonError::into_inner).jobs.remove(&number);
            return Err(Error::Internal { reason: error.to_string() });
        }
        let sender = Arc::new(sender);
        let work = work(Progress { report: Arc::clone(&sender), cancel: cancelled });
        let (using, running, ended_one) = (in_use.begin(), Arc::clone(&self.running), Arc::clone(&self.ended));
        tokio::spawn(async move {
            // In a task of its own, so that a panic is a failure of the job.
            let ended = tokio::spawn(work).await;
            let result = ended.unwrap_or_else(|error| Err(Error::Internal { reason: error.to_string() }));
            if let Err(error) = &result {
                tracing::info!(job = number, %error, "a job failed");
            }
            running.lock().unwrap_or_else(PoisonError::into_inner).jobs.remove(&number);
            sender.send_modify(|report| {
                report.state = match &result {
                    Ok(_) => JobState::Done,
                    Err(Error::Cancelled) => JobState::Cancelled,
                    Err(_) => JobState::Failed,
                };
                report.progress = 1.0;
                report.result = Some(result);
            });
            ended_one.notify_waiters();
            drop(using);
            tokio::time::sleep(LINGER).await;
        });
        Ok(number)
    }

    /// Waits for the end of all jobs that leave files half done without the daemon, [`END_LIMIT`] at most: the others are systemd's or
    /// the instance's, which go on. With `cancel` none begins from now on, and those that can be are cancelled.
    pub(crate) async fn end(&self, cancel: bool) {
        let half_done = || {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.closed |= cancel;
            let at_files = running.jobs.values().filter(|job| changes_files(job.kind));
            let told = |job: &&Handle| {
                if cancel && not_cancelled(job.kind).is_none() {
                    job.cancel.send_replace(true);
                }
            };
            at_files.inspect(told).count()
        };
        let all = async {
            loop {
                let one = self.ended.notified();
                tokio::pin!(one);
                one.as_mut().enable();
                if half_done() == 0 {
                    return;
                }
                one.await;
            }
        };
        if tokio::time::timeout(END_LIMIT, all).await.is_err() {
            tracing::error!("jobs do not end; the next hostlerd looks what became of their changes");
        }
    }

    /// The instance of a job that runs, and whether this caller began it.
    pub(crate) fn instance_of(&self, number: u64, caller: &Caller) -> Option<(String, bool)> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.jobs.get(&number).map(|job| (job.instance.clone(), job.by == caller.sender))
    }

    /// Cancels one. A job that has ended is left alone.
    pub(crate) fn cancel(&self, number: u64) -> Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.jobs.get(&number) {
            Some(job) => match not_cancelled(job.kind) {
                Some(why) => {
                    Err(Error::Refused { reason: format!("{} is not cancelled in the middle: {why}", job.kind) })
                }
                None => {
                    job.cancel.send_replace(true);
                    Ok(())
                }
            },
            None => Ok(()),
        }
    }
}
