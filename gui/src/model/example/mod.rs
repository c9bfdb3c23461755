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
    let states = [
        ("admin", InstanceState::Asleep, ""),
        ("api", InstanceState::Reloading, ""),
        ("blog", InstanceState::Stopped, ""),
        (
            "billing",
            InstanceState::Failed,
            "its service failed: start-limit-hit; `systemctl reset-failed hostler@billing` lets it start again",
        ),
        ("docs", InstanceState::Configured, ""),
        ("intranet-of-the-northern-warehouse", InstanceState::Serving, ""),
        ("jobs", InstanceState::Broken, "no worker can be had: ModuleNotFoundError: No module named 'celery'"),
        ("shop", InstanceState::Serving, ""),
        ("webhooks", InstanceState::Starting, ""),
    ];
    let Some(machine) = world.machine_mut(&system()) else { return world };
    for (index, (name, state, problem)) in states.into_iter().enumerate() {
        machine.instances.insert(name.to_owned(), instance(name, state, problem, index as u64));
    }
    let mine = Overview { managed: false, ..overview("notes", InstanceState::Serving, "") };
    if let Some(machine) = world.machine_mut(&user()) {
        machine.instances.insert("notes".to_owned(), Instance { overview: mine, ..Default::default() });
    }
    world
}

/// What a call says that is refused.
#[must_use]
pub fn refused() -> Failure {
    Failure {
        kind: super::FailureKind::NotPermitted,
        message: "not authorized to read the log of the instance \"shop\": polkit refused it".to_owned(),
        ..Default::default()
    }
}

fn overview(name: &str, state: InstanceState, problem: &str) -> Overview {
    Overview {
        name: name.to_owned(),
        state,
        since_us: NOW_US - 7_260 * SECOND,
        problem: problem.to_owned(),
        enabled: if state == InstanceState::Configured { "disabled" } else { "socket" }.to_owned(),
        has_settings: true,
        managed: true,
        application: format!("{}.wsgi:application", name.split('-').next().unwrap_or(name)),
        framework: "Django".to_owned(),
        python: "3.11.2".to_owned(),
        binds: vec![format!("unix:/run/hostler/{name}.sock")],
        generation: if state == InstanceState::Serving { 7 } else { 0 },
        ..Default::default()
    }
}

/// How many minutes longer than the `shop` each one is in its state; that is the eighth.
const SINCE: [u64; 9] = [41, 3, 11_520, 194, 2_870, 30_244, 17, 0, 57];
/// How much more memory than the `shop` each one has, in MiB.
const MEMORY: [i64; 9] = [0, -143, 0, 0, 0, -205, 96, 0, 0];

fn instance(name: &str, state: InstanceState, problem: &str, number: u64) -> Instance {
    let mut overview = overview(name, state, problem);
    overview.since_us -= SINCE[number as usize % SINCE.len()] * 60 * SECOND;
    let runs = matches!(state, InstanceState::Serving | InstanceState::Reloading | InstanceState::Broken);
    let mut instance = Instance { overview: overview.clone(), ..Default::default() };
    if !runs {
        return instance;
    }
    for second in 0..290 {
        instance.samples.push(sample(NOW_US - (290 - second) * SECOND, number));
    }
    let status = status(&overview, instance.samples.last().copied().unwrap_or_default());
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
            status_text: "4 of 4 workers, 84.2 requests/s, p95 31 ms, generation 7".to_owned(),
            memory_bytes: Some(327_155_712),
            cpu_us: Some(912_000_000),
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
    instance.happenings = vec![
        happening(250, HappeningKind::Reloaded, "generation 6 serves"),
        happening(130, HappeningKind::ReloadFailed, "generation 7 failed: SyntaxError in shop/views.py, line 31"),
        happening(70, HappeningKind::Reloaded, "generation 7 serves"),
    ];
    instance.workers = Loaded::Here(parts::workers());
    instance.requests = Loaded::Here(parts::requests());
    instance.settings = Loaded::Here(settings::settings());
    instance.history = Loaded::Here(settings::history());
    instance.log.extend(parts::lines());
    instance
}

fn happening(seconds_ago: u64, kind: HappeningKind, message: &str) -> Happening {
    Happening { at_us: NOW_US - seconds_ago * SECOND, kind, message: message.to_owned() }
}

/// A sample that moves as a site's load does, the same in each run.
fn sample(at_us: u64, number: u64) -> Sample {
    let second = (at_us / SECOND) as f64;
    let phase = number as f64 * 1.7;
    let wave = 1.0 + 0.35 * (second / 37.0 + phase).sin() + 0.18 * (second / 7.3 + phase).sin();
    let noise = 0.9 + 0.2 * ((second * 12.9898 + phase).sin() * 43_758.545_3).rem_euclid(1.0);
    let rate = 62.0 * wave * noise;
    Sample {
        at_us,
        rates: [0.0, rate * 0.93, rate * 0.04, rate * 0.025, rate * 0.005],
        p50_us: (8_400.0 * wave) as u64,
        p95_us: (31_000.0 * wave * noise) as u64,
        p99_us: (64_000.0 * wave * noise * noise) as u64,
        queued: if wave > 1.4 { 3 } else { 0 },
        busy: (2.2 * wave * noise) as u32,
        ready: 4,
        memory_bytes: ((312 + MEMORY[number as usize % MEMORY.len()]) as u64) * 1024 * 1024
            + (4e6 * (second / 61.0).sin()) as u64,
        cpu: Some(0.12 + rate * 0.009),
    }
}

fn status(overview: &Overview, last: Sample) -> Status {
    Status {
        configured: Configured {
            name: overview.name.clone(),
            application: overview.application.clone(),
            binds: overview.binds.clone(),
            workers_min: 2,
            workers_max: 8,
            threads: 1,
            interface: "wsgi".to_owned(),
            error_log: "journal".to_owned(),
            settings_file: Some(format!("/etc/hostler/{}.toml", overview.name)),
        },
        observed: Observed {
            state: State::from(overview.state.as_str()),
            since_us: overview.since_us,
            pid: 4_242,
            version: "0.1.0".to_owned(),
            python: "3.11.2".to_owned(),
            event_loop: None,
            framework: "Django".to_owned(),
            workers_busy: last.busy,
            last_error: Some(LastError { at_us: NOW_US - 21 * SECOND, message: "KeyError: 'vat'".to_owned() }),
            restarts: [("timed_out", 1), ("max_requests", 14)].map(|(cause, count)| (cause.to_owned(), count)).into(),
            cpu_seconds: 912.0,
            generation: 7,
            last_reload: Some(LastReload {
                at_us: NOW_US - 70 * SECOND,
                succeeded: true,
                generation: 7,
                seconds: 1.34,
                message: String::new(),
            }),
            workers_ready: 4,
            workers_wanted: 4,
            workers_reason: "four were busy at once in the last minute".to_owned(),
            queued: last.queued,
            in_flight: 4,
            requests_total: 1_482_113,
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
