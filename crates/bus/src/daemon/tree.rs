//! The daemon's objects on one connection: which there are, and the signals of their changes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use zbus::Connection;
use zbus::fdo::{ObjectManager, Properties};
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{ObjectPath, Value};

use super::control::Daemon;
use super::instance::Instance;
use super::job::{Job, Report, failure};
use super::manager::{Calls, Manager};
use super::overview::Overview;
use super::path::{instance_path, job_path};
use super::settings::Settings;
use super::{NAME, PATH};

const INSTANCE: &str = "org.hostler.Hostler1.Instance";
pub(super) const JOB: &str = "org.hostler.Hostler1.Job";

/// The objects of a daemon on one connection. Cloned, it is the same tree.
#[derive(Clone)]
pub struct Tree {
    connection: Connection,
    calls: Calls,
    published: Arc<tokio::sync::Mutex<HashMap<String, Arc<Mutex<Overview>>>>>,
}

impl Tree {
    /// Puts the manager's object on the connection, and the first instances. `scope` is `system` or `user`. Claim the name
    /// afterwards ([`Tree::claim_name`]): who calls then finds all.
    ///
    /// # Errors
    /// When the connection is closed, or has such objects already.
    pub async fn new(
        connection: &Connection,
        daemon: Arc<dyn Daemon>,
        scope: &'static str,
        first: Vec<Overview>,
    ) -> zbus::Result<Self> {
        let calls = Calls(daemon);
        let tree = Self { connection: connection.clone(), calls: calls.clone(), published: Arc::default() };
        tree.publish(first).await?;
        let server = connection.object_server();
        server.at(PATH, Manager { calls, scope }).await?;
        // After the instances, which would be signalled else.
        server.at(PATH, ObjectManager).await?;
        Ok(tree)
    }

    /// Takes the daemon's name on the bus.
    ///
    /// # Errors
    /// When another has it, or the bus does not let it.
    pub async fn claim_name(&self) -> zbus::Result<()> {
        self.connection.request_name_with_flags(NAME, zbus::fdo::RequestNameFlags::DoNotQueue.into()).await?;
        Ok(())
    }

    /// Makes these all the instances that there are. New ones and those that are gone are signalled, and of each other
    /// one what has changed, in one signal.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn publish(&self, all: Vec<Overview>) -> zbus::Result<()> {
        let mut published = self.published.lock().await;
        let server = self.connection.object_server();
        let gone: Vec<String> =
            published.keys().filter(|name| !all.iter().any(|one| one.name == **name)).cloned().collect();
        for name in gone {
            let path = instance_path(&name);
            server.remove::<Instance, _>(&path).await?;
            server.remove::<Settings, _>(&path).await?;
            published.remove(&name);
        }
        for overview in all {
            let path = instance_path(&overview.name);
            if let Some(known) = published.get(&overview.name) {
                let changed = {
                    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                    let before = std::mem::replace(&mut *known, overview.clone());
                    differing(properties(&before), properties(&overview))
                };
                self.signal(&path, INSTANCE, changed).await?;
                continue;
            }
            let (name, calls) = (overview.name.clone(), self.calls.clone());
            let shared = Arc::new(Mutex::new(overview));
            server.at(&path, Settings { name: name.clone(), calls: calls.clone() }).await?;
            server.at(&path, Instance { name: name.clone(), calls, overview: Arc::clone(&shared) }).await?;
            published.insert(name, shared);
        }
        Ok(())
    }

    /// Puts the object of a job on the connection. Its changes are signalled until its report's sender is gone; then the object goes,
    /// too.
    ///
    /// # Errors
    /// When the connection is closed, or there is such a job.
    pub async fn add_job(&self, number: u64, report: watch::Receiver<Report>) -> zbus::Result<()> {
        let job = Job { number, calls: self.calls.clone(), report: report.clone() };
        let path = job_path(number);
        self.connection.object_server().at(&path, job).await?;
        let (tree, mut report) = (self.clone(), report);
        let mut before = job_properties(&report.borrow_and_update());
        tokio::spawn(async move {
            while report.changed().await.is_ok() {
                let now = job_properties(&report.borrow_and_update());
                let changed = differing(before, now.clone());
                before = now;
                if let Err(error) = tree.signal(&path, JOB, changed).await {
                    tracing::debug!(%error, "a change of a job could not be signalled");
                }
            }
            if let Err(error) = tree.connection.object_server().remove::<Job, _>(&path).await {
                tracing::debug!(%error, "a job's object could not be removed");
            }
        });
        Ok(())
    }

    async fn signal(
        &self,
        path: &ObjectPath<'_>,
        interface: &'static str,
        changed: HashMap<&'static str, Value<'static>>,
    ) -> zbus::Result<()> {
        if changed.is_empty() {
            return Ok(());
        }
        let emitter = SignalEmitter::new(&self.connection, path)?;
        let interface = InterfaceName::from_static_str_unchecked(interface);
        Properties::properties_changed(&emitter, interface, changed, Cow::Borrowed(&[])).await
    }
}

type NamedValues = Vec<(&'static str, Value<'static>)>;

/// The properties of an instance that can change, as [`Instance`] has them.
fn properties(overview: &Overview) -> NamedValues {
    vec![
        ("State", overview.state.as_str().into()),
        ("SinceUs", overview.since_us.into()),
        ("Problem", overview.problem.clone().into()),
        ("Enabled", overview.enabled.clone().into()),
        ("HasSettings", overview.has_settings.into()),
        ("Managed", overview.managed.into()),
        ("Application", overview.application.clone().into()),
        ("Framework", overview.framework.clone().into()),
        ("Python", overview.python.clone().into()),
        ("Binds", overview.binds.clone().into()),
        ("Url", overview.url.clone().into()),
        ("Sockets", overview.sockets.clone().into()),
        ("Generation", overview.generation.into()),
        ("LastReload", last_reload(overview).into()),
        ("WorkersMin", overview.workers_min.into()),
        ("WorkersMax", overview.workers_max.into()),
        ("Security", security(overview).into()),
    ]
}

/// The properties of a job that can change, as [`Job`] has them.
fn job_properties(report: &Report) -> NamedValues {
    vec![
        ("State", report.state.as_str().into()),
        ("Stage", report.stage.clone().into()),
        ("Progress", report.progress.into()),
        ("Failure", failure(report).into()),
    ]
}

/// What a property tells of the last reload: the fields of [`crate::LastReload`]; nothing where there was none.
pub(super) fn last_reload(overview: &Overview) -> HashMap<&'static str, Value<'static>> {
    let Some(last) = &overview.last_reload else { return HashMap::new() };
    HashMap::from([
        ("at_us", last.at_us.into()),
        ("succeeded", last.succeeded.into()),
        ("generation", last.generation.into()),
        ("seconds", last.seconds.into()),
        ("message", last.message.clone().into()),
    ])
}

/// What a property tells of the security of a service: the fields of [`super::Security`]; nothing where it was not judged.
pub(super) fn security(overview: &Overview) -> HashMap<&'static str, Value<'static>> {
    let Some(security) = &overview.security else { return HashMap::new() };
    HashMap::from([
        ("exposure", security.exposure.into()),
        ("rating", security.rating.clone().into()),
        ("profile", security.profile.clone().into()),
    ])
}

fn differing(before: NamedValues, now: NamedValues) -> HashMap<&'static str, Value<'static>> {
    before.into_iter().zip(now).filter(|(before, now)| before.1 != now.1).map(|(_, now)| now).collect()
}
