//! The main task of an instance: what is told and asked of it, until its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hostler_bus::{EventKind, State};
use hostler_router::RouterEvent;
use hostler_settings::Settings;
use hostler_supervisor::{Condition as Found, Extension, Handle, Notice};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::control::Desk;
use super::developing::Developing;
use super::generation::{Generation, NotReady};
use super::instance::Instance;
use super::leaving::Leaving;
use super::past::Ending;
use super::progress::Progress;
use super::reloading::{Loading, Reply, readiness};
use super::service::Service;
use super::signals::{Asked, Signals};
use super::stall::Stalls;
use super::takeover::Predecessor;
use super::upgrade::{self, Estate};
use super::{Ended, Logs, Source, applying, page, stop};

/// Orders that were not begun yet, at most.
pub(super) const ORDERS: usize = 16;
/// How often the counters are noted.
pub(super) const NOTED: Duration = Duration::from_secs(10);

/// What is asked of the instance from outside its main task.
pub(super) enum Order {
    Reload(Reply),
    Apply(applying::Reply),
    Rollback(Reply),
    /// Answered when nothing is loading any more.
    CancelReload(oneshot::Sender<Result<(), hostler_bus::Error>>),
    Upgrade(upgrade::Reply),
}
/// The main task's own.
pub(super) struct Main<'a> {
    pub(super) instance: Arc<Instance>,
    /// The settings that this process was started with.
    pub(super) started: Settings,
    pub(super) source: &'a Source,
    /// What every process of every generation loads.
    pub(super) extension: Extension,
    pub(super) logs: &'a Logs,
    pub(super) cores: usize,
    pub(super) router_threads: u32,
    pub(super) notices: mpsc::Receiver<Notice>,
    pub(super) events: mpsc::Receiver<RouterEvent>,
    pub(super) orders: mpsc::Receiver<Order>,
    /// Whether the current generation serves: the first one may not load, while somebody develops.
    pub(super) serving: bool,
    pub(super) developing: Option<Developing>,
    pub(super) estate: Estate,
    pub(super) desk: Desk,
    pub(super) service: Service,
    /// Ends the server when nobody connects.
    pub(super) leaving: Option<Leaving>,
    /// Where what is known is left then.
    pub(super) sleeping_place: Option<PathBuf>,
    /// The server process before this one, which may still finish what it ran.
    pub(super) predecessor: Option<&'a Predecessor>,
}

/// What the first generation is while somebody develops, when it does not serve.
pub(super) struct Unloaded {
    pub(super) failed: NotReady,
    /// It is loaded anew at once.
    pub(super) again: bool,
}
impl Main<'_> {
    /// Serves until told to stop, and stops.
    pub(super) async fn run(mut self, signals: &mut Signals, unloaded: Option<Unloaded>) -> Result<(), Ended> {
        // How the current generation was when that was last looked at: one that the router was started with serves.
        let mut known = Found::Serving;
        let mut loading: Option<Loading> = None;
        if let Some(Unloaded { failed, again }) = unloaded {
            self.show(&failed).await;
            if again {
                self.begin(Order::Reload(oneshot::channel().0), &mut loading).await;
            } else {
                tracing::info!("it is loaded anew when a file changes");
            }
        }
        let mut retiring = JoinSet::new();
        // By another process, which is the service's main one from then on.
        let mut relieved = false;
        // Until somebody connects.
        let mut sleeps = false;
        let mut note = tokio::time::interval(NOTED);
        note.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stalls, mut progress) = (Stalls::default(), Progress::default());
        loop {
            let current = self.instance.current();
            let (directory, supervisor) = (current.served.application.directory.clone(), current.supervisor.clone());
            tokio::select! {
                Some(event) = self.events.recv() => self.hear(event),
                found = supervisor.condition_other_than(&known), if self.serving => {
                    self.follow(&known, &found, loading.is_some()).await;
                    known = found;
                }
                told = self.notices.recv(), if self.serving => match told {
                    Some(Notice::AllReady) => all_ready(&supervisor),
                    // It was broken at the start, and has healed.
                    Some(Notice::Ready { loaded, .. }) => self.instance.view().loaded = loaded,
                    Some(Notice::WorkerDied { description, .. }) => {
                        self.instance.happened(EventKind::WorkerDied, &description);
                    }
                    Some(_) if !matches!(told, Some(Notice::Stopped)) => {}
                    _ => return Err(Ended::System("the supervisor ended by itself".to_owned())),
                },
                _ = note.tick() => {
                    self.instance.note();
                    self.desk.record();
                    self.service.tell(&self.desk.observed());
                    self.instance.keep(&self.instance.published());
                    if loading.is_some() {
                        self.service.still_reloading();
                    }
                }
                () = self.service.hungry() => self.feed(&mut progress).await,
                () = Leaving::is_due(&mut self.leaving, &self.instance) => {
                    tracing::info!("nobody is connected: the server ends, and the next connection starts it again");
                    self.instance.happened(EventKind::Asleep, "the server left, as nobody was connected; the next connection starts it again");
                    sleeps = true;
                    break;
                }
                () = stalls.due(&self.instance) => stalls.look(&self.instance),
                ready = readiness(&mut loading) => {
                    if let Some(loading) = loading.take() {
                        let before = self.instance.current().number;
                        self.loaded(loading, ready, &mut retiring).await;
                        // A switch ended what was held. Where workers were replaced nothing was.
                        if self.instance.current().number != before {
                            known = Found::Serving;
                        }
                    }
                }
                Some(order) = self.orders.recv() => self.begin(order, &mut loading).await,
                prepared = self.estate.prepared() => {
                    let statistics = self.instance.statistics().await;
                    if prepared.is_ok() {
                        self.desk.finish(self.desk.moment());
                        self.instance.ends(Ending::HandedOver);
                    }
                    if self.estate.hand_over(prepared, &self.service, statistics).await {
                        relieved = true;
                        break;
                    }
                    self.instance.ends(Ending::Running);
                }
                () = Developing::changed(&mut self.developing, &directory) => {
                    self.begin(Order::Reload(oneshot::channel().0), &mut loading).await;
                }
                Some(_) = retiring.join_next(), if !retiring.is_empty() => {}
                asked = signals.next() => match asked {
                    Asked::Stop => break,
                    Asked::Reopen => self.logs.reopen(),
                    Asked::Reload => self.begin(Order::Reload(oneshot::channel().0), &mut loading).await,
                    Asked::More => self.scale(1),
                    Asked::Fewer => self.scale(-1),
                },
            }
        }
        let last = self.desk.moment();
        self.instance.set_state(State::Stopping);
        if !relieved {
            self.service.stopping(self.instance.current().served.settings.pool.graceful_timeout);
        }
        if !relieved && self.estate.has_kept() && (sleeps || self.stops_for_good().await) {
            self.estate.take_back(&self.service);
        }
        self.estate.let_go();
        let end = Instant::now() + self.instance.current().served.settings.pool.graceful_timeout;
        if let Some(loading) = loading {
            loading.drop_it().await;
            let reason = "the instance was told to stop".to_owned();
            loading.refuse(&NotReady::because(reason));
        }
        let current = self.instance.current();
        let former: Vec<Arc<Generation>> =
            self.instance.view().former.iter().map(|(_, former)| Arc::clone(former)).collect();
        self.stop(&current, signals).await?;
        for former in former {
            former.hurry();
        }
        while retiring.join_next().await.is_some() {}
        self.instance.abandon_parked().await;
        if let Some(predecessor) = self.predecessor {
            stop::predecessor(predecessor, end, self.logs, signals).await;
        }
        if !relieved {
            self.instance.keep(&self.instance.published());
            self.desk.finish(last);
            self.instance.ends(if sleeps { Ending::Asleep } else { Ending::Stopped });
            if let Some(place) = self.sleeping_place.filter(|_| sleeps) {
                self.instance.leave(&place);
            }
        }
        self.estate.close().await;
        Ok(())
    }

    /// Whether systemd stops the service without another start; false where it does not say.
    async fn stops_for_good(&self) -> bool {
        match self.source.variable("NOTIFY_SOCKET") {
            Some(socket) => hostler_bus::stops_for_good(Path::new(&socket)).await.unwrap_or(false),
            None => false,
        }
    }

    /// Ends the serving of the generation in charge. What runs past its timeout meanwhile is not waited for to the end of `graceful_timeout`.
    async fn stop(&mut self, current: &Generation, signals: &mut Signals) -> Result<(), Ended> {
        let stopped = stop::stop(
            &current.served,
            self.logs,
            signals,
            &self.instance.router,
            &current.supervisor,
            &current.exchange,
        );
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                ended = &mut stopped => return ended,
                Some(event) = self.events.recv() => self.hear(event),
            }
        }
    }

    /// Feeds the watchdog, if the router's threads and the workers get on. The supervisor does, if this is run.
    async fn feed(&mut self, progress: &mut Progress) {
        let limit = self.service.limit();
        if timeout(limit / 2, self.instance.router.statistics()).await.is_err() {
            return self.service.give_up();
        }
        // The first generation may not load, while somebody develops: then it has no workers to judge.
        if self.serving && progress.has_ended(&self.instance.current(), limit, Instant::now()) {
            self.service.starve();
        } else {
            self.service.feed();
        }
    }

    fn hear(&self, event: RouterEvent) {
        match event {
            RouterEvent::TimedOut { line, worker, request } => {
                if let Some(generation) = self.instance.of_line(line) {
                    let limit = generation.served.settings.pool.timeout;
                    generation.supervisor.timed_out(worker, request, limit);
                }
            }
            RouterEvent::Wanted { line } => {
                if let Some(generation) = self.instance.of_line(line) {
                    generation.supervisor.wake();
                }
            }
        }
    }

    /// The current generation is otherwise than it was: what new requests are answered, and what is told of it, follow.
    async fn follow(&self, before: &Found, now: &Found, loading: bool) {
        let broken = |found: &Found| matches!(found, Found::Broken { .. });
        let happened = |kind, message: &str| self.instance.happened(kind, message);
        match now {
            Found::Broken { failure } => happened(EventKind::Broken, &failure.to_string()),
            Found::Asleep => happened(EventKind::Asleep, "all workers were let go, as nobody asked anything"),
            Found::Serving if broken(before) => happened(EventKind::Healed, "a worker serves again"),
            Found::Serving if matches!(before, Found::Asleep | Found::Waking) => {
                happened(EventKind::Awake, "a request came, and a worker serves again");
            }
            _ => {}
        }
        if let Found::Broken { failure } = now {
            let debug = self.instance.current().served.settings.life.debug;
            self.instance.router.hold(Some(page::held(failure, debug))).await;
        } else if broken(before) {
            self.instance.router.hold(None).await;
        }
        if !loading {
            self.instance.set_state(state_of(now));
        }
    }

    /// One worker more or fewer, by hand.
    fn scale(&self, by: i32) {
        let supervisor = self.instance.current().supervisor.clone();
        let wanted = i32::from(supervisor.strength().wanted).saturating_add(by).max(1);
        tokio::spawn(async move { supervisor.scale(u16::try_from(wanted).unwrap_or(u16::MAX)).await });
    }
}

/// What the instance does while its current generation is so.
pub(super) fn state_of(found: &Found) -> State {
    match found {
        Found::Booting => State::Starting,
        // Requests that wake it wait for it.
        Found::Serving | Found::Waking => State::Serving,
        Found::Asleep => State::Asleep,
        Found::Broken { .. } => State::Broken,
        Found::Stopping | Found::Stopped => State::Stopping,
    }
}

/// Says that every worker serves, where that is not told already.
fn all_ready(supervisor: &Handle) {
    let workers = supervisor.strength().wanted;
    if workers > 1 {
        tracing::info!(workers, "all workers are ready");
    }
}
