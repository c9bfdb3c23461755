//! The life of workers that do not die: recycled, scaled, put to sleep, broken and healed; one story a test.

use super::story::*;
use super::*;
use crate::{Load, Recycling, Scaling};

const DONE: Ended = Ended::Exited(0);

/// `workers` that serve, with `places`, and what else `limits` says.
fn serving(workers: u16, places: u16, limits: Limits) -> Story {
    let mut story = Story::of(Limits { workers, places, ..limits });
    story.on(Event::Start);
    for worker in 0..workers {
        story.spawned(worker);
    }
    for worker in 0..workers {
        story.ready(worker);
    }
    story
}

fn max_requests(limit: u64) -> Limits {
    Limits { recycling: Recycling { max_requests: Some(limit), ..Recycling::default() }, ..Limits::default() }
}

fn sleeps_after(seconds: u64) -> Limits {
    Limits {
        scaling: Some(Scaling { min: 0, max: 4 }),
        idle_timeout: Some(Duration::from_secs(seconds)),
        ..Limits::default()
    }
}

fn served(counts: &[u64]) -> Event {
    Event::Load(Seen { served: counts.to_vec(), ..Seen::default() })
}

fn idle(seconds: u64) -> Event {
    Event::Load(Seen {
        load: Load { busy: Some(0.0), ..Load::default() },
        idle: Some(Duration::from_secs(seconds)),
        ..Seen::default()
    })
}

fn spawn(worker: u16) -> Action {
    Action::Spawn { worker }
}

fn let_go(worker: u16) -> Vec<Action> {
    vec![Action::Retire { worker }, Action::SendStop { worker }]
}

fn told(worker: u16, pid: u32, reason: RecycleReason) -> Action {
    Action::Remark(Remark::Recycling { worker, pid, reason })
}

impl Story {
    fn state(&self, worker: u16) -> WorkerState {
        self.machine.observe().nth(usize::from(worker)).unwrap().state
    }

    fn restarts(&self, worker: u16) -> Restarts {
        self.machine.observe().nth(usize::from(worker)).unwrap().restarts
    }
}

#[test]
fn a_worker_is_let_go_when_its_replacement_is_ready_and_one_at_a_time() {
    let mut story = serving(2, 4, max_requests(100));
    assert_eq!(story.on(served(&[99, 99])), []);
    let reason = RecycleReason::MaxRequests { served: 100, limit: 100 };
    assert_eq!(story.on(served(&[100, 250])), [spawn(2), told(0, 100, reason)]);
    story.spawned(2);
    assert_eq!(story.on(served(&[180, 260])), [], "the other waits");
    assert_eq!(story.state(0), WorkerState::Ready);
    assert_eq!(story.ready(2), let_go(0));
    assert_eq!((story.state(0), story.state(1)), (WorkerState::Retiring, WorkerState::Ready));
    // The reason is the one that was first seen.
    let reason = RecycleReason::MaxRequests { served: 250, limit: 100 };
    assert_eq!(
        story.exited(0, DONE),
        [recovered(0, 100, DONE, Cause::Retired), spawn(0), told(1, 101, reason)],
        "the place that came free is the next replacement's"
    );
    assert_eq!(story.restarts(0), Restarts { max_requests: 1, ..Restarts::default() });
    story.spawned(0);
    assert_eq!(story.ready(0), let_go(1));
    assert_eq!(story.exited(1, DONE), [recovered(1, 101, DONE, Cause::Retired)]);
    assert_eq!(story.machine.strength().ready, 2);
}

#[test]
fn a_quarter_may_be_replaced_at_once() {
    let mut story = serving(8, 16, max_requests(1));
    let actions = story.on(served(&[5; 8]));
    assert_eq!(actions.iter().filter(|action| matches!(action, Action::Spawn { .. })).count(), 2);
}

#[test]
fn a_replacement_that_is_not_ready_leaves_the_old_one_and_is_tried_again_ever_later() {
    let mut story = serving(1, 2, Limits::default());
    assert_eq!(story.on(Event::Recycle { worker: 0 }), [spawn(1), told(0, 100, RecycleReason::ByHand)]);
    let mut delays = Vec::new();
    for _ in 0..10 {
        story.spawned(1);
        story.failed(1);
        let actions = story.exited(1, Ended::Exited(1));
        assert!(matches!(actions[1], Action::Remark(Remark::ReplacementFailed { worker: 0, .. })), "{actions:?}");
        assert_eq!(actions.len(), 2);
        let (delay, actions) = story.until_due();
        assert_eq!(actions, [spawn(1)], "told of once");
        assert_eq!(story.state(0), WorkerState::Ready);
        delays.push(delay.as_millis());
    }
    assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    story.spawned(1);
    assert_eq!(story.ready(1), let_go(0));
}

#[test]
fn without_a_place_to_spare_nothing_is_recycled() {
    let mut story = serving(1, 1, max_requests(1));
    assert_eq!(story.on(served(&[5])), []);
    assert_eq!(story.on(Event::Recycle { worker: 9 }), []);
    assert_eq!(story.machine.next_tick(), None);
}

#[test]
fn a_recycled_worker_that_does_not_end_is_killed_as_at_a_stop() {
    let mut story = serving(1, 2, Limits::default());
    story.on(Event::Recycle { worker: 0 });
    story.spawned(1);
    story.ready(1);
    let overdue = Action::Remark(Remark::StopOverdue { worker: 0, limit: GRACEFUL });
    assert_eq!(story.until_due(), (GRACEFUL, vec![overdue, signal(0, WorkerSignal::Terminate)]));
    let ignored = Action::Remark(Remark::TerminateOverdue { worker: 0 });
    assert_eq!(story.until_due(), (TERMINATE_TIME, vec![ignored, signal(0, WorkerSignal::Kill)]));
    let killed = Ended::Signaled(9);
    assert_eq!(story.exited(0, killed), [recovered(0, 100, killed, Cause::Retired)]);
    assert_eq!(story.restarts(0), Restarts { by_hand: 1, ..Restarts::default() });
}

#[test]
fn when_the_old_one_dies_first_its_replacement_has_the_seat() {
    let mut story = serving(1, 2, Limits::default());
    story.on(Event::Recycle { worker: 0 });
    story.spawned(1);
    assert_eq!(story.exited(0, SEGV), [recovered(0, 100, SEGV, Cause::Unasked)], "nobody else is started");
    assert_eq!(story.restarts(0), Restarts { crashed: 1, ..Restarts::default() });
    assert_eq!(story.ready(1), []);
    assert_eq!(story.machine.strength().ready, 1);
}

#[test]
fn lifetime_and_memory_have_their_limits() {
    let recycling =
        Recycling { max_lifetime: Some(Duration::from_secs(3600)), max_memory: Some(1000), ..Recycling::default() };
    let limits = Limits { recycling, ..Limits::default() };
    let mut story = serving(1, 2, limits.clone());
    let reason = RecycleReason::MaxLifetime { limit: Duration::from_secs(3600) };
    assert_eq!(story.until_due(), (Duration::from_secs(3600), vec![spawn(1), told(0, 100, reason)]));

    let mut story = serving(1, 2, limits);
    let measured = |memory, pid| Event::Measured { worker: 0, pid, memory };
    assert_eq!(story.on(measured(2000, 100)), [], "it served nothing");
    story.on(served(&[1]));
    assert_eq!(story.on(measured(2000, 99)), [], "another process");
    assert_eq!(story.on(measured(1000, 100)), []);
    let reason = RecycleReason::MaxMemory { memory: 2000, limit: 1000 };
    assert_eq!(story.on(measured(2000, 100)), [spawn(1), told(0, 100, reason)]);
}

#[test]
fn the_number_follows_the_hand_within_the_places() {
    let mut story = serving(2, 6, Limits::default());
    let scaled = |from, to| Action::Remark(Remark::Scaled { from, to, reason: "set by hand".into() });
    assert_eq!(story.on(Event::Scale { workers: 90 }), [scaled(2, 5), spawn(2), spawn(3), spawn(4)]);
    story.spawned(2);
    story.now += Duration::from_secs(1);
    story.ready(2);
    story.spawned(3);
    // First those that do not serve, then the youngest of the idle.
    let running = Load { running: vec![1, 0, 1], ..Load::default() };
    story.on(Event::Load(Seen { load: running, ..Seen::default() }));
    let actions = story.on(Event::Scale { workers: 2 });
    assert_eq!(actions, [vec![scaled(5, 2), signal(3, WorkerSignal::Terminate)], let_go(1)].concat());
    assert_eq!(story.spawned(4), [signal(4, WorkerSignal::Terminate)]);
    assert_eq!(story.on(Event::Scale { workers: 0 }), [vec![scaled(2, 1)], let_go(2)].concat());
    assert_eq!(story.exited(1, DONE), [recovered(1, 101, DONE, Cause::Retired)]);
    assert_eq!(story.machine.strength(), Strength { wanted: 1, ready: 1, reason: "set by hand".into() });
}

#[test]
fn the_number_follows_the_load() {
    let mut story = serving(1, 8, Limits { scaling: Some(Scaling { min: 1, max: 4 }), ..Limits::default() });
    let load = Load { queued: 2, longest_wait: Duration::from_millis(120), busy: Some(1.0), ..Load::default() };
    let seen = || Event::Load(Seen { load: load.clone(), ..Seen::default() });
    for _ in 0..3 {
        assert_eq!(story.on(seen()), []);
        story.now += Duration::from_secs(1);
    }
    let reason = "requests waited 120 ms in the queue for 3 s".to_owned();
    let scaled = Action::Remark(Remark::Scaled { from: 1, to: 2, reason });
    assert_eq!(story.on(seen()), [scaled, spawn(1)]);
    assert_eq!(story.machine.strength().wanted, 2);
}

#[test]
fn nobody_asks_and_all_go_until_somebody_does() {
    let mut story = serving(2, 4, sleeps_after(60));
    assert_eq!(story.on(idle(59)), []);
    story.now += Duration::from_secs(60);
    let asleep = [Action::Remark(Remark::Asleep { idle: Duration::from_secs(60) }), Action::Tell(Change::Asleep)];
    assert_eq!(story.on(idle(60)), [asleep.to_vec(), let_go(1), let_go(0)].concat());
    assert_eq!(story.machine.condition(), Condition::Asleep);
    assert!(!story.machine.wants_load());
    story.exited(0, DONE);
    // One is still on its way out.
    assert_eq!(story.on(Event::Wake), [Action::Remark(Remark::Woken), spawn(0)], "one is enough");
    assert_eq!(story.on(Event::Wake), []);
    assert_eq!(story.machine.condition(), Condition::Waking);
    story.spawned(0);
    story.now += Duration::from_millis(500);
    let awake = Remark::Awake { after: Duration::from_millis(500) };
    assert_eq!(story.ready(0), [Action::Remark(awake), Action::Tell(Change::Awake)]);
    assert_eq!(story.machine.condition(), Condition::Serving);
    assert_eq!(story.on(idle(900)), [], "it is given its time");
    assert_eq!(story.on(Event::Stop { graceful: true }), let_go(0));
}

#[test]
fn who_has_something_to_do_does_not_sleep() {
    let mut story = serving(2, 4, sleeps_after(60));
    story.now += Duration::from_secs(600);
    for load in [Load { queued: 1, ..Load::default() }, Load { running: vec![0, 1], ..Load::default() }] {
        let idle = Some(Duration::from_secs(100));
        assert_eq!(story.on(Event::Load(Seen { load, idle, ..Seen::default() })), []);
    }
    let mut story = serving(1, 2, Limits { scaling: Some(Scaling { min: 1, max: 2 }), ..sleeps_after(60) });
    story.now += Duration::from_secs(600);
    assert_eq!(story.on(idle(100)), [], "one is to be kept");
}

#[test]
fn asleep_a_stop_is_the_end() {
    let mut story = serving(1, 2, sleeps_after(60));
    story.now += Duration::from_secs(60);
    story.on(idle(60));
    story.exited(0, DONE);
    assert_eq!(story.machine.next_tick(), None, "nothing stirs");
    assert_eq!(story.on(Event::Stop { graceful: true }), [stopped()]);
}

#[test]
fn five_deaths_at_boot_are_broken_once_and_one_tries_on_until_it_heals() {
    let mut story = Story::of(Limits { workers: 3, places: 6, outlive_failures: true, ..Limits::default() });
    story.on(Event::Start);
    let failure = Failure::Import { message: "no".into(), traceback: None };
    let broken =
        [Action::Remark(Remark::Broken(failure.clone())), Action::Tell(Change::Broken { failure: failure.clone() })];
    let mut spawned: Vec<u16> = vec![0, 1, 2];
    for death in 1..=BROKEN_DEATHS {
        while spawned.is_empty() {
            spawned = spawns(&story.until_due().1);
        }
        let worker = spawned.remove(0);
        story.spawned(worker);
        story.failed(worker);
        let actions = story.exited(worker, Ended::Exited(1));
        assert_eq!(actions.ends_with(&broken), death == BROKEN_DEATHS, "{actions:?}");
    }
    assert_eq!(story.machine.condition(), Condition::Broken { failure });
    // Whatever was asked for before still comes; then one is left.
    for worker in spawned {
        story.spawned(worker);
        story.failed(worker);
        story.exited(worker, Ended::Exited(1));
    }
    for _ in 0..20 {
        let (_, actions) = story.until_due();
        let tried = spawns(&actions);
        assert_eq!(tried.len(), 1, "{actions:?}");
        story.spawned(tried[0]);
        let actions = story.failed(tried[0]);
        assert!(matches!(&actions[..], [Action::Remark(Remark::ImportFailed { again: true, .. })]), "{actions:?}");
        story.exited(tried[0], Ended::Exited(1));
    }
    let (delay, actions) = story.until_due();
    assert_eq!(delay, Duration::from_secs(30));
    let worker = spawns(&actions)[0];
    story.spawned(worker);
    let actions = story.ready(worker);
    assert!(matches!(actions[0], Action::Notify(Notice::Ready { .. })));
    assert_eq!(actions[1..3], [Action::Remark(Remark::Healed), Action::Tell(Change::Healed)]);
    assert_eq!(spawns(&actions).len(), 2, "the others are started at once");
}

#[test]
fn while_one_serves_nothing_is_broken() {
    let mut story = serving(2, 4, Limits::default());
    story.exited(0, SEGV);
    for _ in 0..10 {
        story.spawned(0);
        story.failed(0);
        let actions = story.exited(0, Ended::Exited(1));
        assert!(!actions.iter().any(|action| matches!(action, Action::Tell(_))));
        story.until_due();
    }
    assert_eq!(story.restarts(0), Restarts { crashed: 1, failed_at_boot: 10, ..Restarts::default() });
}

fn spawns(actions: &[Action]) -> Vec<u16> {
    let spawned = |action: &Action| match action {
        Action::Spawn { worker } => Some(*worker),
        _ => None,
    };
    actions.iter().filter_map(spawned).collect()
}

#[test]
fn where_memory_is_short_sleep_comes_early_to_those_who_may() {
    let doze = |idle, queued, running: &[u32]| Event::Doze {
        seen: Seen {
            load: Load { queued, running: running.to_vec(), ..Load::default() },
            idle: Some(Duration::from_secs(idle)),
            ..Seen::default()
        },
        idle: Duration::from_secs(5),
    };
    let mut story = serving(1, 4, sleeps_after(900));
    story.now += Duration::from_secs(100);
    assert_eq!(story.on(doze(4, 0, &[])), [], "somebody asked something just now");
    assert_eq!(story.on(doze(5, 1, &[])), []);
    assert_eq!(story.on(doze(5, 0, &[1])), []);
    assert!(story.on(doze(5, 0, &[0])).contains(&Action::Tell(Change::Asleep)));
    assert_eq!(story.on(doze(5, 0, &[])), [], "it sleeps");

    let mut story = serving(1, 4, Limits::default());
    story.now += Duration::from_secs(100);
    assert_eq!(story.on(doze(100, 0, &[])), [], "the settings have it never sleep");
    let mut story = serving(1, 4, sleeps_after(2));
    story.now += Duration::from_secs(100);
    assert!(!story.on(doze(2, 0, &[])).is_empty(), "its own time is shorter");
}
