//! Actions: each is a task from the call to the end of its job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use hostler_bus::daemon::{Change, Client, Error, NewInstance, Outcome};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use zbus::zvariant::OwnedObjectPath;

use super::session::Line;
use super::{Action, Event, Progress};
use crate::model::{Failure, FailureKind};

/// An answer that takes longer is taken for a person who is being asked for a password.
const AUTHORIZING_AFTER: Duration = Duration::from_millis(300);

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Act(Action),
    Create(Change, NewInstance),
}

impl Work {
    fn action(&self) -> Action {
        match self {
            Self::Act(action) => action.clone(),
            Self::Create(..) => Action::Create,
        }
    }
}

/// What came of a call.
enum Begun {
    /// A job does it.
    Job(OwnedObjectPath),
    /// It was done.
    Done,
    /// What was asked for.
    Text(String),
}

/// What came of an action.
enum Came {
    Outcome(Outcome),
    Text(String),
}

type JobPath = Arc<Mutex<Option<OwnedObjectPath>>>;

/// Those that are under way.
pub(super) struct Actions {
    line: Line,
    tasks: JoinSet<Result<Came, Failure>>,
    known: HashMap<Id, Known>,
}

struct Known {
    name: String,
    action: Action,
    job: JobPath,
    abort: AbortHandle,
}

impl Actions {
    pub(super) fn new(line: Line) -> Self {
        Self { line, tasks: JoinSet::new(), known: HashMap::new() }
    }

    /// Begins one.
    pub(super) fn begin(&mut self, name: String, work: Work) {
        let (job, action) = (JobPath::default(), work.action());
        let abort = self.tasks.spawn(act(self.line.clone(), name.clone(), work, Arc::clone(&job)));
        self.known.insert(abort.id(), Known { name, action, job, abort });
    }

    /// Cancels what is done to an instance: its job, or the call that has not come to one.
    pub(super) fn cancel(&self, name: &str) {
        for known in self.known.values().filter(|known| known.name == name) {
            let Some(job) = known.job.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
                known.abort.abort();
                continue;
            };
            let (line, name) = (self.line.clone(), name.to_owned());
            tokio::spawn(async move {
                let cancelling = async { line.client.job(job).await?.cancel().await };
                if let Err(error) = cancelling.await {
                    line.outbox.put(Event::NotCancelled(line.key(&name), error.into())).await;
                }
            });
        }
    }

    /// The event of the next that ends; for ever where none is under way. Dropped while it waits, it lost none.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let ended = match self.tasks.join_next_with_id().await {
                Some(Ok((id, result))) => self.ended(id, result),
                Some(Err(error)) => self.ended(error.id(), Err(stopped(&error))),
                None => std::future::pending().await,
            };
            if let Some(event) = ended {
                return event;
            }
        }
    }

    fn ended(&mut self, id: Id, result: Result<Came, Failure>) -> Option<Event> {
        let Known { name, action, .. } = self.known.remove(&id)?;
        let key = self.line.key(&name);
        Some(match (action, result) {
            (Action::Stacks(worker), Ok(Came::Text(text))) => Event::Stacks(key, worker, Ok(text)),
            (Action::Stacks(worker), Ok(Came::Outcome(_))) => Event::Stacks(key, worker, Ok(String::new())),
            (Action::Stacks(worker), Err(failure)) => Event::Stacks(key, worker, Err(failure)),
            (action, Ok(Came::Outcome(outcome))) => Event::Ended(key, action, Ok(outcome)),
            (action, Ok(Came::Text(_))) => Event::Ended(key, action, Ok(Outcome::default())),
            (action, Err(failure)) => Event::Ended(key, action, Err(failure)),
        })
    }

    /// Tells the end of all, as the daemon is away.
    pub(super) async fn lose(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let event = match ended {
                Ok((id, result)) => self.ended(id, result),
                Err(error) => self.ended(error.id(), Err(stopped(&error))),
            };
            if let Some(event) = event {
                self.line.outbox.put(event).await;
            }
        }
        self.tasks.abort_all();
        for id in self.known.keys().copied().collect::<Vec<Id>>() {
            let failure = Failure {
                kind: FailureKind::Lost,
                message: "the connection to hostlerd was lost meanwhile; what it had begun may go on: look at the \
                          state when it is back"
                    .to_owned(),
                ..Failure::default()
            };
            if let Some(event) = self.ended(id, Err(failure)) {
                self.line.outbox.put(event).await;
            }
        }
    }
}

fn stopped(error: &JoinError) -> Failure {
    if error.is_cancelled() {
        return Failure { kind: FailureKind::Cancelled, message: "cancelled".to_owned(), ..Failure::default() };
    }
    tracing::error!(%error, "an action panicked");
    let message = "the manager itself failed at this; what was begun may go on".to_owned();
    Failure { message, ..Failure::default() }
}

async fn act(line: Line, name: String, work: Work, job: JobPath) -> Result<Came, Failure> {
    let action = work.action();
    let begun = {
        let call = begin(&line.client, &name, work);
        tokio::pin!(call);
        let waited = tokio::time::timeout(AUTHORIZING_AFTER, &mut call).await;
        match waited {
            Ok(begun) => begun,
            // The user's own daemon asks nobody.
            Err(_) if line.reach.user => call.await,
            Err(_) => {
                line.outbox.put(Event::Authorizing(line.key(&name), action.clone(), true)).await;
                let begun = call.await;
                line.outbox.put(Event::Authorizing(line.key(&name), action.clone(), false)).await;
                begun
            }
        }
    };
    match begun? {
        Begun::Text(text) => Ok(Came::Text(text)),
        Begun::Done => Ok(Came::Outcome(Outcome::default())),
        Begun::Job(path) => {
            *job.lock().unwrap_or_else(PoisonError::into_inner) = Some(path.clone());
            Ok(Came::Outcome(follow(&line, &name, &action, path).await?))
        }
    }
}

async fn begin(client: &Client, name: &str, work: Work) -> Result<Begun, Error> {
    let action = match work {
        Work::Create(change, options) => {
            let manager = client.manager().await?;
            return Ok(Begun::Job(manager.create(name.to_owned(), change.values()?, options).await?));
        }
        Work::Act(action) => action,
    };
    let instance = client.known_instance(name).await?;
    let job = match action {
        Action::Start => instance.start().await?,
        Action::Stop => instance.stop().await?,
        Action::Restart => instance.restart().await?,
        Action::Reload => instance.reload().await?,
        Action::Rollback => instance.rollback().await?,
        Action::Wake => instance.wake().await?,
        Action::Sleep => instance.sleep().await?,
        Action::Apply { revision, change } => {
            let settings = client.known_settings(name).await?;
            settings.apply(revision, change.values()?, change.unset).await?
        }
        Action::Undo { revision } => client.known_settings(name).await?.undo(revision).await?,
        Action::Remove => client.manager().await?.remove(name.to_owned()).await?,
        Action::Enable(true) => return instance.enable().await.map(|()| Begun::Done),
        Action::Enable(false) => return instance.disable().await.map(|()| Begun::Done),
        Action::Scale(workers) => return instance.scale(workers).await.map(|()| Begun::Done),
        Action::Recycle(worker) => return instance.recycle(worker).await.map(|()| Begun::Done),
        Action::Stacks(worker) => return instance.stacks(worker).await.map(Begun::Text),
        Action::Create => {
            return Err(Error::Internal { reason: "a new instance was ordered without its settings".to_owned() });
        }
    };
    Ok(Begun::Job(job))
}

/// Tells how far a job is, until its end.
async fn follow(line: &Line, name: &str, action: &Action, path: OwnedObjectPath) -> Result<Outcome, Error> {
    let job = line.client.job(path).await?;
    let mut stages = job.receive_stage_changed().await;
    let mut fractions = job.receive_progress_changed().await;
    let end = job.wait();
    tokio::pin!(end);
    let mut told = Progress::default();
    loop {
        let progress = Progress {
            stage: job.cached_stage().ok().flatten().unwrap_or_default(),
            fraction: job.cached_progress().ok().flatten().unwrap_or_default().clamp(0.0, 1.0),
        };
        if progress != told {
            line.outbox.put(Event::Progress(line.key(name), action.clone(), progress.clone())).await;
            told = progress;
        }
        tokio::select! {
            ended = &mut end => return ended,
            Some(_) = stages.next() => {}
            Some(_) = fractions.next() => {}
        }
    }
}
