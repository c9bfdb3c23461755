//! The rules of the state machine, one story a test.

use super::state::{BACK_OFF_LONGEST, HEALTHY};
use super::story::*;
use super::*;

#[test]
fn ready_is_told_with_the_first_worker_and_once_more_with_the_last() {
    let mut story = Story::booting(2);
    story.now += Duration::from_millis(300);
    let after = Duration::from_millis(300);
    let ready = Notice::Ready { loaded: loaded(), after };
    assert_eq!(story.ready(1), [Action::Notify(ready)]);
    assert_eq!(story.ready(0), [Action::Notify(Notice::AllReady)]);
    story.exited(0, SEGV);
    story.spawned(0);
    assert_eq!(story.ready(0), []);
}

#[test]
fn a_first_death_is_replaced_at_once_and_further_ones_ever_later() {
    let mut story = Story::serving(2);
    assert_eq!(story.exited(1, SEGV), [recovered(1, 101, SEGV, Cause::Unasked), Action::Spawn { worker: 1 }]);
    let mut delays = Vec::new();
    for _ in 0..10 {
        story.spawned(1);
        story.ready(1);
        story.exited(1, SEGV);
        let (delay, actions) = story.until_due();
        assert_eq!(actions, [Action::Spawn { worker: 1 }]);
        delays.push(delay.as_millis());
    }
    assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    assert_eq!(u128::from(BACK_OFF_LONGEST.as_secs()), 30);

    // Health is rewarded.
    story.spawned(1);
    story.ready(1);
    story.now += HEALTHY;
    assert_eq!(story.exited(1, SEGV).last(), Some(&Action::Spawn { worker: 1 }));
}

#[test]
fn an_import_failure_at_boot_is_the_end() {
    let mut story = Story::booting(3);
    let failure = Failure::Import { message: "no".into(), traceback: None };
    assert_eq!(
        story.failed(1),
        [
            Action::Notify(Notice::Failed(failure)),
            signal(0, WorkerSignal::Terminate),
            signal(2, WorkerSignal::Terminate)
        ]
    );
    // The others fail for the same reason: told once.
    assert_eq!(story.failed(0), []);
    assert_eq!(story.exited(1, Ended::Exited(1)), [recovered(1, 101, Ended::Exited(1), Cause::Failed)]);
    story.exited(0, Ended::Exited(1));
    assert_eq!(story.after(super::ending::BOOT_END_TIME).last(), Some(&signal(2, WorkerSignal::Kill)));
    assert_eq!(story.exited(2, Ended::Signaled(9)).last(), Some(&stopped()));
}

#[test]
fn an_import_failure_later_is_logged_and_tried_again() {
    let mut story = Story::serving(2);
    story.exited(0, SEGV);
    story.spawned(0);
    let remark = Remark::ImportFailed { worker: 0, message: "no".into(), traceback: None, again: false };
    assert_eq!(story.failed(0), [Action::Remark(remark)]);
    // It says so but does not leave.
    assert_eq!(story.after(TERMINATE_TIME), [signal(0, WorkerSignal::Kill)]);
    story.exited(0, Ended::Signaled(9));
    assert_eq!(story.until_due(), (Duration::from_millis(100), vec![Action::Spawn { worker: 0 }]));
}

#[test]
fn three_silent_deaths_at_boot_are_the_end() {
    let mut story = Story::booting(2);
    let delay = Duration::from_millis(100);
    assert_eq!(story.exited(0, SEGV)[1], Action::Remark(Remark::BackingOff { worker: 0, delay }));
    story.exited(1, SEGV);
    assert_eq!(story.until_due().1, [Action::Spawn { worker: 0 }, Action::Spawn { worker: 1 }]);
    story.spawned(0);
    let detail = "worker 0 (pid 102) was killed by SIGSEGV".to_owned();
    assert_eq!(story.exited(0, SEGV)[1..], [Action::Notify(Notice::Failed(Failure::DiedAtBoot { detail }))]);
    // The other was asked for and is not there yet.
    assert_eq!(story.spawned(1), [signal(1, WorkerSignal::Terminate)]);
    assert_eq!(story.exited(1, Ended::Signaled(15)).last(), Some(&stopped()));
}

const KILLED: Ended = Ended::Signaled(9);

/// Starts whoever is due and has it ended so, `times` times; the delays, and all that was done.
fn killed_at_each_start(story: &mut Story, status: Ended, times: u32) -> (Vec<u128>, Vec<Action>) {
    let (mut delays, mut all) = (Vec::new(), Vec::new());
    for _ in 0..times {
        story.spawned(0);
        all.extend(story.exited(0, status));
        if story.machine.is_stopping() {
            break;
        }
        let (delay, actions) = story.until_due();
        assert_eq!(actions, [Action::Spawn { worker: 0 }]);
        delays.push(delay.as_millis());
    }
    (delays, all)
}

fn tells_broken(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Tell(Change::Broken { .. }))).count()
}

#[test]
fn who_is_killed_from_outside_at_its_start_is_started_again_and_not_called_broken_for_long() {
    for status in [KILLED, Ended::Signaled(15)] {
        let mut story = Story::serving(1);
        story.exited(0, SEGV);
        let (delays, actions) = killed_at_each_start(&mut story, status, BOOT_KILLS - 1);
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600]);
        assert_eq!(tells_broken(&actions), 0);
        let told = actions.iter().filter(|action| **action == Action::Remark(Remark::KilledAtBoot));
        assert_eq!(told.count(), 1, "{actions:?}");
        assert_eq!(story.machine.condition(), Condition::Serving);
        let trouble = story.machine.trouble().unwrap().to_string();
        assert!(trouble.starts_with("workers are killed from outside while they start: worker 0 (pid"), "{trouble}");
        // One more is too many: it is seen then, and tried again all the same.
        let (_, actions) = killed_at_each_start(&mut story, status, 1);
        assert_eq!(tells_broken(&actions), 1, "{actions:?}");
        let Condition::Broken { failure } = story.machine.condition() else { panic!("not broken") };
        assert!(matches!(&failure, Failure::KilledAtBoot { .. }), "{failure:?}");
        assert_eq!(story.machine.trouble(), None, "said already");
        story.spawned(0);
        assert!(story.ready(0).contains(&Action::Tell(Change::Healed)));
        // All is forgotten.
        story.exited(0, SEGV);
        story.until_due();
        assert_eq!(tells_broken(&killed_at_each_start(&mut story, status, BOOT_KILLS - 1).1), 0);
    }
}

#[test]
fn at_the_first_start_kills_from_outside_are_outlived_too_and_many_are_the_end() {
    let mut story = Story::new(1);
    story.on(Event::Start);
    killed_at_each_start(&mut story, KILLED, BOOT_KILLS - 1);
    assert!(story.machine.trouble().is_some());
    story.spawned(0);
    let detail =
        "worker 0 (pid 109) was killed by SIGKILL; if nobody did that, the kernel's log says whether memory ran out";
    let failure = Failure::KilledAtBoot { detail: detail.to_owned() };
    assert_eq!(story.exited(0, KILLED)[1..], [Action::Notify(Notice::Failed(failure)), stopped()]);

    let mut story = Story::new(1);
    story.on(Event::Start);
    killed_at_each_start(&mut story, KILLED, BOOT_DEATHS);
    story.spawned(0);
    assert!(matches!(story.ready(0)[0], Action::Notify(Notice::Ready { .. })));
    assert_eq!(story.machine.trouble(), None);
}

#[test]
fn kills_from_outside_count_for_each_worker_that_is_wanted() {
    let mut story = Story::serving(3);
    for worker in [0, 1, 2] {
        story.exited(worker, SEGV);
    }
    let mut kills = 0;
    loop {
        for worker in 0..3 {
            if story.machine.observe().nth(usize::from(worker)).unwrap().state == WorkerState::Starting {
                story.spawned(worker);
                kills += 1;
                if tells_broken(&story.exited(worker, KILLED)) > 0 {
                    assert_eq!(kills, 3 * BOOT_KILLS);
                    return;
                }
            }
        }
        story.until_due();
    }
}

#[test]
fn while_one_serves_kills_of_others_count_for_nothing() {
    let mut story = Story::serving(2);
    story.exited(0, SEGV);
    killed_at_each_start(&mut story, KILLED, 40);
    assert_eq!(story.machine.trouble(), None);
    story.spawned(0);
    assert_eq!(tells_broken(&story.exited(1, KILLED)), 0);
    assert_eq!(tells_broken(&story.exited(0, KILLED)), 0);
    assert!(story.machine.trouble().is_some());
}

#[test]
fn faults_of_its_own_are_broken_as_soon_as_ever_with_kills_in_between() {
    let mut story = Story::serving(1);
    story.exited(0, SEGV);
    for _ in 1..BROKEN_DEATHS {
        assert_eq!(tells_broken(&killed_at_each_start(&mut story, KILLED, 1).1), 0);
        assert_eq!(tells_broken(&killed_at_each_start(&mut story, SEGV, 1).1), 0);
    }
    let (_, actions) = killed_at_each_start(&mut story, Ended::Signaled(6), 1);
    assert_eq!(tells_broken(&actions), 1, "{actions:?}");
}

#[test]
fn a_process_that_cannot_be_started_counts_as_dead_at_boot_and_only_waits_later() {
    let mut story = Story::new(1);
    story.on(Event::Start);
    let fails = || Event::SpawnFailed { worker: 0, error: "no memory".into() };
    story.on(fails());
    story.until_due();
    story.on(fails());
    story.until_due();
    let detail = "no memory".to_owned();
    assert_eq!(story.on(fails()), [Action::Notify(Notice::Failed(Failure::DiedAtBoot { detail })), stopped()]);

    let mut story = Story::serving(1);
    story.exited(0, SEGV);
    for attempt in 1..=20 {
        // And once that all of it is broken.
        assert_eq!(story.on(fails()).len(), if attempt == BROKEN_DEATHS { 4 } else { 2 });
        let (delay, actions) = story.until_due();
        assert_eq!(actions, [Action::Spawn { worker: 0 }]);
        assert!(delay <= BACK_OFF_LONGEST);
    }
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_asked_where_it_hangs_and_killed() {
    let mut story = Story::booting(1);
    let slow = Action::Remark(Remark::SlowBoot { worker: 0, limit: BOOT });
    let expected = vec![slow, Action::Retire { worker: 0 }, signal(0, WorkerSignal::Stacks)];
    assert_eq!(story.until_due(), (BOOT, expected));
    assert_eq!(story.ready(0), [], "too late");
    assert_eq!(story.until_due(), (STACKS_TIME, vec![signal(0, WorkerSignal::Kill)]));
    let killed = Ended::Signaled(9);
    assert_eq!(story.exited(0, killed)[0], recovered(0, 100, killed, Cause::BootTimeout));
}

#[test]
fn a_graceful_stop_asks_then_terminates_then_kills() {
    let mut story = Story::serving(2);
    let ask = |worker| [Action::Retire { worker }, Action::SendStop { worker }];
    assert_eq!(story.on(Event::Stop { graceful: true }), [ask(0), ask(1)].concat());
    let done = Ended::Exited(0);
    assert_eq!(story.exited(0, done), [recovered(0, 100, done, Cause::Stop)]);
    let overdue = Action::Remark(Remark::StopOverdue { worker: 1, limit: GRACEFUL });
    assert_eq!(story.until_due(), (GRACEFUL, vec![overdue, signal(1, WorkerSignal::Terminate)]));
    let ignored = Action::Remark(Remark::TerminateOverdue { worker: 1 });
    assert_eq!(story.until_due(), (TERMINATE_TIME, vec![ignored, signal(1, WorkerSignal::Kill)]));
    assert_eq!(story.exited(1, Ended::Signaled(9)).last(), Some(&stopped()));
    assert_eq!(story.on(Event::Stop { graceful: false }), []);
    assert_eq!(story.on(Event::Start), []);
}

#[test]
fn a_second_stop_kills_at_once() {
    let mut story = Story::serving(1);
    story.on(Event::Stop { graceful: true });
    assert_eq!(story.on(Event::Stop { graceful: true }), [signal(0, WorkerSignal::Kill)]);
    assert_eq!(story.on(Event::Stop { graceful: true }), []);
    assert_eq!(story.exited(0, Ended::Signaled(9)).last(), Some(&stopped()));
}

#[test]
fn a_stop_finds_workers_in_every_state() {
    let mut story = Story::serving(4);
    story.exited(1, SEGV);
    story.spawned(1);
    story.exited(1, SEGV);
    story.exited(2, SEGV);
    story.timed_out(3, Some(7));
    // 0 ready, 1 waiting, 2 being spawned, 3 with a request past its time.
    assert_eq!(
        story.on(Event::Stop { graceful: true }),
        [0, 3].map(|worker| [Action::Retire { worker }, Action::SendStop { worker }]).concat()
    );
    assert_eq!(story.spawned(2), [signal(2, WorkerSignal::Terminate)]);
    assert_eq!(story.machine.observe().nth(1).unwrap().state, WorkerState::Absent);
    story.exited(2, Ended::Signaled(15));
    assert_eq!(story.after(super::overdue::GRACE), [Action::Look { worker: 3 }]);
    assert_eq!(story.looked(3, &[7], false).last(), Some(&signal(3, WorkerSignal::Kill)));
    story.exited(3, Ended::Signaled(9));
    assert_eq!(story.exited(0, Ended::Exited(0)).last(), Some(&stopped()));
}

#[test]
fn a_stop_before_the_start_is_the_end() {
    let mut story = Story::new(3);
    assert_eq!(story.on(Event::Stop { graceful: true }), [stopped()]);
    assert_eq!(story.on(Event::Start), []);
}

#[test]
fn another_patience_is_for_what_begins_then() {
    let mut story = Story::serving(2);
    story.exited(0, SEGV);
    story.spawned(0);
    // This one starts with the time that it was given.
    let (graceful, boot) = (Duration::from_secs(5), Duration::from_secs(7));
    story.machine.set_timeouts(graceful, boot);
    assert_eq!(story.machine.next_tick(), Some(story.now + BOOT));
    story.ready(0);
    story.exited(1, SEGV);
    story.spawned(1);
    let slow = Action::Remark(Remark::SlowBoot { worker: 1, limit: boot });
    let (passed, actions) = story.until_due();
    assert_eq!((passed, actions.first()), (boot, Some(&slow)));
    story.on(Event::Stop { graceful: true });
    let overdue = Action::Remark(Remark::StopOverdue { worker: 0, limit: graceful });
    assert!(story.after(graceful).contains(&overdue));
}
