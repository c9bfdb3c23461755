//! Long work: each job is a task with a report that its object shows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hostler_bus::daemon::{Error, JobKind, JobState, Outcome, Report, Result, Tree};
use tokio::sync::{Notify, watch};

use crate::clients::InUse;

/// How many may run at once.
const LIMIT: usize = 64;

/// How long a job can be asked for after its end.
const LINGER: Duration = Duration::from_secs(60);

/// The jobs that run.
#[derive(Default)]
pub(crate) struct Jobs {
    tree: OnceLock<Tree>,
    running: Arc<Mutex<Running>>,
}

#[derive(Default)]
struct Running {
    last: u64,
    jobs: HashMap<u64, Handle>,
}

struct Handle {
    instance: String,
    kind: JobKind,
    cancel: Arc<Notify>,
}

/// What a job tells while it runs.
#[derive(Clone)]
pub(crate) struct Progress(Arc<watch::Sender<Report>>);

impl Progress {
    /// It is at this now; `done` is between 0 and 1.
    pub(crate) fn at(&self, stage: &str, done: f64) {
        self.0.send_modify(|report| {
            report.stage = stage.to_owned();
            report.progress = done;
        });
    }
}

/// What writes files is not left half done.
fn cancellable(kind: JobKind) -> bool {
    !matches!(kind, JobKind::Apply | JobKind::Undo | JobKind::Create | JobKind::Remove)
}

impl Jobs {
    /// Where the objects of jobs are from now on; once.
    pub(crate) fn show_in(&self, tree: Tree) {
        let _ = self.tree.set(tree);
    }

    /// Begins one, and answers with its number. `work` is dropped when the job is cancelled.
    pub(crate) async fn begin<F>(
        &self,
        kind: JobKind,
        instance: &str,
        in_use: &InUse,
        work: impl FnOnce(Progress) -> F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<Outcome>> + Send + 'static,
    {
        let report = Report { kind, instance: instance.to_owned(), state: JobState::Running, ..Report::default() };
        let (sender, receiver) = watch::channel(report);
        let cancel = Arc::new(Notify::new());
        let number = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if running.jobs.len() >= LIMIT {
                return Err(Error::Refused {
                    reason: format!("{LIMIT} jobs are under way; try again when one has ended"),
                });
            }
            running.last += 1;
            let number = running.last;
            let handle = Handle { instance: instance.to_owned(), kind, cancel: Arc::clone(&cancel) };
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
        let (work, using, running) = (work(Progress(Arc::clone(&sender))), in_use.begin(), Arc::clone(&self.running));
        tokio::spawn(async move {
            // In a task of its own, so that a panic is a failure of the job.
            let mut task = tokio::spawn(work);
            let result = tokio::select! {
                ended = &mut task => ended.unwrap_or_else(|error| Err(Error::Internal { reason: error.to_string() })),
                () = cancel.notified() => {
                    task.abort();
                    // It may have come to its end meanwhile.
                    task.await.unwrap_or(Err(Error::Cancelled))
                }
            };
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
            drop(using);
            tokio::time::sleep(LINGER).await;
        });
        Ok(number)
    }

    /// The instance of a job that runs.
    pub(crate) fn instance_of(&self, number: u64) -> Option<String> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.jobs.get(&number).map(|job| job.instance.clone())
    }

    /// Cancels one. A job that has ended is left alone.
    pub(crate) fn cancel(&self, number: u64) -> Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.jobs.get(&number) {
            Some(job) if !cancellable(job.kind) => {
                let reason =
                    format!("{} is not cancelled in the middle: wait for its end, then take it back", job.kind);
                Err(Error::Refused { reason })
            }
            Some(job) => {
                job.cancel.notify_one();
                Ok(())
            }
            None => Ok(()),
        }
    }
}
