//! Code that does not move, found while it is stuck: requests that give and take no byte, event loops that do not turn, and workers that run nothing
//! and do not come when they are rung.
//!
//! Looked at a few times in each `stall_warning`, from the outside: nothing is asked of those that run but a turn of each event loop. The worker
//! writes the warning, with the stack, see `Handle::stalled`. An event loop that has not turned for as long as `timeout` is past its time,
//! whatever it runs; the router, which only looks at loops that run something with a time limit, finds some of these earlier.
//!
//! A worker with threads that runs nothing is rung while requests arrive, and looks for them then: one that has not for as long as `timeout` is past
//! its time as well. One whose process was stopped by a signal is not waited for that long, so that what is queued for it is still served in time. A
//! worker that runs a request is the router's, which knows since when.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hostler_supervisor::{WorkerState, WorkerStatus, vitals};
use tokio::time::{Instant, sleep_until};

use super::generation::Generation;
use super::instance::Instance;

/// Looks in the shortest of the times that matter.
const LOOKS: u32 = 4;
/// Between two looks, at least, and at most: a reload may bring shorter times.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);
/// How much longer than `timeout` an event loop may take to turn: the router answers what it runs first, if that has a time limit.
const LONGER: Duration = Duration::from_secs(1);
/// For how long a process that runs nothing may be stopped, at most; where `timeout` is short, a quarter of that.
const STOPPED: Duration = Duration::from_secs(2);

/// What stood still when it was last looked at.
#[derive(Default)]
pub(super) struct Stalls {
    due: Option<Instant>,
    /// By generation and request.
    requests: HashMap<(u64, u64), Still>,
    /// By generation and worker.
    loops: HashMap<(u64, u16), Still>,
    /// Workers that run nothing and were rung, likewise.
    idle: HashMap<(u64, u16), Still>,
    /// Workers that run nothing and whose process is stopped, likewise.
    stopped: HashMap<(u64, u16), Still>,
    /// How many requests had arrived, by generation.
    arrived: HashMap<u64, u64>,
}

/// Something that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Still {
    /// Bytes moved, signs of life, or the process, when it was seen first.
    mark: u64,
    since: Instant,
    /// Warnings given.
    warned: u32,
    /// It was told to the supervisor as past its time.
    overdue: bool,
}

impl Still {
    fn new(mark: u64, now: Instant) -> Self {
        Self { mark, since: now, warned: 0, overdue: false }
    }

    /// What was seen before, or a new beginning if it moved.
    fn follow(before: Option<&Self>, mark: u64, now: Instant) -> Self {
        before.filter(|before| before.mark == mark).copied().unwrap_or_else(|| Self::new(mark, now))
    }

    /// Whether a warning is due: after once the time, twice, four times, and so on.
    fn warn(&mut self, after: Duration, now: Instant) -> Option<Duration> {
        let lasted = now.saturating_duration_since(self.since);
        let due = after.checked_mul(1 << self.warned.min(31))?;
        (!after.is_zero() && lasted >= due).then(|| {
            self.warned += 1;
            lasted
        })
    }

    /// Whether it is past its time, once.
    fn is_overdue(&mut self, timeout: Duration, now: Instant) -> bool {
        self.has_lasted(timeout, LONGER, now)
    }

    /// Whether a stopped process was waited for long enough, once.
    fn is_given_up(&mut self, timeout: Duration, now: Instant) -> bool {
        self.has_lasted((timeout / LOOKS).min(STOPPED), Duration::ZERO, now)
    }

    fn has_lasted(&mut self, limit: Duration, longer: Duration, now: Instant) -> bool {
        let late = !limit.is_zero() && now.saturating_duration_since(self.since) >= limit.saturating_add(longer);
        late && !std::mem::replace(&mut self.overdue, true)
    }
}

impl Stalls {
    /// Waits until it is time to look. Cancel safe.
    pub(super) async fn due(&mut self, instance: &Instance) {
        let due = *self.due.get_or_insert_with(|| Instant::now() + period(&instance.current()));
        sleep_until(due).await;
    }

    /// Looks at all generations.
    pub(super) fn look(&mut self, instance: &Instance) {
        self.due = None;
        let now = Instant::now();
        let before = std::mem::take(self);
        for generation in instance.generations() {
            self.look_at_requests(&generation, &before, now);
            self.look_at_loops(&generation, &before, now);
            self.look_at_idle(&generation, &before, now);
        }
    }

    fn look_at_requests(&mut self, generation: &Generation, before: &Self, now: Instant) {
        let Generation { exchange, supervisor, number, served, .. } = generation;
        let after = served.settings.life.stall_warning;
        if after.is_zero() {
            return;
        }
        // What a loop runs may be quiet; whether the loop turns is asked below.
        for view in exchange.running_now().filter(|view| !view.awaits_client && !exchange.is_loop(view.worker)) {
            let key = (*number, view.request);
            let mut still = Still::follow(before.requests.get(&key), view.moved, now);
            if let Some(lasted) = still.warn(after, now) {
                supervisor.stalled(view.worker, Some(view.request), lasted);
            }
            self.requests.insert(key, still);
        }
    }

    fn look_at_loops(&mut self, generation: &Generation, before: &Self, now: Instant) {
        let Generation { exchange, number, served, .. } = generation;
        let (after, timeout) = (served.settings.life.stall_warning, served.settings.pool.timeout);
        if after.is_zero() && timeout.is_zero() {
            return;
        }
        for worker in 0..exchange.config().workers as u16 {
            if !exchange.is_serving_loop(worker) {
                continue;
            }
            let key = (*number, worker);
            let still = Still::follow(before.loops.get(&key), u64::from(exchange.signs(worker)), now);
            let words = "an event loop has not turned for as long as timeout: what keeps it is interrupted";
            self.loops.insert(key, wait_for_sign(generation, worker, still, words, now));
        }
    }

    /// Looks at the workers that run nothing: at each whether its process is stopped, and at those with threads whether they came when they were rung.
    /// They are rung only while requests arrive, so that they sleep as long as nothing does.
    fn look_at_idle(&mut self, generation: &Generation, before: &Self, now: Instant) {
        let Generation { exchange, supervisor, number, served, .. } = generation;
        let (after, timeout) = (served.settings.life.stall_warning, served.settings.pool.timeout);
        if after.is_zero() && timeout.is_zero() {
            return;
        }
        let arrived = exchange.arrived();
        let wanted = exchange.queued() > 0 || before.arrived.get(number) != Some(&arrived);
        self.arrived.insert(*number, arrived);
        let busy: HashSet<u16> = exchange.running_now().map(|view| view.worker).collect();
        for WorkerStatus { worker, pid, state, .. } in supervisor.workers() {
            let (Some(pid), WorkerState::Ready, false) = (pid, state, busy.contains(&worker)) else { continue };
            let key = (*number, worker);
            if vitals(pid).is_some_and(|vitals| vitals.stopped) {
                let mut still = Still::follow(before.stopped.get(&key), u64::from(pid), now);
                if let Some(lasted) = still.warn(after, now) {
                    tracing::warn!(
                        worker,
                        pid,
                        generation = exchange.generation(worker),
                        "the process of an idle worker has been stopped for {:.1} s",
                        lasted.as_secs_f64()
                    );
                }
                if still.is_given_up(timeout, now) {
                    tracing::error!(
                        worker,
                        pid,
                        generation = exchange.generation(worker),
                        "the process of an idle worker was stopped, by SIGSTOP or its like, and takes no requests: it is replaced"
                    );
                    supervisor.timed_out(worker, None, timeout);
                }
                self.stopped.insert(key, still);
            } else if !exchange.is_loop(worker) {
                // Another process begins anew, and gave no sign yet that could be the same by chance.
                let mark = (u64::from(pid) << 32) | u64::from(exchange.signs(worker));
                let rung = before.idle.get(&key).filter(|rung| rung.mark == mark);
                if rung.is_none() && !wanted {
                    continue;
                }
                let still = Still::follow(rung, mark, now);
                let words = "a worker that runs nothing has taken nothing for as long as timeout: it is replaced";
                self.idle.insert(key, wait_for_sign(generation, worker, still, words, now));
            }
        }
    }
}

/// Judges a worker that gave no sign since `still` began, with `overdue` for the log once it is past its time, and asks it for one.
fn wait_for_sign(generation: &Generation, worker: u16, mut still: Still, overdue: &str, now: Instant) -> Still {
    let Generation { exchange, supervisor, served, .. } = generation;
    let timeout = served.settings.pool.timeout;
    if let Some(lasted) = still.warn(served.settings.life.stall_warning, now) {
        supervisor.stalled(worker, None, lasted);
    }
    if still.is_overdue(timeout, now) {
        let seconds = timeout.as_secs_f64();
        tracing::error!(worker, generation = exchange.generation(worker), seconds, "{overdue}");
        supervisor.timed_out(worker, None, timeout);
    }
    exchange.ask_for_sign(worker);
    still
}

/// Between two looks.
fn period(generation: &Generation) -> Duration {
    let settings = &generation.served.settings;
    let times = [settings.life.stall_warning, settings.pool.timeout];
    let shortest = times.into_iter().filter(|time| !time.is_zero()).min();
    shortest.map_or(LONGEST, |shortest| (shortest / LOOKS).clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn warnings_come_after_once_twice_and_four_times_the_time() {
        let began = Instant::now();
        let mut still = Still::new(7, began);
        let warned: Vec<u32> =
            (0..=100).filter(|second| still.warn(10 * SECOND, began + *second * SECOND).is_some()).collect();
        assert_eq!(warned, [10, 20, 40, 80]);
        assert_eq!(Still::new(7, began).warn(Duration::ZERO, began + 100 * SECOND), None, "0 is never");
    }

    #[test]
    fn what_moved_begins_again() {
        let began = Instant::now();
        let mut still = Still::new(7, began);
        assert!(still.warn(SECOND, began + SECOND).is_some());
        let later = began + 5 * SECOND;
        assert_eq!(Still::follow(Some(&still), 7, later), still);
        assert_eq!(Still::follow(Some(&still), 8, later), Still::new(8, later));
        assert_eq!(Still::follow(None, 8, later), Still::new(8, later));
    }

    #[test]
    fn it_is_overdue_once_a_second_after_its_time() {
        let began = Instant::now();
        let mut still = Still::new(0, began);
        let overdue: Vec<u32> = (0..100)
            .filter(|tenth| still.is_overdue(Duration::from_millis(100), began + *tenth * SECOND / 10))
            .collect();
        assert_eq!(overdue, [11]);
        assert!(!Still::new(0, began).is_overdue(Duration::ZERO, began + 100 * SECOND));
    }

    #[test]
    fn a_stopped_process_is_given_up_while_its_requests_have_time() {
        let began = Instant::now();
        let given_up = |timeout: Duration| {
            let mut still = Still::new(0, began);
            (0..100).find(|tenth| still.is_given_up(timeout, began + *tenth * SECOND / 10))
        };
        assert_eq!([given_up(4 * SECOND), given_up(30 * SECOND), given_up(Duration::ZERO)], [Some(10), Some(20), None]);
    }
}
