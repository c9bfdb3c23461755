//! Serving: logs, sockets, shared memory, workers and router put together, and taken apart again when a signal says so.

mod check;
mod control;
mod developing;
mod generation;
mod instance;
mod metrics;
mod names;
mod page;
mod pool;
mod preflight;
mod probe;
mod rolling;
mod sockets;
mod source;
mod stall;
mod stop;
mod takeover;
mod traceback;
mod translate;
mod upgrade;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hostler_channel::Loaded;
use hostler_log::{AccessLog, ErrorLog, Sink};
use hostler_router::Router;
use hostler_settings::Settings;
use hostler_supervisor::{Condition, Failure, Notice};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::discover::application::Located;
use crate::discover::python::Python;
use crate::{INTERNAL, USAGE, say};

pub(crate) use check::check;
use control::Desk;
pub(crate) use developing::PATIENCE as DEVELOPERS_PATIENCE;
use developing::{Developing, Unwatched};
use generation::{Generation, NotReady};
use instance::{Instance, Main, ORDERS, Unloaded};
use names::PidFile;
use sockets::{Sockets, Unbound};
pub(crate) use source::Source;
use takeover::Predecessor;
use translate::Strength;
use upgrade::{Estate, Program};

/// The application does not import (sysexits.h: EX_DATAERR).
const NOT_IMPORTED: u8 = 65;
/// Workers die before they are ready (sysexits.h: EX_UNAVAILABLE).
const DIED_AT_BOOT: u8 = 69;
/// A socket or another thing of the system cannot be had (sysexits.h: EX_OSERR).
const SYSTEM: u8 = 71;

/// How often an import that takes long is told of.
const STILL_IMPORTING: std::time::Duration = std::time::Duration::from_secs(10);

/// What is served, with what.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) settings: Settings,
    pub(crate) application: Located,
    pub(crate) python: Python,
    pub(crate) extension: PathBuf,
    pub(crate) environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

/// `hostler run` and `hostler serve`: serves until told to stop.
pub(crate) fn run(served: Served, source: &Source) -> ExitCode {
    let logs = match Logs::open(&served.settings) {
        Ok(logs) => logs,
        Err(error) => return refuse(&error, SYSTEM),
    };
    raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no event loop can be had: {error}"), SYSTEM),
    };
    // Before anything is made that an untimely signal would leave behind.
    let signals = match runtime.block_on(async { Signals::new() }) {
        Ok(signals) => signals,
        Err(error) => return refuse(&format!("signals cannot be received: {error}"), SYSTEM),
    };
    let (predecessor, sockets) = match sockets_of(&served, source) {
        Ok(found) => found,
        Err(Unbound::Settings(message)) => return refuse(&message, USAGE),
        Err(Unbound::System(message)) => return refuse(&message, SYSTEM),
    };
    // The predecessor's, until it is gone.
    let pidfile = match PidFile::write(served.settings.app.pidfile.as_deref().filter(|_| predecessor.is_none())) {
        Ok(pidfile) => pidfile,
        Err(error) => return refuse(&error, SYSTEM),
    };
    // Before anything is imported: what changes from now on is seen.
    let developing = match Developing::begin(&served, source) {
        Ok(developing) => developing,
        Err(Unwatched::Settings(message)) => return refuse(&message, USAGE),
        Err(Unwatched::System(message)) => return refuse(&message, SYSTEM),
    };
    let own = Own { logs: &logs, predecessor: predecessor.as_ref(), pidfile, developing };
    match runtime.block_on(serve(served, source, own, sockets, signals)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Failed(failure)) => {
            log_failure(&failure);
            if let Some(predecessor) = &predecessor {
                predecessor.refuse(failure.to_string(), traceback_of(&failure));
            }
            ExitCode::from(code_of(&failure))
        }
        Err(Ended::System(message)) => refuse(&message, INTERNAL),
    }
}

/// The sockets: those of the process that this one is to follow, or new ones.
fn sockets_of(served: &Served, source: &Source) -> Result<(Option<Predecessor>, Sockets), Unbound> {
    let given = source.variable(takeover::VARIABLE);
    match Predecessor::of(given.as_deref()).map_err(Unbound::System)? {
        Some((predecessor, sockets)) => Ok((Some(predecessor), sockets)),
        None => Ok((None, sockets::open(&served.settings)?)),
    }
}

/// What `serve` is given beside what it serves.
struct Own<'a> {
    logs: &'a Logs,
    predecessor: Option<&'a Predecessor>,
    pidfile: PidFile,
    developing: Option<Developing>,
}

/// Why serving ended without being told to.
enum Ended {
    Failed(Failure),
    System(String),
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Self::System(error.to_string())
    }
}

async fn serve(
    served: Served,
    source: &Source,
    own: Own<'_>,
    sockets: Sockets,
    mut signals: Signals,
) -> Result<(), Ended> {
    let Own { logs, predecessor, mut pidfile, mut developing } = own;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let router_config = translate::router(&served.settings, cores);
    let router_threads = router_config.threads;
    let strength = Strength::of(&served.settings, cores, None);
    announce(&served, strength);
    // Before the first process: what a keeper forks becomes a child of this one.
    hostler_supervisor::adopt_orphans()?;
    let number = predecessor.map_or(0, |before| before.generation) + 1;
    let (first, mut notices) = Generation::begin(number, served, router_threads, strength)?;
    let (events, event) = mpsc::channel(first.served.settings.pool.limit_concurrency as usize);
    let holds = sockets.holds()?;
    let Sockets { clients, metrics, stats } = sockets;
    let names: Vec<String> = clients.iter().map(|bound| bound.name.clone()).collect();
    let booted = boot(&mut notices, &mut signals, &first, logs, &mut developing, || {
        let router = Router::start(router_config.clone(), &first.exchange, clients, || logs.access_log(), &events)?;
        for name in &names {
            tracing::info!("listening on {name}");
        }
        Ok(router)
    });
    let Some((router, booted)) = booted.await? else {
        return Ok(());
    };
    let (loaded, unloaded) = match booted {
        Booted::Loaded(loaded) => (loaded, None),
        Booted::Unloaded(unloaded) => (nothing_loaded(), Some(unloaded)),
        Booted::Broken => (nothing_loaded(), None),
    };
    if let Some(developing) = &developing {
        developing.follow(&first.served, &loaded);
    }
    if let Some(predecessor) = predecessor {
        predecessor.relieve().await;
        pidfile = PidFile::write(first.served.settings.app.pidfile.as_deref()).unwrap_or_else(|error| {
            tracing::error!("{error}");
            pidfile
        });
    }
    let instance = Arc::new(Instance::new(Arc::new(router), first, loaded));
    let (orders, order) = mpsc::channel(ORDERS);
    let desk = Desk {
        name: source.name(),
        binds: names,
        settings_file: source.settings_file(),
        cores,
        instance: Arc::clone(&instance),
        orders,
        log: logs.errors.clone(),
    };
    let _measured = metrics::serve(metrics, stats, &Arc::new(desk.clone()))?;
    let estate = Estate {
        program: Program::own(source)?,
        sockets: holds,
        control: names::open_control(source, desk),
        pidfile,
        upgrade: None,
    };
    let main = Main {
        instance,
        source,
        logs,
        cores,
        router_threads,
        notices,
        events: event,
        orders: order,
        serving: unloaded.is_none(),
        developing,
        estate,
    };
    main.run(&mut signals, unloaded).await
}

/// What is known of an application that was not loaded.
fn nothing_loaded() -> Loaded {
    Loaded { interface: hostler_channel::Interface::Auto, python: String::new(), event_loop: None, sources: Vec::new() }
}

/// What became of the first generation, when the router starts.
enum Booted {
    Loaded(Loaded),
    /// It is thrown away, while somebody develops.
    Unloaded(Unloaded),
    /// It does not work, and is tried again all the while.
    Broken,
}

/// Waits for the first ready worker and starts the router then; `None` when it was told to stop before. While somebody develops the router is
/// started as well when the application does not load, or is out of date before it has; where failures are outlived, when the application turns out to be broken.
async fn boot(
    notice: &mut mpsc::Receiver<Notice>,
    signals: &mut Signals,
    first: &Generation,
    logs: &Logs,
    developing: &mut Option<Developing>,
    start: impl FnOnce() -> std::io::Result<Router>,
) -> Result<Option<(Router, Booted)>, Ended> {
    let supervisor = &first.supervisor;
    let develops = developing.is_some();
    let began = tokio::time::Instant::now();
    let mut known = Condition::Booting;
    let mut waiting = tokio::time::interval_at(began + STILL_IMPORTING, STILL_IMPORTING);
    loop {
        tokio::select! {
            _ = waiting.tick() => {
                tracing::info!(seconds = began.elapsed().as_secs(), "the application is still being imported");
            }
            told = notice.recv() => match told {
                Some(Notice::Ready { loaded, after }) => {
                    let Loaded { interface, python, event_loop, .. } = &loaded;
                    tracing::info!(?interface, python, event_loop, seconds = after.as_secs_f64(), "the application is ready");
                    return Ok(Some((start()?, Booted::Loaded(loaded))));
                }
                Some(Notice::Failed(failure)) if develops => {
                    supervisor.stopped().await;
                    log_failure(&failure);
                    let unloaded = Unloaded { failed: NotReady::from(failure), again: false };
                    return Ok(Some((start()?, Booted::Unloaded(unloaded))));
                }
                Some(Notice::Failed(failure)) => {
                    supervisor.stopped().await;
                    return Err(Ended::Failed(failure));
                }
                Some(Notice::AllReady | Notice::WorkerDied { .. }) => {}
                Some(Notice::Stopped) | None => return Err(Ended::System("the supervisor ended by itself".to_owned())),
            },
            () = Developing::changed(developing, &first.served.application.directory) => {
                first.throw_away().await;
                let reason = "files changed while it was loaded, and it is loaded anew".to_owned();
                let unloaded = Unloaded { failed: NotReady { reason, traceback: None }, again: true };
                return Ok(Some((start()?, Booted::Unloaded(unloaded))));
            }
            found = supervisor.condition_other_than(&known) => match found {
                Condition::Broken { .. } => return Ok(Some((start()?, Booted::Broken))),
                other => known = other,
            },
            asked = signals.next() => match asked {
                Asked::Stop => {
                    first.throw_away().await;
                    return Ok(None);
                }
                Asked::Reopen => logs.reopen(),
                Asked::Reload => tracing::warn!("SIGHUP: the application is still being loaded"),
                Asked::More | Asked::Fewer => tracing::warn!("the number of workers is changed once the application is loaded"),
            },
        }
    }
}

fn announce(served: &Served, strength: Strength) {
    let application = &served.application;
    let python = &served.python;
    if let Some(reason) = &application.reason {
        tracing::info!("{reason}");
    }
    tracing::info!(
        application = %application.application,
        directory = %application.directory.display(),
        python = %python.path.display(),
        workers = %strength,
        threads = served.settings.pool.threads,
        "hostler {} starts",
        env!("CARGO_PKG_VERSION")
    );
    tracing::debug!(reason = python.reason, "took the Python");
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reopen,
    Reload,
    /// One worker more, or fewer.
    More,
    Fewer,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    more: Signal,
    fewer: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            more: signal(SignalKind::from_raw(rustix::process::Signal::TTIN.as_raw()))?,
            fewer: signal(SignalKind::from_raw(rustix::process::Signal::TTOU.as_raw()))?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.user1.recv() => Asked::Reopen,
            _ = self.more.recv() => Asked::More,
            _ = self.fewer.recv() => Asked::Fewer,
        }
    }
}

/// The error log, and what the access logs of the router's threads write to.
struct Logs {
    errors: ErrorLog,
    access: Option<(hostler_log::Format, Arc<Sink>)>,
}

impl Logs {
    fn open(settings: &Settings) -> Result<Self, String> {
        let errors = translate::error_log(&settings.log).map_err(|error| error.to_string())?;
        let access = translate::access_sink(&settings.log).map_err(|error| error.to_string())?;
        Ok(Self { errors, access })
    }

    fn access_log(&self) -> Option<AccessLog> {
        self.access.as_ref().map(|(format, sink)| AccessLog::new(*format, Arc::clone(sink)))
    }

    fn reopen(&self) {
        let access = self.access.as_ref().map_or(Ok(()), |(_, sink)| sink.reopen());
        for reopened in [self.errors.reopen(), access] {
            if let Err(error) = reopened {
                tracing::error!(%error, "a log cannot be reopened: the old file is written on");
            }
        }
        tracing::info!("the logs were reopened");
    }
}

/// Each connection is a descriptor: the soft limit is a default for programs that use select(2), which this one does not.
fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is not allowed, the limit stays, and `accept` says so when it is reached.
    let _raised = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}

fn code_of(failure: &Failure) -> u8 {
    match failure {
        Failure::Import { .. } => NOT_IMPORTED,
        Failure::DiedAtBoot { .. } => DIED_AT_BOOT,
    }
}

fn log_failure(failure: &Failure) {
    match traceback_of(failure) {
        Some(detail) => tracing::error!(detail = traceback::told(detail), "{failure}"),
        None => tracing::error!("{failure}"),
    }
}

fn traceback_of(failure: &Failure) -> Option<&str> {
    match failure {
        Failure::Import { traceback, .. } => traceback.as_deref(),
        Failure::DiedAtBoot { .. } => None,
    }
}

fn refuse(message: &str, code: u8) -> ExitCode {
    say(message);
    ExitCode::from(code)
}
