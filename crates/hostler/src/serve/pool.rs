//! The exchange as the supervisor needs it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_exchange::{Exchange, Gauge};
use hostler_supervisor::{Load, Look, Pool};

/// One generation's shared memory.
pub(super) struct Generation {
    exchange: Arc<Exchange>,
    /// The signs of life that each worker had given when it was last asked for one.
    signs: Vec<AtomicU32>,
    observed: Mutex<Observed>,
}

/// What was seen of the load.
struct Observed {
    gauge: Gauge,
    last_activity: Instant,
}

impl Generation {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        let observed = Observed { gauge: Gauge::new(&exchange), last_activity: Instant::now() };
        let signs = (0..exchange.config().workers).map(|_| AtomicU32::new(0)).collect();
        Self { exchange, signs, observed: Mutex::new(observed) }
    }
}

impl Pool for Generation {
    fn prepare(&self, worker: u16, edition: u64) -> io::Result<()> {
        self.exchange.prepare_worker(worker);
        self.exchange.set_generation(worker, edition);
        Ok(())
    }

    fn descriptors(&self, _worker: u16) -> io::Result<Vec<OwnedFd>> {
        self.exchange.worker_descriptors()
    }

    fn served(&self, worker: u16) -> u64 {
        self.exchange.served(worker)
    }

    fn describe_running(&self, worker: u16) -> Vec<String> {
        let running = self.exchange.requests().into_iter().filter(|request| request.worker == Some(worker));
        running
            .map(|request| match request.id.as_str() {
                "" => format!("{} {}", request.method, request.target),
                id => format!("{} {} ({id})", request.method, request.target),
            })
            .collect()
    }

    fn recover(&self, worker: u16, crashed: bool) -> usize {
        self.exchange.recover_worker(worker, crashed)
    }

    fn retire(&self, worker: u16) {
        self.exchange.retire_worker(worker);
    }

    fn load(&self) -> Load {
        // Each look leaves whole values behind.
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = observed.gauge.look(&self.exchange);
        if seen.active {
            observed.last_activity = Instant::now();
        }
        let threads = u64::from(seen.serving) * u64::from(self.exchange.config().threads);
        let capacity = seen.passed_ns.saturating_mul(threads);
        let share = |ran: u64| if capacity == 0 { 0.0 } else { (ran as f64 / capacity as f64).min(1.0) };
        Load {
            queued: seen.queued,
            longest_wait: Duration::from_nanos(seen.longest_wait_ns),
            busy: seen.ran_ns.map(share),
            busy_as_processes: seen.ran_ns.is_none(),
            running: seen.running,
            last_activity: Some(observed.last_activity),
        }
    }

    fn expect_turn(&self, worker: u16) {
        if let Some(signs) = self.signs.get(usize::from(worker)) {
            signs.store(self.exchange.signs(worker), Ordering::Relaxed);
            self.exchange.ask_for_sign(worker);
        }
    }

    fn look(&self, worker: u16) -> Look {
        let before = self.signs.get(usize::from(worker)).map(|signs| signs.load(Ordering::Relaxed));
        let running = self.exchange.running_of(worker);
        // What was idle, and runs something, has taken it.
        let took = !self.exchange.is_loop(worker) && !running.is_empty();
        Look { turned: took || before != Some(self.exchange.signs(worker)), running }
    }
}
