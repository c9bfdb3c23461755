//! What systemd knows of the instances, and what it is asked to do with them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::StreamExt;
use hostler_bus::daemon::{Error, Result, SocketFacts, UnitFacts};
use tokio::sync::Notify;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, MatchRule, MessageStream};

use crate::scope::valid_name;
use crate::systemd::{ManagerProxy, Values};

const SERVICE: &str = "org.freedesktop.systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";
/// How systemd's object paths of our units begin: `hostler@` escaped.
const OURS: &str = "/org/freedesktop/systemd1/unit/hostler_40";

/// One unit, as the list tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// ActiveState.
    pub(crate) active: String,
    /// SubState.
    pub(crate) sub: String,
    /// Result, where it failed; else empty.
    pub(crate) result: String,
    /// When its state changed, in microseconds since 1970.
    pub(crate) since_us: u64,
}

/// The units of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) service: Option<Unit>,
    pub(crate) socket: Option<Unit>,
}

/// What is to be done with a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Start,
    Stop,
    Restart,
}

/// systemd's manager of the scope, over a connection of its own: what it signals does not count as a client's call.
#[derive(Clone)]
pub(crate) struct Units {
    connection: Connection,
    manager: ManagerProxy<'static>,
    /// UnitFileState by unit, until unit files change.
    file_states: Arc<Mutex<HashMap<String, String>>>,
    /// What was learned of a unit in that state, by its object, until that changes.
    learned: Arc<Mutex<HashMap<String, Unit>>>,
}

pub(crate) fn service_of(name: &str) -> String {
    format!("hostler@{name}.service")
}

pub(crate) fn socket_of(name: &str) -> String {
    format!("hostler@{name}.socket")
}

fn name_in(unit: &str) -> Option<(&str, bool)> {
    let rest = unit.strip_prefix("hostler@")?;
    let (name, service) = match rest.strip_suffix(".service") {
        Some(name) => (name, true),
        None => (rest.strip_suffix(".socket")?, false),
    };
    valid_name(name).then_some((name, service))
}

impl Units {
    /// Begins to listen; `news` is notified when something of ours changed. The error is for the log: the scope goes without
    /// systemd then.
    pub(crate) async fn new(connection: Connection, news: Arc<Notify>) -> zbus::Result<Self> {
        let manager = ManagerProxy::new(&connection).await?;
        manager.subscribe().await?;
        let units =
            Self { connection: connection.clone(), manager, file_states: Arc::default(), learned: Arc::default() };
        let changes = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(SERVICE)?
            .interface("org.freedesktop.DBus.Properties")?
            .path_namespace(UNITS)?
            .arg(0, "org.freedesktop.systemd1.Unit")?
            .build();
        let mut changes = MessageStream::for_match_rule(changes, &connection, None).await?;
        let managers = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(SERVICE)?
            .interface("org.freedesktop.systemd1.Manager")?
            .build();
        let mut managers = MessageStream::for_match_rule(managers, &connection, None).await?;
        let (states, learned, other) = (Arc::clone(&units.file_states), Arc::clone(&units.learned), Arc::clone(&news));
        tokio::spawn(async move {
            while let Some(Ok(message)) = changes.next().await {
                let header = message.header();
                if header.path().is_some_and(|path| path.as_str().starts_with(OURS)) {
                    locked(&learned).remove(header.path().map_or("", |path| path.as_str()));
                    news.notify_one();
                }
            }
        });
        tokio::spawn(async move {
            while let Some(Ok(message)) = managers.next().await {
                let header = message.header();
                let concerns_us = match header.member().map(|member| member.as_str()) {
                    Some("UnitFilesChanged" | "Reloading") => {
                        locked(&states).clear();
                        true
                    }
                    Some("UnitNew" | "UnitRemoved") => message
                        .body()
                        .deserialize::<(String, OwnedObjectPath)>()
                        .is_ok_and(|(id, _)| name_in(&id).is_some()),
                    _ => false,
                };
                if concerns_us {
                    other.notify_one();
                }
            }
        });
        Ok(units)
    }

    /// All loaded units of ours, by instance.
    pub(crate) async fn list(&self) -> zbus::Result<HashMap<String, Pair>> {
        let listed = self.manager.list_units_by_patterns(&[], &["hostler@*.service", "hostler@*.socket"]).await?;
        let mut pairs: HashMap<String, Pair> = HashMap::new();
        for (id, _, load, active, sub, _, path, ..) in listed {
            let Some((name, service)) = name_in(&id).filter(|_| load != "not-found") else { continue };
            let unit = self.learn(&id, &path, active, sub).await;
            let pair = pairs.entry(name.to_owned()).or_default();
            *(if service { &mut pair.service } else { &mut pair.socket }) = Some(unit);
        }
        Ok(pairs)
    }

    /// What the list does not tell: since when, and why it failed. Asked for once a state.
    async fn learn(&self, id: &str, path: &OwnedObjectPath, active: String, sub: String) -> Unit {
        let known = locked(&self.learned).get(path.as_str()).cloned();
        if let Some(known) = known.filter(|known| known.active == active && known.sub == sub) {
            return known;
        }
        let mut unit = Unit { active, sub, ..Unit::default() };
        if let Ok(values) = self.values(path, "Unit").await {
            unit.since_us = values.number("StateChangeTimestamp");
        }
        if unit.active == "failed" {
            let interface = if id.ends_with(".socket") { "Socket" } else { "Service" };
            unit.result = self.values(path, interface).await.map(|values| values.text("Result")).unwrap_or_default();
        }
        locked(&self.learned).insert(path.to_string(), unit.clone());
        unit
    }

    /// Whether a unit starts by itself: UnitFileState; empty when there is no such unit file.
    pub(crate) async fn file_state(&self, unit: &str) -> String {
        if let Some(known) = locked(&self.file_states).get(unit).cloned() {
            return known;
        }
        let state = self.manager.get_unit_file_state(unit).await.unwrap_or_default();
        locked(&self.file_states).insert(unit.to_owned(), state.clone());
        state
    }

    /// Asks for the state of all these at once, where it is not known: one by one it would take as many round trips.
    pub(crate) async fn learn_file_states(&self, units: Vec<String>) {
        let mut asked = tokio::task::JoinSet::new();
        for unit in units {
            if !locked(&self.file_states).contains_key(&unit) {
                let units = self.clone();
                asked.spawn(async move { units.file_state(&unit).await });
            }
        }
        while asked.join_next().await.is_some() {}
    }

    async fn values(&self, path: &OwnedObjectPath, interface: &str) -> zbus::Result<Values> {
        let properties =
            zbus::fdo::PropertiesProxy::builder(&self.connection).destination(SERVICE)?.path(path)?.build().await?;
        let interface = format!("{SERVICE}.{interface}");
        let interface = zbus::names::InterfaceName::try_from(interface)?;
        Ok(Values(properties.get_all(interface).await?))
    }

    /// All that a status shows of a service, and its environment and command line as systemd has them.
    pub(crate) async fn service(&self, name: &str) -> zbus::Result<(UnitFacts, ServiceWords)> {
        let id = service_of(name);
        let path = self.manager.load_unit(&id).await?;
        let (unit, service) = (self.values(&path, "Unit").await?, self.values(&path, "Service").await?);
        let facts = UnitFacts {
            active: unit.text("ActiveState"),
            sub: unit.text("SubState"),
            result: service.text("Result"),
            file_state: unit.text("UnitFileState"),
            since_us: unit.number("StateChangeTimestamp"),
            main_pid: service.number("MainPID"),
            status_text: service.text("StatusText"),
            exit_status: service.number("ExecMainStatus"),
            restarts: service.number("NRestarts"),
            memory_bytes: service.measure("MemoryCurrent"),
            cpu_us: service.measure("CPUUsageNSec").map(|nanoseconds| nanoseconds / 1_000),
            tasks: service.measure("TasksCurrent"),
            needs_daemon_reload: unit.number("NeedDaemonReload"),
            drop_ins: unit.number("DropInPaths"),
        };
        type Command = (String, Vec<String>, bool, u64, u64, u64, u64, u32, i32, i32);
        let commands: Vec<Command> =
            service.0.get("ExecStart").and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default();
        let words = ServiceWords {
            unit_file: unit.text("FragmentPath"),
            environment: service.number("Environment"),
            command: commands.into_iter().next().map(|command| command.1).unwrap_or_default(),
        };
        Ok((facts, words))
    }

    /// All that a status shows of a socket.
    pub(crate) async fn socket(&self, name: &str) -> zbus::Result<SocketFacts> {
        let path = self.manager.load_unit(&socket_of(name)).await?;
        let (unit, socket) = (self.values(&path, "Unit").await?, self.values(&path, "Socket").await?);
        let listen: Vec<(String, String)> =
            socket.0.get("Listen").and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default();
        Ok(SocketFacts {
            active: unit.text("ActiveState"),
            sub: unit.text("SubState"),
            result: socket.text("Result"),
            file_state: unit.text("UnitFileState"),
            listen: listen.into_iter().map(|(_, address)| address).collect(),
            drop_ins: unit.number("DropInPaths"),
        })
    }

    /// Does it, and waits until systemd says that it is done.
    pub(crate) async fn act(&self, unit: &str, verb: Verb) -> Result<()> {
        // Listening first: the job may end before its number is known.
        let mut removed = self.manager.receive_job_removed().await.map_err(|error| said(unit, &error))?;
        let job = match verb {
            Verb::Start => self.manager.start_unit(unit, "replace").await,
            Verb::Stop => self.manager.stop_unit(unit, "replace").await,
            Verb::Restart => self.manager.restart_unit(unit, "replace").await,
        };
        let job = match job {
            Ok(job) => job,
            // What is not loaded does not run.
            Err(error) if matches!(verb, Verb::Stop) && is(&error, "org.freedesktop.systemd1.NoSuchUnit") => {
                return Ok(());
            }
            Err(error) => return Err(said(unit, &error)),
        };
        let mut cancel = CancelJob { manager: Some(self.manager.clone()), job: job.clone() };
        while let Some(signal) = removed.next().await {
            let Ok(arguments) = signal.args() else { continue };
            if arguments.job == job {
                cancel.manager = None;
                return match arguments.result.as_str() {
                    "done" | "skipped" => Ok(()),
                    result => Err(Error::Systemd { reason: self.why(unit, result).await }),
                };
            }
        }
        Err(Error::Systemd { reason: format!("{unit}: systemd hung up before it was done") })
    }

    async fn why(&self, unit: &str, result: &str) -> String {
        let told = match name_in(unit) {
            Some((name, true)) => self.service(name).await.ok().map(|(facts, _)| {
                let status =
                    if facts.status_text.is_empty() { String::new() } else { format!(": {}", facts.status_text) };
                format!("{} (exit status {}){status}", facts.result, facts.exit_status)
            }),
            Some((name, false)) => self.socket(name).await.ok().map(|facts| facts.result),
            None => None,
        };
        format!("{unit}: {result}: {}; see its log", told.unwrap_or_else(|| "systemd says no more".to_owned()))
    }

    /// Forgets that it failed, and with that its start limits.
    pub(crate) async fn reset_failed(&self, unit: &str) -> Result<()> {
        match self.manager.reset_failed_unit(unit).await {
            Err(error) if !is(&error, "org.freedesktop.systemd1.NoSuchUnit") => Err(said(unit, &error)),
            _ => Ok(()),
        }
    }

    /// Enables its socket, or disables socket and service.
    pub(crate) async fn enable(&self, name: &str, enabled: bool) -> Result<()> {
        let (socket, service) = (socket_of(name), service_of(name));
        let done = if enabled {
            self.manager.enable_unit_files(&[&socket], false, false).await.map(drop)
        } else {
            self.manager.disable_unit_files(&[&socket, &service], false).await.map(drop)
        };
        done.map_err(|error| said(&socket, &error))?;
        locked(&self.file_states).clear();
        // Enabling changes files only; systemd knows of it when it has read them again.
        self.manager.reload().await.map_err(|error| said(&socket, &error))
    }
}

/// The words of a service's unit that settings may come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceWords {
    pub(crate) unit_file: String,
    pub(crate) environment: Vec<String>,
    pub(crate) command: Vec<String>,
}

/// Cancels systemd's job when nobody waits for it any more.
struct CancelJob {
    manager: Option<ManagerProxy<'static>>,
    job: OwnedObjectPath,
}

impl Drop for CancelJob {
    fn drop(&mut self) {
        let id = self.job.as_str().rsplit('/').next().and_then(|id| id.parse().ok());
        if let (Some(manager), Some(id)) = (self.manager.take(), id) {
            tokio::spawn(async move {
                if let Err(error) = manager.cancel_job(id).await {
                    tracing::debug!(%error, id, "a job of systemd could not be cancelled");
                }
            });
        }
    }
}

fn is(error: &zbus::Error, name: &str) -> bool {
    matches!(error, zbus::Error::MethodError(found, ..) if found.as_str() == name)
}

fn said(unit: &str, error: &zbus::Error) -> Error {
    let text = match error {
        zbus::Error::MethodError(name, text, _) => text.clone().unwrap_or_else(|| name.to_string()),
        other => other.to_string(),
    };
    Error::Systemd { reason: format!("{unit}: systemd says: {text}") }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
