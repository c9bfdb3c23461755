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
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connection::Connection;
use crate::counts::{Counts, Published};
use crate::line::{Guard, Line};
use crate::load::{Load, Meter};
use crate::local::Local;
use crate::presence::TICK;
use crate::stream::{Detached, Stream};
use crate::switch::{Former, Prepare};
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
    pub(crate) former: Former,
    pub(crate) published: Published,
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
    /// For lines to come.
    events: mpsc::Sender<RouterEvent>,
    former: Former,
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
    let Start { number, config, exchange, doorbell, access_log, load, events, commands, threads, listeners, .. } =
        start;
    let Start { former, published, .. } = start;
    let line = Line::new(0, number, config, exchange, events.clone());
    let local = Rc::new(Local::new(number, line, access_log, load, Counts::new(published)));
    LOCAL
        .with(|place| place.set(Rc::clone(&local)))
        .map_err(|_| io::Error::other("a router thread was started twice"))?;
    let thread = Rc::new(Thread {
        local,
        threads,
        changed: Notify::new(),
        stop_accepting: Notify::new(),
        acceptors: Cell::new(0),
        events,
        former,
    });
    let served = runtime.block_on(Rc::clone(&thread).serve(doorbell, commands, listeners));
    thread.settle();
    served
}

impl Thread {
    async fn serve(
        self: Rc<Self>,
        doorbell: OwnedFd,
        mut commands: mpsc::Receiver<Command>,
        listeners: Vec<Bound>,
    ) -> io::Result<()> {
        let line = self.local.line();
        line.watch(doorbell)?;
        tokio::task::spawn_local(guard_queue(&line));
        drop(line);
        for bound in listeners {
            let acceptor = Acceptor::new(bound)?;
            self.acceptors.set(self.acceptors.get() + 1);
            tokio::task::spawn_local(Rc::clone(&self).accept(acceptor));
        }
        tokio::task::spawn_local(Rc::clone(&self.local).gather());
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
                return Ok(());
            }
            tokio::select! {
                _ = ticks.tick(), if occupied => {
                    self.local.tick();
                    turn += 1;
                    if u128::from(turn) * TICK.as_millis() >= MEASURED.as_millis() {
                        turn = 0;
                        self.local.load.measure(self.local.number, self.local.presences.count(), &mut meter);
                        self.settle();
                    }
                }
                () = self.changed.notified() => {
                    if self.local.presences.count() == 0 {
                        self.settle();
                        // What a burst of requests used is given back while nobody is there.
                        self.local.for_each_line(|line| line.exchange.trim(KEPT_SLOTS));
                    }
                }
                command = commands.recv() => match command {
                    Some(Command::Take(socket)) => self.take(socket),
                    Some(Command::Stop) => {
                        self.local.stopping.set(true);
                        self.stop_accepting.notify_waiters();
                        self.local.presences.wake_all();
                    }
                    Some(Command::Prepare(prepare)) => self.prepare(*prepare),
                    Some(Command::Switch(number, tell)) => {
                        self.local.switch(number, &self.former);
                        carried_out(tell, ());
                    }
                    Some(Command::Forget(number)) => self.local.forget_prepared(number),
                    Some(Command::Hold(held, tell)) => {
                        *self.local.held.borrow_mut() = held;
                        carried_out(tell, ());
                    }
                    Some(Command::Configure(config, tell)) => {
                        self.local.line().configure(&config);
                        carried_out(tell, ());
                    }
                    Some(Command::Log(access_log, tell)) => {
                        self.settle();
                        *self.local.access_log.borrow_mut() = *access_log;
                        carried_out(tell, ());
                    }
                    Some(Command::Publish(tell)) => {
                        self.local.counts.publish(self.local.presences.count());
                        carried_out(tell, ());
                    }
                    Some(Command::Abort) | None => return Ok(()),
                },
            }
        }
    }

    /// Makes a line ready to be switched to.
    fn prepare(&self, prepare: Prepare) {
        let Prepare { number, config, exchange, doorbell, ready } = prepare;
        if self.local.uses(&exchange) {
            return carried_out(
                ready,
                Err(io::Error::other("the exchange is in use already, by this line or a former one")),
            );
        }
        let line = Rc::new(Line::new(number, self.local.number, config, exchange, self.events.clone()));
        let watched = line.watch(doorbell);
        if watched.is_ok() {
            tokio::task::spawn_local(guard_queue(&line));
            self.local.prepare(line);
        }
        carried_out(ready, watched);
    }

    /// Writes out what was logged, and lets the counts be read.
    fn settle(&self) {
        self.local.counts.publish(self.local.presences.count());
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
                    self.local.counts.accepted();
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
        // Who stands in the backlog has connected: a close would reset them. Nobody new finds a unix socket once its file is gone, and a TCP socket
        // takes no new ones from here on.
        let Acceptor { socket, bound } = acceptor;
        if let Err(error) = bound.turn_away() {
            tracing::debug!(socket = bound.name, %error, "who connects in the last moment of a stop may be reset");
        }
        let listener = unlink(bound);
        self.take_backlog(&socket).await;
        // The runtime looks at its sockets before it comes back.
        tokio::task::yield_now().await;
        self.take_backlog(&socket).await;
        let name = socket.name();
        drop(socket);
        self.take_last(&listener, name);
        drop(listener);
        self.acceptors.set(self.acceptors.get() - 1);
        self.changed.notify_one();
    }

    /// Takes what came since the runtime last looked, by asking the socket itself: it is closed right after the last answer.
    fn take_last(self: &Rc<Self>, listener: &Listener, name: Arc<str>) {
        loop {
            let accepted = match listener {
                Listener::Tcp(listener) => listener.accept().map(|(stream, _)| {
                    // As in `Socket::poll_accept`.
                    let _best_effort = stream.set_nodelay(true);
                    Detached::Tcp(stream)
                }),
                Listener::Unix(listener) => {
                    listener.accept().map(|(stream, _)| Detached::Unix(stream, Arc::clone(&name)))
                }
            };
            match accepted {
                Ok(socket) => {
                    self.local.counts.accepted();
                    self.take(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    async fn take_backlog(self: &Rc<Self>, socket: &Socket) {
        while let Some(Ok(stream)) = socket.accept_now().await {
            self.local.counts.accepted();
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
///
/// It ends with its line.
fn guard_queue(line: &Rc<Line>) -> impl Future<Output = ()> + use<> {
    let (waits, line) = (Rc::clone(&line.queue_waits), Rc::downgrade(line));
    async move {
        loop {
            waits.notified().await;
            let Some(mut taken) = line.upgrade().map(|line| line.exchange.taken()) else { return };
            let mut pause = STANDSTILL;
            loop {
                sleep(pause).await;
                let Some(line) = line.upgrade() else { return };
                if !line.needs_guard() {
                    line.guard.set(Guard::Off);
                    break;
                }
                let now = line.exchange.taken();
                let all_at_work = now == taken && !line.exchange.wake_worker();
                taken = now;
                let guard;
                (guard, pause) = if all_at_work { (Guard::Far, STANDSTILL * 5) } else { (Guard::Near, STANDSTILL) };
                line.guard.set(guard);
            }
        }
    }
}

/// Says that a command was carried out.
fn carried_out<T>(awaited: oneshot::Sender<T>, what: T) {
    // Whoever gave the command may have lost interest.
    let _told = awaited.send(what);
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
    /// The name of a unix socket; empty for TCP.
    fn name(&self) -> Arc<str> {
        match self {
            Self::Tcp(_) => "".into(),
            Self::Unix(_, name) => Arc::clone(name),
        }
    }

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
