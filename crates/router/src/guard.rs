//! The guard of a line's queue: it wakes another worker when the queue stands still.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use crate::line::Line;

/// How long the queue may stand still before another worker is woken, see [`guard_queue`].
const STANDSTILL: Duration = Duration::from_millis(1);
/// Whether a line's queue is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Off,
    /// The guard looks within a millisecond or two.
    Near,
    /// It looks later.
    Far,
}

/// Sees to it that the queue moves.
///
/// A woken worker wakes the next one only when its own measure says that it cannot serve the queue soon. A request that takes far
/// longer than those before it proves the measure wrong; then, after a millisecond, another worker is woken from here.
///
/// It ends with its line.
pub(crate) fn guard_queue(line: &Rc<Line>) -> impl Future<Output = ()> + use<> {
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
