//! Actions, from the order to their end.

use std::sync::Arc;

use hostler_bus::LogLevel;
use hostler_bus::daemon::{Change, Error, InstanceState, NewInstance, Outcome, Reach};
use hostler_manager::bus::{Action, Bus as _, Event, Order, Part, Progress};
use hostler_manager::model::{Failure, FailureKind, InstanceKey};
use tokio::sync::Notify;

use super::fake::{Bus, Played};
use super::{Window, key, run, shop};

async fn ended(window: &Window) -> (Action, Result<Outcome, Failure>) {
    window.until(|event| if let Event::Ended(_, action, result) = event { Some((action, result)) } else { None }).await
}

#[test]
fn a_job_tells_how_far_it_is_and_how_it_ended() {
    run(async {
        let bus = Bus::start();
        let (played, _daemon, window) = shop(&bus, InstanceState::Serving).await;
        window.thread.send(Order::Act(key("shop"), Action::Reload));
        played.job_begun.notified().await;
        for (stage, fraction) in [("importing", 0.25), ("ready", 0.75)] {
            played.last_job().send_modify(|report| {
                report.stage = stage.to_owned();
                report.progress = fraction;
            });
            let told = Progress { stage: stage.to_owned(), fraction };
            window
                .until(|event| {
                    let Event::Progress(found, Action::Reload, progress) = event else { return None };
                    (found == key("shop") && progress == told).then_some(())
                })
                .await;
        }
        let outcome = Outcome { message: "generation 4 serves".to_owned(), generation: Some(4), ..Outcome::default() };
        played.end_job(Ok(outcome.clone()));
        assert_eq!(ended(&window).await, (Action::Reload, Ok(outcome)));
    });
}

#[test]
fn failures_keep_what_they_are() {
    run(async {
        let bus = Bus::start();
        let (played, _daemon, window) = shop(&bus, InstanceState::Serving).await;
        let refused = Error::NotAuthorized { purpose: "control it".to_owned(), reason: "polkit refused".to_owned() };
        *played.refusal.lock().unwrap() = Some(refused);
        for action in [Action::Scale(3), Action::Enable(true), Action::Recycle(1), Action::Stop] {
            window.thread.send(Order::Act(key("shop"), action.clone()));
            let (found, result) = ended(&window).await;
            assert_eq!((found, result.unwrap_err().kind), (action, FailureKind::NotPermitted));
        }
        window.thread.send(Order::Act(key("shop"), Action::Stacks(7)));
        let stacks = window.until(|event| if let Event::Stacks(_, 7, result) = event { Some(result) } else { None });
        assert_eq!(stacks.await.unwrap_err().kind, FailureKind::NotPermitted);
        *played.refusal.lock().unwrap() = None;
        window.thread.send(Order::Act(key("shop"), Action::Stacks(7)));
        let stacks = window.until(|event| if let Event::Stacks(_, 7, result) = event { Some(result) } else { None });
        assert_eq!(stacks.await.unwrap(), "stacks of 7");
        window.thread.send(Order::Act(key("shop"), Action::Scale(3)));
        assert_eq!(ended(&window).await, (Action::Scale(3), Ok(Outcome::default())));
        window.thread.send(Order::Act(key("shop"), Action::Reload));
        played.job_begun.notified().await;
        let traceback = "Traceback (most recent call last):\n  File \"/srv/shop.py\", line 3\nNameError".to_owned();
        let reason = "it does not import".to_owned();
        played.end_job(Err(hostler_bus::Error::ReloadFailed { reason, traceback }.into()));
        let failure = ended(&window).await.1.unwrap_err();
        assert_eq!((failure.kind, failure.place()), (FailureKind::Failed, Some(("/srv/shop.py", 3))));
        assert_eq!(failure.message, "it does not import");
        // There is no such instance: the daemon says so.
        window.thread.send(Order::Act(key("nobody"), Action::Start));
        let failure = ended(&window).await.1.unwrap_err();
        assert!(failure.message.contains("no such instance"), "{failure:?}");
    });
}

#[test]
fn a_password_is_waited_for_and_said() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        let password = Arc::new(Notify::new());
        *played.password.lock().unwrap() = Some(Arc::clone(&password));
        let _daemon = played.serve(&bus).await;
        let window = Window::open(&bus);
        // The machine's daemon is one that asks.
        let reach = Reach { user: false, host: None };
        let shop = InstanceKey { reach: reach.clone(), name: "shop".to_owned() };
        window.thread.send(Order::Connect(reach));
        window.ready().await;
        window.thread.send(Order::Act(shop.clone(), Action::Stop));
        let waits = |event| if let Event::Authorizing(_, Action::Stop, waits) = event { Some(waits) } else { None };
        assert!(window.until(waits).await);
        password.notify_one();
        assert!(!window.until(waits).await);
        played.job_begun.notified().await;
        played.end_job(Ok(Outcome::default()));
        assert!(ended(&window).await.1.is_ok());
        // Cancelled before the person answered, there is no job.
        window.thread.send(Order::Act(shop.clone(), Action::Stop));
        assert!(window.until(waits).await);
        window.thread.send(Order::Cancel(shop));
        assert_eq!(ended(&window).await.1.unwrap_err().kind, FailureKind::Cancelled);
    });
}

#[test]
fn jobs_are_cancelled_if_they_can_be() {
    run(async {
        let bus = Bus::start();
        let (played, _daemon, window) = shop(&bus, InstanceState::Serving).await;
        window.thread.send(Order::Act(key("shop"), Action::Restart));
        played.job_begun.notified().await;
        played.last_job().send_modify(|report| report.stage = "restarting".to_owned());
        // Its path has come, too.
        window.until(|event| matches!(event, Event::Progress(..)).then_some(())).await;
        *played.refusal.lock().unwrap() = Some(Error::Refused { reason: "not in the middle".to_owned() });
        window.thread.send(Order::Cancel(key("shop")));
        let why = window.until(|event| if let Event::NotCancelled(_, why) = event { Some(why) } else { None }).await;
        assert_eq!(why.message, "not in the middle");
        *played.refusal.lock().unwrap() = None;
        window.thread.send(Order::Cancel(key("shop")));
        let (action, result) = ended(&window).await;
        assert_eq!((action, result.unwrap_err().kind), (Action::Restart, FailureKind::Cancelled));
    });
}

#[test]
fn what_is_under_way_when_the_daemon_dies_is_lost() {
    run(async {
        let bus = Bus::start();
        let (played, daemon, window) = shop(&bus, InstanceState::Serving).await;
        window.thread.send(Order::Act(key("shop"), Action::Reload));
        played.job_begun.notified().await;
        daemon.close().await.unwrap();
        let failure = ended(&window).await.1.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Lost, "{failure:?}");
        window.away().await;
        window.thread.send(Order::Act(key("shop"), Action::Stop));
        assert_eq!(ended(&window).await.1.unwrap_err().kind, FailureKind::Lost);
    });
}

#[test]
fn settings_are_asked_for_again_after_a_change() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Stopped);
        *played.revision.lock().unwrap() = "one".to_owned();
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::Observe(Some(key("shop")), vec![Part::Settings, Part::History]));
        let settings = |event| if let Event::Settings(_, Ok(settings)) = event { Some(settings) } else { None };
        let first = window.until(settings).await;
        assert_eq!((first.revision.as_str(), first.text.as_str()), ("one", "workers = 2\n"));
        let change = Change { set: vec![("workers".to_owned(), vec!["4".to_owned()])], unset: Vec::new() };
        let action = Action::Apply { revision: "one".to_owned(), change: change.clone() };
        window.thread.send(Order::Act(key("shop"), action.clone()));
        played.job_begun.notified().await;
        let order = played.last_order.lock().unwrap().clone();
        assert!(
            matches!(order, Some(hostler_bus::daemon::Order::Apply { revision, .. }) if revision == "one"),
            "the revision travels"
        );
        *played.revision.lock().unwrap() = "two".to_owned();
        played.end_job(Ok(Outcome { revision: Some("two".to_owned()), ..Outcome::default() }));
        assert_eq!(ended(&window).await.0, action);
        while window.until(settings).await.revision != "two" {}
        // A new instance is made in the same way.
        window.thread.send(Order::Create {
            reach: super::reach(),
            name: "new".to_owned(),
            change,
            options: NewInstance::default(),
        });
        played.job_begun.notified().await;
        assert!(played.last_changes.lock().unwrap().as_ref().unwrap().set.contains_key("workers"));
        played.end_job(Ok(Outcome::default()));
        assert_eq!(ended(&window).await.0, Action::Create);
    });
}

#[test]
fn of_drafts_only_the_last_is_looked_through() {
    run(async {
        let bus = Bus::start();
        let (played, _daemon, window) = shop(&bus, InstanceState::Stopped).await;
        for draft in 1..=30 {
            let change = Change { set: vec![("workers".to_owned(), vec![draft.to_string()])], unset: Vec::new() };
            window.thread.send(Order::Validate { key: key("shop"), draft, change });
        }
        let (draft, problems) = window
            .until(|event| if let Event::Validated(_, draft, result) = event { Some((draft, result)) } else { None })
            .await;
        assert_eq!((draft, problems.unwrap()[0].key.as_str()), (30, "workers"));
        assert_eq!(played.called_for("validate"), 1);
    });
}

#[test]
fn what_others_do_is_followed_and_can_be_cancelled() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        let _daemon = played.serve(&bus).await;
        let connection = zbus::connection::Builder::address(bus.address.as_str()).unwrap().build().await.unwrap();
        let other = hostler_bus::daemon::Client::over(connection, &super::reach()).await.unwrap();
        let shop = other.instance("shop").await.unwrap();
        // One that was begun before the window was there.
        shop.reload().await.unwrap();
        played.job_begun.notified().await;
        let window = Window::connected(&bus).await;
        let begun = |event| if let Event::Begun(found, action) = event { Some((found, action)) } else { None };
        assert_eq!(window.until(begun).await, (key("shop"), Action::Reload));
        played.end_job(Ok(Outcome { generation: Some(4), ..Outcome::default() }));
        let (action, result) = ended(&window).await;
        assert_eq!((action, result.unwrap().generation), (Action::Reload, Some(4)));
        // One that is begun now, and cancelled here.
        shop.restart().await.unwrap();
        played.job_begun.notified().await;
        assert_eq!(window.until(begun).await, (key("shop"), Action::Restart));
        window.thread.send(Order::Cancel(key("shop")));
        let (action, result) = ended(&window).await;
        assert_eq!((action, result.unwrap_err().kind), (Action::Restart, FailureKind::Cancelled));
        assert_eq!(played.called_for("cancel"), 1);
        // One of our own is told as ours alone, though it is signalled as well.
        for _ in 0..5 {
            window.thread.send(Order::Act(key("shop"), Action::Upgrade));
            played.job_begun.notified().await;
            played.end_job(Ok(Outcome::default()));
            let mut foreign = 0;
            let action = window
                .until(|event| {
                    foreign += u32::from(matches!(event, Event::Begun(..)));
                    if let Event::Ended(_, action, Ok(_)) = event { Some(action) } else { None }
                })
                .await;
            assert_eq!((action, foreign), (Action::Upgrade, 0));
        }
    });
}

#[test]
fn the_log_level_is_asked_for_and_set() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        *played.level.lock().unwrap() = LogLevel::Info;
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        let level = |event| if let Event::LogLevel(_, level) = event { Some(level) } else { None };
        window.thread.send(Order::AskLogLevel(key("shop")));
        assert_eq!(window.until(level).await, Ok(LogLevel::Info));
        window.thread.send(Order::Act(key("shop"), Action::SetLogLevel(LogLevel::Debug)));
        assert_eq!(ended(&window).await, (Action::SetLogLevel(LogLevel::Debug), Ok(Outcome::default())));
        window.thread.send(Order::AskLogLevel(key("shop")));
        assert_eq!(window.until(level).await, Ok(LogLevel::Debug));
        *played.refusal.lock().unwrap() = Some(Error::Refused { reason: "it does not run".to_owned() });
        window.thread.send(Order::AskLogLevel(key("shop")));
        assert_eq!(window.until(level).await.unwrap_err().message, "it does not run");
    });
}

#[test]
fn that_a_password_is_asked_for_before_something_is_seen_is_said() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Stopped);
        let password = Arc::new(Notify::new());
        *played.password.lock().unwrap() = Some(Arc::clone(&password));
        *played.locked.lock().unwrap() = true;
        let _daemon = played.serve(&bus).await;
        let window = Window::open(&bus);
        let reach = Reach { user: false, host: None };
        let shop = InstanceKey { reach: reach.clone(), name: "shop".to_owned() };
        window.thread.send(Order::Connect(reach));
        window.ready().await;
        window.thread.send(Order::Observe(Some(shop), vec![Part::History]));
        let asks = |event| if let Event::Asking(_, part, waits) = event { Some((part, waits)) } else { None };
        assert_eq!(window.until(asks).await, (Part::History, true));
        password.notify_one();
        assert_eq!(window.until(asks).await, (Part::History, false));
        let history = window.until(|event| if let Event::History(_, result) = event { Some(result) } else { None });
        assert!(history.await.is_ok());
    });
}
