//! What holds whatever happens, in whatever order: random events against a small model of the processes.

use proptest::prelude::*;

use super::state::BACK_OFF_LONGEST;
use super::*;

const WORKERS: u16 = 3;

/// What the world does next. Numbers pick a worker, modulo some more than there are: no such worker is a case, too.
#[derive(Debug, Clone)]
enum Step {
    AnswerSpawn {
        ok: bool,
    },
    Ready(u16),
    Failed(u16),
    Exit(u16),
    TimedOut(u16),
    Wait(Duration),
    /// The event again, fitting or not.
    Stray(u16, u8),
    Stop {
        graceful: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..WORKERS + 1;
    prop_oneof![
        8 => prop::bool::weighted(0.9).prop_map(|ok| Step::AnswerSpawn { ok }),
        6 => worker.clone().prop_map(Step::Ready),
        1 => worker.clone().prop_map(Step::Failed),
        5 => worker.clone().prop_map(Step::Exit),
        2 => worker.clone().prop_map(Step::TimedOut),
        8 => (0u64..40_000).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        2 => (worker, 0u8..4).prop_map(|(worker, kind)| Step::Stray(worker, kind)),
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
    alive: [bool; WORKERS as usize],
    unrecovered: [bool; WORKERS as usize],
    killed: [bool; WORKERS as usize],
    notices: Vec<Notice>,
    stop_asked: bool,
}

impl World {
    fn new() -> Self {
        let limits = Limits {
            workers: WORKERS,
            graceful_timeout: Duration::from_secs(30),
            boot_timeout: Duration::from_secs(60),
        };
        let mut world = Self {
            machine: Machine::new(limits),
            now: Duration::ZERO,
            pids: 0,
            asked: Vec::new(),
            alive: [false; WORKERS as usize],
            unrecovered: [false; WORKERS as usize],
            killed: [false; WORKERS as usize],
            notices: Vec::new(),
            stop_asked: false,
        };
        world.send(Event::Start);
        world
    }

    fn send(&mut self, event: Event) {
        for action in self.machine.handle(self.now, event) {
            self.act(action);
        }
        for (worker, pid, state, _) in self.machine.observe() {
            assert_eq!(pid.is_some(), self.alive[usize::from(worker)], "worker {worker} in {state:?}");
        }
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
                self.asked.push(worker);
            }
            Action::Recover(death) => {
                let index = usize::from(death.worker);
                assert!(self.unrecovered[index], "recovered without a death");
                self.unrecovered[index] = false;
            }
            Action::Retire { worker } | Action::SendStop { worker } => assert!(self.alive[usize::from(worker)]),
            Action::Signal { worker, signal } => {
                let index = usize::from(worker);
                assert!(self.alive[index], "a signal to no process");
                assert!(!self.killed[index], "a signal to a killed process");
                self.killed[index] = signal == WorkerSignal::Kill;
            }
            Action::Remark(Remark::BackingOff { delay, .. }) => assert!(delay <= BACK_OFF_LONGEST),
            Action::Remark(_) => {}
            Action::Notify(notice) => {
                assert_ne!(self.notices.last(), Some(&Notice::Stopped), "a notice after the last");
                self.notices.push(notice);
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::AnswerSpawn { ok } => self.answer_spawn(ok),
            Step::Ready(worker) if self.is_alive(worker) => self.send(ready(worker)),
            Step::Failed(worker) if self.is_alive(worker) => self.send(failed(worker)),
            Step::Exit(worker) if self.is_alive(worker) => self.exit(worker),
            Step::TimedOut(worker) => self.send(Event::TimedOut { worker }),
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
            Step::Stop { graceful } => self.stop(graceful),
            Step::Ready(_) | Step::Failed(_) | Step::Exit(_) | Step::Stray(..) => {}
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
            self.send(Event::Spawned { worker, pid: self.pids });
        } else {
            self.send(Event::SpawnFailed { worker, error: "no".into() });
        }
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
            while !self.asked.is_empty() {
                self.answer_spawn(true);
            }
            for worker in 0..WORKERS {
                if self.is_alive(worker) && self.killed[usize::from(worker)] {
                    self.exit(worker);
                }
            }
            match self.machine.next_tick() {
                Some(due) => {
                    self.now = self.now.max(due);
                    self.send(Event::Tick);
                }
                None if self.machine.is_stopped() => return,
                None => assert!(self.killed.contains(&true) || !self.asked.is_empty(), "stuck"),
            }
        }
        panic!("the stop does not end");
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_and_a_stop_always_ends(steps in prop::collection::vec(step(), 0..80), graceful: bool) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.stop(graceful);
        world.wind_down();

        prop_assert!(world.alive.iter().all(|alive| !alive));
        prop_assert_eq!(world.count(|notice| *notice == Notice::Stopped), 1);
        prop_assert_eq!(world.notices.last(), Some(&Notice::Stopped));
        let ready = world.count(|notice| matches!(notice, Notice::Ready { .. }));
        let failed = world.count(|notice| matches!(notice, Notice::Failed(_)));
        prop_assert!(ready + failed <= 1, "{:?}", world.notices);
        prop_assert!(world.count(|notice| *notice == Notice::AllReady) <= ready);
    }
}
