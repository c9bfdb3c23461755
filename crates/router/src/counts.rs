//! What a router thread counts, and how it is told: plain cells of the thread, copied to where others can read them once a second or on
//! request.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::histogram::Histogram;
use crate::listed;
use crate::turn::Outcome;
use crate::{Command, Router};

/// What the router did since it was started, on all threads and all lines. As it is written out (serde) it can be read by a version that counts
/// more or less: what is missing is 0, and what it does not know is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Answers by the first digit of their status: 0 for none of 1 to 5. A WebSocket counts as 1 when it ends, a client that left before its answer
    /// as 4 (499).
    #[serde(with = "listed::statuses")]
    pub statuses: [u64; 6],
    /// Requests by how they ended, in the order of [`Statistics::OUTCOMES`].
    #[serde(with = "listed::outcomes")]
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that are open.
    #[serde(skip)]
    pub connections: u64,
    /// WebSockets that are open; they are among the connections.
    #[serde(skip)]
    pub websockets: u64,
    /// Between a request's arrival in the queue and its worker's taking it. Without requests that no worker took.
    pub queue_time: Histogram,
    /// Between then and the end of the application's work, or of the answer if that came first. Without WebSockets.
    pub application_time: Histogram,
}

impl Statistics {
    /// The names of the outcomes, as the access log tells them.
    pub const OUTCOMES: [&'static str; Outcome::ALL.len()] = {
        let mut names = [""; Outcome::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Outcome::ALL[at].name();
            at += 1;
        }
        names
    };

    /// How many requests have ended.
    pub fn requests(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        let add = |own: &mut [u64], more: &[u64]| own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
        add(&mut self.statuses, &other.statuses);
        add(&mut self.outcomes, &other.outcomes);
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.accepted += other.accepted;
        self.connections += other.connections;
        self.websockets += other.websockets;
        self.queue_time.merge(&other.queue_time);
        self.application_time.merge(&other.application_time);
    }
}

/// One thread's counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
    accepted: Cell<u64>,
    websockets: Cell<u64>,
    ended: RefCell<Ended>,
    published: Published,
}

/// What is counted at the end of a request.
#[derive(Debug, Default)]
struct Ended {
    statuses: [u64; 6],
    outcomes: [u64; Outcome::ALL.len()],
    queue_time: Histogram,
    application_time: Histogram,
}

/// A thread's counts as others read them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published(Arc<Mutex<Statistics>>);

impl Counts {
    pub(crate) fn new(published: Published) -> Self {
        Self { published, ..Self::default() }
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.bytes_in.set(self.bytes_in.get() + bytes as u64);
    }

    pub(crate) fn written(&self, bytes: usize) {
        self.bytes_out.set(self.bytes_out.get() + bytes as u64);
    }

    pub(crate) fn accepted(&self) {
        self.accepted.set(self.accepted.get() + 1);
    }

    pub(crate) fn websocket_opened(&self) {
        self.websockets.set(self.websockets.get() + 1);
    }

    pub(crate) fn websocket_closed(&self) {
        self.websockets.set(self.websockets.get() - 1);
    }

    /// A request ended. Times are in nanoseconds, `None` for what has not been.
    pub(crate) fn ended(&self, status: u16, outcome: Outcome, queue: Option<u64>, application: Option<u64>) {
        let ended = &mut *self.ended.borrow_mut();
        let class = usize::from(status / 100);
        ended.statuses[if class < 6 { class } else { 0 }] += 1;
        ended.outcomes[outcome as usize] += 1;
        if let Some(queue) = queue {
            ended.queue_time.record(queue);
        }
        if let Some(application) = application {
            ended.application_time.record(application);
        }
    }

    /// Lets others read what was counted until now.
    pub(crate) fn publish(&self, connections: usize) {
        let ended = self.ended.borrow();
        let mut to = self.published.lock();
        to.statuses = ended.statuses;
        to.outcomes = ended.outcomes;
        to.bytes_in = self.bytes_in.get();
        to.bytes_out = self.bytes_out.get();
        to.accepted = self.accepted.get();
        to.connections = connections as u64;
        to.websockets = self.websockets.get();
        to.queue_time.clone_from(&ended.queue_time);
        to.application_time.clone_from(&ended.application_time);
    }
}

impl Published {
    fn lock(&self) -> std::sync::MutexGuard<'_, Statistics> {
        // Only ever copied into: nothing in there is left half-done by a panic that matters.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    /// What was counted until now, of all threads. Each is asked for its counts of this moment; one that has ended left its last. Cancel safe.
    pub async fn statistics(&self) -> Statistics {
        let mut asked = Vec::new();
        for thread in &self.threads {
            let (tell, told) = oneshot::channel();
            if thread.send(Command::Publish(tell)).await.is_ok() {
                asked.push(told);
            }
        }
        for told in asked {
            // A thread that ends instead publishes its last counts.
            let _published = told.await;
        }
        self.published()
    }

    /// The same without asking: while there are connections it is a second old at most.
    pub fn published(&self) -> Statistics {
        let mut all = Statistics::default();
        self.published.iter().for_each(|published| all.merge(&published.lock()));
        all
    }
}
