//! What the daemon signals of its instances.

use std::collections::HashMap;

use futures_util::StreamExt;
use hostler_bus::LastReload;
use hostler_bus::daemon::{Client, InstanceState, JobKind, JobPath, JobState, NAME, Overview, PATH, Security, name_of};
use zbus::fdo::{DBusProxy, NameOwnerChangedStream, ObjectManagerProxy};
use zbus::message::{Message, Type};
use zbus::names::{BusName, OwnedInterfaceName, OwnedUniqueName, WellKnownName};
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{MatchRule, MessageStream};

const INSTANCE: &str = "org.hostler.Hostler1.Instance";
const JOB: &str = "org.hostler.Hostler1.Job";
/// How many signals may wait to be looked at. Beyond it the connection is not read, which holds up answers as well.
const QUEUE_LIMIT: usize = 4096;

type Properties = HashMap<String, OwnedValue>;

/// A job that does something to an instance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) path: JobPath,
    pub(super) kind: JobKind,
    pub(super) instance: String,
}

impl Job {
    /// One from the interfaces of its object; none where that is no job, or one that has ended.
    pub(super) fn read(path: JobPath, all: &mut HashMap<String, Properties>) -> Option<Self> {
        let mut properties = all.remove(JOB)?;
        let mut text = |name| properties.remove(name).and_then(|value| String::try_from(value).ok());
        let state = JobState::from(text("State")?);
        let (kind, instance) = (JobKind::from(text("Kind")?), text("Instance")?);
        (state == JobState::Running).then_some(Self { path, kind, instance })
    }

    /// Those that are under way.
    pub(super) async fn all(client: &Client) -> zbus::Result<Vec<Self>> {
        let objects = ObjectManagerProxy::builder(client.connection()).destination(NAME)?.path(PATH)?.build().await?;
        let objects = objects.get_managed_objects().await?.into_iter();
        let named = |all: HashMap<OwnedInterfaceName, Properties>| -> HashMap<String, Properties> {
            all.into_iter().map(|(name, properties)| (name.to_string(), properties)).collect()
        };
        Ok(objects.filter_map(|(path, all)| Self::read(path, &mut named(all))).collect())
    }
}

/// What the daemon signalled.
#[derive(Debug)]
pub(super) enum Signal {
    /// There is another instance.
    Added(Box<Overview>),
    /// Properties of one changed.
    Changed(String, Properties),
    /// One is gone.
    Gone(String),
    /// A job was begun.
    Job(Job),
    /// The daemon left the bus, or another one took its name.
    Left,
    /// The connection is cut.
    Cut,
}

/// The signals of one daemon, from the process that had its name at the beginning.
pub(super) struct Signals {
    owner: OwnedUniqueName,
    owners: NameOwnerChangedStream,
    messages: MessageStream,
}

impl Signals {
    /// Begins to listen; `None` where the daemon is not on the bus.
    pub(super) async fn listen(client: &Client) -> zbus::Result<Option<Self>> {
        let bus = DBusProxy::new(client.connection()).await?;
        let owners = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await?;
        let name = BusName::from(WellKnownName::from_static_str_unchecked(NAME));
        let owner = match bus.get_name_owner(name).await {
            Ok(owner) => owner,
            Err(zbus::fdo::Error::NameHasNoOwner(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME)?.path_namespace(PATH)?.build();
        let messages = MessageStream::for_match_rule(rule, client.connection(), Some(QUEUE_LIMIT)).await?;
        Ok(Some(Self { owner, owners, messages }))
    }

    /// The next signal. Dropped while it waits, it lost none.
    pub(super) async fn next(&mut self) -> Signal {
        loop {
            tokio::select! {
                // What was signalled before the daemon left comes first.
                biased;
                message = self.messages.next() => match message {
                    Some(Ok(message)) => {
                        if let Some(signal) = self.read(&message) {
                            return signal;
                        }
                    }
                    Some(Err(error)) => tracing::debug!(%error, "a signal cannot be read"),
                    None => return Signal::Cut,
                },
                change = self.owners.next() => match change {
                    Some(change) => {
                        let new = change.args().ok().and_then(|change| change.new_owner().as_ref().cloned());
                        if new.is_none_or(|new| new != self.owner) {
                            return Signal::Left;
                        }
                    }
                    None => return Signal::Cut,
                },
            }
        }
    }

    /// A message that is none of the daemon's own, or tells of no instance, is passed over.
    fn read(&self, message: &Message) -> Option<Signal> {
        let header = message.header();
        // Anybody on the bus can send a signal to one client alone.
        if header.sender().is_none_or(|sender| *sender != *self.owner) {
            return None;
        }
        let body = message.body();
        match header.member()?.as_str() {
            "PropertiesChanged" => {
                let (interface, changed, _) = body.deserialize::<(String, Properties, Vec<String>)>().ok()?;
                (interface == INSTANCE).then_some(())?;
                Some(Signal::Changed(name_of(header.path()?.as_str())?, changed))
            }
            "InterfacesAdded" => {
                let (path, mut all) = body.deserialize::<(OwnedObjectPath, HashMap<String, Properties>)>().ok()?;
                if let Some(job) = Job::read(path.clone(), &mut all) {
                    return Some(Signal::Job(job));
                }
                let mut overview = Overview { name: name_of(path.as_str())?, ..Overview::default() };
                change(&mut overview, all.remove(INSTANCE)?);
                Some(Signal::Added(Box::new(overview)))
            }
            "InterfacesRemoved" => {
                let (path, interfaces) = body.deserialize::<(OwnedObjectPath, Vec<String>)>().ok()?;
                interfaces.iter().any(|interface| interface == INSTANCE).then_some(())?;
                Some(Signal::Gone(name_of(path.as_str())?))
            }
            _ => None,
        }
    }
}

/// Takes properties over. Those of a newer daemon that are not known here are passed over.
pub(super) fn change(overview: &mut Overview, properties: Properties) {
    for (name, value) in properties {
        match name.as_str() {
            "State" => {
                if let Ok(word) = String::try_from(value) {
                    overview.state = InstanceState::from(word);
                }
            }
            "SinceUs" => take(&mut overview.since_us, value),
            "Problem" => take(&mut overview.problem, value),
            "Enabled" => take(&mut overview.enabled, value),
            "HasSettings" => take(&mut overview.has_settings, value),
            "Managed" => take(&mut overview.managed, value),
            "Application" => take(&mut overview.application, value),
            "Framework" => take(&mut overview.framework, value),
            "Python" => take(&mut overview.python, value),
            "Binds" => take(&mut overview.binds, value),
            "Url" => take(&mut overview.url, value),
            "Sockets" => take(&mut overview.sockets, value),
            "Generation" => take(&mut overview.generation, value),
            "LastReload" => overview.last_reload = last_reload(value),
            "WorkersMin" => take(&mut overview.workers_min, value),
            "WorkersMax" => take(&mut overview.workers_max, value),
            "Security" => overview.security = security(value),
            _ => {}
        }
    }
}

/// The fields of a property that is a dictionary; none of an empty one, which says that there is nothing.
fn fields(value: OwnedValue) -> Option<Properties> {
    Properties::try_from(value).ok().filter(|fields| !fields.is_empty())
}

fn last_reload(value: OwnedValue) -> Option<LastReload> {
    let mut last = LastReload::default();
    for (name, value) in fields(value)? {
        match name.as_str() {
            "at_us" => take(&mut last.at_us, value),
            "succeeded" => take(&mut last.succeeded, value),
            "generation" => take(&mut last.generation, value),
            "seconds" => take(&mut last.seconds, value),
            "message" => take(&mut last.message, value),
            _ => {}
        }
    }
    Some(last)
}

fn security(value: OwnedValue) -> Option<Security> {
    let mut security = Security::default();
    for (name, value) in fields(value)? {
        match name.as_str() {
            "exposure" => take(&mut security.exposure, value),
            "rating" => take(&mut security.rating, value),
            "profile" => take(&mut security.profile, value),
            _ => {}
        }
    }
    Some(security)
}

fn take<T: TryFrom<OwnedValue>>(field: &mut T, value: OwnedValue) {
    if let Ok(value) = T::try_from(value) {
        *field = value;
    }
}
