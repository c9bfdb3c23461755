//! One connection to a daemon, from its list to its loss. Calls are made by tasks: the session itself never waits for an
//! answer, as signals and answers come the same way, and orders are to be taken at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hostler_bus::daemon::{Client, Error, InstanceState, Overview, Reach, SettingInfo};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::absence::Away;
use super::acting::{Actions, Work};
use super::asking::{Click, Clicks};
use super::machine::Wishes;
use super::observing::{Observation, ask};
use super::outbox::Outbox;
use super::signals::{Job, Signal, Signals, change};
use super::{Event, Link, Order, background, logs};
use crate::model::{Failure, InstanceKey};

/// How long the list may take.
const LIST_LIMIT: Duration = Duration::from_secs(30);
/// How long a draft rests before its mistakes are asked for.
const DRAFT_REST: Duration = Duration::from_millis(150);

/// How a session ended.
pub(super) enum End {
    /// Nobody gives orders any more.
    Told,
    /// The daemon is away; and whether it had been there.
    Away(Away, bool),
}

/// What calls are made with.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) reach: Reach,
    pub(super) client: Client,
    pub(super) outbox: Arc<Outbox>,
    /// What the person did over this connection: what is on screen already when it is made was not acted on.
    pub(super) clicks: Clicks,
}

impl Line {
    pub(super) fn key(&self, name: &str) -> InstanceKey {
        InstanceKey { reach: self.reach.clone(), name: name.to_owned() }
    }
}

/// A task that ends when it is dropped.
pub(super) struct Task(AbortHandle);

impl Task {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether there is something to measure.
pub(super) fn runs(state: InstanceState) -> bool {
    !matches!(state, InstanceState::Configured | InstanceState::Stopped | InstanceState::Asleep | InstanceState::Failed)
}

/// What came with the list.
struct First {
    version: String,
    schema: Vec<SettingInfo>,
    overviews: Vec<Overview>,
    /// What is under way; a daemon of an older version may not say.
    jobs: Vec<Job>,
}

/// A session.
pub(super) struct Session<'a> {
    line: Line,
    wishes: &'a mut Wishes,
    overviews: BTreeMap<String, Overview>,
    ready: bool,
    /// Whether something changed while the list was under way: it may be older than that.
    stale: bool,
    observation: Option<Observation>,
    others: watch::Sender<background::Others>,
    actions: Actions,
    followers: HashMap<String, Task>,
    drafts: HashMap<String, Task>,
    /// The question for a log level; a later one takes its place.
    level: Option<Task>,
    _background: Task,
}

impl<'a> Session<'a> {
    /// A session over a connection that was just made.
    pub(super) fn begin(reach: &Reach, client: Client, outbox: &Arc<Outbox>, wishes: &'a mut Wishes) -> Self {
        let line = Line { reach: reach.clone(), client, outbox: Arc::clone(outbox), clicks: Clicks::default() };
        let (others, told) = watch::channel(background::Others::default());
        Self {
            actions: Actions::new(line.clone()),
            _background: Task::spawn(background::run(line.clone(), told)),
            line,
            wishes,
            overviews: BTreeMap::new(),
            ready: false,
            stale: false,
            observation: None,
            others,
            followers: HashMap::new(),
            drafts: HashMap::new(),
            level: None,
        }
    }

    /// Serves until the daemon is away.
    pub(super) async fn serve(mut self, orders: &mut UnboundedReceiver<Order>) -> End {
        let end = self.serve_until(orders).await;
        if let End::Away(..) = &end {
            self.actions.lose().await;
        }
        end
    }

    async fn serve_until(&mut self, orders: &mut UnboundedReceiver<Order>) -> End {
        let reach = self.line.reach.clone();
        let mut signals = match Signals::listen(&self.line.client).await {
            Ok(Some(signals)) => signals,
            Ok(None) => return End::Away(Away::left(&reach), false),
            Err(error) => {
                tracing::debug!(%error, "signals cannot be listened to");
                return End::Away(Away::cut(&reach), false);
            }
        };
        let mut listing = self.list();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.take_order(order).await,
                    None => return End::Told,
                },
                signal = signals.next() => {
                    if let Some(away) = self.take_signal(signal).await {
                        return End::Away(away, self.ready);
                    }
                }
                first = &mut listing.0, if !listing.1 => {
                    listing.1 = true;
                    match first {
                        Ok(Ok(first)) if std::mem::take(&mut self.stale) && !self.ready => {
                            // Once more, and what changes meanwhile comes after it.
                            self.take_first(first).await;
                            listing = self.list();
                        }
                        Ok(Ok(first)) => self.take_first(first).await,
                        Ok(Err(away)) => return End::Away(away, self.ready),
                        Err(_) => return End::Away(Away::left(&reach), self.ready),
                    }
                }
                ended = self.actions.next() => {
                    self.line.outbox.put(ended).await;
                    if let Some(observation) = &self.observation {
                        observation.ask_again();
                    }
                }
            }
        }
    }

    /// Asks for what there is; with whether the answer came.
    fn list(&self) -> (JoinHandle<Result<First, Away>>, bool) {
        let Line { reach, client, .. } = self.line.clone();
        let task = tokio::spawn(async move {
            let asking = async {
                let manager = client.manager().await?;
                manager.watch().await?;
                let version = manager.version().await?;
                let (schema, overviews) = (manager.schema().await?, manager.list().await?);
                let jobs = Job::all(&client).await.unwrap_or_default();
                Ok::<First, Error>(First { version, schema, overviews, jobs })
            };
            match tokio::time::timeout(LIST_LIMIT, asking).await {
                Ok(first) => first.map_err(|error| Away::refused(&error)),
                Err(_) => Err(Away::silent(&reach, LIST_LIMIT)),
            }
        });
        (task, false)
    }

    async fn take_first(&mut self, first: First) {
        let (outbox, reach) = (Arc::clone(&self.line.outbox), self.line.reach.clone());
        self.overviews = first.overviews.iter().map(|overview| (overview.name.clone(), overview.clone())).collect();
        outbox.put(Event::Listed(reach.clone(), first.overviews)).await;
        if !self.ready {
            outbox.put(Event::Schema(reach.clone(), first.schema)).await;
            outbox.put(Event::Link(reach, Link::Ready(first.version))).await;
            self.ready = true;
            for name in self.wishes.followed.keys().cloned().collect::<Vec<String>>() {
                self.follow(name, None);
            }
        }
        self.observe(false);
        first.jobs.into_iter().for_each(|job| self.actions.adopt(job));
    }

    /// Takes a signal; answers why the daemon is away, if it is.
    async fn take_signal(&mut self, signal: Signal) -> Option<Away> {
        let reach = self.line.reach.clone();
        let (name, event) = match signal {
            Signal::Left => return Some(Away::left(&reach)),
            Signal::Cut => return Some(Away::cut(&reach)),
            Signal::Job(job) => {
                self.actions.adopt(job);
                return None;
            }
            Signal::Added(overview) => {
                let name = overview.name.clone();
                self.overviews.insert(name.clone(), (*overview).clone());
                (name, Event::Changed(reach, *overview))
            }
            Signal::Changed(name, properties) => {
                self.stale |= !self.ready;
                let overview = self.overviews.get_mut(&name)?;
                change(overview, properties);
                (name, Event::Changed(reach, overview.clone()))
            }
            Signal::Gone(name) => {
                self.overviews.remove(&name);
                (name.clone(), Event::Gone(reach, name))
            }
        };
        self.stale |= !self.ready;
        if self.ready {
            self.line.outbox.put(event).await;
            self.observe(false);
            if let Some(observation) = self.observation.as_ref().filter(|one| one.name == name) {
                observation.ask_again();
            }
        }
        None
    }

    async fn take_order(&mut self, order: Order) {
        self.wishes.take(Some(&self.line.reach), &order);
        match order {
            Order::Observe(..) => self.observe(true),
            Order::Shown(_) => self.observe(false),
            Order::Refresh(key) => {
                if let Some(observation) = self.observation.as_ref().filter(|one| one.name == key.name) {
                    observation.insist();
                }
            }
            Order::Act(key, action) => self.actions.begin(key.name, Work::Act(action)),
            Order::Create { name, change, options, .. } => self.actions.begin(name, Work::Create(change, options)),
            Order::Cancel(key) => self.actions.cancel(&key.name),
            Order::AskLogLevel(key) => {
                let line = self.line.clone();
                self.level = Some(Task::spawn(async move {
                    let asking = async { line.client.known_instance(&key.name).await?.log_level().await };
                    line.outbox.put(Event::LogLevel(key.clone(), asking.await.map_err(Failure::from))).await;
                }));
            }
            // Else it is followed when the list is there.
            Order::FollowLogs(key, _) if self.ready => self.follow(key.name, Some(self.line.clicks.click())),
            Order::ResumeLogs(key, _) if self.ready => self.follow(key.name, None),
            Order::EndLogs(key) => {
                if self.followers.remove(&key.name).is_some() {
                    self.line.outbox.put(Event::LogsEnded(key, None)).await;
                }
            }
            Order::Validate { key, draft, change } => {
                let (line, name) = (self.line.clone(), key.name.clone());
                let asking = Task::spawn(async move {
                    tokio::time::sleep(DRAFT_REST).await;
                    // Each key that is typed comes here: no reason to ask for a password.
                    let asking = async {
                        let settings = line.client.known_settings(&key.name).await?;
                        ask(settings.inner(), "Validate", &(change.values()?, change.unset), false).await
                    };
                    line.outbox.put(Event::Validated(key.clone(), draft, asking.await.map_err(Failure::from))).await;
                });
                self.drafts.insert(name, asking);
            }
            Order::FollowLogs(..)
            | Order::ResumeLogs(..)
            | Order::Connect(_)
            | Order::Disconnect(_)
            | Order::Choose(_) => {}
        }
    }

    /// Lets what is asked for follow what is there and what is looked at; `clicked` when the person just chose that.
    fn observe(&mut self, clicked: bool) {
        let wanted = self.wishes.observed.as_ref().filter(|_| self.ready);
        let wanted = wanted.filter(|(key, _)| self.overviews.contains_key(&key.name));
        if self.observation.as_ref().map(|one| &one.name) != wanted.map(|(key, _)| &key.name) {
            self.observation = wanted.map(|(key, _)| Observation::new(self.line.clone(), key.name.clone()));
        }
        if let (Some(observation), Some((key, parts))) = (&mut self.observation, wanted) {
            let runs = self.overviews.get(&key.name).is_some_and(|overview| runs(overview.state));
            let click = clicked.then(|| self.line.clicks.click());
            observation.keep(parts, runs, self.wishes.shown, click);
        }
        let observed = self.observation.as_ref().map(|one| one.name.as_str());
        let others = self.overviews.values().filter(|one| runs(one.state) && observed != Some(one.name.as_str()));
        let others =
            background::Others { names: others.map(|one| one.name.clone()).collect(), shown: self.wishes.shown };
        self.others.send_if_modified(|former| {
            let changed = *former != others;
            *former = others;
            changed
        });
    }

    fn follow(&mut self, name: String, click: Option<Click>) {
        if let Some(followed) = self.wishes.followed.get(&name).filter(|followed| !followed.is_over()) {
            let task = Task::spawn(logs::follow(self.line.clone(), name.clone(), followed.clone(), click));
            self.followers.insert(name, task);
        }
    }
}
