//! What holds whatever happens, in whatever order: random events against a small model of the processes.

use proptest::prelude::*;

use super::state::BACK_OFF_LONGEST;
use super::*;
use crate::{Load, Look, Recycling, Scaling};

const WORKERS: u16 = 3;
const PLACES: u16 = 7;

/// What the world does next. Numbers pick a worker, modulo some more than there are: no such worker is a case, too.
#[derive(Debug, Clone)]
enum Step {
    AnswerSpawn {
        ok: bool,
    },
    Ready(u16),
    Failed(u16),
    Exit(u16),
    TimedOut(u16, Option<u64>),
    /// Answers a look: what of the few requests there are runs; whether the loop turned.
    Looked {
        running: Vec<u64>,
        turned: bool,
    },
    Wait(Duration),
    /// The event again, fitting or not.
    Stray(u16, u8),
    /// Requests finished, by place; whether nothing was asked for long; how much waits.
    Load {
        served: u64,
        idle: bool,
        queued: u32,
        busy: f64,
    },
    Doze {
        idle: bool,
    },
    Measured(u16),
    Recycle(u16),
    Scale(u16),
    Wake,
    Roll,
    EndRoll,
    AnswerKeeper {
        ok: bool,
    },
    KeeperReady,
    KeeperFailed,
    KeeperExit,
    /// A hook raised.
    RefuseFork,
    StrayKeeper(u8),
    Stop {
        graceful: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..PLACES + 1;
    prop_oneof![
        8 => prop::bool::weighted(0.9).prop_map(|ok| Step::AnswerSpawn { ok }),
        6 => worker.clone().prop_map(Step::Ready),
        1 => worker.clone().prop_map(Step::Failed),
        5 => worker.clone().prop_map(Step::Exit),
        2 => (worker.clone(), prop::option::weighted(0.8, 0u64..4)).prop_map(|(worker, request)| Step::TimedOut(worker, request)),
        4 => (prop::collection::vec(0u64..4, 0..4), any::<bool>()).prop_map(|(running, turned)| Step::Looked { running, turned }),
        8 => (0u64..40_000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        2 => (worker.clone(), 0u8..4).prop_map(|(worker, kind)| Step::Stray(worker, kind)),
        6 => (0u64..400, prop::bool::weighted(0.2), 0u32..3, 0.0f64..1.0)
            .prop_map(|(served, idle, queued, busy)| Step::Load { served, idle, queued, busy }),
        1 => any::<bool>().prop_map(|idle| Step::Doze { idle }),
        1 => worker.clone().prop_map(Step::Measured),
        2 => worker.prop_map(Step::Recycle),
        1 => (0..PLACES + 2).prop_map(Step::Scale),
        2 => Just(Step::Wake),
        2 => Just(Step::Roll),
        1 => Just(Step::EndRoll),
        6 => prop::bool::weighted(0.9).prop_map(|ok| Step::AnswerKeeper { ok }),
        6 => Just(Step::KeeperReady),
        1 => Just(Step::KeeperFailed),
        2 => Just(Step::KeeperExit),
        1 => Just(Step::RefuseFork),
        1 => (0u8..5).prop_map(Step::StrayKeeper),
    ]
}

fn step_or_stop() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => step(),
        1 => any::<bool>().prop_map(|graceful| Step::Stop { graceful }),
    ]
}

/// The processes as they really are, and what was asked so far.
struct World {
    machine: Machine,
    now: Duration,
    pids: u32,
    /// Asked for and not answered.
    asked: Vec<u16>,
    /// Looks that were asked for and not answered.
    looks: Vec<u16>,
    alive: [bool; PLACES as usize],
    unrecovered: [bool; PLACES as usize],
    killed: [bool; PLACES as usize],
    keeper: KeeperProcess,
    notices: Vec<Notice>,
    changes: Vec<Change>,
    stop_asked: bool,
    /// Rolls that were begun and have not ended.
    rolls: usize,
}

/// The process that forks workers, as it really is.
#[derive(Default, Debug)]
struct KeeperProcess {
    wanted: bool,
    asked: bool,
    alive: bool,
    /// It has said that it is ready, or that it failed.
    ready: bool,
    failed: bool,
    told_to_end: bool,
    killed: bool,
}

impl World {
    fn new(limits: Limits) -> Self {
        let keeper = KeeperProcess { wanted: limits.preload, ..KeeperProcess::default() };
        let mut world = Self {
            keeper,
            machine: Machine::new(limits),
            now: Duration::ZERO,
            pids: 0,
            asked: Vec::new(),
            looks: Vec::new(),
            alive: [false; PLACES as usize],
            unrecovered: [false; PLACES as usize],
            killed: [false; PLACES as usize],
            notices: Vec::new(),
            changes: Vec::new(),
            stop_asked: false,
            rolls: 0,
        };
        world.send(Event::Start);
        world
    }

    fn send(&mut self, event: Event) {
        let before = self.machine.strength();
        let may_scale = matches!(event, Event::Scale { .. });
        let ticked = event == Event::Tick;
        let may_cost = matches!(event, Event::Exited { .. } | Event::Looked { .. } | Event::Stop { .. });
        let actions = self.machine.handle(self.now, event);
        for action in actions {
            self.act(action);
        }
        let keeper = self.machine.observe_keeper();
        assert_eq!(keeper.is_some_and(|(pid, ..)| pid.is_some()), self.keeper.alive, "{keeper:?}");
        for Observation { worker, pid, state, .. } in self.machine.observe() {
            assert_eq!(pid.is_some(), self.alive[usize::from(worker)], "worker {worker} in {state:?}");
        }
        let after = self.machine.strength();
        if !may_cost && !self.machine.is_asleep() {
            // Nothing but a smaller number wanted takes a worker that serves away.
            assert!(after.ready >= before.ready.min(after.wanted), "{before:?} {after:?}");
        }
        if !self.stop_asked
            && !self.machine.is_asleep()
            && self.count(|notice| matches!(notice, Notice::Failed(_))) == 0
        {
            assert!(self.machine.seats() <= self.machine.wanted, "more than wanted");
            assert!(
                !ticked || self.machine.next_tick().is_none_or(|due| due > self.now),
                "a tick that changes nothing"
            );
        }
        assert!((1..=PLACES).contains(&after.wanted), "{after:?}");
        if matches!(self.machine.condition(), Condition::Broken { .. }) {
            let waiting = self.machine.observe().filter(|seen| seen.state == WorkerState::Backoff).count();
            assert!(waiting <= 1, "one at a time shows when it is over");
        }
        // What was under way when the number wanted became smaller goes on.
        assert_eq!(
            usize::from(self.machine.rolling.is_some()),
            self.rolls,
            "everybody who asked for a roll is told its end"
        );
        if self.machine.rolling.is_some() {
            let starting = self.machine.workers.iter().filter(|worker| worker.replaces.is_some()).count();
            assert!(starting <= 1, "one at a time");
            assert!(after.wanted >= before.wanted || may_scale, "nothing but somebody takes workers away meanwhile");
            assert!(!self.machine.is_asleep(), "it sleeps while all are replaced");
        }
        let replacements = self.machine.workers.iter().filter(|worker| worker.replaces.is_some()).count();
        assert!(replacements <= usize::from(PLACES / 4).max(1), "too many are replaced at once");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { worker } => {
                let index = usize::from(worker);
                assert!(!self.alive[index], "two processes of one index");
                assert!(!self.asked.contains(&worker), "asked twice");
                assert!(!self.unrecovered[index], "not recovered");
                assert!(!self.stop_asked, "spawned after a stop");
                assert!(
                    !self.notices.iter().any(|notice| matches!(notice, Notice::Failed(_))),
                    "spawned after the end"
                );
                assert!(
                    !self.keeper.wanted || (self.keeper.ready && !self.keeper.told_to_end),
                    "nobody is there to fork"
                );
                self.asked.push(worker);
            }
            Action::SpawnKeeper => {
                assert!(self.keeper.wanted, "nobody wants one");
                assert!(!self.keeper.asked && !self.keeper.alive, "two keepers");
                assert!(!self.stop_asked, "a keeper after a stop");
                assert_eq!(self.count(|notice| matches!(notice, Notice::Failed(_))), 0, "a keeper after the end");
                self.keeper.asked = true;
            }
            Action::StopKeeper => {
                assert!(self.keeper.alive && self.keeper.ready && !self.keeper.told_to_end);
                assert!(self.alive.iter().all(|alive| !alive), "it ends last");
                assert!(self.asked.is_empty(), "it was asked for a worker");
                self.keeper.told_to_end = true;
            }
            Action::SignalKeeper { signal } => {
                assert!(self.keeper.alive && !self.keeper.killed, "{:?}", self.keeper);
                self.keeper.killed = signal == WorkerSignal::Kill;
            }
            Action::Recover(death) => {
                let index = usize::from(death.worker);
                assert!(self.unrecovered[index], "recovered without a death");
                self.unrecovered[index] = false;
            }
            Action::Retire { worker } | Action::SendStop { worker } => assert!(self.alive[usize::from(worker)]),
            Action::Interrupt { worker, .. } => {
                assert!(self.alive[usize::from(worker)], "an interruption of no process");
                assert!(!self.killed[usize::from(worker)], "an interruption of a killed process");
            }
            Action::Look { worker } => {
                assert!(self.alive[usize::from(worker)], "a look at no process");
                self.looks.push(worker);
            }
            Action::Signal { worker, signal } => {
                let index = usize::from(worker);
                assert!(self.alive[index], "a signal to no process");
                assert!(!self.killed[index], "a signal to a killed process");
                self.killed[index] = signal == WorkerSignal::Kill;
            }
            Action::Rolled(rolled) => {
                assert!(self.rolls > 0, "an end without a beginning");
                self.rolls -= 1;
                assert!(rolled.replaced <= rolled.of, "{rolled:?}");
                assert!(!rolled.complete || rolled.failure.is_none(), "{rolled:?}");
                assert!(!rolled.complete || rolled.replaced > 0, "{rolled:?}");
            }
            Action::Tell(change) => {
                let last = |wanted: fn(&Change) -> bool| self.changes.iter().rev().find(|told| wanted(told)).cloned();
                match &change {
                    Change::Broken { .. } | Change::Healed => {
                        let before = last(|told| matches!(told, Change::Broken { .. } | Change::Healed));
                        let was_broken = matches!(before, Some(Change::Broken { .. }));
                        assert_eq!(was_broken, change == Change::Healed, "told twice");
                    }
                    Change::Asleep | Change::Awake => {
                        let before = last(|told| matches!(told, Change::Asleep | Change::Awake));
                        assert_eq!(before == Some(Change::Asleep), change == Change::Awake, "told twice");
                    }
                }
                self.changes.push(change);
            }
            Action::Remark(Remark::BackingOff { delay, .. } | Remark::ReplacementFailed { delay, .. }) => {
                assert!(delay <= BACK_OFF_LONGEST)
            }
            Action::Remark(_) => {}
            Action::Notify(notice) => {
                assert_ne!(self.notices.last(), Some(&Notice::Stopped), "a notice after the last");
                self.notices.push(notice);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Roll => {
                self.rolls += 1;
                self.send(Event::Roll);
            }
            Step::EndRoll => self.send(Event::EndRoll),
            Step::AnswerSpawn { ok } => self.answer_spawn(ok),
            Step::Ready(worker) if self.is_alive(worker) => self.send(ready(worker)),
            Step::Failed(worker) if self.is_alive(worker) => self.send(failed(worker)),
            Step::Exit(worker) if self.is_alive(worker) => self.exit(worker),
            Step::TimedOut(worker, request) => {
                self.send(Event::TimedOut { worker, request, limit: Duration::from_secs(30) });
            }
            Step::Looked { running, turned } => self.answer_looks(Look { running, turned }),
            Step::Wait(time) => {
                self.now += time;
                self.send(Event::Tick);
            }
            Step::Stray(worker, kind) if !self.is_alive(worker) => match kind {
                0 => self.send(ready(worker)),
                1 => self.send(failed(worker)),
                2 => self.send(Event::Exited { worker, status: Ended::Exited(0) }),
                _ => self.send(Event::Start),
            },
            Step::Load { served, idle, queued, busy } => {
                let load = Load {
                    queued,
                    longest_wait: Duration::from_millis(u64::from(queued) * 600),
                    busy: Some(busy),
                    ..Load::default()
                };
                self.now += Duration::from_secs(1);
                let idle = Some(Duration::from_secs(if idle { 1000 } else { 0 }));
                let served = (0..u64::from(PLACES)).map(|place| served * (place + 1) / 4).collect();
                self.send(Event::Load(Seen { load, served, idle }));
            }
            Step::Doze { idle } => {
                let idle = Duration::from_secs(if idle { 10 } else { 0 });
                self.send(Event::Doze {
                    seen: Seen { idle: Some(idle), ..Seen::default() },
                    idle: Duration::from_secs(5),
                });
            }
            Step::Measured(worker) => {
                let pid = self.machine.observe().nth(usize::from(worker)).and_then(|seen| seen.pid).unwrap_or(0);
                self.send(Event::Measured { worker, pid, memory: 2000 });
            }
            Step::Recycle(worker) => self.send(Event::Recycle { worker }),
            Step::Scale(workers) => self.send(Event::Scale { workers }),
            Step::Wake => self.send(Event::Wake),
            Step::AnswerKeeper { ok } => self.answer_keeper(ok),
            Step::KeeperReady => self.keeper_ready(),
            Step::KeeperFailed if self.keeper.alive && !self.keeper.ready => {
                self.keeper.failed = true;
                self.send(Event::KeeperFailed { message: String::new(), traceback: None });
            }
            Step::KeeperExit if self.keeper.alive => self.keeper_exit(),
            Step::RefuseFork if self.keeper.alive && !self.asked.is_empty() => {
                let worker = self.asked.remove(0);
                self.send(Event::ForkRefused { worker, message: String::new(), traceback: None });
            }
            Step::StrayKeeper(kind) if !self.keeper.alive && !self.keeper.asked => match kind {
                0 => self.send(Event::KeeperSpawned { pid: 1 }),
                1 => self.send(Event::KeeperSpawnFailed { error: String::new() }),
                2 => self.send(Event::KeeperReady),
                3 => self.send(Event::KeeperFailed { message: String::new(), traceback: None }),
                _ => self.send(Event::KeeperExited { status: Ended::Exited(0) }),
            },
            Step::Stop { graceful } => self.stop(graceful),
            Step::Ready(_) | Step::Failed(_) | Step::Exit(_) | Step::Stray(..) => {}
            Step::KeeperFailed | Step::KeeperExit | Step::RefuseFork | Step::StrayKeeper(_) => {}
        }
    }

    /// The process may have been replaced since: the answer is of the new one then.
    fn answer_looks(&mut self, look: Look) {
        for worker in std::mem::take(&mut self.looks) {
            self.send(Event::Looked { worker, look: look.clone() });
        }
    }

    fn is_alive(&self, worker: u16) -> bool {
        self.alive.get(usize::from(worker)) == Some(&true)
    }

    fn answer_spawn(&mut self, ok: bool) {
        if self.asked.is_empty() {
            return;
        }
        let worker = self.asked.remove(0);
        if ok {
            self.pids += 1;
            self.alive[usize::from(worker)] = true;
            self.killed[usize::from(worker)] = false;
            self.send(Event::Spawned { worker, pid: self.pids, luck: u64::from(self.pids) << 30 });
        } else {
            self.send(Event::SpawnFailed { worker, error: "no".into() });
        }
    }

    fn answer_keeper(&mut self, ok: bool) {
        if !std::mem::take(&mut self.keeper.asked) {
            return;
        }
        if ok {
            self.pids += 1;
            self.keeper = KeeperProcess { wanted: true, alive: true, ..KeeperProcess::default() };
            self.send(Event::KeeperSpawned { pid: self.pids });
        } else {
            self.send(Event::KeeperSpawnFailed { error: "no".into() });
        }
    }

    fn keeper_ready(&mut self) {
        if self.keeper.alive && !self.keeper.ready && !self.keeper.failed {
            // Set first: workers are asked for at once.
            self.keeper.ready = true;
            self.send(Event::KeeperReady);
        }
    }

    /// With it goes what it was about to fork.
    fn keeper_exit(&mut self) {
        self.keeper = KeeperProcess { wanted: true, ..KeeperProcess::default() };
        self.asked.clear();
        self.send(Event::KeeperExited { status: Ended::Signaled(9) });
    }

    fn exit(&mut self, worker: u16) {
        self.alive[usize::from(worker)] = false;
        self.unrecovered[usize::from(worker)] = true;
        self.send(Event::Exited { worker, status: Ended::Signaled(11) });
        assert!(!self.unrecovered[usize::from(worker)], "a death without recovery");
    }

    fn stop(&mut self, graceful: bool) {
        self.stop_asked = true;
        self.send(Event::Stop { graceful });
    }

    /// From now on nothing happens of itself: only killed processes end.
    fn wind_down(&mut self) {
        for _ in 0..100 {
            self.answer_keeper(true);
            // A keeper that is stuck answers nothing.
            while !self.keeper.wanted && !self.asked.is_empty() {
                self.answer_spawn(true);
            }
            if self.keeper.killed {
                self.keeper_exit();
            }
            for worker in 0..PLACES {
                if self.is_alive(worker) && self.killed[usize::from(worker)] {
                    self.exit(worker);
                }
            }
            self.answer_looks(Look::default());
            match self.machine.next_tick() {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.send(Event::Tick);
                }
                None if self.machine.is_stopped() => return,
                None => assert!(self.killed.contains(&true) || self.keeper.killed || !self.asked.is_empty(), "stuck"),
            }
        }
        panic!("the stop does not end");
    }

    /// From now on all goes well: whoever starts becomes ready, whoever was told to go does. Nothing new is asked.
    fn calm_down(&mut self) {
        for _ in 0..200 {
            self.answer_keeper(true);
            if self.keeper.killed || self.keeper.told_to_end || self.keeper.failed {
                self.keeper_exit();
                self.answer_keeper(true);
            }
            self.keeper_ready();
            while !self.asked.is_empty() {
                self.answer_spawn(true);
            }
            let states: Vec<_> =
                self.machine.observe().map(|seen| (seen.worker, seen.state, seen.pid.is_some())).collect();
            for (worker, state, alive) in states {
                match state {
                    WorkerState::Starting if alive => self.send(ready(worker)),
                    WorkerState::Retiring | WorkerState::Killed if alive => self.exit(worker),
                    _ => {}
                }
            }
            self.answer_looks(Look::default());
            // Back-offs end after half a minute at most; lifetimes last for an hour.
            match self.machine.next_tick() {
                Some(due) if due <= self.now + Duration::from_secs(31) => {
                    self.now = self.now.max(due);
                    self.send(Event::Tick);
                }
                _ if self.asked.is_empty()
                    && !self.keeper.asked
                    && self.machine.recyclings() == 0
                    && !self.is_restless() =>
                {
                    return;
                }
                _ => {}
            }
        }
        panic!("it does not come to rest: {:?}", self.machine);
    }

    fn is_restless(&self) -> bool {
        if self.machine.observe_keeper().is_some_and(|(_, state, _)| state != WorkerState::Ready) {
            return true;
        }
        self.machine.observe().any(|seen| !matches!(seen.state, WorkerState::Absent | WorkerState::Ready))
    }

    fn count(&self, wanted: impl Fn(&Notice) -> bool) -> usize {
        self.notices.iter().filter(|notice| wanted(notice)).count()
    }
}

fn ready(worker: u16) -> Event {
    Event::WorkerReady { worker, loaded: loaded() }
}

fn failed(worker: u16) -> Event {
    Event::WorkerFailed { worker, message: String::new(), traceback: None }
}

fn limits() -> impl Strategy<Value = Limits> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), WORKERS..PLACES + 1, 0u16..2).prop_map(
        |(recycled, scaled, outlive_failures, preload, places, min)| Limits {
            workers: WORKERS,
            places,
            graceful_timeout: Duration::from_secs(30),
            boot_timeout: Duration::from_secs(60),
            recycling: if recycled {
                Recycling {
                    max_requests: Some(300),
                    max_requests_jitter: 100,
                    max_lifetime: Some(Duration::from_secs(3600)),
                    max_lifetime_jitter: Duration::from_secs(60),
                    max_memory: Some(1000),
                }
            } else {
                Recycling::default()
            },
            scaling: scaled.then_some(Scaling { min, max: 4 }),
            idle_timeout: Some(Duration::from_secs(60)),
            outlive_failures,
            preload,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_and_a_stop_always_ends(
        limits in limits(), steps in prop::collection::vec(step_or_stop(), 0..120), graceful: bool,
    ) {
        let outlives = limits.outlive_failures;
        let mut world = World::new(limits);
        for step in steps {
            world.step(step);
        }
        world.stop(graceful);
        world.wind_down();

        prop_assert_eq!(world.rolls, 0);
        prop_assert!(world.alive.iter().all(|alive| !alive));
        prop_assert!(!world.keeper.alive && !world.keeper.asked);
        prop_assert_eq!(world.count(|notice| *notice == Notice::Stopped), 1);
        prop_assert_eq!(world.notices.last(), Some(&Notice::Stopped));
        let ready = world.count(|notice| matches!(notice, Notice::Ready { .. }));
        let failed = world.count(|notice| matches!(notice, Notice::Failed(_)));
        prop_assert!(ready + failed <= 1, "{:?}", world.notices);
        prop_assert!(failed == 0 || !outlives);
        prop_assert!(world.count(|notice| *notice == Notice::AllReady) <= ready);
    }

    /// Whatever happened before, when all goes well a roll replaces every process, and takes none away that serves before its replacement does.
    #[test]
    fn a_roll_replaces_every_process(limits in limits(), steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new(Limits { places: PLACES, ..limits });
        for step in steps {
            world.step(step);
        }
        world.calm_down();
        if world.machine.condition() != Condition::Serving {
            return Ok(());
        }
        let before = world.pids;
        let wanted = world.machine.strength().wanted;
        world.step(Step::Roll);
        world.calm_down();
        prop_assert_eq!(world.rolls, 0);
        let pids: Vec<u32> = world.machine.observe().filter_map(|seen| seen.pid).collect();
        prop_assert_eq!(pids.len(), usize::from(wanted));
        prop_assert!(pids.iter().all(|pid| *pid > before), "{:?} of {}", pids, before);
    }

    /// Whatever happened before, when nothing goes wrong any more as many are ready as are wanted, and no process beside them.
    #[test]
    fn after_any_trouble_it_comes_to_what_is_wanted(
        limits in limits(), steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(limits);
        for step in steps {
            world.step(step);
        }
        world.calm_down();
        // A server that never served may have ended.
        if world.count(|notice| matches!(notice, Notice::Failed(_))) > 0 {
            return Ok(());
        }
        let Strength { wanted, ready, .. } = world.machine.strength();
        let asleep = world.machine.is_asleep();
        prop_assert_eq!(ready, if asleep { 0 } else { wanted });
        prop_assert_eq!(world.alive.iter().filter(|alive| **alive).count(), usize::from(ready));
        prop_assert_eq!(world.keeper.alive, world.keeper.wanted && !asleep);
        let expected = if asleep { Condition::Asleep } else { Condition::Serving };
        prop_assert_eq!(world.machine.condition(), expected);
    }
}
