//! An instance while it serves: its generations, and what is told and asked of it.
//!
//! ```text
//!   a reload ──► the next generation loads beside the current one ──ready──► the router switches ──► the former one finishes, and is gone
//!      ▲                       │ not ready, or broken
//!      └── another one ────────┴──► thrown away; the current one goes on, and who asked is told why
//! ```

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hostler_bus::{Condition, LastReload, Reloaded, State};
use hostler_channel::Loaded;
use hostler_router::{Router, RouterEvent, Statistics};
use hostler_supervisor::{Condition as Found, Handle, Notice, Restarts};
use hostler_systemd::journal::MessageId;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::control::Desk;
use super::developing::Developing;
use super::generation::{Generation, NotReady, Ready};
use super::leaving::Leaving;
use super::service::Service;
use super::signals::{Asked, Signals};
use super::stall::Stalls;
use super::statistics::Kept;
use super::upgrade::{self, Estate};
use super::{Ended, Logs, Served, Source, page, stop, traceback, translate};

/// Former generations that may finish beside the current one; a further switch waits until one is gone. So they never pile up, and nothing is cut
/// off because another reload came.
const MOST_FORMER: usize = 2;
/// Orders that were not begun yet, at most.
pub(super) const ORDERS: usize = 16;
/// How often the counters are noted, and for how long: what the last minute was like.
const NOTED: Duration = Duration::from_secs(10);
const NOTES: usize = 7;

/// What is asked of the instance from outside its main task.
pub(super) enum Order {
    Reload(Reply),
    Rollback(Reply),
    Upgrade(upgrade::Reply),
}

/// Where the result of a reload goes.
pub(super) type Reply = oneshot::Sender<Result<Reloaded, hostler_bus::Error>>;

/// What others may look at.
pub(super) struct View {
    pub(super) current: Arc<Generation>,
    /// The router's number of the current generation.
    pub(super) line: u32,
    /// The application as it was found; of an unknown Python while no worker was ever ready.
    pub(super) loaded: Loaded,
    pub(super) former: Vec<(u32, Arc<Generation>)>,
    /// Of the generations that are gone.
    pub(super) restarts_before: Restarts,
    pub(super) last_reload: Option<LastReload>,
    pub(super) since: SystemTime,
    /// The counters of the last minute, oldest first.
    pub(super) notes: VecDeque<(Instant, Statistics)>,
}

/// The instance, as its main task and the control socket share it.
pub(super) struct Instance {
    pub(super) router: Arc<Router>,
    pub(super) condition: watch::Sender<Condition>,
    view: Mutex<View>,
    /// What the processes before this one counted.
    before: Statistics,
    kept: Mutex<Kept>,
    /// A former generation is gone.
    gone: Notify,
}

/// A generation that is being loaded.
struct Loading {
    generation: Arc<Generation>,
    ready: Pin<Box<dyn Future<Output = Result<Way, NotReady>> + Send>>,
    replies: Vec<Reply>,
    began: Instant,
    /// It replaces the workers of the current generation one after the other, and has none beside them.
    rolling: bool,
}

/// How a generation got ready.
enum Way {
    /// It stands beside the current one.
    Beside(Ready),
    /// All workers of the current one were replaced.
    Within(Loaded),
}

/// The main task's own.
pub(super) struct Main<'a> {
    pub(super) instance: Arc<Instance>,
    pub(super) source: &'a Source,
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
}

/// What the first generation is while somebody develops, when it does not serve.
pub(super) struct Unloaded {
    pub(super) failed: NotReady,
    /// It is loaded anew at once.
    pub(super) again: bool,
}

impl Instance {
    pub(super) fn new(
        router: Arc<Router>,
        current: Arc<Generation>,
        loaded: Loaded,
        before: Statistics,
        kept: Kept,
    ) -> Self {
        let condition = Condition { state: State::Serving, generation: current.number };
        let view = View {
            current,
            line: 0,
            loaded,
            former: Vec::new(),
            restarts_before: Restarts::default(),
            last_reload: None,
            since: SystemTime::now(),
            notes: VecDeque::new(),
        };
        Self {
            router,
            condition: watch::Sender::new(condition),
            view: Mutex::new(view),
            before,
            kept: Mutex::new(kept),
            gone: Notify::new(),
        }
    }

    pub(super) fn view(&self) -> MutexGuard<'_, View> {
        // Plain values, each put in with one assignment.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.view().current)
    }

    /// All generations that serve, the current one first.
    pub(super) fn generations(&self) -> Vec<Arc<Generation>> {
        let view = self.view();
        let former = view.former.iter().map(|(_, former)| Arc::clone(former));
        std::iter::once(Arc::clone(&view.current)).chain(former).collect()
    }

    /// The generation that the router knows by this number.
    fn of_line(&self, line: u32) -> Option<Arc<Generation>> {
        let view = self.view();
        let all =
            std::iter::once((&view.line, &view.current)).chain(view.former.iter().map(|(line, former)| (line, former)));
        all.into_iter().find(|(number, _)| **number == line).map(|(_, generation)| Arc::clone(generation))
    }

    /// Waits until there is room for one more former generation. Cancel safe.
    async fn has_room(&self) {
        loop {
            let gone = self.gone.notified();
            if self.view().former.len() < MOST_FORMER {
                return;
            }
            gone.await;
        }
    }

    /// Ends of workers by cause, of all generations.
    pub(super) fn restarts(&self) -> Restarts {
        let view = self.view();
        let mut sum = view.restarts_before;
        sum += view.current.supervisor.restarts();
        view.former.iter().for_each(|(_, former)| sum += former.supervisor.restarts());
        sum
    }

    /// A former generation is gone.
    fn forget(&self, line: u32) {
        let mut view = self.view();
        let gone: Vec<_> = view.former.extract_if(.., |(former, _)| *former == line).collect();
        gone.iter().for_each(|(_, former)| view.restarts_before += former.supervisor.restarts());
        drop(view);
        self.gone.notify_waiters();
    }

    fn set_state(&self, state: State) {
        let generation = self.view().current.number;
        self.condition.send_replace(Condition { state, generation });
    }

    /// What was counted, by the processes before this one, too. The router's threads are asked. What was once told is not forgotten, so that no
    /// counter goes back: it is kept.
    pub(super) async fn statistics(&self) -> Statistics {
        let statistics = self.with_before(self.router.statistics().await);
        self.keep(&statistics);
        statistics
    }

    fn keep(&self, statistics: &Statistics) {
        // Written in place of the former value as a whole, or not.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).write(statistics);
    }

    /// The same without asking: a second old at most.
    pub(super) fn published(&self) -> Statistics {
        self.with_before(self.router.published())
    }

    fn with_before(&self, mut statistics: Statistics) -> Statistics {
        statistics.merge(&self.before);
        statistics
    }

    fn note(&self) {
        let mut view = self.view();
        view.notes.push_back((Instant::now(), self.published()));
        if view.notes.len() > NOTES {
            view.notes.pop_front();
        }
    }
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
        let mut note = tokio::time::interval(NOTED);
        let mut stalls = Stalls::default();
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
                    Some(_) if !matches!(told, Some(Notice::Stopped)) => {}
                    _ => return Err(Ended::System("the supervisor ended by itself".to_owned())),
                },
                _ = note.tick() => {
                    self.instance.note();
                    self.service.tell(&self.desk.observed());
                    self.instance.keep(&self.instance.published());
                    if loading.is_some() {
                        self.service.still_reloading();
                    }
                }
                () = self.service.hungry() => self.feed().await,
                () = Leaving::is_due(&mut self.leaving, &self.instance) => {
                    tracing::info!("nobody is connected: the server ends, and the next connection starts it again");
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
                    if self.estate.hand_over(prepared, &self.service, statistics).await {
                        relieved = true;
                        break;
                    }
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
        self.instance.set_state(State::Stopping);
        if !relieved {
            self.service.stopping(self.instance.current().served.settings.pool.graceful_timeout);
        }
        self.estate.let_go();
        if let Some(loading) = loading {
            loading.drop_it().await;
            let reason = "the instance was told to stop".to_owned();
            loading.refuse(&NotReady { reason, traceback: None });
        }
        let current = self.instance.current();
        let former: Vec<Arc<Generation>> =
            self.instance.view().former.iter().map(|(_, former)| Arc::clone(former)).collect();
        let stopped = stop::stop(
            &current.served,
            self.logs,
            signals,
            &self.instance.router,
            &current.supervisor,
            &current.exchange,
        );
        stopped.await?;
        for former in former {
            former.hurry();
        }
        while retiring.join_next().await.is_some() {}
        if !relieved {
            self.instance.keep(&self.instance.published());
        }
        self.estate.close().await;
        Ok(())
    }

    /// Feeds the watchdog, if the router's threads get on. The supervisor does, if this is run.
    async fn feed(&self) {
        match timeout(self.service.limit() / 2, self.instance.router.statistics()).await {
            Ok(_) => self.service.feed(),
            Err(_) => self.service.give_up(),
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

    // ---- Reload ------------------------------------------------------------------------------------------------------------

    /// Begins to load the next generation. One that is loading is thrown away: who asked for it gets the result of this one.
    async fn begin(&mut self, order: Order, loading: &mut Option<Loading>) {
        let (reply, back) = match order {
            Order::Reload(reply) => (reply, false),
            Order::Rollback(reply) => (reply, true),
            Order::Upgrade(reply) => return self.estate.begin(reply, self.instance.current().number),
        };
        if self.estate.upgrade.is_some() {
            return refuse(reply, &NotReady::because("an upgrade is under way, which reads all anew".to_owned()));
        }
        let mut replies = vec![reply];
        if let Some(superseded) = loading.take() {
            tracing::info!(
                generation = superseded.generation.number,
                "another reload: what was loading is thrown away"
            );
            superseded.drop_it().await;
            replies.extend(superseded.replies);
        }
        let began = Instant::now();
        self.service.reloading();
        let number = self.instance.current().number + 1;
        let served = if back { self.source.previous() } else { self.source.read_again().await };
        if let Ok(served) = &served
            && self.may_roll(served)
        {
            self.compare(served);
            *loading = Some(self.roll(number, served.clone(), replies, began));
            return;
        }
        let begun = served.and_then(|served| {
            self.compare(&served);
            let strength = self.strength(&served);
            Generation::begin(number, served, self.router_threads, strength)
                .map_err(|error| format!("the next generation has no memory or processes: {error}"))
        });
        match begun {
            Ok((generation, notices)) => {
                tracing::info!(generation = number, "reloading: the next generation is loaded beside the current one");
                self.instance.set_state(State::Reloading);
                let (loading_one, instance) = (Arc::clone(&generation), Arc::clone(&self.instance));
                let ready = Box::pin(async move {
                    let ready = loading_one.ready(notices).await?;
                    instance.has_room().await;
                    Ok(Way::Beside(ready))
                });
                *loading = Some(Loading { generation, ready, replies, began, rolling: false });
            }
            Err(reason) => {
                let failed = NotReady { reason, traceback: None };
                if !back {
                    self.show(&failed).await;
                }
                self.failed(number, began, &failed);
                replies.into_iter().for_each(|reply| refuse(reply, &failed));
            }
        }
    }

    /// Whether the settings ask for worker after worker, and that can be done.
    fn may_roll(&self, next: &Served) -> bool {
        if !next.settings.life.rolling {
            return false;
        }
        let reason = self.instance.current().cannot_roll(next);
        if let Some(reason) = &reason {
            tracing::info!("reloading: all workers are made new at once, and not one after the other: {reason}");
        }
        reason.is_none()
    }

    fn roll(&self, number: u64, served: Served, replies: Vec<Reply>, began: Instant) -> Loading {
        tracing::info!(generation = number, "reloading: workers are replaced one after the other");
        self.instance.set_state(State::Reloading);
        let generation = self.instance.current().followed_within(number, served);
        let (rolled, cores) = (Arc::clone(&generation), self.cores);
        let ready = Box::pin(async move { Ok(Way::Within(rolled.roll(cores).await?)) });
        Loading { generation, ready, replies, began, rolling: true }
    }

    /// How many workers the next generation begins with: as many as there are, so that none is missing at the switch.
    fn strength(&self, next: &Served) -> translate::Strength {
        let supervisor = &self.instance.current().supervisor;
        let now = (supervisor.condition() == Found::Serving).then(|| supervisor.strength().wanted);
        translate::Strength::of(&next.settings, self.cores, now)
    }

    /// What a reload cannot change is said.
    fn compare(&self, next: &Served) {
        let (now, next) = (&self.instance.current().served.settings, &next.settings);
        let changed = [
            ("bind", now.bind != next.bind),
            ("umask", now.app.umask != next.app.umask),
            ("pidfile", now.app.pidfile != next.app.pidfile),
            ("router_threads", now.pool.router_threads != next.pool.router_threads),
            ("the logs", now.log != next.log),
            ("reload, or a setting that goes with it,", now.develop != next.develop),
        ];
        for (what, _) in changed.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("{what} changed, which takes effect when the server is restarted");
        }
    }

    /// The next generation is ready, or never will be.
    async fn loaded(&mut self, loading: Loading, ready: Result<Way, NotReady>, retiring: &mut JoinSet<()>) {
        let generation = Arc::clone(&loading.generation);
        let config = translate::router(&generation.served.settings, self.cores);
        let switched = match ready {
            Ok(Way::Within(loaded)) => {
                if let Some(developing) = &self.developing {
                    developing.follow(&generation.served, &loaded);
                }
                self.put_in_place(&generation, None, loaded, loading.began);
                // As after a switch: what did not load before is not shown any more.
                self.instance.router.hold(None).await;
                self.service.reloaded(None);
                loading.succeed();
                return;
            }
            Ok(Way::Beside(ready)) => match self.instance.router.switch(config, &generation.exchange).await {
                Ok(()) => Ok(ready),
                Err(error) => Err(NotReady { reason: format!("the router cannot switch: {error}"), traceback: None }),
            },
            Err(failed) => Err(failed),
        };
        match switched {
            Ok((loaded, notices)) => {
                self.notices = notices;
                if let Some(developing) = &self.developing {
                    developing.follow(&generation.served, &loaded);
                    // Whoever develops waits for no generation but the one before.
                    self.instance.view().former.iter().for_each(|(_, former)| former.hurry());
                }
                let line = self.instance.router.line().await;
                let (former_line, former) = self.put_in_place(&generation, Some(line), loaded, loading.began);
                self.serving = true;
                let instance = Arc::clone(&self.instance);
                retiring.spawn(async move {
                    former.retire(Arc::clone(&instance.router), former_line).await;
                    instance.forget(former_line);
                });
                self.service.reloaded(None);
                loading.succeed();
            }
            Err(failed) => {
                loading.drop_it().await;
                self.show(&failed).await;
                self.failed(generation.number, loading.began, &failed);
                let current = self.instance.current().supervisor.condition();
                self.instance.set_state(if self.serving { state_of(&current) } else { State::Serving });
                loading.refuse(&failed);
            }
        }
    }

    /// Puts the next generation in the current one's place; the former one, with the router's number of it. One without a `line` of its own has the
    /// former one's, and the former one's workers are gone.
    fn put_in_place(
        &self,
        generation: &Arc<Generation>,
        line: Option<u32>,
        loaded: Loaded,
        began: Instant,
    ) -> (u32, Arc<Generation>) {
        let seconds = began.elapsed().as_secs_f64();
        self.logs.errors.set_generation(generation.number);
        tracing::info!(message_id = %MessageId::RELOADED, generation = generation.number, seconds, "the next generation serves");
        // What never served is nothing to go back to.
        if self.serving && !self.instance.view().loaded.python.is_empty() {
            self.source.remember(&self.instance.current().served);
        }
        let (former_line, former) = {
            let mut view = self.instance.view();
            let former = std::mem::replace(&mut view.current, Arc::clone(generation));
            let former_line = view.line;
            if let Some(line) = line {
                view.line = line;
                view.former.push((former_line, Arc::clone(&former)));
            }
            view.loaded = loaded;
            view.last_reload = Some(LastReload {
                at_us: now_us(),
                succeeded: true,
                generation: generation.number,
                seconds,
                message: String::new(),
            });
            (former_line, former)
        };
        self.instance.set_state(state_of(&generation.supervisor.condition()));
        (former_line, former)
    }

    /// Shows a failure to whoever develops.
    async fn show(&mut self, failed: &NotReady) {
        if let Some(developing) = &mut self.developing {
            developing.show(&self.instance.router, failed, self.serving).await;
        }
    }

    fn failed(&mut self, number: u64, began: Instant, failed: &NotReady) {
        let seconds = began.elapsed().as_secs_f64();
        let detail = failed.traceback.as_deref().map(traceback::told);
        let goes_on = if self.serving { ", and the current generation goes on" } else { "" };
        let reason = &failed.reason;
        let message_id = MessageId::RELOAD_FAILED.to_string();
        tracing::error!(message_id, generation = number, seconds, detail, "the reload failed{goes_on}: {reason}");
        self.service.reloaded(Some(reason));
        let last = LastReload {
            at_us: now_us(),
            succeeded: false,
            generation: number,
            seconds,
            message: failed.reason.clone(),
        };
        self.instance.view().last_reload = Some(last);
    }
}

impl Loading {
    /// Ends what was begun for a generation that will not serve.
    async fn drop_it(&self) {
        if self.rolling {
            self.generation.supervisor.end_roll();
        } else {
            self.generation.throw_away().await;
        }
    }

    fn succeed(self) {
        let seconds = self.began.elapsed().as_secs_f64();
        for reply in self.replies {
            // Who asked may have hung up; the log has it.
            let _gone = reply.send(Ok(Reloaded { generation: self.generation.number, seconds }));
        }
    }

    fn refuse(self, failed: &NotReady) {
        self.replies.into_iter().for_each(|reply| refuse(reply, failed));
    }
}

fn refuse(reply: Reply, failed: &NotReady) {
    let error = hostler_bus::Error::ReloadFailed {
        reason: failed.reason.clone(),
        traceback: failed.traceback.clone().unwrap_or_default(),
    };
    // Who asked may have hung up; the log has it.
    let _gone = reply.send(Err(error));
}

/// Waits for what is loading; for ever when nothing is. Cancel safe.
async fn readiness(loading: &mut Option<Loading>) -> Result<Way, NotReady> {
    match loading {
        Some(loading) => (&mut loading.ready).await,
        None => std::future::pending().await,
    }
}

/// What the instance does while its current generation is so.
fn state_of(found: &Found) -> State {
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

/// Microseconds since 1970.
pub(super) fn now_us() -> u64 {
    us_of(SystemTime::now())
}

pub(super) fn us_of(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
