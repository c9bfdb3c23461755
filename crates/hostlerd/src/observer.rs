//! What running instances say of themselves: one connection to each control socket, kept while the instance runs. It costs nothing
//! while nothing changes.

use std::collections::HashMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use hostler_bus::{InstanceProxy, State, connect};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::known::Facts;
use crate::patience::{QUICK, within};
use crate::registry::Seen;

/// How long a list waits for instances that were found just now. Those that take longer are told of when they answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Which file a socket is: another one of the same name is another instance's.
type Identity = (u64, u64, i64, i64);

enum Entry {
    Connecting,
    Talking {
        instance: InstanceProxy<'static>,
        seen: Seen,
    },
    /// It was tried, and nobody talks there.
    Silent {
        identity: Identity,
        why: String,
    },
}

/// What is known of an instance's control socket that nobody talks on.
pub(crate) enum Answers {
    /// It was found just now.
    NotYet,
    /// It was tried, to no avail.
    Not,
    /// Nothing: there is none, or none yet.
    Nothing,
}

/// For how long an instance that hung up is not said to be stuck: systemd tells a moment later what became of its process, or the process that
/// takes its place opens a control socket of its own.
const MAY_RETURN: Duration = Duration::from_secs(2);

/// The connections.
#[derive(Clone)]
pub(crate) struct Observers {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    /// Who hung up, and when.
    lost: Arc<Mutex<HashMap<String, Instant>>>,
    news: Arc<Notify>,
}

impl Observers {
    pub(crate) fn new(news: Arc<Notify>) -> Self {
        Self { entries: Arc::default(), lost: Arc::default(), news }
    }

    /// Connects to those of these sockets that were not tried yet, and waits a moment for them. What is no socket any more is
    /// forgotten.
    pub(crate) async fn look(&self, sockets: Vec<(String, PathBuf)>) {
        let mut tries = JoinSet::new();
        {
            let mut entries = self.locked();
            entries.retain(|name, entry| {
                matches!(entry, Entry::Talking { .. } | Entry::Connecting) || sockets.iter().any(|one| one.0 == *name)
            });
            for (name, path) in sockets {
                let Some(identity) = identity(&path) else { continue };
                let fresh = match entries.get(&name) {
                    None => true,
                    Some(Entry::Silent { identity: tried, .. }) => *tried != identity,
                    Some(_) => false,
                };
                if fresh {
                    entries.insert(name.clone(), Entry::Connecting);
                    tries.spawn(self.clone().begin(name, path, identity));
                }
            }
        }
        let all = async { while tries.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            // They go on, and what comes of them is news.
            tries.detach_all();
        }
    }

    /// What the instance says; `None` when it does not run.
    pub(crate) fn seen(&self, name: &str) -> Option<Seen> {
        match self.locked().get(name) {
            Some(Entry::Talking { seen, .. }) => Some(seen.clone()),
            _ => None,
        }
    }

    /// Whether it hung up just now.
    pub(crate) fn may_return(&self, name: &str) -> bool {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.retain(|_, since| since.elapsed() < MAY_RETURN);
        lost.contains_key(name)
    }

    /// The names of all that talk.
    pub(crate) fn names(&self) -> Vec<String> {
        let talking = |(name, entry): (&String, &Entry)| matches!(entry, Entry::Talking { .. }).then(|| name.clone());
        self.locked().iter().filter_map(talking).collect()
    }

    /// The instance to talk to; else why there is none.
    pub(crate) fn instance(&self, name: &str) -> Result<InstanceProxy<'static>, String> {
        match self.locked().get(name) {
            Some(Entry::Talking { instance, .. }) => Ok(instance.clone()),
            Some(Entry::Silent { why, .. }) => Err(why.clone()),
            Some(Entry::Connecting) => Err("it does not answer on its control socket".to_owned()),
            None => Err("it does not run".to_owned()),
        }
    }

    /// Whether one that does not talk is about to.
    pub(crate) fn answers(&self, name: &str) -> Answers {
        match self.locked().get(name) {
            Some(Entry::Connecting) => Answers::NotYet,
            Some(Entry::Silent { .. }) => Answers::Not,
            Some(Entry::Talking { .. }) | None => Answers::Nothing,
        }
    }

    async fn begin(self, name: String, path: PathBuf, identity: Identity) {
        let first = async {
            let instance = connect(&path).await.map_err(|error| error.to_string())?;
            let seen = ask(&instance).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((instance, seen))
        };
        match first.await {
            Ok((instance, seen)) => {
                self.locked().insert(name.clone(), Entry::Talking { instance: instance.clone(), seen });
                tokio::spawn(self.clone().follow(name, instance));
            }
            Err(why) => {
                tracing::debug!(name, why, "a control socket does not answer");
                self.locked().insert(name, Entry::Silent { identity, why });
            }
        }
        self.news.notify_one();
    }

    /// Notes each change, until the instance hangs up.
    async fn follow(self, name: String, instance: InstanceProxy<'static>) {
        let connection = instance.inner().connection().clone();
        let mut states = instance.receive_state_changed().await;
        let mut generations = instance.receive_generation_changed().await;
        loop {
            tokio::select! {
                () = connection.closed() => break,
                Some(_) = states.next() => {}
                Some(_) = generations.next() => {}
            }
            self.note(&name, &instance).await;
        }
        self.locked().remove(&name);
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Instant::now());
        self.news.notify_one();
        // One that did not return is told of then.
        tokio::time::sleep(MAY_RETURN).await;
        self.news.notify_one();
    }

    /// Asks an instance once more; one that does not answer is what it was.
    pub(crate) async fn ask_again(&self, name: &str) {
        if let Ok(instance) = self.instance(name) {
            self.note(name, &instance).await;
        }
    }

    async fn note(&self, name: &str, instance: &InstanceProxy<'static>) {
        let Ok(seen) = ask(instance).await else { return };
        if let Some(Entry::Talking { seen: known, .. }) = self.locked().get_mut(name)
            && *known != seen
        {
            *known = seen;
            self.news.notify_one();
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(instance: &InstanceProxy<'_>) -> hostler_bus::daemon::Result<Seen> {
    let status = within(QUICK, instance.status()).await?;
    // One of a newer version may say a word that is not known here: it runs all the same.
    let state = if status.observed.state == State::Unknown { State::Serving } else { status.observed.state };
    Ok(Seen {
        state,
        since_us: status.observed.since_us,
        generation: status.observed.generation,
        last_reload: status.observed.last_reload,
        workers: (status.configured.workers_min, status.configured.workers_max),
        application: status.configured.application,
        binds: status.configured.binds,
        facts: Facts { framework: status.observed.framework, python: status.observed.python },
    })
}

/// Never through a symbolic link: who owns the directory could lead elsewhere with it.
fn identity(path: &Path) -> Option<Identity> {
    let data = path.symlink_metadata().ok()?;
    data.file_type().is_socket().then(|| (data.dev(), data.ino(), data.ctime(), data.ctime_nsec()))
}
