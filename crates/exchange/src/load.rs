//! How much there is to do, for whoever decides how many workers that takes.
//!
//! Nothing is counted for it while requests are served, but for waits that are long already: the slots in use are looked at when somebody asks, and
//! what the router's threads count at the end of each request is compared with what it was before. A request that still runs counts for what it
//! ran until now, so that one of a minute is as much in each second as sixty of a second.

use crate::memory::now_ns;
use crate::router::Exchange;
use crate::slot::Phase;
use crate::sync::{AtomicU64, Ordering};

/// Who waits for less has not waited; nanoseconds.
const WORTH_NOTING_NS: u64 = 10_000_000;

/// The longest wait of the requests that ended, until somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    longest_ns: AtomicU64,
    /// When was last asked; CLOCK_MONOTONIC in nanoseconds.
    asked_ns: AtomicU64,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Load {
    /// Requests that wait for a worker.
    pub queued: u32,
    /// The longest that a request has waited, of those taken since the last look and of those that still wait; nanoseconds.
    pub longest_wait_ns: u64,
    /// For how long threads ran requests since the last look, all together; `None` where requests run on event loops, which run many at once
    /// and are busy with none of them while they wait. Nanoseconds.
    pub ran_ns: Option<u64>,
    /// Since the last look; nanoseconds.
    pub passed_ns: u64,
    /// Workers whose process is there and takes requests.
    pub serving: u32,
    /// Requests that run, by worker.
    pub running: Vec<u32>,
    /// Whether a request came, ran or ended since the last look.
    pub active: bool,
}

/// Looks at one exchange again and again, and tells what happened in between.
#[derive(Debug)]
pub struct Gauge {
    looked_ns: u64,
    /// Time that requests ran until then, those that had ended and those that had not.
    ran_ns: u64,
    /// Requests that had been queued, and those that had ended.
    seen: (u64, u64),
}

impl Gauge {
    /// Begins now.
    #[must_use]
    pub fn new(exchange: &Exchange) -> Self {
        let mut gauge = Self { looked_ns: now_ns(), ran_ns: 0, seen: (0, 0) };
        gauge.look(exchange);
        gauge
    }

    /// What there is to do, and what happened since the last look. Costs a look at each slot in use. Only one gauge an exchange is told of waits.
    pub fn look(&mut self, exchange: &Exchange) -> Load {
        let now = now_ns();
        let before = std::mem::replace(&mut self.looked_ns, now);
        let mut load = Load {
            longest_wait_ns: exchange.waits.take(now),
            passed_ns: now.saturating_sub(before),
            running: vec![0; exchange.config().workers as usize],
            ..Load::default()
        };
        let mut running_ns = 0_u64;
        for slot in exchange.used() {
            let state = exchange.slot(slot).state();
            let (queued, started, _) = exchange.times(slot);
            match state.phase {
                Phase::Queued => {
                    load.queued = load.queued.saturating_add(1);
                    load.longest_wait_ns = load.longest_wait_ns.max(now.saturating_sub(queued));
                }
                Phase::Running => {
                    // What a worker can write is an index here, and no more than that.
                    if let Some(count) = load.running.get_mut(usize::from(state.worker)) {
                        *count = count.saturating_add(1);
                    }
                    // A worker says that it runs a request a moment before it says since when.
                    if started > 0 {
                        running_ns = running_ns.saturating_add(now.saturating_sub(started));
                    }
                    if started >= before {
                        load.longest_wait_ns = load.longest_wait_ns.max(started.saturating_sub(queued));
                    }
                }
                Phase::Free | Phase::Done | Phase::Lost => {}
            }
        }
        let (mut ended, mut ended_ns) = (0_u64, 0_u64);
        for worker in 0..load.running.len() {
            let tally = exchange.tally(worker as u16);
            ended = ended.saturating_add(tally.requests);
            ended_ns = ended_ns.saturating_add(tally.application_ns);
        }
        let ran = ended_ns.saturating_add(running_ns);
        let ran_before = std::mem::replace(&mut self.ran_ns, ran);
        // No more than there are workers.
        load.serving = exchange.memory.staff().workers.iter().filter(|worker| worker.takes()).count() as u32;
        let loops = (0..load.running.len()).any(|worker| exchange.is_loop(worker as u16));
        // A request that was just done and is not counted yet is in neither sum for a moment.
        load.ran_ns = (!loops).then(|| ran.saturating_sub(ran_before));
        let seen = (exchange.memory.queue().tail.load(Ordering::Relaxed), ended);
        load.active = std::mem::replace(&mut self.seen, seen) != seen
            || load.queued > 0
            || load.running.iter().any(|count| *count > 0);
        load
    }
}

impl Waits {
    /// A request has ended that was queued and taken at these moments.
    pub(crate) fn note(&self, queued_ns: u64, started_ns: u64) {
        let waited = started_ns.saturating_sub(queued_ns);
        if waited >= WORTH_NOTING_NS && started_ns >= self.asked_ns.load(Ordering::Relaxed) {
            self.longest_ns.fetch_max(waited, Ordering::Relaxed);
        }
    }

    fn take(&self, now: u64) -> u64 {
        self.asked_ns.store(now, Ordering::Relaxed);
        self.longest_ns.swap(0, Ordering::Relaxed)
    }
}

impl Exchange {
    /// Notes that a request ended that was queued and taken at these moments: CLOCK_MONOTONIC, nanoseconds.
    pub fn note_wait(&self, queued_ns: u64, started_ns: u64) {
        self.waits.note(queued_ns, started_ns);
    }

    /// How many requests each worker runs now, by its index. Costs a look at each slot in use.
    #[must_use]
    pub fn running_by_worker(&self) -> Vec<u32> {
        let mut running = vec![0_u32; self.config().workers as usize];
        for slot in self.used() {
            let state = self.slot(slot).state();
            // What a worker can write is an index here, and no more than that.
            if state.phase == Phase::Running
                && let Some(count) = running.get_mut(usize::from(state.worker))
            {
                *count = count.saturating_add(1);
            }
        }
        running
    }

    /// The slots that are in use.
    fn used(&self) -> Vec<u32> {
        let producer = self.producer();
        (0..self.config().slots).filter(|slot| producer.is_used(*slot)).collect()
    }
}
