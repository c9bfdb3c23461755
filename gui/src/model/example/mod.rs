//! A world to look at: for tests of views and for pictures. Two machines; an instance in each state, `shop` with all its
//! parts filled. All of it is seen at [`NOW_US`].

pub mod extremes;
mod parts;
mod settings;

use hostler_bus::daemon::{Detail, InstanceState, Overview, Reach, Security, SocketFacts, UnitFacts};
use hostler_bus::{Configured, LastError, LastReload, Observed, State, Status};

use super::{Clock, Failure, Happening, HappeningKind, Instance, InstanceKey, Loaded, Sample, World};
use crate::bus::{Absence, Link};

/// The moment at which the world is seen: 2026-11-21 15:00:00 UTC.
pub const NOW_US: u64 = 1_795_273_200_000_000;
const SECOND: u64 = 1_000_000;

/// A clock that stands still at that moment.
#[must_use]
pub fn clock() -> Clock {
    Clock::at(NOW_US)
}

/// The machine's own daemon.
#[must_use]
pub fn system() -> Reach {
    Reach { user: false, host: None }
}

/// The user's daemon.
#[must_use]
pub fn user() -> Reach {
    Reach { user: true, host: None }
}

/// An instance of the machine's.
#[must_use]
pub fn key(name: &str) -> InstanceKey {
    InstanceKey { reach: system(), name: name.to_owned() }
}

/// A world in which nothing is known yet but the machines.
#[must_use]
pub fn connecting() -> World {
    let mut world = World::default();
    world.add_machine(user());
    world.add_machine(system());
    world
}

/// A world whose daemons are there and manage nothing.
#[must_use]
pub fn empty() -> World {
    let mut world = connecting();
    for machine in &mut world.machines {
        machine.link = Link::Ready("0.1.0".to_owned());
        machine.listed = true;
    }
    world
}

/// A world whose daemons are away, each in its own way.
#[must_use]
pub fn away() -> World {
    let mut world = connecting();
    world.add_machine(Reach { user: false, host: Some("web1.example.net".to_owned()) });
    let links = [
        (
            Absence::NotInstalled,
            "hostlerd is not installed on the session bus of this machine: install Hostler's package, which brings it",
            None,
        ),
        (
            Absence::NotRunning,
            "hostlerd does not start: the unit failed; see `journalctl -u hostlerd`",
            Some(NOW_US + 8 * SECOND),
        ),
        (
            Absence::NoHost,
            "web1.example.net: its bus cannot be reached: Connection refused; `ssh web1.example.net systemd-stdio-bridge` has to work, and hostler to be installed there",
            None,
        ),
    ];
    for (machine, (why, message, retry_at_us)) in world.machines.iter_mut().zip(links) {
        machine.link = Link::Absent { why, message: message.to_owned(), retry_at_us };
    }
    world
}

/// The whole world.
#[must_use]
pub fn world() -> World {
    let mut world = empty();
    for machine in &mut world.machines {
        machine.schema = settings::schema();
    }
    let Some(machine) = world.machine_mut(&system()) else { return world };
    for (index, site) in SITES.iter().enumerate() {
        machine.instances.insert(site.name.to_owned(), instance(site, index as u64));
    }
    if let Some(machine) = world.machine_mut(&user()) {
        let mut notes = instance(&NOTES, 11);
        let binds = vec!["http://127.0.0.1:8000".to_owned()];
        notes.overview = Overview { managed: false, enabled: String::new(), binds, ..notes.overview };
        machine.instances.insert(NOTES.name.to_owned(), notes);
    }
    world
}

/// What an instance of the example is, and what it has to do.
#[derive(Clone, Copy, Debug)]
struct Site {
    name: &'static str,
    state: InstanceState,
    problem: &'static str,
    /// How many seconds it has been in its state.
    seconds: u64,
    framework: &'static str,
    application: &'static str,
    python: &'static str,
    /// What it has to do, of one that has processes.
    load: Option<Load>,
}

/// What an instance has to do, and what it does it with.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// Requests a second, about.
    rate: f64,
    /// The median time of a request in milliseconds, about.
    median: f64,
    workers: u32,
    mebibytes: u64,
}

impl Site {
    const fn new(name: &'static str, state: InstanceState, seconds: u64) -> Self {
        Self { name, state, problem: "", seconds, framework: "", application: "", python: "", load: None }
    }

    const fn of(self, framework: &'static str, application: &'static str, python: &'static str) -> Self {
        Self { framework, application, python, ..self }
    }

    /// Whether something has just happened to it: it is the one that all views are shown of.
    fn is_busy(&self) -> bool {
        self.name == SHOP.name
    }

    const fn problem(self, problem: &'static str) -> Self {
        Self { problem, ..self }
    }

    const fn load(self, rate: f64, median: f64, workers: u32, mebibytes: u64) -> Self {
        Self { load: Some(Load { rate, median, workers, mebibytes }), ..self }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What the `shop` is.
const SHOP: Site = Site::new("shop", InstanceState::Serving, 2 * HOUR + MINUTE)
    .of("Django", "shop.wsgi:application", "3.11.2")
    .load(62.0, 18.0, 4, 312);

/// The machine's instances.
const SITES: [Site; 9] = [
    Site::new("admin", InstanceState::Asleep, 2 * HOUR + 42 * MINUTE).of("Django", "admin.wsgi:application", "3.11.2"),
    Site::new("api", InstanceState::Reloading, 2).of("FastAPI", "api.main:app", "3.13.5").load(214.0, 4.1, 4, 169),
    Site::new("blog", InstanceState::Stopped, 8 * DAY + 2 * HOUR).of("Flask", "blog:app", "3.11.2"),
    Site::new("billing", InstanceState::Failed, 5 * HOUR + 15 * MINUTE)
        .of("Flask", "billing.app:create_app()", "3.11.2")
        .problem("its service failed: start-limit-hit; `systemctl reset-failed hostler@billing` lets it start again"),
    Site::new("docs", InstanceState::Configured, 2 * DAY + HOUR).of("", "docs.asgi:app", ""),
    Site::new("intranet-of-the-northern-warehouse", InstanceState::Serving, 21 * DAY + 2 * HOUR)
        .of("Django", "intranet.wsgi:application", "3.11.2")
        .load(3.4, 41.0, 2, 107),
    Site::new("jobs", InstanceState::Broken, 17 * MINUTE)
        .of("Starlette", "jobs.web:app", "3.13.5")
        .problem("no worker can be had: ModuleNotFoundError: No module named 'celery'")
        .load(0.8, 0.3, 0, 24),
    SHOP,
    Site::new("webhooks", InstanceState::Starting, 3).of("Starlette", "webhooks:app", "3.13.5"),
];

/// What the user has.
const NOTES: Site = Site::new("notes", InstanceState::Serving, 3 * HOUR + 8 * MINUTE)
    .of("Flask", "notes:app", "3.11.2")
    .load(0.6, 7.2, 1, 58);

/// What a call says that is refused.
#[must_use]
pub fn refused() -> Failure {
    Failure {
        kind: super::FailureKind::NotPermitted,
        message: "not authorized to read the log of the instance \"shop\": polkit refused it".to_owned(),
        ..Default::default()
    }
}

fn overview(site: &Site) -> Overview {
    let runs = matches!(site.state, InstanceState::Serving | InstanceState::Reloading);
    Overview {
        name: site.name.to_owned(),
        state: site.state,
        since_us: NOW_US - site.seconds * SECOND,
        problem: site.problem.to_owned(),
        enabled: if site.state == InstanceState::Configured { "disabled" } else { "socket" }.to_owned(),
        has_settings: true,
        managed: true,
        application: site.application.to_owned(),
        framework: site.framework.to_owned(),
        python: site.python.to_owned(),
        binds: vec![format!("unix:/run/hostler/{}.sock", site.name)],
        generation: if runs { 7 } else { 0 },
        ..Default::default()
    }
}

fn instance(site: &Site, number: u64) -> Instance {
    let overview = overview(site);
    let mut instance = Instance { overview: overview.clone(), ..Default::default() };
    let (name, Some(load)) = (site.name, site.load) else { return instance };
    for second in 0..290 {
        instance.samples.push(sample(load, NOW_US - (290 - second) * SECOND, number));
    }
    let status = status(site, load, instance.samples.last().copied().unwrap_or_default());
    instance.detail = Loaded::Here(Detail {
        overview,
        instance: Some(status),
        service: Some(UnitFacts {
            active: "active".to_owned(),
            sub: "running".to_owned(),
            result: "success".to_owned(),
            file_state: "disabled".to_owned(),
            unit_file: "/usr/lib/systemd/system/hostler@.service".to_owned(),
            since_us: NOW_US - 7_260 * SECOND,
            main_pid: 4_242,
            status_text: format!("{0} of {0} workers, {1:.1} requests/s, generation 7", load.workers, load.rate),
            memory_bytes: Some(load.mebibytes << 20),
            cpu_us: Some((cpu_seconds(load) * 1e6) as u64),
            tasks: Some(31),
            drop_ins: vec!["/etc/systemd/system/hostler@shop.service.d/profile.conf".to_owned()],
            ..Default::default()
        }),
        socket: Some(SocketFacts {
            active: "active".to_owned(),
            sub: "running".to_owned(),
            result: "success".to_owned(),
            file_state: "enabled".to_owned(),
            unit_file: "/usr/lib/systemd/system/hostler@.socket".to_owned(),
            listen: vec![format!("/run/hostler/{name}.sock")],
            ..Default::default()
        }),
        security: Some(Security { exposure: 1.3, rating: "OK".to_owned(), profile: "standard".to_owned() }),
        revision: "5e2b1c".to_owned(),
        ..Default::default()
    });
    instance.workers = Loaded::Here(parts::resting(load.workers, load.mebibytes));
    instance.requests = Loaded::Here(Vec::new());
    if site.is_busy() {
        instance.happenings = vec![
            happening(250, HappeningKind::Reloaded, "generation 6 serves"),
            happening(130, HappeningKind::ReloadFailed, "generation 7 failed: SyntaxError in shop/views.py, line 31"),
            happening(70, HappeningKind::Reloaded, "generation 7 serves"),
        ];
        instance.workers = Loaded::Here(parts::workers());
        instance.requests = Loaded::Here(parts::requests());
    } else if site.state == InstanceState::Broken {
        instance.happenings = vec![happening(site.seconds, HappeningKind::Broken, site.problem)];
    }
    instance.settings = Loaded::Here(settings::settings());
    instance.history = Loaded::Here(settings::history());
    instance.log.extend(parts::lines());
    instance
}

fn happening(seconds_ago: u64, kind: HappeningKind, message: &str) -> Happening {
    Happening { at_us: NOW_US - seconds_ago * SECOND, kind, message: message.to_owned() }
}

/// A sample that moves as a site's load does, the same in each run.
fn sample(load: Load, at_us: u64, number: u64) -> Sample {
    let second = (at_us / SECOND) as f64;
    let phase = number as f64 * 1.7;
    let wave = 1.0 + 0.35 * (second / 37.0 + phase).sin() + 0.18 * (second / 7.3 + phase).sin();
    let noise = 0.9 + 0.2 * ((second * 12.9898 + phase).sin() * 43_758.545_3).rem_euclid(1.0);
    let rate = load.rate * wave * noise;
    let median = load.median * (0.6 + 0.4 * wave);
    // Those that are run at once, on the average: how many come, times how long they take.
    let wanted = (rate * median * 1.5 / 1e3 + 0.6).ceil() as u32;
    // Without a worker each request is refused.
    let refused = if load.workers == 0 { 1.0 } else { 0.005 };
    let served = 1.0 - refused;
    Sample {
        at_us,
        rates: [0.0, rate * served * 0.935, rate * served * 0.04, rate * served * 0.025, rate * refused],
        p50_us: (1e3 * median) as u64,
        p95_us: (3.4e3 * median * noise) as u64,
        p99_us: (6.1e3 * median * noise * noise) as u64,
        queued: if load.workers == 0 { 0 } else { wanted.saturating_sub(load.workers) },
        busy: wanted.min(load.workers),
        ready: load.workers,
        memory_bytes: (load.mebibytes << 20) + (2e6 * (1.0 + (second / 61.0).sin())) as u64,
        cpu: Some(0.01 + rate * load.median * 4e-4),
    }
}

/// Since when the server process of one with a load runs, in seconds.
const RUNS: u64 = 2 * HOUR + MINUTE;

/// Processor time that it used since then.
fn cpu_seconds(load: Load) -> f64 {
    RUNS as f64 * (0.01 + load.rate * load.median * 4e-4)
}

fn status(site: &Site, load: Load, last: Sample) -> Status {
    let overview = overview(site);
    let is_async = matches!(site.framework, "FastAPI" | "Starlette");
    let interface = if is_async { "asgi" } else { "wsgi" };
    let restarts: &[(&str, u64)] = if site.is_busy() { &[("timed_out", 1), ("max_requests", 14)] } else { &[] };
    Status {
        configured: Configured {
            name: overview.name,
            application: overview.application,
            binds: overview.binds,
            workers_min: 2.min(load.workers.max(1)),
            workers_max: 2 * load.workers.max(1),
            threads: 1,
            interface: interface.to_owned(),
            error_log: "journal".to_owned(),
            settings_file: Some(format!("/etc/hostler/{}.toml", site.name)),
        },
        observed: Observed {
            state: State::from(overview.state.as_str()),
            since_us: NOW_US - RUNS * SECOND,
            pid: 4_242,
            version: "0.1.0".to_owned(),
            python: overview.python,
            event_loop: is_async.then(|| "uvloop".to_owned()),
            framework: overview.framework,
            workers_busy: last.busy,
            last_error: site
                .is_busy()
                .then(|| LastError { at_us: NOW_US - 14 * SECOND, message: "KeyError: 'vat'".to_owned() }),
            restarts: restarts.iter().map(|(cause, count)| ((*cause).to_owned(), *count)).collect(),
            cpu_seconds: cpu_seconds(load),
            generation: 7,
            last_reload: site.is_busy().then(|| LastReload {
                at_us: NOW_US - 70 * SECOND,
                succeeded: true,
                generation: 7,
                seconds: 1.34,
                message: String::new(),
            }),
            workers_ready: load.workers,
            workers_wanted: load.workers.max(1),
            workers_reason: match load.workers {
                0 | 1 => String::new(),
                workers => format!("{workers} were busy at once in the last minute"),
            },
            queued: last.queued,
            // The former generation has one more.
            in_flight: last.busy + u32::from(site.is_busy()),
            requests_total: (RUNS as f64 * load.rate) as u64,
            requests_per_second: last.rate(),
            p50_us: last.p50_us,
            p95_us: last.p95_us,
            p99_us: last.p99_us,
            connections: 23,
            memory_bytes: last.memory_bytes,
            ..Default::default()
        },
    }
}

/// The id of a request of the example: 32 hexadecimal digits, as the server makes them.
#[must_use]
pub fn request_id(index: u64) -> String {
    format!("{:016x}{:012x}{index:04x}", 0x6f1d_a83c_5e02_97b4_u64, 0x4c7e_19d3_a650_u64)
}
