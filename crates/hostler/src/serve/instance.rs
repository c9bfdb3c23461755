//! An instance, as its main task and the control socket share it: its generations, its condition, what it counted.

use std::collections::{BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hostler_bus::{Absence, Condition, EventKind, Gap, LastReload, Samples, State};
use hostler_channel::Loaded;
use hostler_router::{Router, Statistics};
use hostler_supervisor::{Handle, Restarts};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::events::Events;
use super::generation::{Generation, Ready};
use super::kept::{Before, Kept};
use super::past::{self, Ending, Past};
use super::pressure::Relieved;
use super::samples::{Moment, Recorder};
use super::service::Service;
use super::slept;
use super::supervisors::Supervisors;

/// Former generations that may finish beside the current one; a further switch waits until one is gone. So they never pile up, and nothing is cut
/// off because another reload came.
const MOST_FORMER: usize = 2;
/// How many times the counters are remembered, one each [`NOTED`](super::task::NOTED): what the last minute was like.
const NOTES: usize = 7;

/// A generation whose keeper was kept, with all that it takes to bring it back.
pub(super) struct Parked {
    pub(super) generation: Arc<Generation>,
    pub(super) ready: Ready,
}

/// What others may look at.
pub(super) struct View {
    pub(super) current: Arc<Generation>,
    /// The router's number of the current generation.
    pub(super) line: u32,
    /// The application as it was found; of an unknown Python while no worker was ever ready.
    pub(super) loaded: Loaded,
    pub(super) former: Vec<(u32, Arc<Generation>)>,
    /// The number of the one before the current one; 0 for none.
    pub(super) previous: u64,
    /// That one, if its keeper was kept.
    pub(super) parked: Option<Parked>,
    pub(super) last_reload: Option<LastReload>,
    /// Settings that were changed, and take effect when the server is started anew.
    pub(super) awaits_restart: BTreeSet<String>,
    pub(super) since: SystemTime,
    /// The counters of the last minute, oldest first.
    pub(super) notes: VecDeque<(Instant, Statistics)>,
}

/// The instance, as its main task and the control socket share it.
pub(super) struct Instance {
    pub(super) router: Arc<Router>,
    pub(super) condition: watch::Sender<Condition>,
    view: Mutex<View>,
    supervisors: Supervisors,
    began: Instant,
    /// What the processes before this one counted.
    before: Statistics,
    kept: Mutex<Kept>,
    events: Mutex<Events>,
    recorder: Mutex<Recorder>,
    /// How this process ends, as far as that is known.
    ending: Mutex<Ending>,
    /// A former generation is gone.
    gone: Notify,
    /// What was done for want of memory.
    pub(super) relieved: Relieved,
    /// Memory is short: a server that ends when nobody is connected may end now.
    pub(super) may_leave: Notify,
}

impl Instance {
    pub(super) fn new(
        router: Arc<Router>,
        current: Arc<Generation>,
        loaded: Loaded,
        before: Before,
        kept: Kept,
    ) -> Self {
        let (recorder, events) = after(before.past.unwrap_or_default());
        let condition = Condition { state: State::Serving, generation: current.number };
        let view = View {
            current,
            line: 0,
            loaded,
            former: Vec::new(),
            previous: 0,
            parked: None,
            last_reload: None,
            awaits_restart: BTreeSet::new(),
            since: SystemTime::now(),
            notes: VecDeque::new(),
        };
        let supervisors = Supervisors::default();
        supervisors.add(&view.current.supervisor);
        Self {
            router,
            condition: watch::Sender::new(condition),
            view: Mutex::new(view),
            supervisors,
            began: Instant::now(),
            before: before.statistics.unwrap_or_default(),
            kept: Mutex::new(kept),
            events: Mutex::new(events),
            recorder: Mutex::new(recorder),
            ending: Mutex::default(),
            gone: Notify::new(),
            relieved: Relieved::default(),
            may_leave: Notify::new(),
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
    pub(super) fn of_line(&self, line: u32) -> Option<Arc<Generation>> {
        let view = self.view();
        let all =
            std::iter::once((&view.line, &view.current)).chain(view.former.iter().map(|(line, former)| (line, former)));
        all.into_iter().find(|(number, _)| **number == line).map(|(_, generation)| Arc::clone(generation))
    }

    /// Waits until there is room for one more former generation. Cancel safe.
    pub(super) async fn has_room(&self) {
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
        self.supervisors.restarts()
    }

    /// Puts a generation in the place of the current one, which is returned.
    pub(super) fn succeed(&self, view: &mut View, next: &Arc<Generation>) -> Arc<Generation> {
        self.supervisors.add(&next.supervisor);
        let former = std::mem::replace(&mut view.current, Arc::clone(next));
        view.previous = former.number;
        former
    }

    /// The supervisors of all generations that have processes, one that is parked among them.
    pub(super) fn supervisors(&self) -> Vec<Handle> {
        self.supervisors.living()
    }

    /// Parks a former generation, in place of the one that was; ends it, if it is not the one before the current one any more.
    pub(super) async fn park(&self, parked: Parked) {
        let ended = {
            let mut view = self.view();
            if parked.generation.number == view.previous { view.parked.replace(parked) } else { Some(parked) }
        };
        self.abandon(ended).await;
    }

    /// The generation before the current one, if it is parked.
    pub(super) fn take_parked(&self) -> Option<Parked> {
        let mut view = self.view();
        let previous = view.previous;
        view.parked.take_if(|parked| parked.generation.number == previous)
    }

    /// Ends the generation that is parked, if there is one.
    pub(super) async fn abandon_parked(&self) {
        let parked = self.view().parked.take();
        self.abandon(parked).await;
    }

    async fn abandon(&self, parked: Option<Parked>) {
        if let Some(Parked { generation, .. }) = parked {
            generation.abandon().await;
        }
    }

    /// A former generation is gone, or parked.
    pub(super) fn forget(&self, line: u32) {
        self.view().former.retain(|(former, _)| *former != line);
        self.gone.notify_waiters();
    }

    /// What happened to it.
    pub(super) fn events(&self) -> MutexGuard<'_, Events> {
        // Whole events, each put in with one call.
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something happened to the current generation.
    pub(super) fn happened(&self, kind: EventKind, message: &str) {
        let generation = self.view().current.number;
        self.events().add(kind, generation, message);
        self.keep_past();
    }

    /// A span of time ends.
    pub(super) fn record(&self, now: Moment) {
        self.recorder().record(now);
        self.keep_past();
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This process ends, or does not after all: whoever comes after it is to know.
    pub(super) fn ends(&self, ending: Ending) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = ending;
        self.keep_past();
    }

    /// What it was like and what happened, as it is kept.
    pub(super) fn past(&self) -> Vec<u8> {
        let ending = *self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        past::write(ending, now_us(), self.recorder().spans(), &self.events())
    }

    /// Keeps that, where somebody does: some 200 KiB at most, ten thousandths of a second.
    fn keep_past(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.keeps_past() {
            kept.write_past(&self.past());
        }
    }

    /// Keeps what is known from now on.
    pub(super) fn begin_to_keep(&self, service: &Service) {
        self.keep(&self.published());
        self.keep_past();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).store(service);
    }

    /// Leaves what is known for whoever serves when it is woken.
    pub(super) fn leave(&self, place: &Path) {
        if let Err(error) = slept::leave(place, &self.published(), &self.past()) {
            tracing::warn!(file = %place.display(), %error, "what was counted, and the last day, begin anew with the next start: they cannot be left");
        }
    }

    /// The file that it is kept in, for a successor.
    pub(super) fn share_past(&self) -> Option<OwnedFd> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).share_past()
    }

    /// What it was like since that moment, in microseconds since 1970, and what happened.
    pub(super) fn samples(&self, since_us: u64) -> Samples {
        let mut samples = self.recorder().since(since_us);
        samples.events = self.events().since(since_us);
        samples
    }

    /// For how long this process has served.
    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn set_state(&self, state: State) {
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

    pub(super) fn keep(&self, statistics: &Statistics) {
        // Written in place of the former value as a whole, or not.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).write_statistics(statistics);
    }

    /// The same without asking: a second old at most.
    pub(super) fn published(&self) -> Statistics {
        self.with_before(self.router.published())
    }

    /// What the processes before this one counted.
    pub(super) fn before(&self) -> &Statistics {
        &self.before
    }

    fn with_before(&self, mut statistics: Statistics) -> Statistics {
        statistics.merge(&self.before);
        statistics
    }

    pub(super) fn note(&self) {
        let mut view = self.view();
        view.notes.push_back((Instant::now(), self.published()));
        if view.notes.len() > NOTES {
            view.notes.pop_front();
        }
    }
}

/// What is recorded goes on after the process before, with how that ended.
fn after(before: Past) -> (Recorder, Events) {
    let Past { ending, at_us, spans, events } = before;
    let mut events = Events::after(events);
    let to_us = now_us();
    // Nothing was written before: there was no process.
    let why = ending.absence().filter(|_| at_us > 0);
    // A clock that was set back tells no gap.
    let gap = why.map(|why| Gap { from_us: at_us.min(to_us), to_us, why });
    if why == Some(Absence::Crashed) {
        let generation = events.all().back().map_or(0, |event| event.generation);
        let message = "the server process was killed or crashed; of its last seconds, ten at most, nothing is known";
        events.add_at(at_us, EventKind::Crashed, generation, message);
    }
    (Recorder::after(spans, gap), events)
}

/// Microseconds since 1970.
pub(super) fn now_us() -> u64 {
    us_of(SystemTime::now())
}

pub(super) fn us_of(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
