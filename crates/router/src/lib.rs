//! The router: clients' connections, HTTP/1.1, and the hand-over of requests to workers through the exchange.
//!
//! Owns every connection from its accept to its end, the framing of bodies both ways, all time limits, and the access log. Does not know
//! what a worker is, or that it is Python: it sees slots and their answers.

mod accepting;
mod answer;
mod body;
mod buffer;
mod config;
mod configuring;
mod connection;
mod counts;
mod ending;
mod forwarded;
mod guard;
mod held;
mod histogram;
mod id;
mod line;
mod listed;
mod load;
mod local;
mod log;
mod moving;
mod navigation;
mod orphan;
mod overdue;
mod page;
mod presence;
mod request;
mod respond;
mod sending;
mod stream;
mod switch;
#[cfg(test)]
mod tests;
mod thread;
mod turn;
mod waiting;
mod websocket;

use std::io;
use std::sync::Arc;

use hostler_exchange::Exchange;
use hostler_listener::Bound;
use hostler_log::AccessLog;
use tokio::sync::{Mutex, mpsc, oneshot};

pub use config::{Config, ForwardedHeaders, TrustedPeers, Underscores, WebSocketConfig};
pub use counts::Statistics;

pub use held::{FAILURE_HEADER, Held};
pub use histogram::{Histogram, LONGEST};
pub use waiting::answer_waiting;

use counts::Published;
use load::Load;
use stream::Detached;
use switch::{Former, Prepare};
use thread::Start;

/// Commands a thread has not read yet, at most; connections on their way to it are among them.
const COMMANDS: usize = 1024;
/// The kind of event that a request past its timeout is, by name: the field `message_id` of the log.
pub const WORKER_TIMED_OUT: &str = "WORKER_TIMED_OUT";

/// What the router tells whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouterEvent {
    /// A request that `worker` runs is past its time; its client was answered. Or the worker is an event loop that is stuck.
    TimedOut {
        /// Its line: 0 for the exchange that the router was started with, one more with each switch.
        line: u32,
        /// The worker's index in the exchange.
        worker: u16,
        /// The request, as [`hostler_exchange::Taken::to_bits`]; `None` for an event loop.
        request: Option<u64>,
    },
    /// A request waits, and no worker is present. Told once until one was.
    Wanted {
        /// The line that has none.
        line: u32,
    },
}

/// To a router thread.
#[derive(Debug)]
enum Command {
    /// Serve this connection, and whether it had a request before.
    Take(Detached, bool),
    /// Make a line ready.
    Prepare(Box<Prepare>),
    /// Send new requests to the line of this number, which was prepared.
    Switch(u32, oneshot::Sender<()>),
    /// The line of this number will not be switched to.
    Forget(u32),
    /// Answer new requests so, or serve them.
    Hold(Option<Arc<Held>>, oneshot::Sender<()>),
    /// Treat requests of the current line so from now on.
    Configure(Arc<Config>, oneshot::Sender<()>),
    /// Write the access log there from now on, or none.
    Log(Box<Option<AccessLog>>, oneshot::Sender<()>),
    /// Let the counts be read.
    Publish(oneshot::Sender<()>),
    /// Accept no more, close what idles, finish what runs.
    Stop,
    /// End at once.
    Abort,
}

/// The running router.
#[derive(Debug)]
pub struct Router {
    threads: Vec<mpsc::Sender<Command>>,
    ended: Mutex<Vec<oneshot::Receiver<io::Result<()>>>>,
    /// The number of the current line; locked while it changes.
    line: Mutex<u32>,
    former: Former,
    /// The counts of each thread.
    published: Vec<Published>,
}

impl Router {
    /// Starts the threads; connections are accepted from now on.
    ///
    /// `access_log` makes the log of one thread.
    ///
    /// # Errors
    /// When a thread or a descriptor cannot be had.
    pub fn start(
        config: Config,
        exchange: &Arc<Exchange>,
        listeners: Vec<Bound>,
        access_log: impl Fn() -> Option<AccessLog>,
        events: &mpsc::Sender<RouterEvent>,
    ) -> io::Result<Self> {
        let config = Arc::new(config);
        let load = Arc::new(Load::new(config.threads));
        let (threads, receivers): (Vec<_>, Vec<_>) = (0..config.threads).map(|_| mpsc::channel(COMMANDS)).unzip();
        let mut listeners = Some(listeners);
        let former = Former::default();
        let mut published = Vec::new();
        let mut ended = Vec::new();
        for (number, commands) in (0..).zip(receivers) {
            let doorbell =
                exchange.doorbell(number).ok_or_else(|| io::Error::other("the exchange has too few doorbells"))?;
            let start = Start {
                number,
                config: Arc::clone(&config),
                exchange: Arc::clone(exchange),
                doorbell: doorbell.try_clone_to_owned()?,
                access_log: access_log(),
                load: Arc::clone(&load),
                events: events.clone(),
                commands,
                threads: threads.clone(),
                listeners: listeners.take().unwrap_or_default(),
                former: former.clone(),
                published: Published::default(),
            };
            published.push(start.published.clone());
            let (report, end) = oneshot::channel();
            std::thread::Builder::new().name(format!("router-{number}")).spawn(move || {
                // Nobody waits for it any more: then nobody is interested in how it ended.
                let _reported = report.send(thread::run(start));
            })?;
            ended.push(end);
        }
        Ok(Self { threads, ended: Mutex::new(ended), line: Mutex::new(0), former, published })
    }

    /// Accepts no more; [`Router::stopped`] waits for what runs.
    pub fn stop(&self) {
        self.command(|| Command::Stop);
    }

    /// Ends at once, whatever runs.
    pub fn abort(&self) {
        self.command(|| Command::Abort);
    }

    fn command(&self, command: impl Fn() -> Command) {
        for thread in &self.threads {
            // A thread that ended needs no command; one whose channel is full of connections gets it from a task of its own.
            if let Err(mpsc::error::TrySendError::Full(command)) = thread.try_send(command()) {
                let thread = thread.clone();
                tokio::spawn(async move { thread.send(command).await });
            }
        }
    }

    /// Waits until all threads have ended. Cancel safe: it can be dropped and called again.
    ///
    /// # Errors
    /// When one could not run, or panicked.
    pub async fn stopped(&self) -> io::Result<()> {
        let mut threads = self.ended.lock().await;
        while let Some(end) = threads.first_mut() {
            let ended = end.await;
            threads.remove(0);
            ended.map_err(|_| io::Error::other("a router thread panicked"))??;
        }
        Ok(())
    }
}
