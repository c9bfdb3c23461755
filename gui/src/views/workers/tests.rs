//! The workers by their accessible names.

use egui::Role;
use egui_kittest::kittest::Queryable;
use hostler_bus::Worker;

use super::show;
use crate::bus::{Action, Order};
use crate::model::{Failure, Loaded, example};
use crate::views::trial::{self, DARK};

#[test]
fn workers_are_listed_by_generation() {
    for look in trial::looks() {
        let harness = trial::of("shop", look, show, |_| {});
        harness.get_by_role_and_label(Role::Table, "Workers");
        harness.get_by_label("Generation 7 serves · 4 workers");
        harness.get_by_label("Generation 6 drains · 1 request still under way in 1 worker");
        harness.get_by_role_and_label(Role::Row, "Worker 4, retiring");
        harness.get_by_label("1 min 14 s");
    }
}

#[test]
fn a_worker_is_recycled_once() {
    let mut harness = trial::of("shop", DARK, show, |_| {});
    harness.get_by_label("Recycle worker 0").click();
    harness.run();
    let order = Order::Act(example::key("shop"), Action::Recycle(0));
    assert_eq!(harness.state().orders, [order]);
    harness.get_by_label("Under way");
    assert!(harness.query_by_label("Recycle worker 0").is_none(), "the button turned into its progress");
}

#[test]
fn stacks_are_asked_for_shown_and_closed() {
    for look in trial::looks() {
        let mut harness = trial::of("shop", look, show, |_| {});
        harness.get_by_label("Python stacks of worker 2").click();
        harness.run();
        assert_eq!(harness.state().orders, [Order::Act(example::key("shop"), Action::Stacks(2))]);
        harness.get_by_label("Waiting for the stacks");
        let instance = harness.state_mut().instance();
        instance.running = None;
        let words = "Thread 0x7f (most recent call first):\n  File \"/srv/app.py\", line 3 in view".to_owned();
        instance.stacks.insert(2, Loaded::Here(words));
        harness.run();
        harness.get_by_label_contains("/srv/app.py");
        harness.get_by_label("Take the stacks again");
        harness.get_by_label("Close the stacks").click();
        harness.run();
        assert!(harness.query_by_label_contains("/srv/app.py").is_none());
    }
}

#[test]
fn a_click_on_a_title_sorts() {
    let mut harness = trial::of("shop", DARK, show, |trial| {
        let worker = |place, requests| Worker { place, requests, generation: 7, ..Worker::default() };
        trial.instance().workers = Loaded::Here(vec![worker(0, 5), worker(1, 9)]);
    });
    let top = |harness: &egui_kittest::Harness<'_, trial::Trial>, place: u32| {
        harness.get_by_label_contains(&format!("Worker {place}, ")).rect().top()
    };
    assert!(top(&harness, 0) < top(&harness, 1));
    harness.get_by_label("Sort by requests").click();
    harness.run();
    assert!(top(&harness, 1) < top(&harness, 0), "the most come first");
}

#[test]
fn no_workers_say_why() {
    let empty = |name| trial::of(name, DARK, show, |trial| trial.instance().workers = Loaded::Here(Vec::new()));
    empty("jobs").get_by_label("No worker can be had");
    empty("blog").get_by_label("No worker runs");
    let mut harness = empty("admin");
    harness.get_by_label("Wake it now").click();
    harness.run();
    assert_eq!(harness.state().orders, [Order::Act(example::key("admin"), Action::Wake)]);
    trial::of("shop", DARK, show, |trial| trial.instance().workers = Loaded::Awaited)
        .get_by_label("Waiting for the workers");
    let failure = Failure { message: "it does not answer".to_owned(), ..Failure::default() };
    trial::of("shop", DARK, show, |trial| trial.instance().workers = Loaded::Failed(failure, None))
        .get_by_label("It does not answer");
}
