//! The daemon: what is known of all instances. The answers to calls are in `daemon/calls.rs`.

mod calls;
mod looking;

pub(crate) use calls::without_words_of_logs;
pub(crate) use looking::LastUnits;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hostler_bus::InstanceProxy;
use hostler_bus::daemon::{Caller, Error, InstanceState, Overview, Result, Tree};
use hostler_settings::Reading;
use tokio::sync::{Notify, watch};
use zbus::Connection;

use crate::authority::{Authority, Right};
use crate::beside::beside;
use crate::clients::{Clients, InUse, Using};
use crate::heal::Healer;
use crate::jobs::Jobs;
use crate::known::Known;
use crate::metrics::now_us;
use crate::observer::{Answers, Observers};
use crate::readers::Readers;
use crate::registry::{FileFacts, Sources, merge};
use crate::scope::{Kind, Scope, valid_name};
use crate::settings;
use crate::units::{Units, service_of, socket_of};
use crate::watching::Watching;

/// How long an instance is waited for that is about to answer.
const A_MOMENT: Duration = Duration::from_secs(3);
/// How often it is looked for meanwhile.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The daemon of one scope. Cloned, it is the same.
#[derive(Clone)]
pub struct Hostlerd(Arc<Inner>);

struct Inner {
    scope: Scope,
    authority: Authority,
    units: Option<Units>,
    bus: Option<Connection>,
    observers: Observers,
    watching: Mutex<Watching>,
    news: Arc<Notify>,
    /// Held while all sources are read: calls that come meanwhile read them once more, together.
    reading: tokio::sync::Mutex<()>,
    files: Mutex<HashMap<String, (FileStamp, FileFacts)>>,
    overviews: watch::Sender<Vec<Overview>>,
    jobs: Jobs,
    clients: Clients,
    in_use: InUse,
    healer: Healer,
    readers: Readers,
    known: Known,
    edit_locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Held while a text is checked for somebody who needs no right for that.
    checking: tokio::sync::Mutex<()>,
    /// When this daemon began, in microseconds since 1970.
    began_us: u64,
}

/// Which state of a file was read.
type FileStamp = (u64, Option<SystemTime>);

impl Hostlerd {
    /// A daemon that has not looked yet. `bus` is where callers are, if that is a bus; `units_bus` is a connection of its own to the same
    /// bus, to talk to systemd. Without systemd there, the instances are managed as far as that goes.
    pub async fn new(
        scope: Scope,
        authority: Authority,
        bus: Option<Connection>,
        units_bus: Option<Connection>,
    ) -> Self {
        let news = Arc::new(Notify::new());
        let units = match units_bus {
            Some(bus) => Units::new(bus, scope.kind == Kind::User, Arc::clone(&news))
                .await
                .inspect_err(|error| tracing::info!(%error, "no systemd on this bus: units are not managed"))
                .ok(),
            None => None,
        };
        let watching = Watching::new(&scope, Arc::clone(&news));
        let known = Known::of(&scope.state);
        let healer = Healer::of(&scope.state);
        Self(Arc::new(Inner {
            scope,
            authority,
            units,
            bus,
            observers: Observers::new(Arc::clone(&news)),
            watching: Mutex::new(watching),
            news,
            reading: tokio::sync::Mutex::default(),
            files: Mutex::default(),
            overviews: watch::Sender::default(),
            jobs: Jobs::default(),
            clients: Clients::default(),
            in_use: InUse::default(),
            healer,
            readers: Readers::default(),
            known,
            edit_locks: Mutex::default(),
            checking: tokio::sync::Mutex::default(),
            began_us: now_us(),
        }))
    }

    /// Shows jobs in this tree, and keeps its instances up to date, for as long as the daemon is there.
    pub fn show_in(&self, tree: &Tree) {
        self.0.jobs.show_in(tree.clone());
        let (tree, mut overviews) = (tree.clone(), self.0.overviews.subscribe());
        tokio::spawn(async move {
            while overviews.changed().await.is_ok() {
                let all = overviews.borrow_and_update().clone();
                if let Err(error) = tree.publish(all).await {
                    tracing::warn!(%error, "a change could not be signalled");
                }
            }
        });
    }

    /// Reads all sources again whenever one has news, once for all news of a moment. Returns never.
    pub async fn follow(&self) {
        /// News come in bursts: a start is a dozen signals.
        const MOMENT: std::time::Duration = std::time::Duration::from_millis(50);
        loop {
            self.0.news.notified().await;
            tokio::time::sleep(MOMENT).await;
            self.refresh().await;
        }
    }

    /// Whether a client watches, a job runs or a stream is read.
    #[must_use]
    pub fn in_use(&self) -> bool {
        self.0.in_use.count() > 0
    }

    /// Reads all sources, and answers with all instances by name.
    pub async fn refresh(&self) -> Vec<Overview> {
        let inner = &self.0;
        let _alone = inner.reading.lock().await;
        let daemon = self.clone();
        let Ok(files) = beside(move || Ok(daemon.read_files())).await else {
            // The daemon is at its end.
            return inner.overviews.borrow().clone();
        };
        let runtime = Scope::names(&inner.scope.runtime, "");
        {
            let mut watching = locked(&inner.watching);
            watching.add(&inner.scope.settings);
            watching.add(&inner.scope.runtime);
            for name in &runtime {
                watching.add(&inner.scope.runtime.join(name));
            }
        }
        inner
            .observers
            .look(runtime.into_iter().map(|name| (name.clone(), inner.scope.control_socket(&name))).collect())
            .await;
        let mut units = match &inner.units {
            Some(units) => {
                units.list().await.inspect_err(|error| tracing::warn!(%error, "systemd does not answer")).ok()
            }
            None => None,
        };
        if let (Some(systemd), Some(listed)) = (&inner.units, &units) {
            for (name, pair) in listed {
                inner.healer.heal(systemd, name, pair, &inner.in_use);
            }
        }
        let names: BTreeSet<String> = files
            .keys()
            .cloned()
            .chain(units.iter().flat_map(HashMap::keys).cloned())
            .chain(inner.observers.names())
            .collect();
        if let (Some(systemd), Some(_)) = (&inner.units, &units) {
            systemd
                .learn_file_states(names.iter().flat_map(|name| [service_of(name), socket_of(name)]).collect())
                .await;
        }
        self.learn(&names).await;
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let enabled = match (&inner.units, &units) {
                (Some(systemd), Some(_)) => {
                    Some((systemd.file_state(&service_of(&name)).await, systemd.file_state(&socket_of(&name)).await))
                }
                _ => None,
            };
            let seen = inner.observers.seen(&name);
            let sources = Sources {
                known: inner.known.get(&name),
                file: files.get(&name).cloned(),
                units: units.as_mut().and_then(|units| units.remove(&name)).unwrap_or_default(),
                enabled,
                seen,
                left_alone: inner.healer.given_up(&name),
                may_return: inner.observers.may_return(&name),
                security: inner.units.as_ref().and_then(|systemd| systemd.judgements.known(&name)),
            };
            // A unit that is loaded and nothing else, as after `systemctl status hostler@typo`, is no instance.
            let overview = merge(&name, &sources);
            if overview.has_settings || sources.seen.is_some() || is_there(&overview) {
                all.push(overview);
            }
        }
        inner.known.keep_only(&all);
        inner.healer.keep_only(&all);
        inner.overviews.send_if_modified(|known| {
            let differs = *known != all;
            if differs {
                known.clone_from(&all);
            }
            differs
        });
        all
    }

    /// Remembers what those of these instances say of themselves that run.
    async fn learn(&self, names: &BTreeSet<String>) {
        let said = |name: &String| Some((name.clone(), self.0.observers.seen(name)?.facts));
        let mut news: Vec<_> = names.iter().filter_map(said).collect();
        news.retain(|(name, facts)| self.0.known.is_news(name, facts));
        if news.is_empty() {
            return;
        }
        let daemon = self.clone();
        let note = move || {
            news.iter().for_each(|(name, facts)| daemon.0.known.note(name, facts));
            Ok(())
        };
        if let Err(error) = beside(note).await {
            tracing::debug!(%error, "what is known of instances is not kept");
        }
    }

    /// The settings files, each read only when it has changed.
    fn read_files(&self) -> BTreeMap<String, FileFacts> {
        let directory = &self.0.scope.settings;
        let mut known = locked(&self.0.files);
        let mut found = BTreeMap::new();
        for name in Scope::names(directory, ".toml") {
            let path = self.0.scope.settings_file(&name);
            let Ok(data) = path.metadata() else { continue };
            if !data.is_file() {
                continue;
            }
            let stamp = (data.len(), data.modified().ok());
            let facts = match known.get(&name) {
                Some((former, facts)) if *former == stamp => facts.clone(),
                _ => facts_of(&path),
            };
            known.insert(name.clone(), (stamp, facts.clone()));
            found.insert(name, facts);
        }
        known.retain(|name, _| found.contains_key(name));
        found
    }

    /// The instance called so, as it is now.
    async fn find(&self, name: &str) -> Result<Overview> {
        if !valid_name(name) {
            return Err(no_instance(name));
        }
        let known = self.refresh().await;
        known.into_iter().find(|one| one.name == name).ok_or_else(|| no_instance(name))
    }

    /// The same, after the caller's right was checked.
    async fn allowed(&self, caller: &Caller, right: Right, name: &str) -> Result<(Overview, Option<u32>)> {
        let overview = self.find(name).await?;
        let user = self.check(caller, right, name).await?;
        Ok((overview, user))
    }

    /// Checks a right; answers with the caller's user. While somebody types a password the daemon does not leave.
    async fn check(&self, caller: &Caller, right: Right, name: &str) -> Result<Option<u32>> {
        let _using = self.0.in_use.begin();
        let reader = caller.sender.as_deref().filter(|_| right == Right::ReadLogs);
        if let Some(user) = reader.and_then(|sender| self.0.readers.allowed(sender, name, Instant::now())) {
            return Ok(user);
        }
        let user = self.0.authority.check(caller, right, name).await?;
        if let Some(sender) = reader {
            self.0.readers.note(sender, name, user, Instant::now());
        }
        Ok(user)
    }

    /// Whether that client was allowed to read an instance's log or settings a moment ago.
    pub(crate) fn has_read(&self, sender: &str, name: &str) -> bool {
        self.0.readers.allowed(sender, name, Instant::now()).is_some()
    }

    /// Whether there was such an instance at the last look.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.overviews.borrow().iter().any(|one| one.name == name)
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The running instance to talk to.
    pub(crate) fn running(&self, name: &str) -> Result<InstanceProxy<'static>> {
        self.0
            .observers
            .instance(name)
            .map_err(|why| Error::Refused { reason: format!("{name}: {why}; see its status, and start it") })
    }

    /// The same, and waits a moment for one that is about to answer: it was found just now, or its server process was just replaced, and serves
    /// before its control socket is there.
    pub(crate) async fn returning(&self, name: &str) -> Result<InstanceProxy<'static>> {
        self.answering(name, comes).await
    }

    /// The same for one that need not be there: one that is still on its way to serve takes too long to be waited for.
    pub(crate) async fn running_soon(&self, name: &str) -> Result<InstanceProxy<'static>> {
        self.answering(name, |state| comes(state) && state != InstanceState::Starting).await
    }

    async fn answering(&self, name: &str, awaited: impl Fn(InstanceState) -> bool) -> Result<InstanceProxy<'static>> {
        let end = Instant::now() + A_MOMENT;
        loop {
            let instance = self.running(name);
            if instance.is_ok() || Instant::now() >= end {
                return instance;
            }
            self.refresh().await;
            let is_to_answer = match self.0.observers.answers(name) {
                Answers::NotYet => true,
                Answers::Not => false,
                Answers::Nothing => self.state_of(name).is_some_and(&awaited),
            };
            if !is_to_answer {
                return self.running(name);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// What it does, by the last look.
    pub(crate) fn state_of(&self, name: &str) -> Option<InstanceState> {
        self.0.overviews.borrow().iter().find(|one| one.name == name).map(|one| one.state)
    }

    pub(crate) fn units(&self) -> Result<&Units> {
        self.0.units.as_ref().ok_or_else(|| Error::Refused {
            reason: "systemd does not answer on this bus, so that nothing can be started or stopped here".to_owned(),
        })
    }

    /// When this daemon began, in microseconds since 1970.
    pub(crate) fn began_us(&self) -> u64 {
        self.0.began_us
    }

    /// Ends what jobs do to files, or waits for it ([`Jobs::end`]).
    pub(crate) async fn end_jobs(&self, cancel: bool) {
        self.0.jobs.end(cancel).await;
    }

    /// Keeps the daemon from leaving until it is dropped.
    pub(crate) fn using(&self) -> Using {
        self.0.in_use.begin()
    }

    pub(crate) fn edit_lock(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(locked(&self.0.edit_locks).entry(name.to_owned()).or_default())
    }
}

/// Whether systemd has more of it than a name.
fn is_there(overview: &Overview) -> bool {
    use hostler_bus::daemon::InstanceState as Is;
    !matches!(overview.state, Is::Configured | Is::Stopped) || matches!(overview.enabled.as_str(), "enabled" | "socket")
}

/// Whether one of that state runs, or is about to: it answers in a moment, if it does not now.
pub(crate) fn comes(state: InstanceState) -> bool {
    matches!(state, InstanceState::Starting | InstanceState::Serving | InstanceState::Reloading)
}

fn no_instance(name: &str) -> Error {
    Error::NoInstance { name: name.to_owned() }
}

/// What the list shows of a settings file.
fn facts_of(path: &Path) -> FileFacts {
    let Ok(Some(stored)) = settings::read(path) else { return FileFacts::default() };
    let mut reading = Reading::new();
    reading.file(path, &stored.text);
    let settings = match reading.finish() {
        Ok(settings) => settings,
        Err(mistakes) => {
            let problem = mistakes.in_public().lines().collect::<Vec<_>>().join("; ");
            return FileFacts { problem, ..FileFacts::default() };
        }
    };
    let said = settings::changed_keys("", &stored.text).is_some_and(|keys| keys.contains("bind"));
    FileFacts {
        application: settings.app.app.map(|application| application.to_string()).unwrap_or_default(),
        binds: said.then_some(settings.bind.bind),
        problem: String::new(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
