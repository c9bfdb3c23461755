//! An open-loop load: requests are due at fixed times, whatever the server does, and what they waited counts from
//! then. A closed loop, which asks again when it was answered, would ask less while the server is slow and hide it.

use std::num::NonZeroU64;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;

/// What is asked, and when.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) port: u16,
    pub(super) per_second: u32,
    pub(super) length: Duration,
    /// Kept connections; a request takes the one that has been free the longest.
    pub(super) connections: u32,
    pub(super) short: &'static str,
    pub(super) slow: &'static str,
    /// How many of the requests are slow ones, in percent; which ones follows from the seed.
    pub(super) slow_percent: u64,
    pub(super) seed: u64,
}

/// What came of it. All times are in ascending order.
#[derive(Default)]
pub(super) struct Outcome {
    /// Of the short requests, from the time they were due to the end of the answer.
    pub(super) short: Vec<Duration>,
    /// How late the generator itself was where a connection was free: the error of the figures.
    pub(super) late: Vec<Duration>,
    /// Requests without a whole good answer.
    pub(super) lost: usize,
}

impl Load {
    /// Runs the load to its end; each connection has a thread of its own, which sleeps until its next request is due.
    pub(super) fn run(&self) -> Outcome {
        thread::scope(|scope| {
            // A thread of its own, because the threads that it starts inherit what it gets, and nothing else shall.
            let generator = scope.spawn(|| {
                prefer_this_thread();
                self.generate()
            });
            generator.join().unwrap_or_default()
        })
    }

    fn generate(&self) -> Outcome {
        let next = AtomicU64::new(0);
        // The threads are all there before the first request is due.
        let start = Instant::now() + Duration::from_millis(100);
        let mut outcome = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(|| self.drive(start, &next))).collect();
            let outcomes = threads.into_iter().map(|thread| thread.join().unwrap_or_default());
            outcomes.fold(Outcome::default(), Outcome::and)
        });
        outcome.short.sort_unstable();
        outcome.late.sort_unstable();
        outcome
    }

    fn drive(&self, start: Instant, next: &AtomicU64) -> Outcome {
        // By default the kernel may wake a thread 50 µs late. Where that cannot be changed, `late` shows it.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut outcome = Outcome::default();
        let mut connection = Connection::open(self.port).ok();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due_after = Duration::from_secs(number) / self.per_second;
            if due_after >= self.length {
                return outcome;
            }
            let due = start + due_after;
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait);
                outcome.late.push(due.elapsed());
            }
            let is_slow = scatter(self.seed, number) % 100 < self.slow_percent;
            match exchange(self.port, &mut connection, if is_slow { self.slow } else { self.short }) {
                false => outcome.lost += 1,
                true if is_slow => {}
                true => outcome.short.push(due.elapsed()),
            }
        }
    }
}

impl Outcome {
    fn and(mut self, other: Self) -> Self {
        self.short.extend(other.short);
        self.late.extend(other.late);
        self.lost += other.lost;
        self
    }
}

/// The value that `percent` of the ascending `values` do not exceed, in milliseconds (the nearest rank).
pub(super) fn percentile(values: &[Duration], percent: f64) -> f64 {
    let rank = (values.len() as f64 * percent / 100.0).ceil() as usize;
    let value = values.get(rank.saturating_sub(1).min(values.len().saturating_sub(1)));
    value.map_or(f64::NAN, |value| value.as_secs_f64() * 1000.0)
}

/// The generator stands for clients on other machines, so it must run on time also while the servers use all cores. Among
/// equals the scheduler (EEVDF) lets a computing thread finish its slice of milliseconds first, whatever the nice values;
/// a real-time thread goes before it. That takes root; where it cannot be had, `late` shows what it cost.
pub(super) fn prefer_this_thread() {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "1", &thread]).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = command.status();
}

/// One request. A connection that failed is replaced before the next.
fn exchange(port: u16, connection: &mut Option<Connection>, path: &str) -> bool {
    if connection.is_none() {
        *connection = Connection::open(port).ok();
    }
    let answered = connection.as_mut().is_some_and(|connection| connection.get(path).is_ok());
    if !answered {
        *connection = None;
    }
    answered
}

/// The same scattered number for the same seed and request, so that all servers of a round get the same load (SplitMix64).
fn scatter(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_take_the_nearest_rank() {
        let values: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50.0), 50.0);
        assert_eq!(percentile(&values, 99.0), 99.0);
        assert_eq!(percentile(&values, 100.0), 100.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn the_slow_requests_are_as_many_as_asked_for() {
        for seed in 0..4 {
            let slow = (0..100_000).filter(|number| scatter(seed, *number) % 100 < 3).count();
            assert!((2_800..3_200).contains(&slow), "{slow}");
        }
    }
}
