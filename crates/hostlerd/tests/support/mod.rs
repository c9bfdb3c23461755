//! Directories with settings files, instances that only answer, and a bus of the test's own.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hostler_bus::daemon::{
    Error, InstanceProxy, InstanceState, JobProxy, ManagerProxy, Outcome, Overview, SettingsProxy, Tree, instance_path,
};
use hostler_bus::{
    Applied, Condition, Configured, Control, LastError, LastReload, LogLevel, Observed, Reloaded, Request, Sample,
    Samples, Server, State, Status, Worker, serve,
};
use hostlerd::{Authority, Hostlerd, Kind, Scope};
use tokio::sync::{Notify, watch};
use zbus::connection::Builder;
use zbus::zvariant::OwnedObjectPath;
use zbus::{Connection, Guid};

pub(crate) const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("the test took too long") });
}

/// The directories of a scope.
pub(crate) struct Place {
    pub(crate) directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["config/hostler", "run/hostler", "state"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            kind: Kind::User,
            settings: self.path().join("config/hostler"),
            runtime: self.path().join("run/hostler"),
            state: self.path().join("state"),
        }
    }

    pub(crate) fn settings(&self, name: &str) -> PathBuf {
        self.scope().settings_file(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.settings(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.settings(name)).unwrap()
    }

    /// Serves an instance that only answers.
    pub(crate) fn instance(&self, name: &str, instance: &Arc<Instance>) -> Server {
        let socket = self.scope().control_socket(name);
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let settings = self.settings(name);
        *instance.started.lock().unwrap() = std::fs::read_to_string(&settings).unwrap_or_default();
        *instance.settings.lock().unwrap() = settings;
        serve(&socket, Arc::<Instance>::clone(instance)).unwrap()
    }
}

/// An instance that only answers.
pub(crate) struct Instance {
    pub(crate) condition: watch::Sender<Condition>,
    pub(crate) reloads: Mutex<Vec<std::result::Result<Reloaded, hostler_bus::Error>>>,
    /// What the next calls of ApplySettings answer, the last first.
    pub(crate) applied: Mutex<Vec<std::result::Result<Applied, hostler_bus::Error>>>,
    pub(crate) reload_began: Notify,
    pub(crate) reload_may_end: Option<Notify>,
    pub(crate) cancelled: Mutex<bool>,
    pub(crate) level: Mutex<LogLevel>,
    pub(crate) last_reload: Mutex<LastReload>,
    /// Whether it is as one that was suspended: it answers no question.
    pub(crate) suspended: watch::Sender<bool>,
    /// Its settings file, and what that held when it was started.
    settings: Mutex<PathBuf>,
    started: Mutex<String>,
}

impl Instance {
    pub(crate) fn new(reload_waits: bool) -> Arc<Self> {
        Arc::new(Self {
            condition: watch::Sender::new(Condition { state: State::Serving, generation: 3 }),
            reloads: Mutex::default(),
            applied: Mutex::default(),
            reload_began: Notify::new(),
            reload_may_end: reload_waits.then(Notify::new),
            cancelled: Mutex::default(),
            level: Mutex::new(LogLevel::Info),
            last_reload: Mutex::new(LastReload { succeeded: true, ..LastReload::default() }),
            suspended: watch::Sender::new(false),
            settings: Mutex::default(),
            started: Mutex::default(),
        })
    }

    pub(crate) fn refuse(&self, reason: &str) {
        let error = hostler_bus::Error::ReloadFailed { reason: reason.to_owned(), traceback: "Traceback".to_owned() };
        self.reloads.lock().unwrap().push(Err(error));
    }
}

#[async_trait]
impl Control for Instance {
    fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }
    async fn status(&self) -> hostler_bus::Result<Status> {
        let _ = self.suspended.subscribe().wait_for(|suspended| !suspended).await;
        let Condition { state, generation } = *self.condition.borrow();
        // The one setting of these tests that waits for a restart.
        let backlog = |text: &str| text.lines().find(|line| line.starts_with("backlog")).map(ToOwned::to_owned);
        let now = std::fs::read_to_string(&*self.settings.lock().unwrap()).unwrap_or_default();
        let waits = backlog(&now) != backlog(&self.started.lock().unwrap());
        Ok(Status {
            configured: Configured {
                application: "shop:app".to_owned(),
                binds: vec!["http://127.0.0.1:1".to_owned()],
                workers_min: 2,
                workers_max: 4,
                ..Configured::default()
            },
            observed: Observed {
                state,
                generation,
                since_us: 7,
                awaits_restart: if waits { vec!["backlog".to_owned()] } else { Vec::new() },
                last_reload: Some(LastReload { generation, ..self.last_reload.lock().unwrap().clone() }),
                framework: "Flask".to_owned(),
                python: "3.11.2".to_owned(),
                last_error: Some(LastError { at_us: 5, message: "a password in a traceback".to_owned() }),
                ..Observed::default()
            },
        })
    }
    async fn samples(&self, since_us: u64) -> hostler_bus::Result<Samples> {
        let mut samples = Samples::default();
        samples.push(&Sample { at_us: since_us + 1, generation: 3, ..Sample::default() });
        Ok(samples)
    }
    async fn apply_settings(&self) -> hostler_bus::Result<Applied> {
        self.applied.lock().unwrap().pop().unwrap_or_else(|| {
            Err(hostler_bus::Error::Refused { reason: "this test has no settings that apply at once".to_owned() })
        })
    }
    async fn workers(&self) -> hostler_bus::Result<Vec<Worker>> {
        Ok(vec![Worker { place: 1, pid: 2, ..Worker::default() }])
    }
    async fn requests(&self) -> hostler_bus::Result<Vec<Request>> {
        Ok(Vec::new())
    }
    async fn stacks(&self, worker: u32) -> hostler_bus::Result<String> {
        Err(hostler_bus::Error::NoWorker { worker })
    }
    async fn reload(&self) -> hostler_bus::Result<Reloaded> {
        self.reload_began.notify_one();
        if let Some(end) = &self.reload_may_end {
            end.notified().await;
        }
        if std::mem::take(&mut *self.cancelled.lock().unwrap()) {
            let (reason, traceback) = ("it was cancelled".to_owned(), String::new());
            return Err(hostler_bus::Error::ReloadFailed { reason, traceback });
        }
        let result = self.reloads.lock().unwrap().pop().unwrap_or(Ok(Reloaded { generation: 4, seconds: 0.5 }));
        if let Ok(reloaded) = &result {
            self.condition.send_replace(Condition { state: State::Serving, generation: reloaded.generation });
        }
        result
    }
    async fn rollback(&self) -> hostler_bus::Result<Reloaded> {
        Err(hostler_bus::Error::Refused { reason: "nothing to go back to".to_owned() })
    }
    async fn cancel_reload(&self) -> hostler_bus::Result<()> {
        *self.cancelled.lock().unwrap() = true;
        self.reload_may_end.as_ref().unwrap().notify_one();
        Ok(())
    }
    async fn upgrade(&self) -> hostler_bus::Result<hostler_bus::Upgraded> {
        Ok(hostler_bus::Upgraded { pid: 77, seconds: 1.5, version: "1.2.3".to_owned() })
    }
    async fn scale(&self, _: u32) -> hostler_bus::Result<()> {
        Ok(())
    }
    async fn recycle(&self, worker: u32) -> hostler_bus::Result<()> {
        Err(hostler_bus::Error::NoWorker { worker })
    }
    async fn log_level(&self) -> hostler_bus::Result<LogLevel> {
        Ok(*self.level.lock().unwrap())
    }
    async fn set_log_level(&self, level: LogLevel) -> hostler_bus::Result<()> {
        *self.level.lock().unwrap() = level;
        Ok(())
    }
    async fn metrics(&self) -> hostler_bus::Result<String> {
        Ok(String::new())
    }
}

/// An instance `shop` of one worker that runs, and a client of a daemon that knows it. Its reloads wait for the test if `reload_waits`.
pub(crate) async fn running(place: &Place, reload_waits: bool) -> (Arc<Instance>, Server, Client) {
    place.write("shop", "workers = 1\n");
    let fake = Instance::new(reload_waits);
    let server = place.instance("shop", &fake);
    (fake, server, pair(place).await)
}

/// A daemon in this process, and a client at the other end of a pair of sockets. The tasks end with the runtime.
pub(crate) async fn pair(place: &Place) -> Client {
    let (ours, theirs) = StdStream::pair().unwrap();
    let stream = |end: StdStream| {
        end.set_nonblocking(true).unwrap();
        tokio::net::UnixStream::from_std(end).unwrap()
    };
    let server = Builder::unix_stream(stream(ours)).server(Guid::generate()).unwrap().p2p().build();
    let client = Builder::unix_stream(stream(theirs)).p2p().build();
    let (server, client) = tokio::join!(server, client);
    let (server, client) = (server.unwrap(), client.unwrap());
    let daemon = Hostlerd::new(place.scope(), Authority::Everyone, None, None).await;
    let first = daemon.refresh().await;
    let tree = Tree::new(&server, Arc::new(daemon.clone()), "user", first).await.unwrap();
    daemon.show_in(&tree);
    tokio::spawn(async move { daemon.follow().await });
    let client = Client { connection: client };
    client.hears_of_all(place.path()).await;
    client
}

/// A client of a daemon.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) connection: Connection,
}

impl Client {
    pub(crate) async fn manager(&self) -> ManagerProxy<'static> {
        ManagerProxy::new(&self.connection).await.unwrap()
    }

    pub(crate) async fn instance(&self, name: &str) -> InstanceProxy<'static> {
        InstanceProxy::builder(&self.connection).path(instance_path(name)).unwrap().build().await.unwrap()
    }

    pub(crate) async fn settings(&self, name: &str) -> SettingsProxy<'static> {
        SettingsProxy::builder(&self.connection).path(instance_path(name)).unwrap().build().await.unwrap()
    }

    /// Waits until the daemon knows of an instance that it runs: a list waits for those that it found just now, but not for long.
    pub(crate) async fn hears_of(&self, name: &str) {
        let manager = self.manager().await;
        let runs = |one: &Overview| one.name == name && one.state != InstanceState::Configured;
        while !manager.list().await.unwrap().iter().any(runs) {
            tokio::task::yield_now().await;
        }
    }

    /// The same for each whose control socket is there.
    async fn hears_of_all(&self, directory: &Path) {
        for entry in std::fs::read_dir(directory.join("run/hostler")).unwrap() {
            let instance = entry.unwrap();
            if instance.path().join("control.sock").exists() {
                self.hears_of(instance.file_name().to_str().unwrap()).await;
            }
        }
    }

    /// Waits for a job's end.
    pub(crate) async fn outcome(
        &self,
        job: std::result::Result<OwnedObjectPath, Error>,
    ) -> std::result::Result<Outcome, Error> {
        let job = JobProxy::builder(&self.connection).path(job?).unwrap().build().await.unwrap();
        job.wait().await
    }
}

/// dbus-daemon(1), with a configuration of the test's own.
pub(crate) struct Bus {
    process: Child,
    pub(crate) address: String,
}

impl Bus {
    /// `policy` is what the configuration has beside its address.
    pub(crate) fn start(directory: &Path, kind: &str, policy: &str) -> Self {
        let configuration = directory.join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig><type>{kind}</type>\
             <listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>{policy}</busconfig>",
            directory.display()
        );
        std::fs::write(&configuration, text).unwrap();
        let mut process = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus-daemon)");
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.starts_with("unix:"), "dbus-daemon did not start: {address:?}");
        Self { process, address: address.trim().to_owned() }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client { connection: Builder::address(self.address.as_str()).unwrap().build().await.unwrap() }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Everything is allowed: a session's bus.
pub(crate) const OPEN: &str = "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>";

/// The command hostlerd on a bus.
pub(crate) struct Daemon {
    pub(crate) process: Child,
    directory: PathBuf,
}

impl Daemon {
    pub(crate) fn start(bus: &Bus, place: &Place, words: &[&str]) -> Self {
        let directory = |name: &str| place.path().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_hostlerd"))
            .args(words)
            .arg("--settings")
            .arg(directory("config/hostler"))
            .arg("--runtime")
            .arg(directory("run/hostler"))
            .arg("--state")
            .arg(directory("state"))
            .env("HOME", place.path())
            .env("XDG_RUNTIME_DIR", place.path())
            .env("PATH", format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap()))
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .spawn()
            .unwrap();
        Self { process, directory: place.path().to_owned() }
    }

    /// Waits until it has its name, and knows of all instances that run.
    pub(crate) async fn ready(&self, client: &Client) {
        use futures_lite::StreamExt;
        let bus = zbus::fdo::DBusProxy::new(&client.connection).await.unwrap();
        let mut changes = bus.receive_name_owner_changed_with_args(&[(0, hostler_bus::daemon::NAME)]).await.unwrap();
        if !bus.name_has_owner(hostler_bus::daemon::NAME.try_into().unwrap()).await.unwrap() {
            changes.next().await.unwrap();
        }
        client.hears_of_all(&self.directory).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
