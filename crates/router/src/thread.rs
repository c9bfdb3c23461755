//! A router thread: a tokio runtime of its own, its connections, and on the first thread the listeners.

use std::cell::{Cell, OnceCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hostler_exchange::Exchange;
use hostler_listener::Bound;
use hostler_log::AccessLog;
use rustix::fd::OwnedFd;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::accepting::Acceptor;
use crate::connection::Connection;
use crate::counts::{Counts, Published};
use crate::guard::guard_queue;
use crate::line::Line;
use crate::load::{Load, Meter};
use crate::local::Local;
use crate::presence::TICK;
use crate::stream::{Detached, Stream};
use crate::switch::{Former, Prepare};
use crate::{Command, Config, RouterEvent};

/// How often the load is measured, and logs are written out.
pub(crate) const MEASURED: Duration = Duration::from_secs(1);
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
pub(crate) struct Thread {
    pub(crate) local: Rc<Local>,
    threads: Vec<mpsc::Sender<Command>>,
    /// A connection came or went.
    pub(crate) changed: Notify,
    /// No more connections are to be accepted.
    pub(crate) stop_accepting: Notify,
    /// Tasks that accept, or take in what stands in a backlog at the end.
    pub(crate) acceptors: Cell<usize>,
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
                // A connection may still be on its way here from another thread, behind what else was asked for.
                if commands.try_recv().is_ok_and(|command| self.carry_out(command)) {
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
                command = commands.recv() => {
                    if !command.is_some_and(|command| self.carry_out(command)) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Does as it is told; `false` when that is to end at once.
    fn carry_out(self: &Rc<Self>, command: Command) -> bool {
        match command {
            Command::Take(socket, served) => self.take(socket, served),
            Command::Stop => {
                self.local.stopping.set(true);
                self.stop_accepting.notify_waiters();
                self.local.presences.wake_all();
            }
            Command::Prepare(prepare) => self.prepare(*prepare),
            Command::Switch(number, tell) => {
                self.local.switch(number, &self.former);
                carried_out(tell, ());
            }
            Command::Forget(number) => self.local.forget_prepared(number),
            Command::Hold(held, tell) => {
                *self.local.held.borrow_mut() = held;
                carried_out(tell, ());
            }
            Command::Configure(config, tell) => {
                self.local.line().configure(&config);
                carried_out(tell, ());
            }
            Command::Log(access_log, tell) => {
                self.settle();
                *self.local.access_log.borrow_mut() = *access_log;
                carried_out(tell, ());
            }
            Command::Publish(tell) => {
                self.local.counts.publish(self.local.presences.count());
                carried_out(tell, ());
            }
            Command::Abort => return false,
        }
        true
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

    pub(crate) fn take(self: &Rc<Self>, socket: Detached, served: bool) {
        match socket.attach() {
            Ok(stream) => self.spawn(stream, served),
            Err(error) => tracing::warn!(%error, "a connection was lost between two router threads"),
        }
    }

    /// Serves a connection; one that was `served` elsewhere has had a request.
    pub(crate) fn spawn(self: &Rc<Self>, stream: Stream, served: bool) {
        // The clock stands still while there are no connections.
        if self.local.presences.count() == 0 {
            self.local.tick();
        }
        let connection = Connection::new(Rc::clone(&self.local), stream);
        let ends = Ends(Rc::clone(self));
        self.changed.notify_one();
        tokio::task::spawn_local(async move {
            let Ends(thread) = &ends;
            if let Some((target, socket)) = connection.run(served).await {
                thread.hand_over(target, socket);
            }
        });
    }

    /// Gives a connection to another thread, or keeps it when that one has no room for it.
    fn hand_over(self: &Rc<Self>, target: u32, socket: Detached) {
        let Some(sender) = self.threads.get(target as usize) else {
            return;
        };
        if let Err(
            mpsc::error::TrySendError::Full(Command::Take(socket, served))
            | mpsc::error::TrySendError::Closed(Command::Take(socket, served)),
        ) = sender.try_send(Command::Take(socket, true))
            && let Ok(stream) = socket.attach()
        {
            self.spawn(stream, served);
        }
    }
}

/// What follows the end of a connection, however its task ends. A panic is that connection's end, and no other's: the runtime catches it.
struct Ends(Rc<Thread>);

impl Drop for Ends {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "the server failed on a connection, which is cut; standard error says where: please report it"
            );
        }
        if self.0.local.presences.count() == 0 {
            self.0.changed.notify_one();
        }
    }
}

/// Slots whose memory is kept while the instance idles.
const KEPT_SLOTS: usize = 8;

/// Says that a command was carried out.
fn carried_out<T>(awaited: oneshot::Sender<T>, what: T) {
    // Whoever gave the command may have lost interest.
    let _told = awaited.send(what);
}
