//! The client's end of the daemon: which bus it is on, whether it is there, and calls whose answers need more than a
//! proxy: jobs, changes of settings, the log as a stream.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use tokio::net::UnixStream;
use zbus::Connection;
use zbus::address::transport::{Transport, Unixexec};
use zbus::connection::Builder;
use zbus::fdo::{DBusProxy, PeerProxy};
use zbus::names::WellKnownName;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{Array, OwnedValue, Signature, Value};

use super::{
    Error, Following, InstanceProxy, JobPath, JobProxy, LogFilter, ManagerProxy, NAME, NewInstance, Outcome, Problem,
    Result, SettingsProxy, instance_path, quiet,
};

/// How long a bus of this machine may take to greet, and to start the daemon (dbus-daemon gives it 25 seconds).
const NEAR_LIMIT: Duration = Duration::from_secs(30);
/// How long a daemon that runs may take to say that it does.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// How long one of another machine may: somebody may have to type a password.
const FAR_LIMIT: Duration = Duration::from_secs(120);

/// Whose instances, and on which machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    /// Whether those of the user; else those of the machine.
    pub user: bool,
    /// The machine, as ssh(1) takes it; none for this one.
    pub host: Option<String>,
}

/// Why the daemon cannot be asked. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum Absent {
    /// There is no bus.
    #[error("the {bus} bus cannot be reached: {source}{}", lingering(bus))]
    NoBus {
        /// `system` or `session`.
        bus: &'static str,
        /// Why.
        source: Box<zbus::Error>,
    },
    /// ssh(1) or the bridge on the other machine failed; ssh itself has said why.
    #[error(
        "{host}: its bus cannot be reached: {source}; `ssh {host} systemd-stdio-bridge` has to work, and hostler to be \
         installed there"
    )]
    NoHost {
        /// The machine.
        host: String,
        /// Why.
        source: Box<zbus::Error>,
    },
    /// The bus is there and knows no hostlerd.
    #[error("hostlerd is not installed on the {bus} bus of {place}: install Hostler's package, which brings it")]
    NotInstalled {
        /// `system` or `session`.
        bus: &'static str,
        /// `this machine`, or the host.
        place: String,
    },
    /// It is installed and does not start.
    #[error("hostlerd does not start: {reason}; see `journalctl {unit}`")]
    NotStarted {
        /// What the bus says.
        reason: String,
        /// The words that show its log.
        unit: &'static str,
    },
    /// It runs, and is stuck or suspended.
    #[error(
        "hostlerd runs and has not answered for {} seconds: `systemctl {} hostlerd` starts it anew, and no instance notices; \
         see `journalctl {unit}`",
        .limit.as_secs(), if unit.starts_with("--user") { "--user restart" } else { "restart" }
    )]
    Silent {
        /// The words that show its log.
        unit: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// Nobody answered in time.
    #[error("the {bus} bus did not answer within {} seconds", .limit.as_secs())]
    Late {
        /// `system` or `session`.
        bus: &'static str,
        /// How long was waited.
        limit: Duration,
    },
}

/// What can be done where there is no session bus.
fn lingering(bus: &str) -> &'static str {
    match bus {
        "session" => "; is this user logged in? `loginctl enable-linger` keeps its services without that",
        _ => "",
    }
}

impl Reach {
    fn bus(&self) -> &'static str {
        if self.user { "session" } else { "system" }
    }

    fn unreachable(&self, error: zbus::Error) -> Absent {
        let source = Box::new(error);
        match &self.host {
            Some(host) => Absent::NoHost { host: host.clone(), source },
            None => Absent::NoBus { bus: self.bus(), source },
        }
    }

    fn unit(&self) -> &'static str {
        if self.user { "--user -u hostlerd" } else { "-u hostlerd" }
    }
}

/// A connection to the daemon of one [`Reach`].
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    remote: bool,
}

impl Client {
    /// Connects to the bus and has the daemon started, if it does not run.
    ///
    /// # Errors
    /// When there is no bus, or no daemon on it.
    pub async fn connect(reach: &Reach) -> std::result::Result<Self, Absent> {
        Self::within_limit(reach, true).await
    }

    /// The same for one who asks nobody for a password: what would take one is answered with [`Error::AuthenticationNeeded`]. On
    /// another machine nobody is asked in any case.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn connect_unasked(reach: &Reach) -> std::result::Result<Self, Absent> {
        Self::within_limit(reach, false).await
    }

    async fn within_limit(reach: &Reach, interactive: bool) -> std::result::Result<Self, Absent> {
        let limit = if reach.host.is_some() { FAR_LIMIT } else { NEAR_LIMIT };
        match tokio::time::timeout(limit, Self::reach(reach, interactive)).await {
            Ok(client) => client,
            Err(_) => Err(Absent::Late { bus: reach.bus(), limit }),
        }
    }

    async fn reach(reach: &Reach, interactive: bool) -> std::result::Result<Self, Absent> {
        let connection = match (&reach.host, reach.user) {
            (Some(host), user) => far(host, user).await,
            (None, user) if !interactive => quiet::connect(user).await,
            (None, true) => Connection::session().await,
            (None, false) => Connection::system().await,
        };
        Self::over(connection.map_err(|error| reach.unreachable(error))?, reach).await
    }

    /// The daemon on a bus that is connected to already; it is started, if it does not run.
    ///
    /// # Errors
    /// When there is no daemon on it.
    pub async fn over(connection: Connection, reach: &Reach) -> std::result::Result<Self, Absent> {
        let bus = DBusProxy::new(&connection).await.map_err(|error| reach.unreachable(error))?;
        let name = WellKnownName::from_static_str_unchecked(NAME);
        let client = Self { connection, remote: reach.host.is_some() };
        // One that was started by hand is nothing that the bus could start.
        if bus.name_has_owner(name.clone().into()).await.unwrap_or(false) {
            return client.answers(reach).await;
        }
        // StartServiceByName of the D-Bus specification; it does nothing where the name has an owner by now.
        match bus.start_service_by_name(name, 0).await {
            Ok(_) => client.answers(reach).await,
            Err(zbus::fdo::Error::ServiceUnknown(_)) => Err(Absent::NotInstalled {
                bus: reach.bus(),
                place: reach.host.clone().unwrap_or_else(|| "this machine".to_owned()),
            }),
            Err(error) => {
                let reason = match zbus::DBusError::description(&error) {
                    Some(text) if !text.is_empty() => text.to_owned(),
                    _ => error.to_string(),
                };
                Err(Absent::NotStarted { reason, unit: reach.unit() })
            }
        }
    }

    /// That the daemon answers: else each call would wait for ever, as some wait for a person and have no limit.
    async fn answers(self, reach: &Reach) -> std::result::Result<Self, Absent> {
        let limit = if reach.host.is_some() { FAR_LIMIT } else { ANSWER_LIMIT };
        let asked = async {
            let peer = PeerProxy::builder(&self.connection).destination(NAME)?.path("/")?.build().await?;
            Ok::<_, zbus::Error>(peer.ping().await)
        };
        match tokio::time::timeout(limit, asked).await {
            // What it says of the ping does not matter: it says something.
            Ok(Ok(_)) => Ok(self),
            Ok(Err(error)) => Err(reach.unreachable(error)),
            Err(_) => Err(Absent::Silent { unit: reach.unit(), limit }),
        }
    }

    /// Whether no descriptors pass, because it is on another machine.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// The connection to the bus, for signals.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The object of all.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn manager(&self) -> Result<ManagerProxy<'static>> {
        Ok(ManagerProxy::builder(&self.connection).cache_properties(CacheProperties::No).build().await?)
    }

    /// The object of an instance that is known to exist: the daemon is not asked. Calls to one that does not are
    /// [`Error::Refused`].
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn known_instance(&self, name: &str) -> Result<InstanceProxy<'static>> {
        let proxy = InstanceProxy::builder(&self.connection).path(instance_path(name))?;
        Ok(proxy.cache_properties(CacheProperties::No).build().await?)
    }

    /// The settings of an instance that is known to exist, as [`Client::known_instance`].
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn known_settings(&self, name: &str) -> Result<SettingsProxy<'static>> {
        let proxy = SettingsProxy::builder(&self.connection).path(instance_path(name))?;
        Ok(proxy.cache_properties(CacheProperties::No).build().await?)
    }

    /// The object of an instance that exists.
    ///
    /// # Errors
    /// [`Error::NoInstance`] when there is none called so.
    pub async fn instance(&self, name: &str) -> Result<InstanceProxy<'static>> {
        let path = self.manager().await?.get_instance(name.to_owned()).await?;
        let proxy = InstanceProxy::builder(&self.connection).path(path)?.cache_properties(CacheProperties::No);
        Ok(proxy.build().await?)
    }

    /// The settings of an instance that exists.
    ///
    /// # Errors
    /// [`Error::NoInstance`] when there is none called so.
    pub async fn settings(&self, name: &str) -> Result<SettingsProxy<'static>> {
        self.manager().await?.get_instance(name.to_owned()).await?;
        let proxy = SettingsProxy::builder(&self.connection).path(instance_path(name))?;
        Ok(proxy.cache_properties(CacheProperties::No).build().await?)
    }

    /// Waits for a job's end. A client that goes away does not cancel it.
    ///
    /// # Errors
    /// What the job failed with.
    pub async fn outcome(&self, job: JobPath) -> Result<Outcome> {
        let job = JobProxy::builder(&self.connection).path(job)?.cache_properties(CacheProperties::No).build().await?;
        job.wait().await
    }

    /// Follows a job to its end. A client that goes away does not cancel it.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn follow(&self, job: JobPath) -> Result<Following> {
        Following::begin(&self.connection, job).await
    }

    /// The log as a stream of JSON lines, each a [`super::LogLine`].
    ///
    /// # Errors
    /// When it is refused, or no descriptor passes.
    pub async fn log_stream(&self, name: &str, filter: LogFilter) -> Result<UnixStream> {
        let descriptor = self.instance(name).await?.logs(filter).await?;
        let stream = StdStream::from(std::os::fd::OwnedFd::from(descriptor));
        let failed = |error: std::io::Error| Error::Internal { reason: format!("its stream cannot be read: {error}") };
        stream.set_nonblocking(true).map_err(failed)?;
        UnixStream::from_std(stream).map_err(failed)
    }

    /// Begins to write a new instance; answers with the job.
    ///
    /// # Errors
    /// When it is refused, or what is wrong with its settings.
    pub async fn create(&self, name: &str, settings: &Change, new: NewInstance) -> Result<JobPath> {
        self.manager().await?.create(name.to_owned(), settings.values()?, new).await
    }

    /// What would be wrong with a change; empty when nothing is.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn validate(&self, name: &str, change: &Change) -> Result<Vec<Problem>> {
        self.settings(name).await?.validate(change.values()?, change.unset.clone()).await
    }

    /// Changes settings that were read at `revision`, and waits until the instance took them.
    ///
    /// # Errors
    /// [`Error::Conflict`] when they are no longer those; what is wrong with the change; what the instance said.
    pub async fn apply(&self, name: &str, revision: String, change: &Change) -> Result<Outcome> {
        self.outcome(self.begin_apply(name, revision, change).await?).await
    }

    /// The same, without waiting: answers with the job.
    ///
    /// # Errors
    /// [`Error::Conflict`] when they are no longer those; what is wrong with the change.
    pub async fn begin_apply(&self, name: &str, revision: String, change: &Change) -> Result<JobPath> {
        self.settings(name).await?.apply(revision, change.values()?, change.unset.clone()).await
    }
}

/// A change as words: each value as it would be typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Keys with their values; several for a list.
    pub set: Vec<(String, Vec<String>)>,
    /// Keys that go back to their defaults.
    pub unset: Vec<String>,
}

impl Change {
    /// The values that it sets, as they travel.
    ///
    /// # Errors
    /// When one cannot travel, as none does today.
    pub fn values(&self) -> Result<HashMap<String, OwnedValue>> {
        let value = |words: &[String]| -> zbus::zvariant::Result<OwnedValue> {
            if let [word] = words {
                return Value::from(word.as_str()).try_to_owned();
            }
            let mut list = Array::new(&Signature::Str);
            for word in words {
                list.append(word.as_str().into())?;
            }
            Value::Array(list).try_to_owned()
        };
        let values = self.set.iter().map(|(key, words)| Ok((key.clone(), value(words).map_err(zbus::Error::from)?)));
        values.collect()
    }
}

/// A bus of another machine, as `systemctl --host` reaches it (sd_bus_open_system_remote(3)): no agent is installed there. ssh asks
/// for passwords on the terminal.
async fn far(host: &str, user: bool) -> zbus::Result<Connection> {
    // Not `--system`, which older bridges do not have.
    let bridge = if user {
        "exec systemd-stdio-bridge -p unix:path=/run/user/$(id -u)/bus"
    } else {
        "exec systemd-stdio-bridge -p unix:path=/run/dbus/system_bus_socket"
    };
    let words = ["-xT", "-o", "ServerAliveInterval=15", "--", host, bridge].map(OsString::from).to_vec();
    let address: zbus::Address = Transport::Unixexec(Unixexec::new("ssh".into(), None, words)).into();
    Builder::address(address)?.build().await
}
