//! Worlds at the edges: many instances, long names, nothing to do, nothing measured, lost, refused, under way.

use hostler_bus::daemon::{InstanceState, Problem};
use hostler_bus::{Status, Worker, WorkerState};

use super::{Load, NOW_US, SECOND, SHOP, Site, key, refused, system, world};
use crate::bus::{Absence, Action, Event, Link, Progress};
use crate::model::{
    Failure, FailureKind, Happening, HappeningKind, Instance, Loaded, Renewal, Running, Sample, ToastTone, World,
};

/// A name as long as instances may have one, without a place to break it.
pub const LONG_NAME: &str = "rindfleischetikettierungsueberwachungsaufgabenuebertragung";

fn of(name: &str, change: impl FnOnce(&mut Instance)) -> World {
    let mut world = world();
    if let Some(instance) = world.instance_mut(&key(name)) {
        change(instance);
    }
    world
}

/// The world with 200 instances more.
#[must_use]
pub fn many() -> World {
    let mut world = world();
    let states = [
        InstanceState::Serving,
        InstanceState::Serving,
        InstanceState::Asleep,
        InstanceState::Serving,
        InstanceState::Stopped,
        InstanceState::Serving,
        InstanceState::Failed,
    ];
    let Some(machine) = world.machine_mut(&system()) else { return world };
    for number in 1..=200_u64 {
        let state = states[(number % 7) as usize];
        let problem = if state == InstanceState::Failed { "its service failed: exit-code" } else { "" };
        let load = (state == InstanceState::Serving).then_some(Load {
            rate: 0.7 * (1 + number * 31 % 97) as f64,
            median: (4 + number * 7 % 40) as f64,
            workers: 1 + (number % 4) as u32,
            mebibytes: 60 + number * 13 % 240,
        });
        let site = Site { state, problem, load, seconds: 97 * number * number, ..SHOP };
        let mut instance = super::instance(&site, number);
        instance.overview.name = format!("tenant-{number:03}");
        machine.instances.insert(instance.overview.name.clone(), instance);
    }
    world
}

/// `shop` under the longest of names, with an address, an application and a reason as long.
#[must_use]
pub fn long_names() -> World {
    let mut world = world();
    let Some(machine) = world.machine_mut(&system()) else { return world };
    let Some(mut instance) = machine.instances.remove("shop") else { return world };
    let overview = &mut instance.overview;
    overview.name = LONG_NAME.to_owned();
    overview.application = format!("{LONG_NAME}.configuration.production.wsgi:application_for_everybody");
    overview.binds = vec![format!("https://{LONG_NAME}.services.internal.example.net:8443")];
    overview.problem = format!(
        "its socket /run/hostler/{LONG_NAME}.sock cannot be opened by the web server: give the group of the web server \
         with `socket_group`, or listen on a port"
    );
    if let Loaded::Here(detail) = &mut instance.detail {
        detail.overview = overview.clone();
        if let Some(status) = &mut detail.instance {
            status.configured.application = overview.application.clone();
            status.configured.binds = overview.binds.clone();
        }
        if let Some(socket) = &mut detail.socket {
            socket.listen = vec![format!("/run/hostler/{LONG_NAME}.sock")];
        }
    }
    let target = format!("/{LONG_NAME}/{LONG_NAME}?q={}", "a+very+long+question+".repeat(8));
    if let Loaded::Here(requests) = &mut instance.requests {
        requests.iter_mut().for_each(|request| request.target = target.clone());
    }
    if let Loaded::Here(workers) = &mut instance.workers {
        workers.iter_mut().filter_map(|worker| worker.running.as_mut()).for_each(|it| it.target = target.clone());
    }
    machine.instances.insert(LONG_NAME.to_owned(), instance);
    world
}

fn without_work(status: &mut Status) {
    let observed = &mut status.observed;
    observed.requests_total = 0;
    observed.requests_per_second = 0.0;
    (observed.p50_us, observed.p95_us, observed.p99_us) = (0, 0, 0);
    (observed.queued, observed.in_flight, observed.workers_busy, observed.connections) = (0, 0, 0, 0);
    observed.memory_bytes = 201 << 20;
    observed.last_error = None;
    observed.last_reload = None;
    observed.since_us = NOW_US - 292 * SECOND;
    observed.generation = 1;
    observed.cpu_seconds = 1.9;
    observed.restarts.clear();
}

/// `shop` just started: nobody has asked it anything.
#[must_use]
pub fn idle() -> World {
    of("shop", |instance| {
        (instance.overview.since_us, instance.overview.generation) = (NOW_US - 291 * SECOND, 1);
        instance.samples = Default::default();
        for second in 0..290 {
            let at_us = NOW_US - (290 - second) * SECOND;
            instance.samples.push(Sample {
                at_us,
                ready: 4,
                memory_bytes: 201 << 20,
                cpu: Some(0.006),
                ..Sample::default()
            });
        }
        if let Loaded::Here(detail) = &mut instance.detail
            && let Some(status) = &mut detail.instance
        {
            without_work(status);
        }
        if let Loaded::Here(workers) = &mut instance.workers {
            let rest = |worker: &mut Worker| {
                let since_us = NOW_US - 291 * SECOND;
                let next = Worker { state: WorkerState::Idle, since_us, generation: 1, requests: 0, ..worker.clone() };
                *worker = Worker { cpu_seconds: 0.4, memory_bytes: 49 << 20, running: None, ..next };
            };
            workers.truncate(4);
            workers.iter_mut().for_each(rest);
        }
        instance.requests = Loaded::Here(Vec::new());
        instance.happenings.clear();
        instance.history = Loaded::Here(Vec::new());
        instance.log.clear();
        (instance.log.following, instance.log.opened_us) = (true, Some(NOW_US - 60 * SECOND));
    })
}

/// `shop` of which nothing has come yet but its line in the list.
#[must_use]
pub fn awaited() -> World {
    of("shop", |instance| {
        let overview = instance.overview.clone();
        *instance = Instance { overview, ..Instance::default() };
    })
}

/// `shop`, of which this person may see nothing but its line in the list.
#[must_use]
pub fn forbidden() -> World {
    of("shop", |instance| {
        let overview = instance.overview.clone();
        *instance = Instance { overview, ..Instance::default() };
        instance.detail = Loaded::Failed(refused(), None);
        instance.workers = Loaded::Failed(refused(), None);
        instance.requests = Loaded::Failed(refused(), None);
        instance.settings = Loaded::Failed(refused(), None);
        instance.history = Loaded::Failed(refused(), None);
        instance.log.ended = Some(refused());
    })
}

/// The daemon of the machine went away while `shop` was shown.
#[must_use]
pub fn lost() -> World {
    let mut world = world();
    if let Some(machine) = world.machine_mut(&system()) {
        machine.link = Link::Absent {
            why: Absence::NotRunning,
            message: "hostlerd does not start: the unit failed; see `journalctl -u hostlerd`".to_owned(),
            retry_at_us: Some(NOW_US + 8 * SECOND),
        };
    }
    world
}

const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"/srv/shop/shop/wsgi.py\", line 16, in \
                         <module>\n    application = get_wsgi_application()\n  File \
                         \"/srv/shop/shop/views.py\", line 31\n    def show(request\n            ^\nSyntaxError: '(' was never \
                         closed\n";

/// `shop` after a reload that failed: the former generation goes on.
#[must_use]
pub fn reload_failed() -> World {
    of("shop", |instance| {
        let failure = Failure {
            message:
                "generation 8 was thrown away: SyntaxError in /srv/shop/shop/views.py, line 31: '(' was never closed"
                    .to_owned(),
            detail: TRACEBACK.to_owned(),
            ..Failure::default()
        };
        instance.happenings.push(Happening {
            at_us: NOW_US - 6 * SECOND,
            kind: HappeningKind::ReloadFailed,
            message: "generation 8 failed: SyntaxError in shop/views.py, line 31".to_owned(),
        });
        instance.failed = Some((Action::Reload, failure));
    })
}

/// `shop` while generation 8 is made.
#[must_use]
pub fn reloads() -> World {
    of("shop", |instance| {
        (instance.overview.state, instance.overview.since_us) = (InstanceState::Reloading, NOW_US - 3 * SECOND);
        instance.renewal = Some(Renewal { former: 7, since_us: NOW_US - 3 * SECOND, ended: None });
        let progress = Progress { stage: "2 of 4 workers ready".to_owned(), fraction: 0.5 };
        let since_us = NOW_US - 3 * SECOND;
        instance.running = Some(Running { action: Action::Reload, since_us, authorizing: false, progress });
        if let Loaded::Here(workers) = &mut instance.workers {
            workers.truncate(4);
            for place in 4..8 {
                let state = if place < 6 { WorkerState::Idle } else { WorkerState::Starting };
                let (pid, since_us) = (4_280 + place, NOW_US - 3 * SECOND);
                let next = Worker { place, pid, state, since_us, requests: 0, running: None, ..workers[0].clone() };
                workers.push(Worker { generation: 8, cpu_seconds: 1.2, restarts: Default::default(), ..next });
            }
        }
    })
}

/// `shop` while polkit waits for the person.
#[must_use]
pub fn authorizes() -> World {
    of("shop", |instance| {
        let since_us = NOW_US - 4 * SECOND;
        let progress = Progress::default();
        instance.running = Some(Running { action: Action::Restart, since_us, authorizing: true, progress });
    })
}

/// `shop` after the person closed the question for a password, in the notice above it and in a toast.
#[must_use]
pub fn dismissed() -> World {
    ended(FailureKind::Dismissed, "the question for a password to control the instance \"shop\" was dismissed")
}

/// `shop` after a reload that this person may not have.
#[must_use]
pub fn unauthorised() -> World {
    ended(
        FailureKind::NotPermitted,
        "not authorized to control the instance \"shop\": polkit's action org.hostler.Hostler1.control does not allow it to \
         this user",
    )
}

fn ended(kind: FailureKind, message: &str) -> World {
    let mut world = world();
    let failure = Failure { kind, message: message.to_owned(), ..Failure::default() };
    world.take(Event::Ended(key("shop"), Action::Reload, Err(failure)), NOW_US - SECOND);
    world
}

/// `shop`, whose settings were read before and take a password now; its history was never read.
#[must_use]
pub fn locked() -> World {
    of("shop", |instance| {
        let message = "It takes authentication to read logs and settings of the instance \"shop\".".to_owned();
        let failure = Failure { kind: FailureKind::Locked, message, ..Failure::default() };
        instance.requests = Loaded::Failed(failure.clone(), None);
        instance.workers.take(Err(failure));
    })
}

/// The world with something told in each tone.
#[must_use]
pub fn told() -> World {
    let mut world = world();
    let about = |name: &str| Some(key(name));
    let plain = "The settings of api are as they were: nothing was changed".to_owned();
    world.toast(ToastTone::Plain, plain, about("api"), None, NOW_US - SECOND);
    let bad = "billing was not started: its service failed: start-limit-hit".to_owned();
    world.toast(ToastTone::Bad, bad, about("billing"), None, NOW_US - SECOND);
    let undo = Some(("Start again", Action::Start));
    world.toast(ToastTone::Good, "blog is stopped".to_owned(), about("blog"), undo, NOW_US - SECOND);
    world
}

/// `shop`, whose daemon finds a mistake in each draft of its settings: more threads than it may have.
#[must_use]
pub fn mistaken() -> World {
    let mut world = of("shop", |instance| {
        let problem = Problem {
            key: "threads".to_owned(),
            message: "`threads` has to be between 1 and 2, and is 3".to_owned(),
            hint: "2".to_owned(),
            ..Problem::default()
        };
        instance.validated = Some((u64::MAX, Ok(vec![problem])));
    });
    let schema = world.machine_mut(&system()).map(|machine| &mut machine.schema);
    for info in schema.into_iter().flatten().filter(|info| info.key == "threads") {
        (info.most, info.range) = (Some(2), "between 1 and 2".to_owned());
    }
    world
}
