//! Whether the workers make progress, for the watchdog: asked each time it is to be fed.
//!
//! The pool *stands still* when no request was taken or ended, no worker is being started or ended, and each that there is lies still. A worker lies
//! still when its process is stopped, or when it runs nothing, was rung for a request that waits, did not come, and used no CPU. So one that runs a
//! request for however long, or computes, or has nothing to do, makes progress. Only the current generation counts: the former ones end by their own rules.
//!
//! Where `timeout` is set, the server replaces such a worker by itself (`stall`). The watchdog is left hungry only if that did not help.

use std::collections::HashSet;
use std::time::Duration;

use hostler_supervisor::{WorkerState, WorkerStatus, vitals};
use tokio::time::Instant;

use super::generation::Generation;

/// How much longer than `timeout` the server has to replace workers, before the watchdog ends the service.
const LONGER: Duration = Duration::from_secs(5);

/// Looks at the pool again and again.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How it was when it stood still first.
    stands: Option<(Instant, Pool)>,
}

/// The workers of a generation, as they were at one moment; none of them is being started or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pool {
    generation: u64,
    /// Requests that were taken off the queue.
    taken: u64,
    /// Requests wait for a worker.
    wanted: bool,
    workers: Vec<Worker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Worker {
    pid: u32,
    stopped: bool,
    cpu: Duration,
    /// It runs no request.
    idle: bool,
    signs: u32,
}

impl Progress {
    /// Whether the pool has stood still for longer than is borne with. `limit` is how long may pass until the watchdog ends the service.
    pub(super) fn has_ended(&mut self, generation: &Generation, limit: Duration, now: Instant) -> bool {
        let timeout = generation.served.settings.pool.timeout;
        self.stood(Pool::of(generation), now).is_some_and(|stood| stood >= patience(limit, timeout))
    }

    /// For how long it has stood still; `None` when it does not.
    fn stood(&mut self, seen: Option<Pool>, now: Instant) -> Option<Duration> {
        let Some(seen) = seen.filter(Pool::may_stand) else {
            self.stands = None;
            return None;
        };
        match &self.stands {
            Some((since, before)) if seen.stands_since(before) => Some(now.saturating_duration_since(*since)),
            _ => {
                self.stands = Some((now, seen));
                Some(Duration::ZERO)
            }
        }
    }
}

/// How long the pool may stand still.
fn patience(limit: Duration, timeout: Duration) -> Duration {
    let own = if timeout.is_zero() { Duration::ZERO } else { timeout.saturating_add(LONGER) };
    own.max(limit / 2)
}

impl Pool {
    /// The pool as it is, with a ring for those that could take what waits; `None` when there is none, or it changes.
    fn of(generation: &Generation) -> Option<Self> {
        let Generation { exchange, supervisor, number, .. } = generation;
        let mut workers = Vec::new();
        let wanted = exchange.queued() > 0;
        let busy: HashSet<u16> = exchange.running_now().map(|view| view.worker).collect();
        for WorkerStatus { worker, pid, state, .. } in supervisor.workers() {
            match (state, pid) {
                (WorkerState::Ready, Some(pid)) => {
                    let vitals = vitals(pid)?;
                    let (idle, signs) = (!busy.contains(&worker), exchange.signs(worker));
                    workers.push(Worker { pid, stopped: vitals.stopped, cpu: vitals.cpu, idle, signs });
                    if wanted && idle {
                        exchange.ask_for_sign(worker);
                    }
                }
                (WorkerState::Absent | WorkerState::Retiring, _) => {}
                _ => return None,
            }
        }
        (!workers.is_empty()).then(|| Self { generation: *number, taken: exchange.taken(), wanted, workers })
    }

    /// Whether each worker may be lying still, as far as one look can tell.
    fn may_stand(&self) -> bool {
        self.workers.iter().all(|worker| worker.stopped || (self.wanted && worker.idle))
    }

    /// Whether nothing moved since `before`.
    fn stands_since(&self, before: &Self) -> bool {
        let same = (self.generation, self.taken, self.workers.len())
            == (before.generation, before.taken, before.workers.len());
        same && self.workers.iter().zip(&before.workers).all(|(now, then)| now.lies_since(then, before.wanted))
    }
}

impl Worker {
    /// Whether it lies still since it was as `then`; it was rung then, if it was `wanted`.
    fn lies_since(&self, then: &Self, wanted: bool) -> bool {
        let stopped = self.stopped && then.stopped;
        let silent = wanted && then.idle && (self.signs, self.cpu) == (then.signs, then.cpu);
        self.pid == then.pid && (stopped || silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn worker(pid: u32) -> Worker {
        Worker { pid, stopped: false, cpu: SECOND, idle: true, signs: 7 }
    }

    fn pool(wanted: bool, workers: &[Worker]) -> Pool {
        Pool { generation: 1, taken: 40, wanted, workers: workers.to_vec() }
    }

    /// For how many seconds it stands at the second look.
    fn stood(first: &Pool, second: &Pool) -> Option<u64> {
        let (mut progress, began) = (Progress::default(), Instant::now());
        progress.stood(Some(first.clone()), began);
        progress.stood(Some(second.clone()), began + 3 * SECOND).map(|stood| stood.as_secs())
    }

    #[test]
    fn an_idle_worker_that_does_not_come_stands_only_while_something_waits() {
        let (silent, stopped) = (worker(1), Worker { stopped: true, ..worker(2) });
        assert_eq!(stood(&pool(true, &[silent]), &pool(true, &[silent])), Some(3));
        assert_eq!(stood(&pool(true, &[silent, stopped]), &pool(true, &[silent, stopped])), Some(3));
        assert_eq!(stood(&pool(false, &[silent]), &pool(false, &[silent])), None, "it has nothing to do");
        assert_eq!(stood(&pool(false, &[silent]), &pool(true, &[silent])), Some(0), "it was not rung before");
        assert_eq!(stood(&pool(false, &[stopped]), &pool(false, &[stopped])), Some(3), "that is no rest");
    }

    #[test]
    fn whatever_moves_is_progress() {
        let (before, silent) = (pool(true, &[worker(1), worker(2)]), worker(1));
        for moved in [Worker { signs: 8, ..silent }, Worker { cpu: 2 * SECOND, ..silent }, Worker { pid: 3, ..silent }]
        {
            assert_eq!(stood(&before, &pool(true, &[moved, worker(2)])), Some(0), "{moved:?}");
        }
        let runs = Worker { idle: false, ..silent };
        assert_eq!(stood(&before, &pool(true, &[runs, worker(2)])), None, "however long");
        assert_eq!(stood(&before, &Pool { taken: 41, ..before.clone() }), Some(0));
        assert_eq!(stood(&before, &Pool { generation: 2, ..before.clone() }), Some(0));
        let held = Worker { idle: false, stopped: true, ..silent };
        assert_eq!(stood(&pool(false, &[held]), &pool(false, &[held])), Some(3), "what it runs does not");
    }

    #[test]
    fn a_look_that_finds_a_change_begins_anew() {
        let (mut progress, began) = (Progress::default(), Instant::now());
        let still = pool(true, &[worker(1)]);
        assert_eq!(progress.stood(Some(still.clone()), began), Some(Duration::ZERO));
        assert_eq!(progress.stood(None, began + SECOND), None);
        assert_eq!(progress.stood(Some(still.clone()), began + 2 * SECOND), Some(Duration::ZERO));
        assert_eq!(progress.stood(Some(still), began + 5 * SECOND), Some(3 * SECOND));
    }

    #[test]
    fn the_server_may_replace_workers_before_the_watchdog_ends_it() {
        assert_eq!(patience(30 * SECOND, Duration::ZERO), 15 * SECOND);
        assert_eq!(patience(30 * SECOND, 30 * SECOND), 35 * SECOND);
        assert_eq!(patience(120 * SECOND, 30 * SECOND), 60 * SECOND);
    }
}
