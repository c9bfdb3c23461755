//! Requests past their time, told as stories.

use super::overdue::{GRACE, LOOK_AGAIN};
use super::story::*;
use super::*;

const LIMIT: Duration = Duration::from_secs(30);

fn interrupt(worker: u16, request: Option<u64>) -> [Action; 2] {
    [Action::Remark(Remark::RequestTimedOut { worker }), Action::Interrupt { worker, request, limit: LIMIT }]
}

fn stuck(worker: u16, others: usize) -> Action {
    Action::Remark(Remark::Stuck { worker, others })
}

/// More places than workers: a replacement may start beside the worker it follows.
fn with_places() -> Story {
    let mut story = Story::of(Limits { workers: 1, places: 2, ..Limits::default() });
    story.on(Event::Start);
    story.spawned(0);
    story.ready(0);
    story
}

#[test]
fn a_request_that_ends_in_time_costs_nothing() {
    let mut story = Story::serving(1);
    assert_eq!(story.timed_out(0, Some(7)), interrupt(0, Some(7)));
    assert_eq!(story.timed_out(0, Some(7)), [], "it is known");
    assert_eq!(story.timed_out(9, Some(7)), [], "no such worker");
    assert_eq!(story.until_due(), (GRACE, vec![Action::Look { worker: 0 }]));
    assert_eq!(story.looked(0, &[8], false), [Action::Remark(Remark::Saved { worker: 0, requests: 1 })]);
    assert_eq!(story.machine.next_tick(), None);
    assert_eq!(story.machine.observe().next().unwrap().state, WorkerState::Ready);
}

#[test]
fn a_request_that_does_not_end_costs_its_worker_at_once_when_nothing_else_runs() {
    let mut story = Story::serving(2);
    story.timed_out(1, Some(7));
    assert_eq!(story.until_due(), (GRACE, vec![Action::Look { worker: 1 }]));
    assert_eq!(story.looked(1, &[7], false), [stuck(1, 0), signal(1, WorkerSignal::Kill)]);
    let killed = Ended::Signaled(9);
    let expected = [recovered(1, 101, killed, Cause::RequestTimeout), Action::Spawn { worker: 1 }];
    assert_eq!(story.exited(1, killed), expected, "without a delay: the next process is not to blame");
    story.spawned(1);
    assert_eq!(story.timed_out(1, Some(7)), [], "meant for the one before");
}

#[test]
fn the_other_requests_of_a_stuck_worker_are_finished_while_another_serves() {
    let mut story = with_places();
    story.timed_out(0, Some(7));
    story.until_due();
    let letting_go =
        [stuck(0, 2), Action::Retire { worker: 0 }, Action::SendStop { worker: 0 }, Action::Spawn { worker: 1 }];
    assert_eq!(story.looked(0, &[6, 7, 8], false), letting_go);
    story.spawned(1);
    story.ready(1);
    assert_eq!(story.until_due(), (LOOK_AGAIN, vec![Action::Look { worker: 0 }]));
    assert_eq!(story.looked(0, &[7, 8], false), []);
    assert_eq!(story.until_due(), (LOOK_AGAIN, vec![Action::Look { worker: 0 }]));
    assert_eq!(story.looked(0, &[7], false), [stuck(0, 0), signal(0, WorkerSignal::Kill)]);
    let killed = Ended::Signaled(9);
    assert_eq!(story.exited(0, killed), [recovered(0, 100, killed, Cause::RequestTimeout)]);
    assert_eq!(story.machine.strength().ready, 1);
}

#[test]
fn a_request_that_is_still_within_its_grace_is_waited_for() {
    let mut story = with_places();
    story.timed_out(0, Some(7));
    story.after(GRACE / 2);
    story.timed_out(0, Some(8));
    story.until_due();
    assert_eq!(story.looked(0, &[7, 8], false)[0], stuck(0, 1));
    // Both are stuck now.
    story.after(GRACE / 2);
    assert_eq!(story.looked(0, &[7, 8], false), [stuck(0, 0), signal(0, WorkerSignal::Kill)]);
}

#[test]
fn the_others_have_graceful_timeout_and_no_more() {
    let mut story = with_places();
    story.timed_out(0, Some(7));
    story.until_due();
    story.looked(0, &[7, 8], false);
    story.spawned(1);
    story.ready(1);
    let overdue = Action::Remark(Remark::StopOverdue { worker: 0, limit: GRACEFUL });
    let actions = story.after(GRACEFUL);
    assert!(actions.contains(&overdue) && actions.contains(&signal(0, WorkerSignal::Terminate)), "{actions:?}");
    assert_eq!(story.looked(0, &[7, 8], false), [], "it has other deadlines now");
    assert!(story.after(TERMINATE_TIME).contains(&signal(0, WorkerSignal::Kill)));
}

#[test]
fn an_event_loop_that_turns_again_is_saved_and_one_that_does_not_is_killed_with_all_it_runs() {
    let mut story = Story::serving(1);
    assert_eq!(story.timed_out(0, None), interrupt(0, None));
    story.until_due();
    assert_eq!(story.looked(0, &[1, 2], true), [Action::Remark(Remark::Saved { worker: 0, requests: 1 })]);
    story.timed_out(0, None);
    story.until_due();
    assert_eq!(story.looked(0, &[1, 2], false), [stuck(0, 0), signal(0, WorkerSignal::Kill)]);
}

#[test]
fn a_replacement_that_is_on_its_way_takes_the_seat() {
    let mut story = with_places();
    story.on(Event::Recycle { worker: 0 });
    story.spawned(1);
    story.timed_out(0, Some(7));
    story.until_due();
    let actions = story.looked(0, &[7, 8], false);
    assert!(!actions.iter().any(|action| matches!(action, Action::Spawn { .. })), "{actions:?}");
    story.ready(1);
    assert_eq!(story.machine.strength().ready, 1);
}

#[test]
fn a_worker_that_stops_is_killed_when_only_stuck_requests_are_left() {
    let mut story = Story::serving(1);
    story.on(Event::Stop { graceful: true });
    story.timed_out(0, Some(7));
    story.until_due();
    assert_eq!(story.looked(0, &[7], false), [stuck(0, 0), signal(0, WorkerSignal::Kill)]);
    assert_eq!(story.exited(0, Ended::Signaled(9)).last(), Some(&stopped()));
}
