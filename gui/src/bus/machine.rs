//! One machine's daemon: connected to, waited for while it is not there, and what the person wants of it meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hostler_bus::daemon::{Client, LogFilter, NAME, Reach};
use tokio::sync::mpsc::UnboundedReceiver;
use zbus::fdo::DBusProxy;

use super::absence::{Away, Backoff};
use super::logs::Followed;
use super::outbox::Outbox;
use super::session::{End, Session};
use super::thread::Connect;
use super::{Action, Event, Link, Order, Part};
use crate::model::{Clock, Failure, FailureKind, InstanceKey};

/// What the person looks at: it outlives a connection.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    /// The instance on screen, and its parts.
    pub(super) observed: Option<(InstanceKey, Vec<Part>)>,
    /// Whether the window is seen.
    pub(super) shown: bool,
    /// The logs that are followed, by the instance's name.
    pub(super) followed: HashMap<String, Followed>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { observed: None, shown: true, followed: HashMap::new() }
    }
}

impl Wishes {
    /// Takes what an order says of them; logs are those of one machine.
    pub(super) fn take(&mut self, reach: Option<&Reach>, order: &Order) {
        match order {
            Order::Observe(key, parts) => {
                let here = |key: &InstanceKey| reach.is_none_or(|reach| key.reach == *reach);
                self.observed = key.clone().filter(here).map(|key| (key, parts.clone()));
            }
            Order::Shown(shown) => self.shown = *shown,
            Order::FollowLogs(key, filter) | Order::ResumeLogs(key, filter) => {
                self.followed.insert(key.name.clone(), Followed::new(LogFilter::clone(filter)));
            }
            Order::EndLogs(key) => {
                self.followed.remove(&key.name);
            }
            _ => {}
        }
    }
}

/// The machine that an order is for.
pub(super) fn reach_of(order: &Order) -> Option<&Reach> {
    match order {
        Order::Connect(reach) | Order::Disconnect(reach) | Order::Create { reach, .. } => Some(reach),
        Order::Refresh(key)
        | Order::Act(key, _)
        | Order::Cancel(key)
        | Order::AskLogLevel(key)
        | Order::FollowLogs(key, _)
        | Order::ResumeLogs(key, _)
        | Order::EndLogs(key)
        | Order::Validate { key, .. } => Some(&key.reach),
        Order::Observe(..) | Order::Shown(_) | Order::Choose(_) => None,
    }
}

/// What becomes of an order while its machine is not connected to.
pub(super) fn not_connected(order: Order) -> Option<Event> {
    let failure = Failure {
        kind: FailureKind::Lost,
        message: "hostlerd is not connected to, so that nothing was done; try again when it is".to_owned(),
        ..Failure::default()
    };
    match order {
        Order::Act(key, Action::Stacks(worker)) => Some(Event::Stacks(key, worker, Err(failure))),
        Order::AskLogLevel(key) => Some(Event::LogLevel(key, Err(failure))),
        Order::Act(key, action) => Some(Event::Ended(key, action, Err(failure))),
        Order::Create { reach, name, .. } => {
            Some(Event::Ended(InstanceKey { reach, name }, Action::Create, Err(failure)))
        }
        Order::Validate { key, draft, .. } => Some(Event::Validated(key, draft, Err(failure))),
        _ => None,
    }
}

/// Keeps the connection until nobody gives orders any more.
pub(super) async fn run(
    reach: Reach,
    connect: Arc<dyn Connect>,
    outbox: Arc<Outbox>,
    orders: UnboundedReceiver<Order>,
    wishes: Wishes,
) {
    let mut machine = Machine { reach: reach.clone(), outbox, orders, wishes, backoff: Backoff::new() };
    // Of all machines only one has what is observed.
    machine.wishes.observed.take_if(|(key, _)| key.reach != reach);
    let (mut asked_for, mut was_connected) = (true, false);
    loop {
        // Attempts that nobody asked for are made in silence.
        if asked_for {
            machine.tell(Link::Connecting).await;
        }
        let attempt = tokio::select! {
            attempt = connect.connect(&reach) => attempt,
            () = machine.serve_nobody(|_| false) => return,
        };
        let (away, lasted, former) = match attempt {
            Err(absent) => (Away::from(absent), None, None),
            Ok(client) => {
                let began = Instant::now();
                let session = Session::begin(&reach, client.clone(), &machine.outbox, &mut machine.wishes);
                match session.serve(&mut machine.orders).await {
                    End::Told => return,
                    End::Away(away, ready) => {
                        was_connected |= ready;
                        (away, ready.then(|| began.elapsed()), Some(client))
                    }
                }
            }
        };
        let pause = machine.backoff.pause(lasted);
        let pause = Backoff::tries_again(away.why, was_connected).then_some(pause);
        match machine.wait(away, pause, former).await {
            Some(by_order) => asked_for = by_order,
            None => return,
        }
    }
}

struct Machine {
    reach: Reach,
    outbox: Arc<Outbox>,
    orders: UnboundedReceiver<Order>,
    wishes: Wishes,
    backoff: Backoff,
}

impl Machine {
    async fn tell(&self, link: Link) {
        self.outbox.put(Event::Link(self.reach.clone(), link)).await;
    }

    /// Waits for the next attempt; answers whether it was ordered, and nothing when nobody gives orders any more.
    async fn wait(&mut self, away: Away, pause: Option<Duration>, former: Option<Client>) -> Option<bool> {
        let retry_at_us = pause
            .map(|pause| Clock::system().now().saturating_add(u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)));
        tracing::debug!(reach = ?self.reach, message = away.message, "hostlerd is away");
        self.tell(Link::Absent { why: away.why, message: away.message, retry_at_us }).await;
        let pause_over = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let mut ordered = false;
        tokio::select! {
            () = pause_over => Some(false),
            () = returned(former) => Some(false),
            () = self.serve_nobody(|order| { ordered = matches!(order, Order::Connect(_)); ordered }) => {
                ordered.then_some(true)
            }
        }
    }

    /// Takes orders while there is nobody to carry them out, until `enough` says so, or there are no more.
    async fn serve_nobody(&mut self, mut enough: impl FnMut(&Order) -> bool) {
        while let Some(order) = self.orders.recv().await {
            if enough(&order) {
                return;
            }
            self.wishes.take(Some(&self.reach), &order);
            if let Some(event) = not_connected(order) {
                self.outbox.put(event).await;
            }
        }
    }
}

/// Waits until the daemon is on the bus of a former connection again; for ever where that is cut.
async fn returned(former: Option<Client>) {
    let wait = async {
        let client = former?;
        let bus = DBusProxy::new(client.connection()).await.ok()?;
        let mut changes = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.ok()?;
        while let Some(change) = changes.next().await {
            if change.args().is_ok_and(|change| change.new_owner().is_some()) {
                return Some(());
            }
        }
        None
    };
    if wait.await.is_none() {
        std::future::pending().await
    }
}
