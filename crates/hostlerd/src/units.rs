//! What systemd knows of the instances. What it is told to do is in `units/acting.rs`.

mod acting;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::StreamExt;
use hostler_bus::daemon::{SocketFacts, UnitFacts};
use tokio::sync::Notify;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, MatchRule, MessageStream};

use crate::ending::Ending;
use crate::scope::valid_name;
use crate::security::Judgements;
use crate::systemd::{ManagerProxy, Values};

pub(crate) use acting::Verb;

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
    /// Where it listens, if it is a socket: Listen, as `/run/hostler/shop.sock` or `127.0.0.1:8000`.
    pub(crate) listen: Vec<String>,
    /// Why a service does not run, where it failed or is about to be started again; else empty.
    pub(crate) why: String,
}

/// The units of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) service: Option<Unit>,
    pub(crate) socket: Option<Unit>,
}

/// systemd's manager of the scope, over a connection of its own: what it signals does not count as a client's call.
#[derive(Clone)]
pub(crate) struct Units {
    connection: Connection,
    manager: ManagerProxy<'static>,
    /// UnitFileState by unit, until unit files change.
    file_states: Arc<Mutex<HashMap<String, String>>>,
    /// Where each socket listens, until unit files change.
    listens: Arc<Mutex<HashMap<String, Vec<String>>>>,
    /// What was learned of a unit in that state, by its object, until that changes.
    learned: Arc<Mutex<HashMap<String, Unit>>>,
    /// Why a service ended that systemd starts again, by its object, until it runs.
    endings: Arc<Mutex<HashMap<String, String>>>,
    /// Whether they are a user's.
    of_user: bool,
    /// How much of the system is kept from each service, until unit files change.
    pub(crate) judgements: Judgements,
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
    pub(crate) async fn new(connection: Connection, of_user: bool, news: Arc<Notify>) -> zbus::Result<Self> {
        let manager = ManagerProxy::new(&connection).await?;
        manager.subscribe().await?;
        let units = Self {
            connection: connection.clone(),
            manager,
            file_states: Arc::default(),
            listens: Arc::default(),
            learned: Arc::default(),
            endings: Arc::default(),
            of_user,
            judgements: Judgements::default(),
        };
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
        let (judgements, listens) = (units.judgements.clone(), Arc::clone(&units.listens));
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
                        locked(&listens).clear();
                        judgements.forget();
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
        for (id, _, load, active, sub, _, path, _, job, _) in listed {
            let Some((name, service)) = name_in(&id).filter(|_| load != "not-found") else { continue };
            let mut unit = self.learn(&id, &path, active, sub).await;
            if unit.active == "inactive" && matches!(job.as_str(), "start" | "restart") {
                // Between the stop and the start of a restart it is not asleep.
                unit.active = "activating".to_owned();
            }
            let pair = pairs.entry(name.to_owned()).or_default();
            *(if service { &mut pair.service } else { &mut pair.socket }) = Some(unit);
        }
        Ok(pairs)
    }

    /// What the list does not tell: since when, and why it failed. Asked for once a state.
    async fn learn(&self, id: &str, path: &OwnedObjectPath, active: String, sub: String) -> Unit {
        let listen = if id.ends_with(".socket") { self.listen(id, path).await } else { Vec::new() };
        let known = locked(&self.learned).get(path.as_str()).cloned();
        if let Some(known) = known.filter(|known| known.active == active && known.sub == sub && known.listen == listen)
        {
            return known;
        }
        let mut unit = Unit { active, sub, listen, ..Unit::default() };
        if let Ok(values) = self.values(path, "Unit").await {
            unit.since_us = values.number("StateChangeTimestamp");
        }
        let interface = if id.ends_with(".socket") { "Socket" } else { "Service" };
        // "auto-restart-queued", too (since 254).
        let again = unit.active == "activating" && unit.sub.starts_with("auto-restart");
        let ends = unit.active == "failed" || again || unit.active == "deactivating";
        if ends && let Ok(values) = self.values(path, interface).await {
            unit.result = values.text("Result");
            if interface == "Service" && unit.result != "success" {
                unit.why = values.ending().sentence(id, self.of_user);
            }
        }
        let mut endings = locked(&self.endings);
        if !unit.why.is_empty() {
            endings.insert(path.to_string(), unit.why.clone());
        } else if unit.active == "activating" {
            // It begins anew, and systemd has forgotten how it ended.
            unit.why = endings.get(path.as_str()).cloned().unwrap_or_default();
        } else {
            endings.remove(path.as_str());
        }
        drop(endings);
        locked(&self.learned).insert(path.to_string(), unit.clone());
        unit
    }

    /// Where the socket of an instance listens, as it was when all were last listed; nothing while it is not loaded.
    pub(crate) fn listens(&self, name: &str) -> Vec<String> {
        locked(&self.listens).get(&socket_of(name)).cloned().unwrap_or_default()
    }

    /// Where a socket that is loaded listens; nothing when systemd does not say.
    async fn listen(&self, id: &str, path: &OwnedObjectPath) -> Vec<String> {
        if let Some(known) = locked(&self.listens).get(id).cloned() {
            return known;
        }
        let Ok(values) = self.values(path, "Socket").await else { return Vec::new() };
        let listen = listened(&values);
        locked(&self.listens).insert(id.to_owned(), listen.clone());
        listen
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
            unit_file: unit.text("FragmentPath"),
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

    /// How a service of ours ended.
    async fn ending(&self, unit: &str) -> zbus::Result<Ending> {
        let path = self.manager.load_unit(unit).await?;
        Ok(self.values(&path, "Service").await?.ending())
    }

    /// Whether it is active now. One that is on its way to be is not.
    pub(crate) async fn is_active(&self, unit: &str) -> bool {
        self.state(unit).await.as_deref() == Some("active")
    }

    /// ActiveState of a unit; `None` when systemd does not say.
    async fn state(&self, unit: &str) -> Option<String> {
        let path = self.manager.load_unit(unit).await.ok()?;
        self.values(&path, "Unit").await.ok().map(|unit| unit.text("ActiveState"))
    }

    /// All that a status shows of a socket.
    pub(crate) async fn socket(&self, name: &str) -> zbus::Result<SocketFacts> {
        let path = self.manager.load_unit(&socket_of(name)).await?;
        let (unit, socket) = (self.values(&path, "Unit").await?, self.values(&path, "Socket").await?);
        Ok(SocketFacts {
            active: unit.text("ActiveState"),
            sub: unit.text("SubState"),
            result: socket.text("Result"),
            file_state: unit.text("UnitFileState"),
            unit_file: unit.text("FragmentPath"),
            listen: listened(&socket),
            drop_ins: unit.number("DropInPaths"),
        })
    }
}

/// The addresses of Listen (org.freedesktop.systemd1(5)).
fn listened(socket: &Values) -> Vec<String> {
    let listen: Vec<(String, String)> =
        socket.0.get("Listen").and_then(|value| value.try_clone().ok()?.try_into().ok()).unwrap_or_default();
    listen.into_iter().map(|(_, address)| address).collect()
}

/// The words of a service's unit that settings may come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceWords {
    pub(crate) unit_file: String,
    pub(crate) environment: Vec<String>,
    pub(crate) command: Vec<String>,
}

impl Values {
    /// How a service ended.
    fn ending(&self) -> Ending {
        Ending {
            result: self.text("Result"),
            exit_status: self.number("ExecMainStatus"),
            status_text: line(&self.text("StatusText")),
            user: self.text("User"),
            group: self.text("Group"),
            directory: self.text("WorkingDirectory"),
        }
    }
}

/// In one line: it is shown among others.
fn line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
