//! Stories of a keeper, one by one.

use super::keeper::KEEPER_END_TIME;
use super::story::{BOOT, SEGV, Story, recovered, stopped};
use super::*;

fn preloading(workers: u16) -> Story {
    let mut story = Story::of(Limits { workers, places: 2 * workers, preload: true, ..Limits::default() });
    assert_eq!(story.on(Event::Start), [Action::SpawnKeeper]);
    assert_eq!(story.on(Event::KeeperSpawned { pid: 50 }), []);
    story
}

fn serving(workers: u16) -> Story {
    let mut story = preloading(workers);
    let forks: Vec<Action> = (0..workers).map(|worker| Action::Spawn { worker }).collect();
    assert_eq!(story.on(Event::KeeperReady), forks);
    for worker in 0..workers {
        story.spawned(worker);
        story.ready(worker);
    }
    story
}

fn keeper_exited(story: &mut Story, status: Ended) -> Vec<Action> {
    story.on(Event::KeeperExited { status })
}

#[test]
fn a_keeper_that_cannot_import_fails_the_start() {
    let mut story = preloading(2);
    let failed = story.on(Event::KeeperFailed { message: "no".into(), traceback: Some("T".into()) });
    let failure = Failure::Import { message: "no".into(), traceback: Some("T".into()) };
    assert_eq!(failed, [Action::Notify(Notice::Failed(failure))]);
    assert_eq!(keeper_exited(&mut story, Ended::Exited(65)), [stopped()]);
}

#[test]
fn an_import_that_hangs_is_killed_and_fails_the_start() {
    let mut story = preloading(2);
    let (time, actions) = story.until_due();
    assert_eq!(time, BOOT);
    let slow = Action::Remark(Remark::KeeperSlow { limit: BOOT, forking: false });
    assert_eq!(actions, [slow, Action::SignalKeeper { signal: WorkerSignal::Kill }]);
    let ended = keeper_exited(&mut story, Ended::Signaled(9));
    assert!(
        matches!(
            &ended[..],
            [Action::Notify(Notice::Failed(Failure::DiedAtBoot { .. })), Action::Notify(Notice::Stopped)]
        ),
        "{ended:?}"
    );
}

#[test]
fn a_keeper_that_keeps_dying_silently_fails_the_start() {
    let mut story = preloading(1);
    for _ in 1..BOOT_DEATHS {
        keeper_exited(&mut story, SEGV);
        let (_, actions) = story.until_due();
        assert_eq!(actions, [Action::SpawnKeeper]);
        story.on(Event::KeeperSpawned { pid: 51 });
    }
    let ended = keeper_exited(&mut story, SEGV);
    assert!(ended.iter().any(|action| matches!(action, Action::Notify(Notice::Failed(_)))), "{ended:?}");
}

#[test]
fn a_keeper_that_is_killed_from_outside_is_started_again_and_often_in_a_row_is_the_end() {
    let mut story = preloading(4);
    for _ in 1..BOOT_KILLS {
        keeper_exited(&mut story, Ended::Signaled(9));
        let trouble = story.machine.trouble().unwrap().to_string();
        assert!(trouble.contains("while they start: the keeper (pid"), "{trouble}");
        assert_eq!(story.until_due().1, [Action::SpawnKeeper]);
        story.on(Event::KeeperSpawned { pid: 51 });
    }
    let ended = keeper_exited(&mut story, Ended::Signaled(9));
    let told = |action: &Action| matches!(action, Action::Notify(Notice::Failed(Failure::KilledAtBoot { .. })));
    assert!(ended.iter().any(told), "{ended:?}");
}

#[test]
fn its_death_disturbs_no_worker_and_what_it_was_about_to_fork_waits() {
    let mut story = serving(2);
    assert_eq!(story.exited(1, SEGV), [recovered(1, 101, SEGV, Cause::Unasked), Action::Spawn { worker: 1 }]);
    let died = keeper_exited(&mut story, SEGV);
    assert_eq!(died, [Action::Remark(Remark::KeeperDied { pid: 50, status: SEGV }), Action::SpawnKeeper]);
    assert_eq!(story.machine.strength().ready, 1);
    assert_eq!(story.on(Event::KeeperSpawned { pid: 51 }), []);
    // The same place, without a delay: it was not the worker that failed.
    assert_eq!(story.on(Event::KeeperReady), [Action::Spawn { worker: 1 }]);
}

#[test]
fn a_fork_that_takes_too_long_is_the_end_of_the_keeper() {
    let mut story = serving(1);
    story.exited(0, SEGV);
    let (time, actions) = story.until_due();
    assert_eq!(time, BOOT);
    let slow = Action::Remark(Remark::KeeperSlow { limit: BOOT, forking: true });
    assert_eq!(actions, [slow, Action::SignalKeeper { signal: WorkerSignal::Kill }]);
    assert_eq!(keeper_exited(&mut story, Ended::Signaled(9)), [Action::SpawnKeeper]);
}

#[test]
fn a_hook_that_raises_fails_the_start_and_later_only_its_worker() {
    let refused = || Event::ForkRefused { worker: 0, message: "hook".into(), traceback: Some("T".into()) };
    let mut story = preloading(1);
    story.on(Event::KeeperReady);
    let failure = Failure::Import { message: "hook".into(), traceback: Some("T".into()) };
    assert_eq!(story.on(refused()), [Action::Notify(Notice::Failed(failure)), Action::StopKeeper]);

    let mut story = serving(1);
    story.exited(0, SEGV);
    let refused = story.on(refused());
    assert!(
        matches!(
            &refused[..],
            [Action::Remark(Remark::ImportFailed { .. }), Action::Remark(Remark::BackingOff { .. })]
        ),
        "{refused:?}"
    );
    assert_eq!(story.until_due().1, [Action::Spawn { worker: 0 }]);
}

#[test]
fn it_ends_after_the_last_worker_and_is_killed_if_it_does_not() {
    let mut story = serving(2);
    let stopping = story.on(Event::Stop { graceful: true });
    assert!(!stopping.contains(&Action::StopKeeper), "{stopping:?}");
    story.exited(0, Ended::Exited(0));
    let last = story.exited(1, Ended::Exited(0));
    assert_eq!(last, [recovered(1, 101, Ended::Exited(0), Cause::Stop), Action::StopKeeper]);
    let (time, actions) = story.until_due();
    assert_eq!(time, KEEPER_END_TIME);
    assert_eq!(
        actions,
        [Action::Remark(Remark::KeeperEndOverdue), Action::SignalKeeper { signal: WorkerSignal::Kill }]
    );
    assert_eq!(keeper_exited(&mut story, Ended::Signaled(9)), [stopped()]);
}
