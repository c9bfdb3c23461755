//! A router thread: a tokio runtime of its own, its connections, and on the first thread the listeners.

use std::cell::{Cell, OnceCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hostler_exchange::Exchange;
use hostler_listener::{Bound, Listener};
use hostler_log::AccessLog;
use rustix::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connection::Connection;
use crate::load::{Load, Meter};
use crate::local::Local;
use crate::presence::TICK;
use crate::stream::{Detached, Stream};
use crate::{Command, Config, RouterEvent};

/// How often the load is measured, and logs are written out.
pub(crate) const MEASURED: Duration = Duration::from_secs(1);
/// How long the queue may stand still before another worker is woken, see [`guard_queue`].
const STANDSTILL: Duration = Duration::from_millis(1);
/// How long is waited after `accept` failed, as it does when descriptors run out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

thread_local! {
    /// For the runtime's hooks, which are given nothing.
    static LOCAL: OnceCell<Rc<Local>> = const { OnceCell::new() };
}

/// What a thread starts with.
pub(crate) struct Start {
    pub(crate) number: u32,
    pub(crate) config: Arc<Config>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) doorbell: OwnedFd,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) load: Arc<Load>,
    pub(crate) events: mpsc::Sender<RouterEvent>,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// The commands of all threads, to hand connections over.
    pub(crate) threads: Vec<mpsc::Sender<Command>>,
    /// The sockets this thread accepts on.
    pub(crate) listeners: Vec<Bound>,
}

/// A thread's tasks share this.
struct Thread {
    local: Rc<Local>,
    threads: Vec<mpsc::Sender<Command>>,
    /// A connection came or went.
    changed: Notify,
    /// No more connections are to be accepted.
    stop_accepting: Notify,
    /// Tasks that accept, or take in what stands in a backlog at the end.
    acceptors: Cell<usize>,
}

/// Runs a router thread until it was told to stop and its last connection ended.
pub(crate) fn run(start: Start) -> io::Result<()> {
    let hook = |act: fn(&Local)| move || LOCAL.with(|local| local.get().map_or((), |local| act(local)));
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(hook(Local::before_park))
        .on_thread_unpark(hook(Local::after_park))
        .build_local(LocalOptions::default())?;
    let Start { number, config, exchange, doorbell, access_log, load, events, commands, threads, listeners } = start;
    let local = Rc::new(Local::new(number, config, exchange, access_log, load, events));
    LOCAL
        .with(|place| place.set(Rc::clone(&local)))
        .map_err(|_| io::Error::other("a router thread was started twice"))?;
    let thread = Rc::new(Thread {
        local,
        threads,
        changed: Notify::new(),
        stop_accepting: Notify::new(),
        acceptors: Cell::new(0),
    });
    runtime.block_on(thread.serve(doorbell, commands, listeners))
}

impl Thread {
    async fn serve(
        self: Rc<Self>,
        doorbell: OwnedFd,
        mut commands: mpsc::Receiver<Command>,
        listeners: Vec<Bound>,
    ) -> io::Result<()> {
        // Nobody waits for it: its edge ends the thread's sleep, and the hook before the next one looks at the bell.
        #[expect(
            deprecated,
            reason = "the replacement is unsafe, for descriptors that close themselves, which an OwnedFd does not"
        )]
        let _doorbell = AsyncFd::with_interest(doorbell, Interest::READABLE)?;
        for bound in listeners {
            let acceptor = Acceptor::new(bound)?;
            self.acceptors.set(self.acceptors.get() + 1);
            tokio::task::spawn_local(Rc::clone(&self).accept(acceptor));
        }
        tokio::task::spawn_local(Rc::clone(&self.local).gather());
        tokio::task::spawn_local(guard_queue(Rc::clone(&self.local)));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut meter = Meter::new();
        let mut turn = 0u32;
        loop {
            let connected = self.local.presences.count() > 0;
            let occupied = connected || self.local.has_orphans();
            if self.local.stopping.get() && !connected && self.acceptors.get() == 0 {
                // A connection may still be on its way here from another thread.
                if let Ok(Command::Take(socket)) = commands.try_recv() {
                    self.take(socket);
                    continue;
                }
                self.flush_log();
                return Ok(());
            }
            tokio::select! {
                _ = ticks.tick(), if occupied => {
                    self.local.tick();
                    turn += 1;
                    if u128::from(turn) * TICK.as_millis() >= MEASURED.as_millis() {
                        turn = 0;
                        self.local.load.measure(self.local.number, self.local.presences.count(), &mut meter);
                        self.flush_log();
                    }
                }
                () = self.changed.notified() => {
                    if self.local.presences.count() == 0 {
                        self.flush_log();
                        // What a burst of requests used is given back while nobody is there.
                        self.local.exchange.trim(KEPT_SLOTS);
                    }
                }
                command = commands.recv() => match command {
                    Some(Command::Take(socket)) => self.take(socket),
                    Some(Command::Stop) => {
                        self.local.stopping.set(true);
                        self.stop_accepting.notify_waiters();
                        self.local.presences.wake_all();
                    }
                    Some(Command::Abort) | None => {
                        self.flush_log();
                        return Ok(());
                    }
                },
            }
        }
    }

    fn flush_log(&self) {
        if let Some(log) = &mut *self.local.access_log.borrow_mut() {
            log.flush();
        }
    }

    fn take(self: &Rc<Self>, socket: Detached) {
        match socket.attach() {
            Ok(stream) => self.spawn(stream),
            Err(error) => tracing::warn!(%error, "a connection was lost between two router threads"),
        }
    }

    fn spawn(self: &Rc<Self>, stream: Stream) {
        // The clock stands still while there are no connections.
        if self.local.presences.count() == 0 {
            self.local.tick();
        }
        let connection = Connection::new(Rc::clone(&self.local), stream);
        let thread = Rc::clone(self);
        self.changed.notify_one();
        tokio::task::spawn_local(async move {
            if let Some((target, socket)) = connection.run().await {
                thread.hand_over(target, socket);
            }
            if thread.local.presences.count() == 0 {
                thread.changed.notify_one();
            }
        });
    }

    /// Gives a connection to another thread, or keeps it when that one has no room for it.
    fn hand_over(self: &Rc<Self>, target: u32, socket: Detached) {
        let Some(sender) = self.threads.get(target as usize) else {
            return;
        };
        if let Err(
            mpsc::error::TrySendError::Full(Command::Take(socket))
            | mpsc::error::TrySendError::Closed(Command::Take(socket)),
        ) = sender.try_send(Command::Take(socket))
            && let Ok(stream) = socket.attach()
        {
            self.spawn(stream);
        }
    }

    async fn accept(self: Rc<Self>, acceptor: Acceptor) {
        let mut complained = false;
        // The notice reaches only who waits for it: `stopping` is for who was asleep.
        while !self.local.stopping.get() {
            let accepted = tokio::select! {
                biased;
                accepted = acceptor.socket.accept() => accepted,
                () = self.stop_accepting.notified() => break,
            };
            match accepted {
                Ok(stream) => {
                    complained = false;
                    self.spawn(stream);
                }
                // The client left between its handshake and now.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    if !std::mem::replace(&mut complained, true) {
                        tracing::error!(socket = acceptor.bound.name, %error, "connections cannot be accepted for now");
                    }
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        // Who stands in the backlog has connected: a close would reset them. Nobody new finds a unix socket once its file is gone; for TCP
        // there is as little time as can be between the last look and the close.
        let Acceptor { socket, bound } = acceptor;
        let listener = unlink(bound);
        self.take_backlog(&socket).await;
        // The runtime looks at its sockets before it comes back.
        tokio::task::yield_now().await;
        self.take_backlog(&socket).await;
        drop((socket, listener));
        self.acceptors.set(self.acceptors.get() - 1);
        self.changed.notify_one();
    }

    async fn take_backlog(self: &Rc<Self>, socket: &Socket) {
        while let Some(Ok(stream)) = socket.accept_now().await {
            self.spawn(stream);
        }
    }
}

/// Removes a socket's file; the socket itself goes on.
fn unlink(bound: Bound) -> Listener {
    bound.listener
}

/// Slots whose memory is kept while the instance idles.
const KEPT_SLOTS: usize = 8;

/// Sees to it that the queue moves.
///
/// A woken worker wakes the next one only when its own measure says that it cannot serve the queue soon. A request that takes far
/// longer than those before it proves the measure wrong; then, after a millisecond, another worker is woken from here.
async fn guard_queue(local: Rc<Local>) {
    loop {
        local.queue_waits.notified().await;
        let mut taken = local.exchange.taken();
        loop {
            sleep(STANDSTILL).await;
            if local.exchange.queued() == 0 {
                break;
            }
            let now = local.exchange.taken();
            if now == taken && !local.exchange.wake_worker() {
                // Everybody is at work already.
                sleep(STANDSTILL * 4).await;
            }
            taken = now;
        }
        local.guarded.set(false);
    }
}

/// A listening socket in this thread's runtime.
struct Acceptor {
    socket: Socket,
    /// Held until the end: it removes the socket's file.
    bound: Bound,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, Arc<str>),
}

impl Acceptor {
    fn new(bound: Bound) -> io::Result<Self> {
        let socket = match &bound.listener {
            Listener::Tcp(listener) => Socket::Tcp(TcpListener::from_std(listener.try_clone()?)?),
            Listener::Unix(listener) => {
                let name = bound.name.strip_prefix("unix:").unwrap_or(&bound.name);
                Socket::Unix(UnixListener::from_std(listener.try_clone()?)?, name.into())
            }
        };
        Ok(Self { socket, bound })
    }
}

impl Socket {
    async fn accept(&self) -> io::Result<Stream> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// One connection of the backlog, without waiting.
    async fn accept_now(&self) -> Option<io::Result<Stream>> {
        let accept = poll_fn(|context| match self.poll_accept(context) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => Poll::Ready(None),
        });
        // The runtime's budget would make a long backlog look empty.
        tokio::task::unconstrained(accept).await
    }

    fn poll_accept(&self, context: &mut std::task::Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(context).map_ok(|(stream, _)| {
                // Answers are written whole: waiting for more would only delay their last packet.
                let _best_effort = stream.set_nodelay(true);
                Stream::Tcp(stream)
            }),
            Self::Unix(listener, name) => {
                listener.poll_accept(context).map_ok(|(stream, _)| Stream::Unix(stream, Arc::clone(name)))
            }
        }
    }
}
