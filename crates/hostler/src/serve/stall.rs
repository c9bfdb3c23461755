//! Code that does not move, found while it is stuck: requests that give and take no byte, and event loops that do not turn.
//!
//! Looked at a few times in each `stall_warning`, from the outside: nothing is asked of those that run but a turn of each event loop. The worker
//! writes the warning, with the stack, see `Handle::stalled`. An event loop that has not turned for as long as `timeout` is past its time,
//! whatever it runs; the router, which only looks at loops that run something with a time limit, finds some of these earlier.

use std::collections::HashMap;
use std::time::Duration;

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

/// What stood still when it was last looked at.
#[derive(Default)]
pub(super) struct Stalls {
    due: Option<Instant>,
    /// By generation and request.
    requests: HashMap<(u64, u64), Still>,
    /// By generation and worker.
    loops: HashMap<(u64, u16), Still>,
}

/// Something that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Still {
    /// Bytes moved, or turns, when it was seen first.
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
        let late = !timeout.is_zero() && now.saturating_duration_since(self.since) >= timeout.saturating_add(LONGER);
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
        let Generation { exchange, supervisor, number, served, .. } = generation;
        let (after, timeout) = (served.settings.life.stall_warning, served.settings.pool.timeout);
        if after.is_zero() && timeout.is_zero() {
            return;
        }
        for worker in 0..exchange.config().workers as u16 {
            if !exchange.is_serving_loop(worker) {
                continue;
            }
            let key = (*number, worker);
            let mut still = Still::follow(before.loops.get(&key), u64::from(exchange.turns(worker)), now);
            if let Some(lasted) = still.warn(after, now) {
                supervisor.stalled(worker, None, lasted);
            }
            if still.is_overdue(timeout, now) {
                tracing::error!(
                    worker,
                    seconds = timeout.as_secs_f64(),
                    "an event loop has not turned for as long as timeout: what keeps it is interrupted"
                );
                supervisor.timed_out(worker, None, timeout);
            }
            self.loops.insert(key, still);
            exchange.ask_loop_to_turn(worker);
        }
    }
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
}
