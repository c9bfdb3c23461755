//! The thread that runs the connections: it hands each order to the task of its machine.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use hostler_bus::daemon::{Absent, Client, Reach};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::machine::{self, Wishes};
use super::outbox::Outbox;
use super::session::Task;
use super::{Bus, ChoiceWish, Event, Order, portal};

/// How daemons are reached.
#[async_trait]
pub trait Connect: Send + Sync + 'static {
    /// Connects to the daemon of a [`Reach`], and has it started where it does not run.
    async fn connect(&self, reach: &Reach) -> Result<Client, Absent>;
    /// Connects to the bus of the person's session, where the desktop's portal is.
    async fn session(&self) -> zbus::Result<zbus::Connection> {
        zbus::Connection::session().await
    }
}

/// The buses of this machine, and of others over ssh(1).
#[derive(Clone, Copy, Debug)]
pub struct OwnBuses;

#[async_trait]
impl Connect for OwnBuses {
    async fn connect(&self, reach: &Reach) -> Result<Client, Absent> {
        Client::connect(reach).await
    }
}

/// The bus thread's near end. Dropped, the thread ends.
pub struct Thread {
    // Without a bound: a person gives orders, and the thread takes them without ever waiting.
    orders: UnboundedSender<Order>,
    outbox: Arc<Outbox>,
}

/// Starts the thread; `wake` is called after events were put.
pub fn start(wake: impl Fn() + Send + Sync + 'static) -> Thread {
    start_over(Arc::new(OwnBuses), wake)
}

/// The same with daemons that are reached in another way.
pub fn start_over(connect: Arc<dyn Connect>, wake: impl Fn() + Send + Sync + 'static) -> Thread {
    let (orders, receiver) = unbounded_channel();
    let outbox = Arc::new(Outbox::new());
    let hub =
        Hub { connect, outbox: Arc::clone(&outbox), machines: HashMap::new(), wishes: Wishes::default(), choice: None };
    let spawned = std::thread::Builder::new().name("hostler-bus".to_owned()).spawn(move || run(hub, receiver, wake));
    if let Err(error) = spawned {
        tracing::error!(%error, "the thread that talks to hostlerd cannot be started: nothing will be shown");
    }
    Thread { orders, outbox }
}

impl Bus for Thread {
    fn send(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the thread that talks to hostlerd is gone: start the manager again");
        }
    }

    fn try_next(&self) -> Option<Event> {
        self.outbox.take()
    }
}

fn run(hub: Hub, orders: UnboundedReceiver<Order>, wake: impl Fn() + Send + 'static) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "hostlerd cannot be talked to: the thread has no runtime");
            return;
        }
    };
    let outbox = Arc::clone(&hub.outbox);
    runtime.block_on(async move {
        tokio::select! {
            () = hub.serve(orders) => {}
            () = outbox.announce(wake) => {}
        }
    });
    // What still runs is dropped with the runtime: connections close, and what daemons have begun goes on.
}

/// All machines, and what the person wants of them.
struct Hub {
    connect: Arc<dyn Connect>,
    outbox: Arc<Outbox>,
    machines: HashMap<Reach, Machine>,
    /// What a machine is told that is connected later.
    wishes: Wishes,
    /// The desktop's dialog that is open.
    choice: Option<Task>,
}

struct Machine {
    orders: UnboundedSender<Order>,
    task: AbortHandle,
}

impl Hub {
    async fn serve(mut self, mut orders: UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            tracing::debug!(?order, "ordered");
            match order {
                Order::Connect(reach) => self.connect(reach),
                Order::Disconnect(reach) => {
                    if let Some(machine) = self.machines.remove(&reach) {
                        machine.task.abort();
                    }
                }
                Order::Observe(..) | Order::Shown(_) => {
                    self.wishes.take(None, &order);
                    for machine in self.machines.values() {
                        // One that has ended has nothing to observe.
                        let _ = machine.orders.send(order.clone());
                    }
                }
                Order::Choose(wish) => self.choose(wish),
                order => self.hand_on(order).await,
            }
        }
    }

    fn connect(&mut self, reach: Reach) {
        if let Some(machine) = self.machines.get(&reach)
            && machine.orders.send(Order::Connect(reach.clone())).is_ok()
        {
            return;
        }
        let (orders, receiver) = unbounded_channel();
        let wishes = self.wishes.clone();
        let task = machine::run(reach.clone(), Arc::clone(&self.connect), Arc::clone(&self.outbox), receiver, wishes);
        let task = tokio::spawn(task).abort_handle();
        self.machines.insert(reach, Machine { orders, task });
    }

    fn choose(&mut self, wish: ChoiceWish) {
        let (connect, outbox) = (Arc::clone(&self.connect), Arc::clone(&self.outbox));
        self.choice = Some(Task::spawn(async move {
            let number = wish.number;
            outbox.put(Event::Chosen(number, portal::choose(connect, wish).await)).await;
        }));
    }

    /// Hands an order to its machine; one for a machine that nobody connected to fails.
    async fn hand_on(&self, order: Order) {
        let Some(reach) = machine::reach_of(&order) else { return };
        if let Some(machine) = self.machines.get(reach)
            && machine.orders.send(order.clone()).is_ok()
        {
            return;
        }
        if let Some(event) = machine::not_connected(order) {
            self.outbox.put(event).await;
        }
    }
}
