//! What is kept fresh, and what is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hostler_bus::daemon::{Change, Error, InstanceState, LogFilter, Reach};
use hostler_manager::bus::{Bus as _, Event, Order, Part};
use hostler_manager::model::{Failure, FailureKind, InstanceKey};
use tokio::sync::Notify;

use super::fake::{Bus, Played};
use super::{Window, key, overview, run};

const ALL: [Part; 5] = [Part::Status, Part::Workers, Part::Requests, Part::Settings, Part::History];

/// Waits until what was under way has come to its end: for two seconds nothing is asked, and the window is not woken. What has come is taken.
async fn quiet(window: &Window, played: &Played) {
    let seen = || (played.called(), window.wakes.load(Ordering::Relaxed));
    let mut before = None;
    while before != Some(seen()) {
        before = Some(seen());
        tokio::time::sleep(Duration::from_secs(2)).await;
        while window.thread.try_next().is_some() {}
    }
}

#[test]
fn what_runs_is_streamed_and_the_others_are_looked_at() {
    run(async {
        let bus = Bus::start();
        let all = ["blog", "shop"].map(|name| overview(name, InstanceState::Serving));
        let played = Played::new(all.to_vec());
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::Observe(Some(key("shop")), ALL.to_vec()));
        played.figures_wanted.notified().await;
        played.send_figures(77, "shop").await;
        // They come in any order. As one of the others it may have been looked at before the stream began.
        let (mut past, mut looked_at) = (BTreeMap::new(), BTreeMap::new());
        let (mut streamed, mut settings_came) = (None, false);
        while past.len() < 2 || !looked_at.contains_key("blog") || streamed.is_none() || !settings_came {
            match window.next().await {
                Event::Settings(_, Ok(_)) => settings_came = true,
                Event::Past(found, samples, _, events) => {
                    past.insert(found.name, (samples[0].rate(), events[0].message.clone()));
                }
                Event::Status(found, 77, Ok(detail)) if found == key("shop") => streamed = detail.instance,
                Event::Status(found, _, Ok(detail)) => drop(looked_at.insert(found.name, detail)),
                _ => {}
            }
        }
        assert_eq!(streamed.unwrap().observed.workers_ready, 2);
        assert_eq!(looked_at["blog"].overview.name, "blog");
        // What was measured before came for both.
        for (rate, happened) in past.values() {
            assert!((rate - 5.0).abs() < 1e-9 && happened == "started");
        }
        let workers = window.until(|event| if let Event::Workers(_, result) = event { Some(result) } else { None });
        assert_eq!(workers.await.unwrap()[0].pid, 2);
        // A change of the file that is seen in the figures has the settings read again.
        *played.revision.lock().unwrap() = "edited".to_owned();
        played.send_figures(78, "shop").await;
        let settings = |event| if let Event::Settings(_, Ok(settings)) = event { Some(settings) } else { None };
        while window.until(settings).await.revision != "edited" {}
        // It stops: the stream is let go of, and what was listed of it is empty.
        played.publish(vec![overview("shop", InstanceState::Stopped)]).await;
        let workers = |event| if let Event::Workers(_, Ok(workers)) = event { Some(workers) } else { None };
        while !window.until(workers).await.is_empty() {}
    });
}

#[test]
fn what_rests_is_left_alone() {
    run(async {
        let bus = Bus::start();
        let states = [
            ("asleep", InstanceState::Asleep),
            ("failed", InstanceState::Failed),
            ("stopped", InstanceState::Stopped),
            ("new", InstanceState::Configured),
        ];
        let played = Played::new(states.map(|(name, state)| overview(name, state)).to_vec());
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::Observe(Some(key("asleep")), ALL.to_vec()));
        let mut awaited = 5;
        while awaited > 0 {
            let event = window.next().await;
            awaited -= u32::from(matches!(
                event,
                Event::Status(_, _, Ok(_))
                    | Event::Workers(_, Ok(_))
                    | Event::Requests(_, Ok(_))
                    | Event::Settings(_, Ok(_))
                    | Event::History(_, Ok(_))
            ));
        }
        quiet(&window, &played).await;
        let (calls, wakes) = (played.called(), window.wakes.load(Ordering::Relaxed));
        // Time is what this is about.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(played.called(), calls, "{:?}", played.calls);
        assert_eq!(window.wakes.load(Ordering::Relaxed), wakes);
        assert!(window.thread.try_next().is_none());
        assert_eq!(played.called_for("workers") + played.called_for("requests"), 0, "there is nothing to list");
    });
}

#[test]
fn a_window_that_nobody_sees_asks_nothing() {
    run(async {
        let bus = Bus::start();
        let played = Played::new(["blog", "shop"].map(|name| overview(name, InstanceState::Serving)).to_vec());
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::Observe(Some(key("shop")), vec![Part::Workers]));
        window.until(|event| matches!(event, Event::Workers(..)).then_some(())).await;
        window.thread.send(Order::Shown(false));
        quiet(&window, &played).await;
        let calls = played.called();
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(played.called(), calls, "{:?}", played.calls);
        while window.thread.try_next().is_some() {}
        window.thread.send(Order::Shown(true));
        window.until(|event| matches!(event, Event::Workers(..)).then_some(())).await;
    });
}

fn requests(event: Event) -> Option<Result<Vec<hostler_bus::Request>, Failure>> {
    if let Event::Requests(_, result) = event { Some(result) } else { None }
}

#[test]
fn what_was_refused_is_asked_again_only_if_one_insists() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        let refused = Error::NotAuthorized { purpose: "see it".to_owned(), reason: "polkit refused".to_owned() };
        *played.refusal.lock().unwrap() = Some(refused);
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        window.thread.send(Order::Observe(Some(key("shop")), vec![Part::Requests]));
        assert_eq!(window.until(requests).await.unwrap_err().kind, FailureKind::NotPermitted);
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(played.called_for("requests"), 1);
        *played.refusal.lock().unwrap() = None;
        window.thread.send(Order::Refresh(key("shop")));
        assert_eq!(window.until(requests).await.unwrap()[0].id, "a1");
        // From now on it is asked each second.
        assert!(window.until(requests).await.is_ok());
        assert_eq!(played.called_for("requests, asking"), 0, "the user's own daemon asks nobody");
    });
}

/// The machine's daemon, which has a person asked for a password, and the window that is connected to it.
async fn guarded(bus: &Bus, played: &Played) -> (Window, InstanceKey) {
    *played.locked.lock().unwrap() = true;
    let window = Window::open(bus);
    let reach = Reach { user: false, host: None };
    window.thread.send(Order::Connect(reach.clone()));
    window.ready().await;
    (window, InstanceKey { reach, name: "shop".to_owned() })
}

#[test]
fn one_click_asks_for_one_password_whatever_it_shows() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        let password = Arc::new(Notify::new());
        *played.password.lock().unwrap() = Some(Arc::clone(&password));
        let _daemon = played.serve(&bus).await;
        let (window, shop) = guarded(&bus, &played).await;
        let parts = vec![Part::Settings, Part::History];
        window.thread.send(Order::Observe(Some(shop.clone()), parts));
        let asking = |event| if let Event::Asking(_, part, waits) = event { Some((part, waits)) } else { None };
        let (part, waits) = window.until(asking).await;
        assert!(waits, "{part:?}");
        // The person closes the question: what else is shown of that click stays locked, and is not asked for.
        *played.refusal.lock().unwrap() = Some(Error::Dismissed { purpose: "see it".to_owned() });
        password.notify_one();
        let closed = |event| match event {
            Event::Settings(_, result) => Some(result.unwrap_err().kind),
            Event::History(_, result) => Some(result.unwrap_err().kind),
            _ => None,
        };
        assert!(window.until(closed).await == FailureKind::Dismissed);
        window.until(closed).await;
        assert_eq!(played.called_for("question"), 1);
        // They insist, and type it: both parts come, with one question more.
        *played.refusal.lock().unwrap() = None;
        window.thread.send(Order::Refresh(shop));
        assert!(window.until(asking).await.1);
        password.notify_one();
        let (mut settings, mut history) = (false, false);
        while !settings || !history {
            match window.next().await {
                Event::Settings(_, result) => settings |= result.is_ok(),
                Event::History(_, result) => history |= result.is_ok(),
                _ => {}
            }
        }
        assert_eq!(played.called_for("question"), 2);
    });
}

#[test]
fn a_daemon_that_comes_back_asks_for_no_password_by_itself() {
    run(async {
        let bus = Bus::start();
        let played = Played::shop(InstanceState::Serving);
        *played.log_lines.lock().unwrap() = 3;
        let daemon = played.serve(&bus).await;
        let (window, shop) = guarded(&bus, &played).await;
        let parts = vec![Part::Settings, Part::History, Part::Requests];
        window.thread.send(Order::Observe(Some(shop.clone()), parts));
        window.thread.send(Order::FollowLogs(shop.clone(), LogFilter { follow: true, ..LogFilter::default() }));
        // The first click asks, and opens all.
        assert!(window.until(requests).await.is_ok());
        window.until(|event| matches!(event, Event::Logged(..)).then_some(())).await;
        let asked = played.called_for("question");
        assert!(asked >= 1);
        daemon.close().await.unwrap();
        window.away().await;
        *played.locked.lock().unwrap() = true;
        let _daemon = played.serve(&bus).await;
        window.ready().await;
        let change = Change { set: vec![("workers".to_owned(), vec!["4".to_owned()])], unset: Vec::new() };
        window.thread.send(Order::Validate { key: shop.clone(), draft: 1, change });
        window.thread.send(Order::ResumeLogs(shop.clone(), LogFilter { follow: true, ..LogFilter::default() }));
        let mut locked = std::collections::BTreeSet::new();
        while locked.len() < 5 {
            let (what, failure) = match window.next().await {
                Event::Settings(_, Err(failure)) => ("settings", failure),
                Event::History(_, Err(failure)) => ("history", failure),
                Event::Requests(_, Err(failure)) => ("requests", failure),
                Event::Validated(_, 1, Err(failure)) => ("draft", failure),
                Event::LogsEnded(_, Some(failure)) => ("log", failure),
                _ => continue,
            };
            // What was asked before the daemon died, and not answered.
            if failure.kind == FailureKind::Lost {
                continue;
            }
            assert_eq!(failure.kind, FailureKind::Locked, "{what}: {failure:?}");
            locked.insert(what);
        }
        assert_eq!(played.called_for("question"), asked, "nobody clicked");
        // Until the person unlocks it: then all of it comes.
        window.thread.send(Order::Refresh(shop));
        let (mut settings, mut history) = (false, false);
        while !settings || !history {
            match window.next().await {
                Event::Settings(_, result) => settings |= result.is_ok(),
                Event::History(_, result) => history |= result.is_ok(),
                _ => {}
            }
        }
        assert_eq!(played.called_for("question"), asked + 1);
    });
}
