//! How busy the router threads are, and when a connection should move to another.
//!
//! One thread is cheapest as long as it keeps up: all connections begin there. A thread that has been using nearly a whole processor, on a
//! machine with processor time to spare, gives some of its connections away, between two requests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor share, in thousandths, from which a thread gives connections away.
const OVERLOADED: u32 = 850;
/// Idle processor time of the machine, in thousandths of one processor, without which another thread would only take from the workers.
const SPARE: u64 = 400;

/// The load of all router threads.
#[derive(Debug)]
pub(crate) struct Load {
    threads: Vec<ThreadLoad>,
}

#[derive(Debug, Default)]
struct ThreadLoad {
    /// Processor share of the last period, in thousandths.
    share: AtomicU32,
    /// Connections it has.
    connections: AtomicU32,
    /// Connections it is to give away.
    surplus: AtomicU32,
    /// To which thread.
    target: AtomicU32,
}

/// One thread's measurement, from period to period.
#[derive(Debug)]
pub(crate) struct Meter {
    at: u64,
    used: u64,
    idle: Option<u64>,
}

impl Load {
    pub(crate) fn new(threads: u32) -> Self {
        Self { threads: std::iter::repeat_with(ThreadLoad::default).take(threads as usize).collect() }
    }

    /// The thread a connection of `own` should move to now, if it should.
    pub(crate) fn better_thread(&self, own: u32) -> Option<u32> {
        let load = self.threads.get(own as usize)?;
        let surplus = load.surplus.load(Ordering::Relaxed);
        if surplus == 0 {
            return None;
        }
        load.surplus.store(surplus - 1, Ordering::Relaxed);
        Some(load.target.load(Ordering::Relaxed))
    }

    /// Takes one thread's measure, and decides what it gives away in the next period.
    pub(crate) fn measure(&self, own: u32, connections: usize, meter: &mut Meter) {
        let Some(load) = self.threads.get(own as usize) else {
            return;
        };
        let share = meter.share();
        load.share.store(share, Ordering::Relaxed);
        load.connections.store(connections as u32, Ordering::Relaxed);
        load.surplus.store(0, Ordering::Relaxed);
        if share < OVERLOADED || self.threads.len() == 1 || connections < 2 {
            meter.idle = None;
            return;
        }
        let lightest = (0u32..).zip(&self.threads).min_by_key(|(_, load)| load.share.load(Ordering::Relaxed));
        if let Some((target, lightest)) = lightest
            && target != own
            && lightest.share.load(Ordering::Relaxed) + 200 < share
            && meter.machine_has_spare_time()
        {
            let fewer = lightest.connections.load(Ordering::Relaxed);
            load.target.store(target, Ordering::Relaxed);
            load.surplus.store((connections as u32).saturating_sub(fewer) / 2, Ordering::Relaxed);
        }
    }
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { at: hostler_exchange::now_ns(), used: thread_time(), idle: None }
    }

    /// The thread's processor share since the last call, in thousandths.
    fn share(&mut self) -> u32 {
        let (at, used) = (hostler_exchange::now_ns(), thread_time());
        let share = (used - self.used) * 1000 / (at - self.at).max(1);
        (self.at, self.used) = (at, used);
        u32::try_from(share).unwrap_or(1000)
    }

    /// Whether processors idled since the last call; not known at the first.
    fn machine_has_spare_time(&mut self) -> bool {
        let idle = idle_time();
        let before = self.idle.replace(idle);
        let period = crate::thread::MEASURED.as_millis() as u64;
        before.is_some_and(|before| idle.saturating_sub(before) * 1000 / period.max(1) >= SPARE)
    }
}

fn thread_time() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64
}

/// Idle time of all processors in milliseconds (proc(5), /proc/stat: the fourth figure, in hundredths of a second).
fn idle_time() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.split_ascii_whitespace().nth(4).and_then(|idle| idle.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(ticks * 10).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surplus_is_given_away_once() {
        let load = Load::new(2);
        assert_eq!(load.better_thread(0), None);
        load.threads[0].surplus.store(2, Ordering::Relaxed);
        load.threads[0].target.store(1, Ordering::Relaxed);
        assert_eq!(load.better_thread(0), Some(1));
        assert_eq!(load.better_thread(0), Some(1));
        assert_eq!(load.better_thread(0), None);
        assert_eq!(load.better_thread(7), None);
    }
}
