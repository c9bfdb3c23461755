//! Serving: logs, sockets, shared memory, workers and router put together, and taken apart again when a signal says so.

mod applying;
mod boot;
mod check;
mod claims;
mod confined;
mod control;
mod developing;
mod events;
mod generation;
mod groups;
mod instance;
mod kept;
mod leaving;
mod logs;
mod measured;
mod metrics;
mod names;
mod page;
mod past;
mod pidfile;
mod pool;
mod preflight;
mod pressure;
mod probe;
mod program;
mod progress;
mod relief;
mod reloading;
mod rolling;
mod samples;
mod service;
mod signals;
mod slept;
mod sockets;
mod source;
mod stall;
mod stop;
mod stored;
mod supervisors;
mod takeover;
mod task;
mod traceback;
mod translate;
mod upgrade;
mod waiting;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use hostler_bus::EventKind;
use hostler_listener::Left;
use hostler_router::Router;
use hostler_settings::Settings;
use hostler_supervisor::{Extension, Failure};
use hostler_systemd::Environment;
use hostler_systemd::sockets::Passed;
use hostler_systemd::store;
use tokio::sync::mpsc;

use crate::arguments::Places;
use crate::manage::units::long;
use crate::refusal::Refusal;
use crate::{INTERNAL, USAGE, extension};
use hostler_project::application::Located;
use hostler_project::python::Python;

use boot::{Booted, boot, nothing_loaded};
pub(crate) use check::check;
use control::Desk;
pub(crate) use developing::PATIENCE as DEVELOPERS_PATIENCE;
use developing::{Developing, Unwatched};
use generation::Generation;
use instance::Instance;
use kept::{Before, Kept};
use leaving::Leaving;
use logs::Logs;
use past::Ending;
use pidfile::PidFile;
use service::Service;
pub(crate) use service::failed;
use signals::Signals;
use sockets::{Sockets, Unbound};
pub(crate) use source::{Source, instance_name};
use stored::Stored;
use takeover::Predecessor;
pub(crate) use takeover::{VARIABLE as TAKEOVER, refuse_succession};
use task::{Main, ORDERS};
use translate::Strength;
use upgrade::{Estate, Program};
use waiting::Waiting;
pub(crate) use waiting::{answer_waiting_clients, refused};

/// The application does not import (sysexits.h: EX_DATAERR).
const NOT_IMPORTED: u8 = 65;
/// Workers die before they are ready (sysexits.h: EX_UNAVAILABLE).
const DIED_AT_BOOT: u8 = 69;
/// A socket or another thing of the system cannot be had (sysexits.h: EX_OSERR).
const SYSTEM: u8 = 71;

/// What is served, with what.
#[derive(Clone)]
pub(crate) struct Served {
    /// What the instance is called.
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) places: Places,
    pub(crate) application: Located,
    pub(crate) python: Python,
    pub(crate) environment: Vec<(std::ffi::OsString, std::ffi::OsString)>,
}

/// `hostler run` and `hostler serve`: serves until told to stop.
pub(crate) fn run(served: Served, extension: PathBuf, source: &Source) -> ExitCode {
    let environment = Environment::of_process();
    match takeover::has_started_another(source.variable(takeover::VARIABLE).as_deref()) {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return Refusal::new(error, SYSTEM).tell(source.surroundings()),
    }
    let refuse = |message: &str, errno: Option<i32>, code: u8| {
        Refusal { errno, ..Refusal::new(message, code) }.tell(source.surroundings())
    };
    let refuse_settings = |message: &str, waiting: &Waiting| {
        let code = refuse(message, None, USAGE);
        waiting.answer(page::unusable());
        code
    };
    // First of all: nothing else may have their numbers.
    let passed = match hostler_systemd::sockets::receive(&environment) {
        Ok(passed) => store::sort(passed, stored::is_known),
        Err(error) => return refuse(&error.to_string(), None, SYSTEM),
    };
    let extension = match extension::open(extension) {
        Ok(extension) => extension,
        Err(error) => return Refusal::of_extension(error).tell(source.surroundings()),
    };
    let mut waiting = Waiting::of_passed(&passed.sockets);
    // systemd.service(5), RestartMode=debug.
    let debugs = environment.get("DEBUG_INVOCATION").is_some_and(|value| value == "1");
    let logs = match Logs::open(&served.settings, debugs) {
        Ok(logs) => logs,
        Err(error) => return refuse(&error, None, SYSTEM),
    };
    logs.errors.set_instance(&source.name());
    // A successor runs in the service as its predecessor does.
    let succeeds = source.variable(takeover::VARIABLE).is_some();
    if !succeeds && let Err(message) = confined::check(&served.settings.service, &environment, &source.name()) {
        return refuse_settings(&message, &waiting);
    }
    raise_descriptor_limit();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("no event loop can be had: {error}"), None, SYSTEM),
    };
    // Before anything is made that an untimely signal would leave behind.
    let signals = match runtime.block_on(async { Signals::new() }) {
        Ok(signals) => signals,
        Err(error) => return refuse(&format!("signals cannot be received: {error}"), None, SYSTEM),
    };
    let mut stored = stored::stored(passed.stored);
    let (mut predecessor, sockets) = match sockets_of(&served, source, passed.sockets, &mut stored.sockets) {
        Ok(found) => found,
        Err(Unbound::Settings(message)) => return refuse_settings(&message, &waiting),
        Err(Unbound::System { message, errno }) => return refuse(&message, errno, SYSTEM),
    };
    if predecessor.is_none() {
        waiting = Waiting::of_clients(&sockets);
    }
    // The predecessor's, until it is gone.
    let pidfile = match PidFile::write(served.settings.app.pidfile.as_deref().filter(|_| predecessor.is_none())) {
        Ok(pidfile) => pidfile,
        Err(error) => return refuse(&error, None, SYSTEM),
    };
    // Before anything is imported: what changes from now on is seen.
    let developing = match Developing::begin(&served, source) {
        Ok(developing) => developing,
        Err(Unwatched::Settings(message)) => return refuse_settings(&message, &waiting),
        Err(Unwatched::System(message)) => return refuse(&message, None, SYSTEM),
    };
    let unknown = passed.unknown.into_iter().map(|passed| passed.name).collect();
    let place = served.places.of("app");
    let debug = served.settings.life.debug;
    let own = Own {
        extension,
        logs: &logs,
        environment: &environment,
        predecessor: predecessor.as_mut(),
        pidfile,
        developing,
        stored,
        unknown,
        waiting: &mut waiting,
    };
    match runtime.block_on(serve(served, source, own, sockets, signals)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Failed(failure)) => {
            log_failure(&failure);
            let reason = format!("{place}{failure}");
            match &predecessor {
                Some(predecessor) => predecessor.refuse(reason, traceback_of(&failure)),
                None => service::failed(&environment, &reason, None),
            }
            waiting.answer(page::held(&failure, debug));
            ExitCode::from(code_of(&failure))
        }
        Err(Ended::System(message)) => refuse(&message, None, INTERNAL),
    }
}

/// The sockets: those of the process that this one is to follow, or new ones.
fn sockets_of(
    served: &Served,
    source: &Source,
    passed: Vec<Passed>,
    left: &mut Left,
) -> Result<(Option<Predecessor>, Sockets), Unbound> {
    let given = source.variable(takeover::VARIABLE);
    match Predecessor::of(given.as_deref()).map_err(|message| Unbound::System { message, errno: None })? {
        Some((predecessor, sockets)) => Ok((Some(predecessor), sockets)),
        None => Ok((None, sockets::open(&served.settings, &served.places, passed, left)?)),
    }
}

/// What `serve` is given beside what it serves.
struct Own<'a> {
    extension: Extension,
    logs: &'a Logs,
    environment: &'a Environment,
    predecessor: Option<&'a mut Predecessor>,
    pidfile: PidFile,
    developing: Option<Developing>,
    /// What came from systemd's store: the statistics of the process before, and what is left of its sockets.
    stored: Stored,
    /// What else came from there, by name.
    unknown: Vec<String>,
    /// Who is to be answered if this one does not come to serve.
    waiting: &'a mut Waiting,
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
    mut sockets: Sockets,
    mut signals: Signals,
) -> Result<(), Ended> {
    let Own { extension, logs, environment, mut predecessor, mut pidfile, mut developing, stored, unknown, waiting } =
        own;
    let mut service = if predecessor.is_some() { Service::silent() } else { Service::of(environment) };
    service.loading(0, None);
    unknown.iter().for_each(|name| service.forget(name));
    stored::keep(&service, environment, &mut sockets, stored.sockets.give_up());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let router_config = translate::router(&served.settings, cores);
    let router_threads = router_config.threads;
    let strength = Strength::of(&served.settings, cores, None);
    announce(&served, strength);
    // Before the first process: what a keeper forks becomes a child of this one.
    hostler_supervisor::adopt_orphans()?;
    let number = predecessor.as_ref().map_or(0, |before| before.generation) + 1;
    logs.errors.set_generation(number);
    let (first, mut notices) = Generation::begin(number, served, &extension, router_threads, strength)?;
    let (events, event) = mpsc::channel(first.served.settings.pool.limit_concurrency as usize);
    let holds = sockets.holds()?;
    let Sockets { clients, metrics, stats, control, passed } = sockets;
    let names: Vec<String> = clients.iter().map(|bound| bound.name.clone()).collect();
    let booted = boot(&mut notices, &mut signals, &first, (logs, &service), &mut developing, || {
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
    let sleeping_place = slept::place(environment);
    let mut before = Before::stored(stored.statistics, stored.past);
    let slept = sleeping_place.as_deref().map(slept::take).unwrap_or_default();
    if before.is_empty() {
        before = slept;
    }
    if let Some(predecessor) = &mut predecessor {
        before = predecessor.relieve().await;
        service = Service::of(environment);
        pidfile = PidFile::write(first.served.settings.app.pidfile.as_deref()).unwrap_or_else(|error| {
            tracing::error!("{error}");
            pidfile
        });
    }
    let kept = Kept::new(&service);
    let woke = before.past.as_ref().filter(|past| past.ending == Ending::Asleep).map(|past| past.at_us);
    let may_leave = passed && !first.served.settings.life.exit_idle_time.is_zero();
    if !passed && !first.served.settings.life.exit_idle_time.is_zero() {
        tracing::warn!("exit_idle_time has no effect: no socket was passed, so nobody would start the server again");
    }
    let instance = Arc::new(Instance::new(Arc::new(router), first, loaded, before, kept));
    pressure::watch(environment, Arc::clone(&instance));
    let (orders, order) = mpsc::channel(ORDERS);
    let desk = Desk {
        name: source.name(),
        binds: names,
        settings_file: source.settings_file(),
        cores,
        instance: Arc::clone(&instance),
        orders,
        log: logs.errors.clone(),
        measured: Arc::default(),
    };
    let _measured = metrics::serve(metrics, stats, &Arc::new(desk.clone()))?;
    let estate = Estate {
        program: Program::own(source),
        sockets: holds,
        passed,
        control: names::open_control(source, desk.clone(), control),
        pidfile,
        upgrade: None,
        relieved: None,
    };
    let main = Main {
        started: instance.current().served.settings.clone(),
        instance,
        source,
        extension,
        logs,
        cores,
        router_threads,
        notices,
        events: event,
        orders: order,
        serving: unloaded.is_none(),
        developing,
        estate,
        service,
        desk,
        leaving: may_leave.then(Leaving::new),
        sleeping_place,
        predecessor: predecessor.map(|before| &*before),
    };
    waiting.are_served();
    main.service.serving();
    let happened = |kind, message: &str| main.instance.happened(kind, message);
    match woke {
        _ if main.predecessor.is_some() => happened(EventKind::Upgraded, "another server process took over"),
        Some(since_us) => {
            let slept = long(instance::now_us().saturating_sub(since_us));
            happened(EventKind::Awake, &format!("the server was started again, after {slept} of sleep"));
        }
        None => happened(EventKind::Started, "the server process began to serve"),
    }
    main.desk.begin_to_record();
    main.instance.begin_to_keep(&main.service);
    main.run(&mut signals, unloaded).await
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
        Failure::DiedAtBoot { .. } | Failure::KilledAtBoot { .. } => DIED_AT_BOOT,
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
        Failure::DiedAtBoot { .. } | Failure::KilledAtBoot { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_kind_of_event_has_an_identity_in_the_journal() {
        use hostler_systemd::journal::MessageId;
        for name in hostler_supervisor::kind::ALL.into_iter().chain([hostler_router::WORKER_TIMED_OUT]) {
            assert!(MessageId::named(name).is_some(), "{name}");
        }
    }
}
