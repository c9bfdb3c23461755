//! The model without a window: what each event makes of the world, and what no order of events may break.

use hostler_bus::daemon::{Change, Detail, InstanceState, LogLine, Outcome, Overview, Reach, RevisionInfo, UnitFacts};
use hostler_bus::{EventKind, LastReload, Observed, Request, Running as RunningRequest, Status, Worker, WorkerState};
use proptest::prelude::*;

use super::*;
use crate::bus::{Action, Event, Link, Order, Part, Progress};

const SECOND: u64 = 1_000_000;

fn reach() -> Reach {
    Reach { user: false, host: None }
}

fn key(name: &str) -> InstanceKey {
    InstanceKey { reach: reach(), name: name.to_owned() }
}

fn overview(state: InstanceState, since_us: u64) -> Overview {
    Overview { name: "shop".to_owned(), state, since_us, generation: 7, ..Overview::default() }
}

fn world() -> World {
    let mut world = World::default();
    world.add_machine(reach());
    world.take(Event::Listed(reach(), vec![overview(InstanceState::Serving, 5)]), 0);
    world.take(Event::Link(reach(), Link::Ready("1".to_owned())), 0);
    world
}

fn shop(world: &World) -> &Instance {
    world.instance(&key("shop")).unwrap()
}

fn detail(generation: u64, last_reload: Option<LastReload>) -> Box<Detail> {
    let observed = Observed { generation, pid: 9, workers_wanted: 4, last_reload, ..Observed::default() };
    let status = Status { observed, ..Status::default() };
    Box::new(Detail { instance: Some(status), ..Detail::default() })
}

fn act(world: &mut World, action: Action, at: u64) {
    world.ordered(&Order::Act(key("shop"), action), at);
}

fn end(world: &mut World, action: Action, result: Result<Outcome, Failure>, at: u64) -> Toast {
    world.take(Event::Ended(key("shop"), action, result), at);
    world.toasts.last().cloned().unwrap()
}

fn said(message: &str) -> Outcome {
    Outcome { message: message.to_owned(), ..Outcome::default() }
}

fn failure(kind: FailureKind) -> Failure {
    Failure { kind, message: "no reason\nbut this".to_owned(), ..Failure::default() }
}

#[test]
fn what_ended_is_told_with_what_takes_it_back() {
    let mut world = world();
    world.take(Event::Status(key("shop"), 1, Ok(detail(7, None))), 1);
    let revision = |revision: &str| Outcome { revision: Some(revision.to_owned()), ..said("2 settings changed") };
    let undo = |revision: &str| Action::Undo { revision: revision.to_owned() };
    let restore = |revision: &str, to: &str| Action::Restore { revision: revision.to_owned(), to: to.to_owned() };
    let apply = Action::Apply { revision: "a".to_owned(), change: Change::default() };
    let table = [
        (Action::Stop, said("shop is stopped"), "shop is stopped", Some(("Start again", Action::Start))),
        (Action::Sleep, said("shop is asleep"), "shop is asleep", Some(("Wake", Action::Wake))),
        (Action::Restart, said("shop is restarted"), "shop is restarted", None),
        (Action::Scale(6), said(""), "shop is to have 6 workers", Some(("Undo", Action::Scale(4)))),
        (Action::Scale(4), said(""), "shop is to have 4 workers", None),
        (Action::Enable(true), said(""), "shop starts by itself from now on", Some(("Undo", Action::Enable(false)))),
        (Action::Reload, said("generation 8 serves"), "generation 8 serves", Some(("Roll back", Action::Rollback))),
        (apply, revision("b"), "2 settings changed", Some(("Undo", undo("b")))),
        (undo("b"), revision("a"), "2 settings changed", Some(("Redo", restore("a", "b")))),
        (restore("a", "b"), revision("b"), "2 settings changed", Some(("Undo", restore("b", "a")))),
        (Action::Remove, said("shop is removed"), "shop is removed", None),
    ];
    for (action, outcome, text, undo) in table {
        act(&mut world, action.clone(), 10);
        assert!(shop(&world).is_busy(), "{action:?}");
        let toast = end(&mut world, action.clone(), Ok(outcome), 20);
        assert!(!shop(&world).is_busy());
        assert_eq!((toast.tone, toast.text.as_str(), &toast.undo), (ToastTone::Good, text, &undo), "{action:?}");
        assert_eq!(toast.about, Some(key("shop")));
        let offers = world.toasts.iter().filter(|toast| toast.undo.is_some()).count();
        assert_eq!(offers, usize::from(undo.is_some()), "only the last can be taken back");
    }
}

#[test]
fn failures_stay_longer_and_are_kept_beside_the_instance() {
    let mut world = world();
    act(&mut world, Action::Stop, 0);
    let toast = end(&mut world, Action::Stop, Err(failure(FailureKind::NotPermitted)), SECOND);
    assert_eq!((toast.tone, toast.text.as_str()), (ToastTone::Refused, "shop was not stopped: no reason"));
    assert!(toast.until_us >= 30 * SECOND && toast.undo.is_none());
    assert_eq!(shop(&world).failed.as_ref().map(|(action, _)| action), Some(&Action::Stop));
    // The next attempt clears it, and cancelling is no failure.
    act(&mut world, Action::Stop, 2 * SECOND);
    assert_eq!(shop(&world).failed, None);
    let toast = end(&mut world, Action::Stop, Err(failure(FailureKind::Cancelled)), 3 * SECOND);
    assert_eq!((toast.tone, shop(&world).failed.is_some()), (ToastTone::Plain, false));
    // Toasts go, and stay in the history; one under the pointer is held.
    assert_eq!(world.shown_toasts(4 * SECOND).count(), 2);
    world.hold_toast(toast.number, 4 * SECOND, 100 * SECOND);
    assert_eq!(world.shown_toasts(90 * SECOND).map(|toast| toast.number).collect::<Vec<_>>(), [toast.number]);
    world.dismiss_toast(toast.number);
    assert_eq!((world.shown_toasts(4 * SECOND).count(), world.toasts.len()), (1, 2));
}

#[test]
fn an_action_that_is_crossed_by_another_does_not_end_it() {
    let mut world = world();
    act(&mut world, Action::Recycle(1), 0);
    act(&mut world, Action::Recycle(2), 0);
    end(&mut world, Action::Recycle(1), Ok(Outcome::default()), 1);
    assert!(shop(&world).is_busy());
    world.take(Event::Authorizing(key("shop"), Action::Recycle(2), true), 1);
    assert!(shop(&world).running.as_ref().unwrap().authorizing);
    let half = Progress { stage: "half".to_owned(), fraction: 0.5 };
    world.take(Event::Progress(key("shop"), Action::Recycle(1), half.clone()), 1);
    world.take(Event::Progress(key("shop"), Action::Recycle(2), half.clone()), 1);
    assert_eq!(shop(&world).running.as_ref().unwrap().progress, half);
    end(&mut world, Action::Recycle(2), Ok(Outcome::default()), 1);
    assert!(!shop(&world).is_busy());
    // Stacks are asked for beside all that.
    act(&mut world, Action::Stacks(3), 2);
    assert!(!shop(&world).is_busy() && shop(&world).stacks[&3] == Loaded::Awaited);
}

#[test]
fn a_new_instance_is_told_of_before_it_is_there() {
    let mut world = world();
    let order = Order::Create {
        reach: reach(),
        name: "new".to_owned(),
        change: Change::default(),
        options: hostler_bus::daemon::NewInstance::default(),
    };
    world.ordered(&order, 3);
    world.take(Event::Authorizing(key("new"), Action::Create, true), 3);
    assert!(world.making.as_ref().unwrap().running.authorizing);
    world.take(Event::Ended(key("new"), Action::Create, Err(failure(FailureKind::Failed))), 4);
    assert!(world.making.as_ref().unwrap().ended.as_ref().unwrap().is_err());
    world.ordered(&order, 5);
    assert_eq!(world.making.as_ref().unwrap().ended, None);
    // One that is called so is left alone.
    world.take(Event::Changed(reach(), Overview { name: "new".to_owned(), ..Overview::default() }), 5);
    world.take(Event::Ended(key("new"), Action::Create, Err(failure(FailureKind::Failed))), 5);
    assert_eq!(world.instance(&key("new")).unwrap().failed, None);
    world.take(Event::Ended(key("new"), Action::Create, Ok(said("new is written"))), 6);
    assert_eq!(world.toasts.last().unwrap().text, "new is written");
}

#[test]
fn happenings_come_from_what_differs_and_come_once() {
    let mut world = world();
    let reload = |at_us, succeeded, generation| {
        Some(LastReload { at_us, succeeded, generation, seconds: 1.25, message: "it does not import".to_owned() })
    };
    let mut look = |at: u64, last_reload| {
        let mut detail = detail(7, last_reload);
        let active = UnitFacts { active: "active".to_owned(), since_us: 50, ..UnitFacts::default() };
        detail.service = Some(active);
        world.take(Event::Status(key("shop"), at, Ok(detail)), at);
    };
    look(100, reload(90, true, 7));
    look(101, reload(90, true, 7));
    look(102, reload(95, false, 8));
    let revision = RevisionInfo { at_us: 60, summary: "set workers".to_owned(), ..RevisionInfo::default() };
    world.take(Event::History(key("shop"), Ok(vec![revision.clone()])), 103);
    world.take(Event::History(key("shop"), Ok(vec![revision])), 104);
    let worker =
        |crashes: u64| Worker { place: 2, restarts: [("timed_out".to_owned(), crashes)].into(), ..Worker::default() };
    for crashes in [1, 1, 2] {
        world.take(Event::Workers(key("shop"), Ok(vec![worker(crashes)])), 105 + crashes);
    }
    world.take(Event::Changed(reach(), overview(InstanceState::Asleep, 120)), 121);
    world.take(Event::Changed(reach(), overview(InstanceState::Starting, 130)), 131);
    let found: Vec<_> = shop(&world).happenings.iter().map(|one| (one.at_us, one.kind, one.message.as_str())).collect();
    assert_eq!(
        found,
        [
            (50, HappeningKind::Started, "its service was started"),
            (60, HappeningKind::Configured, "settings: set workers"),
            (90, HappeningKind::Reloaded, "generation 7 serves, after 1.2 s"),
            (95, HappeningKind::ReloadFailed, "generation 8 was thrown away: it does not import"),
            (107, HappeningKind::WorkerReplaced, "worker 2: timed out"),
            (120, HappeningKind::Slept, "it went to sleep; the next request wakes it"),
            (130, HappeningKind::Woke, "it woke up"),
        ]
    );
}

#[test]
fn what_the_instance_tells_itself_is_not_told_twice() {
    let mut world = world();
    let event =
        |kind, at_us, message: &str| hostler_bus::Event { kind, at_us, generation: 7, message: message.to_owned() };
    let told = vec![
        event(EventKind::Started, 50 * SECOND, "started"),
        event(EventKind::Unknown, 51 * SECOND, "of a newer version"),
        event(EventKind::WorkerDied, 60 * SECOND, "worker 1 died"),
        event(EventKind::WorkerDied, 60 * SECOND, "worker 2 died"),
        event(EventKind::Asleep, 70 * SECOND, "asleep"),
    ];
    let mut detail = detail(7, Some(LastReload { at_us: 55, ..LastReload::default() }));
    detail.instance.as_mut().unwrap().observed.events = told[2..].to_vec();
    world.take(Event::Status(key("shop"), 80 * SECOND, Ok(detail)), 80 * SECOND);
    world.take(Event::Past(key("shop"), Vec::new(), Vec::new(), told), 81 * SECOND);
    world.take(Event::Changed(reach(), overview(InstanceState::Asleep, 70 * SECOND + 400)), 82 * SECOND);
    let found: Vec<_> = shop(&world).happenings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(found, ["started", "worker 1 died", "worker 2 died", "asleep"]);
}

fn worker(place: u32, generation: u64, state: WorkerState) -> Worker {
    let running = (state == WorkerState::Retiring).then(RunningRequest::default);
    Worker { place, pid: 100 + place, generation, state, running, ..Worker::default() }
}

fn states(course: &Course) -> Vec<StepState> {
    course.steps.iter().map(|step| step.state).collect()
}

#[test]
fn a_reload_has_a_course() {
    use StepState::{Done, Underway, Waiting};
    let mut world = world();
    world.take(Event::Status(key("shop"), 1, Ok(detail(7, None))), 1);
    assert_eq!(shop(&world).course(1), None);
    act(&mut world, Action::Reload, 2);
    let course = shop(&world).course(2).unwrap();
    assert_eq!((course.generation, course.former), (8, 7));
    assert_eq!(states(&course), [Underway, Waiting, Waiting]);
    assert_eq!(course.steps[0].detail, "its workers import the application");
    let both = |old: WorkerState, new: WorkerState| {
        vec![worker(1, 7, old), worker(2, 7, old), worker(3, 8, new), worker(4, 8, WorkerState::Idle)]
    };
    world.take(Event::Workers(key("shop"), Ok(both(WorkerState::Busy, WorkerState::Starting))), 3);
    assert_eq!(shop(&world).course(3).unwrap().steps[0].detail, "1 of 2 workers ready");
    // It serves, and the former one finishes.
    world.take(Event::Workers(key("shop"), Ok(both(WorkerState::Retiring, WorkerState::Busy))), 4);
    world.take(Event::Status(key("shop"), 4, Ok(detail(8, None))), 4);
    let request = |worker| Request { worker: Some(worker), ..Request::default() };
    world.take(Event::Requests(key("shop"), Ok(vec![request(1), request(1), request(2), request(3)])), 4);
    let course = shop(&world).course(4).unwrap();
    assert_eq!(states(&course), [Done, Done, Underway]);
    assert_eq!(course.steps[2].detail, "3 requests in 2 workers");
    let outcome = Outcome { generation: Some(8), ..said("generation 8 serves") };
    end(&mut world, Action::Reload, Ok(outcome), 5);
    assert!(!shop(&world).course(5).unwrap().is_over());
    // While it drains the course stays, and for a moment after.
    assert!(shop(&world).course(1000 * SECOND).is_some());
    world.take(Event::Workers(key("shop"), Ok(vec![worker(3, 8, WorkerState::Idle)])), 6);
    assert!(shop(&world).course(6).unwrap().is_over());
    assert_eq!(shop(&world).course(1000 * SECOND), None);
}

#[test]
fn a_reload_that_fails_says_that_the_former_generation_serves() {
    let mut world = world();
    world.take(Event::Status(key("shop"), 1, Ok(detail(7, None))), 1);
    act(&mut world, Action::Reload, 2);
    let why = Failure { detail: "  File \"shop.py\", line 3\n".to_owned(), ..failure(FailureKind::Failed) };
    end(&mut world, Action::Reload, Err(why.clone()), 3);
    let course = shop(&world).course(1000 * SECOND).unwrap();
    assert_eq!(states(&course), [StepState::Failed, StepState::Done]);
    assert_eq!(course.steps[1].title, "Generation 7 goes on serving");
    assert_eq!(course.failure.as_ref().and_then(Failure::place), Some(("shop.py", 3)));
    world.instance_mut(&key("shop")).unwrap().dismiss_failure();
    assert_eq!((shop(&world).course(4), shop(&world).failed.is_none()), (None, true));
    // What never began has no course.
    act(&mut world, Action::Reload, 5);
    end(&mut world, Action::Reload, Err(failure(FailureKind::NotPermitted)), 6);
    assert_eq!(shop(&world).course(7), None);
}

#[test]
fn a_question_that_was_dismissed_is_no_fault() {
    let mut world = world();
    world.take(Event::Status(key("shop"), 1, Ok(detail(7, None))), 1);
    act(&mut world, Action::Reload, 2);
    let toast = end(&mut world, Action::Reload, Err(failure(FailureKind::Dismissed)), 3);
    let text = "shop was not reloaded: the question for authorisation was dismissed";
    assert_eq!((toast.tone, toast.text.as_str()), (ToastTone::Plain, text));
    assert_eq!(toast.undo, Some(("Try again", Action::Reload)));
    assert_eq!(shop(&world).course(4), None, "nothing was begun");
    // A new instance is tried again from its dialog.
    world.take(Event::Ended(key("new"), Action::Create, Err(failure(FailureKind::Dismissed))), 5);
    assert_eq!(world.toasts.last().and_then(|toast| toast.undo.clone()), None);
}

#[test]
fn a_reload_that_others_asked_for_has_a_course_too() {
    let reload =
        |at_us, succeeded| Some(LastReload { at_us, succeeded, generation: 8, seconds: 1.0, message: "no".to_owned() });
    for succeeded in [true, false] {
        let mut world = world();
        world.take(Event::Status(key("shop"), 10, Ok(detail(7, reload(6, true)))), 10);
        world.take(Event::Changed(reach(), overview(InstanceState::Reloading, 20)), 21);
        assert_eq!(states(&shop(&world).course(21).unwrap())[0], StepState::Underway);
        world.take(Event::Changed(reach(), overview(InstanceState::Serving, 30)), 31);
        world.take(Event::Status(key("shop"), 32, Ok(detail(8, reload(30, succeeded)))), 32);
        assert_eq!(shop(&world).course(32).unwrap().failure.is_some(), !succeeded);
        // A state that is told late begins no other one.
        world.take(Event::Changed(reach(), overview(InstanceState::Reloading, 20)), 33);
        assert!(shop(&world).renewal.as_ref().unwrap().ended.is_some());
    }
}

#[test]
fn a_server_that_is_restarted_in_a_reload_counts_anew() {
    let mut world = world();
    world.take(Event::Status(key("shop"), 10, Ok(detail(7, None))), 10);
    world.take(Event::Changed(reach(), overview(InstanceState::Reloading, 20)), 21);
    world.take(Event::Changed(reach(), overview(InstanceState::Serving, 30)), 31);
    let first = LastReload { at_us: 30, succeeded: true, generation: 2, ..LastReload::default() };
    world.take(Event::Status(key("shop"), 32, Ok(detail(2, Some(first)))), 32);
    assert_eq!(shop(&world).course(32), None);
}

fn any_state() -> impl Strategy<Value = InstanceState> {
    proptest::sample::select(InstanceState::ALL.to_vec())
}

fn any_result<T: std::fmt::Debug + Clone>(value: T) -> impl Strategy<Value = Result<T, Failure>> {
    prop_oneof![Just(Ok(value)), Just(Err(failure(FailureKind::Failed))), Just(Err(failure(FailureKind::Lost)))]
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Start),
        Just(Action::Stop),
        Just(Action::Reload),
        Just(Action::Rollback),
        Just(Action::Create),
        (0..4_u32).prop_map(Action::Scale),
        (0..4_u32).prop_map(Action::Stacks),
        Just(Action::Undo { revision: "a".to_owned() }),
    ]
}

fn any_detail() -> impl Strategy<Value = Detail> {
    (0..9_u64, 0..1000_u64, any_state(), any::<bool>()).prop_map(|(generation, at_us, state, runs)| {
        let reload = LastReload { at_us, succeeded: at_us % 2 == 0, generation, ..LastReload::default() };
        let mut detail = *detail(generation, (at_us % 3 > 0).then_some(reload));
        detail.overview = overview(state, at_us);
        detail.instance = detail.instance.filter(|_| runs);
        detail
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let name = || proptest::sample::select(vec!["shop", "blog", "gone"]);
    let overview = (name(), any_state(), 0..1000_u64)
        .prop_map(|(name, state, at)| Overview { name: name.to_owned(), ..overview(state, at) })
        .boxed();
    let workers = proptest::collection::vec((0..6_u32, 0..9_u64, 0..9_u64), 0..6).prop_map(|all| {
        let restarts = |count| [("crashed".to_owned(), count)].into();
        let one = |(place, generation, count)| Worker {
            restarts: restarts(count),
            ..worker(place, generation, WorkerState::Retiring)
        };
        all.into_iter().map(one).collect::<Vec<Worker>>()
    });
    prop_oneof![
        Just(Event::Link(reach(), Link::Connecting)),
        Just(Event::Link(reach(), Link::Ready("1".to_owned()))),
        proptest::collection::vec(overview.clone(), 0..4).prop_map(|all| Event::Listed(reach(), all)),
        overview.prop_map(|one| Event::Changed(reach(), one)),
        name().prop_map(|name| Event::Gone(reach(), name.to_owned())),
        (name(), 0..100_000_000_u64, any_detail()).prop_flat_map(|(name, at, detail)| {
            any_result(Box::new(detail)).prop_map(move |result| Event::Status(key(name), at, result))
        }),
        (name(), proptest::collection::vec(0..100_000_000_u64, 0..20)).prop_map(|(name, mut times)| {
            times.sort_unstable();
            let samples = times.into_iter().map(|at_us| Sample { at_us, ..Sample::default() });
            Event::Past(key(name), samples.collect(), Vec::new(), Vec::new())
        }),
        (name(), workers).prop_map(|(name, workers)| Event::Workers(key(name), Ok(workers))),
        (name(), 0..300_usize).prop_map(|(name, count)| { Event::Logged(key(name), vec![LogLine::default(); count]) }),
        (name(), any_action(), any::<bool>())
            .prop_map(|(name, action, waits)| { Event::Authorizing(key(name), action, waits) }),
        (name(), any_action(), any_result(Outcome::default())).prop_map(|(name, action, result)| Event::Ended(
            key(name),
            action,
            result
        )),
    ]
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_world(
        steps in proptest::collection::vec((any_event(), proptest::option::of(any_action())), 1..200),
    ) {
        let mut world = World::default();
        world.add_machine(reach());
        let mut now_us = 0;
        for (event, action) in steps {
            now_us += 1000;
            if let Some(action) = action {
                act(&mut world, action, now_us);
            }
            world.ordered(&Order::Observe(Some(key("shop")), vec![Part::Status, Part::Workers]), now_us);
            prop_assert!(world.take(event, now_us).is_empty());
            prop_assert!(world.toasts.len() <= 50);
            prop_assert!(world.toasts.is_sorted_by_key(|toast| toast.number));
            for (name, instance) in &world.machines[0].instances {
                prop_assert_eq!(name, &instance.overview.name);
                let samples = &instance.samples;
                for span_us in [300 * SECOND, 3_600 * SECOND, 86_400 * SECOND] {
                    let times: Vec<u64> = samples.since(now_us.saturating_sub(span_us), now_us).iter().map(|one| one.at_us).collect();
                    prop_assert!(times.is_sorted_by(|one, other| one < other), "{:?}", times);
                }
                prop_assert!(instance.happenings.is_sorted_by_key(|one| one.at_us));
                prop_assert!(instance.happenings.len() <= 256);
                if let Some(course) = instance.course(now_us) {
                    prop_assert!(course.generation > 0 && course.steps.len() >= 2);
                }
            }
        }
    }
}
