//! Actions: each is a task from the call to the end of its job.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hostler_bus::daemon::{Change, Client, Error, Followed, JobKind, JobPath, NewInstance, Outcome};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use super::ledger::{Call, Ledger};
use super::session::Line;
use super::signals::Job;
use super::{Action, Event, Progress};
use crate::model::{Failure, FailureKind};

/// An answer that takes longer is taken for a person who is being asked for a password.
pub(super) const AUTHORIZING_AFTER: Duration = Duration::from_millis(300);

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
    Job(JobPath),
    /// It was done.
    Done,
    /// What was asked for.
    Text(String),
}

/// What came of an action.
enum Came {
    Outcome(Outcome),
    Text(String),
    /// The job is followed already.
    Followed,
}

/// The wish to cancel a job.
#[derive(Default)]
struct Cancel {
    /// Whether there is a job by now.
    has_job: AtomicBool,
    wished: Notify,
}

/// Those that are under way.
pub(super) struct Actions {
    line: Line,
    tasks: JoinSet<Result<Came, Failure>>,
    known: HashMap<Id, Known>,
    ledger: Arc<watch::Sender<Ledger>>,
}

struct Known {
    name: String,
    action: Action,
    cancel: Arc<Cancel>,
    abort: AbortHandle,
    /// Whether it is a job of somebody else's.
    adopted: bool,
}

impl Actions {
    pub(super) fn new(line: Line) -> Self {
        Self { line, tasks: JoinSet::new(), known: HashMap::new(), ledger: Arc::default() }
    }

    /// Begins one.
    pub(super) fn begin(&mut self, name: String, work: Work) {
        let (cancel, action) = (Arc::<Cancel>::default(), work.action());
        let call = Call::begin(&self.ledger, &name);
        let abort = self.tasks.spawn(act(self.line.clone(), call, work, Arc::clone(&cancel)));
        self.known.insert(abort.id(), Known { name, action, cancel, abort, adopted: false });
    }

    /// Follows a job of somebody else's as one of ours; one of ours is followed already.
    pub(super) fn adopt(&mut self, job: Job) {
        let Some(action) = action_of(job.kind) else { return };
        let (cancel, name) = (Arc::<Cancel>::default(), job.instance.clone());
        let ledger = Arc::clone(&self.ledger);
        let abort = self.tasks.spawn(adopted(self.line.clone(), ledger, job, action.clone(), Arc::clone(&cancel)));
        self.known.insert(abort.id(), Known { name, action, cancel, abort, adopted: true });
    }

    /// Cancels what is done to an instance: its job, or the call that has not come to one.
    pub(super) fn cancel(&self, name: &str) {
        for known in self.known.values().filter(|known| known.name == name) {
            if known.cancel.has_job.load(Ordering::Relaxed) {
                known.cancel.wished.notify_one();
            } else if !known.adopted {
                known.abort.abort();
            }
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
        if matches!(result, Ok(Came::Followed)) {
            return None;
        }
        let key = self.line.key(&name);
        Some(match (action, result) {
            (Action::Stacks(worker), Ok(Came::Text(text))) => Event::Stacks(key, worker, Ok(text)),
            (Action::Stacks(worker), Ok(_)) => Event::Stacks(key, worker, Ok(String::new())),
            (Action::Stacks(worker), Err(failure)) => Event::Stacks(key, worker, Err(failure)),
            (action, Ok(Came::Outcome(outcome))) => Event::Ended(key, action, Ok(outcome)),
            (action, Ok(_)) => Event::Ended(key, action, Ok(Outcome::default())),
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
        // What was not told to have begun is not told to be lost.
        self.known.retain(|_, known| !known.adopted || known.cancel.has_job.load(Ordering::Relaxed));
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

async fn act(line: Line, called: Call, work: Work, cancel: Arc<Cancel>) -> Result<Came, Failure> {
    let (action, name) = (work.action(), called.name.clone());
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
            cancel.has_job.store(true, Ordering::Relaxed);
            if is_told(&action) {
                called.began(&path);
            }
            drop(called);
            Ok(Came::Outcome(follow(&line, &name, &action, path, &cancel).await?))
        }
    }
}

/// Follows a job, unless it turns out to be one of ours.
async fn adopted(
    line: Line,
    ledger: Arc<watch::Sender<Ledger>>,
    job: Job,
    action: Action,
    cancel: Arc<Cancel>,
) -> Result<Came, Failure> {
    let Job { path, instance: name, .. } = job;
    let mut told = ledger.subscribe();
    let is_clear = |ledger: &Ledger| ledger.jobs.contains(&path) || !ledger.calls.contains_key(&name);
    // Its sender is in `ledger`.
    let _ = told.wait_for(is_clear).await;
    let mut is_new = false;
    ledger.send_modify(|ledger| is_new = !ledger.jobs.remove(&path) && ledger.adopted.insert(path.clone()));
    if !is_new {
        return Ok(Came::Followed);
    }
    cancel.has_job.store(true, Ordering::Relaxed);
    line.outbox.put(Event::Begun(line.key(&name), action.clone())).await;
    let outcome = follow(&line, &name, &action, path.clone(), &cancel).await;
    ledger.send_modify(|ledger| {
        ledger.adopted.remove(&path);
    });
    Ok(Came::Outcome(outcome?))
}

/// The action that a job is, where one can be told from the other. What is done to settings, and what makes an instance or
/// takes it away, is seen in these themselves.
fn action_of(kind: JobKind) -> Option<Action> {
    Some(match kind {
        JobKind::Start => Action::Start,
        JobKind::Stop => Action::Stop,
        JobKind::Restart => Action::Restart,
        JobKind::Reload => Action::Reload,
        JobKind::Rollback => Action::Rollback,
        JobKind::Upgrade => Action::Upgrade,
        JobKind::Wake => Action::Wake,
        JobKind::Sleep => Action::Sleep,
        JobKind::Apply | JobKind::Undo | JobKind::Create | JobKind::Remove | JobKind::Unknown => return None,
    })
}

/// Whether the jobs of an action are adopted, so that ours have to be told from those of others.
fn is_told(action: &Action) -> bool {
    JobKind::ALL.iter().any(|kind| action_of(*kind).as_ref() == Some(action))
}

async fn begin(client: &Client, name: &str, work: Work) -> Result<Begun, Error> {
    let action = match work {
        Work::Create(change, options) => {
            return Ok(Begun::Job(client.create(name, &change, options).await?));
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
        Action::Upgrade => instance.upgrade().await?,
        Action::Wake => instance.wake().await?,
        Action::Sleep => instance.sleep().await?,
        Action::Apply { revision, change } => {
            let settings = client.known_settings(name).await?;
            settings.apply(revision, change.values()?, change.unset).await?
        }
        Action::Undo { revision } => client.known_settings(name).await?.undo(revision).await?,
        Action::Restore { revision, to } => client.known_settings(name).await?.restore(revision, to).await?,
        Action::Remove => client.manager().await?.remove(name.to_owned()).await?,
        Action::Enable(true) => return instance.enable().await.map(|()| Begun::Done),
        Action::Enable(false) => return instance.disable().await.map(|()| Begun::Done),
        Action::Scale(workers) => return instance.scale(workers).await.map(|()| Begun::Done),
        Action::SetLogLevel(level) => return instance.set_log_level(level).await.map(|()| Begun::Done),
        Action::Recycle(worker) => return instance.recycle(worker).await.map(|()| Begun::Done),
        Action::Stacks(worker) => return instance.stacks(worker).await.map(Begun::Text),
        Action::Create => {
            return Err(Error::Internal { reason: "a new instance was ordered without its settings".to_owned() });
        }
    };
    Ok(Begun::Job(job))
}

/// Tells how far a job is, until its end.
async fn follow(line: &Line, name: &str, action: &Action, path: JobPath, cancel: &Cancel) -> Result<Outcome, Error> {
    let mut job = line.client.follow(path).await?;
    let mut told = Progress::default();
    loop {
        let stage = tokio::select! {
            followed = job.next() => match followed {
                Followed::At(stage) => stage,
                Followed::Ended(result) => return result,
            },
            () = cancel.wished.notified() => {
                if let Err(error) = job.cancel().await {
                    line.outbox.put(Event::NotCancelled(line.key(name), error.into())).await;
                }
                continue;
            }
        };
        // A stage without words goes on.
        let stage_words = if stage.words.is_empty() { told.stage.clone() } else { stage.words };
        let progress = Progress { stage: stage_words, fraction: stage.progress.clamp(0.0, 1.0) };
        if progress != told {
            line.outbox.put(Event::Progress(line.key(name), action.clone(), progress.clone())).await;
            told = progress;
        }
    }
}
