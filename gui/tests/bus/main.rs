//! The bus thread against a daemon that the test plays, over a real bus.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod acting;
mod fake;
mod logs;
mod observing;
mod portal;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hostler_bus::LastReload;
use hostler_bus::daemon::{InstanceState, Overview, Reach, Security};
use hostler_manager::bus::{Absence, Bus as _, Event, Link, Order, Thread, start_over};
use hostler_manager::model::InstanceKey;
use tokio::sync::Notify;
use zbus::Connection;

use fake::{Bus, Played, Way};

/// How long a test may take.
const LIMIT: Duration = Duration::from_secs(180);

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await.expect("the test took too long") });
}

fn reach() -> Reach {
    Reach { user: true, host: None }
}

fn key(name: &str) -> InstanceKey {
    InstanceKey { reach: reach(), name: name.to_owned() }
}

fn overview(name: &str, state: InstanceState) -> Overview {
    Overview { name: name.to_owned(), state, since_us: 5, generation: 3, managed: true, ..Overview::default() }
}

/// The bus thread, and what it told.
struct Window {
    thread: Thread,
    woken: Arc<Notify>,
    wakes: Arc<AtomicU32>,
}

impl Window {
    fn open(bus: &Bus) -> Self {
        let (woken, wakes) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
        let (waking, counting) = (Arc::clone(&woken), Arc::clone(&wakes));
        let wake = move || {
            counting.fetch_add(1, Ordering::Relaxed);
            waking.notify_one();
        };
        Self { thread: start_over(Arc::new(Way(bus.address.clone())), wake), woken, wakes }
    }

    async fn connected(bus: &Bus) -> Self {
        let window = Self::open(bus);
        window.thread.send(Order::Connect(reach()));
        window.ready().await;
        window
    }

    async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.thread.try_next() {
                return event;
            }
            self.woken.notified().await;
        }
    }

    /// Waits for an event that gives something; others are passed over.
    async fn until<T>(&self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    async fn link(&self) -> Link {
        self.until(|event| if let Event::Link(_, link) = event { Some(link) } else { None }).await
    }

    async fn ready(&self) {
        self.until(|event| matches!(event, Event::Link(_, Link::Ready(_))).then_some(())).await;
    }

    async fn away(&self) -> (Absence, String, Option<u64>) {
        self.until(|event| match event {
            Event::Link(_, Link::Absent { why, message, retry_at_us }) => Some((why, message, retry_at_us)),
            _ => None,
        })
        .await
    }

    async fn changed(&self) -> Overview {
        self.until(|event| if let Event::Changed(_, overview) = event { Some(overview) } else { None }).await
    }
}

/// A daemon with one instance, which is called shop, and a window that has found it.
async fn shop(bus: &Bus, state: InstanceState) -> (Arc<Played>, Connection, Window) {
    let played = Played::shop(state);
    let daemon = played.serve(bus).await;
    (played, daemon, Window::connected(bus).await)
}

#[test]
fn the_list_appears_and_changes_arrive() {
    run(async {
        let bus = Bus::start();
        let all = vec![overview("blog", InstanceState::Stopped), overview("my-shop", InstanceState::Serving)];
        let played = Played::new(all.clone());
        let _daemon = played.serve(&bus).await;
        let window = Window::open(&bus);
        window.thread.send(Order::Connect(reach()));
        assert_eq!(window.link().await, Link::Connecting);
        let listed = window.until(|event| if let Event::Listed(_, list) = event { Some(list) } else { None }).await;
        assert_eq!(listed, all);
        let schema = window.until(|event| if let Event::Schema(_, all) = event { Some(all) } else { None }).await;
        assert_eq!(schema[0].key, "workers");
        assert_eq!(window.link().await, Link::Ready(env!("CARGO_PKG_VERSION").to_owned()));
        // Each property, so that none is forgotten where signals are read: a new field of an overview stops this from
        // compiling.
        let other = Overview {
            name: "my-shop".to_owned(),
            state: InstanceState::Broken,
            since_us: 99,
            problem: "no worker can be had".to_owned(),
            enabled: "socket".to_owned(),
            has_settings: true,
            managed: false,
            application: "shop:app".to_owned(),
            framework: "Flask".to_owned(),
            python: "3.13.1".to_owned(),
            binds: vec!["http://127.0.0.1:8000".to_owned()],
            url: "http://127.0.0.1:8000/".to_owned(),
            sockets: vec!["127.0.0.1:8000".to_owned()],
            generation: 4,
            last_reload: Some(LastReload {
                at_us: 5,
                succeeded: true,
                generation: 4,
                seconds: 0.5,
                message: "fine".to_owned(),
            }),
            workers_min: 2,
            workers_max: 8,
            security: Some(Security { exposure: 1.3, rating: "OK".to_owned(), profile: "strict".to_owned() }),
        };
        played.publish(vec![all[0].clone(), other.clone()]).await;
        assert_eq!(window.changed().await, other);
        let new = Overview { name: "new.one".to_owned(), ..other.clone() };
        played.publish(vec![other, new.clone()]).await;
        let gone = window.until(|event| if let Event::Gone(_, name) = event { Some(name) } else { None }).await;
        assert_eq!(gone, "blog");
        assert_eq!(window.changed().await, new);
    });
}

#[test]
fn many_changes_wake_the_window_a_few_times() {
    run(async {
        let bus = Bus::start();
        let all: Vec<Overview> =
            (0..200).map(|number| overview(&format!("site-{number}"), InstanceState::Stopped)).collect();
        let played = Played::new(all.clone());
        let _daemon = played.serve(&bus).await;
        let window = Window::connected(&bus).await;
        let before = window.wakes.load(Ordering::Relaxed);
        for generation in 4..9 {
            played.publish(all.iter().map(|one| Overview { generation, ..one.clone() }).collect()).await;
        }
        let mut left = 1000;
        while left > 0 {
            window.changed().await;
            left -= 1;
        }
        let wakes = window.wakes.load(Ordering::Relaxed) - before;
        assert!(wakes < 200, "1000 changes woke the window {wakes} times");
    });
}

#[test]
fn a_daemon_that_dies_is_waited_for() {
    run(async {
        let bus = Bus::start();
        let (_played, daemon, window) = shop(&bus, InstanceState::Serving).await;
        daemon.close().await.unwrap();
        let (why, message, retry_at_us) = window.away().await;
        assert!(why == Absence::NotRunning && message.contains("journalctl --user -u hostlerd"), "{message}");
        assert!(retry_at_us.is_some());
        let played = Played::new(vec![overview("other", InstanceState::Stopped)]);
        let _daemon = played.serve(&bus).await;
        let listed = window.until(|event| if let Event::Listed(_, list) = event { Some(list) } else { None }).await;
        assert_eq!(listed[0].name, "other");
        window.ready().await;
    });
}

#[test]
fn a_bus_that_dies_is_waited_for() {
    run(async {
        let mut bus = Bus::start();
        let (played, daemon, window) = shop(&bus, InstanceState::Serving).await;
        bus.stop();
        drop(daemon);
        let (why, message, retry_at_us) = window.away().await;
        assert!(why == Absence::NoBus && message.contains("session bus"), "{message}");
        assert!(retry_at_us.is_some());
        bus.start_again();
        let _daemon = played.serve(&bus).await;
        window.thread.send(Order::Connect(reach()));
        window.ready().await;
    });
}

#[test]
fn what_is_not_installed_is_said_and_tried_again_when_ordered() {
    run(async {
        let bus = Bus::start();
        let window = Window::open(&bus);
        window.thread.send(Order::Connect(reach()));
        let (why, message, _) = window.away().await;
        assert!(why == Absence::NotInstalled && message.contains("install Hostler's package"), "{message}");
        let played = Played::new(Vec::new());
        let _daemon = played.serve(&bus).await;
        window.thread.send(Order::Connect(reach()));
        window.ready().await;
        // Let go of, it is left alone; and an order to it fails.
        window.thread.send(Order::Disconnect(reach()));
        window.thread.send(Order::Act(key("shop"), hostler_manager::bus::Action::Reload));
        let failure = window.until(|event| if let Event::Ended(_, _, Err(why)) = event { Some(why) } else { None });
        assert!(failure.await.message.contains("not connected"));
    });
}
