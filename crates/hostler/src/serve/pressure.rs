//! What is done when systemd says that memory is short (`MemoryPressureWatch=`, since 254; systemd.io/MEMORY_PRESSURE), in the order that
//! [`super::relief`] says: what is unused is given back at once, workers collect their garbage, the one that uses far more than the others is
//! replaced, and an instance that nobody asks anything sleeps or ends before its time, where the settings have it do so at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hostler_supervisor::{Collected, WorkerState, WorkerStatus};
use hostler_systemd::Environment;
use hostler_systemd::pressure::{MemoryPressure, Ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::instance::Instance;
use super::relief::{Relief, Step};

/// How long workers may take to collect their garbage, to be counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who was asked nothing for so long has nothing to do.
pub(super) const IDLE: Duration = Duration::from_secs(5);
/// How many times as much as the middle one of the others a worker uses, in percent, when it uses far more.
const FAR_MORE: u64 = 150;

/// What was done, since the start.
#[derive(Default)]
pub(super) struct Relieved {
    told: AtomicU64,
    collected: AtomicU64,
    recycled: AtomicU64,
    slept: AtomicU64,
    freed_bytes: AtomicU64,
}

/// The same, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// How often systemd said that memory is short.
    pub(super) told: u64,
    /// How often workers collected their garbage for it.
    pub(super) collected: u64,
    /// Workers that were replaced for it.
    pub(super) recycled: u64,
    /// How often the workers were let go for it.
    pub(super) slept: u64,
    /// What the collections gave back, in bytes.
    pub(super) freed_bytes: u64,
}

impl Relieved {
    pub(super) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            told: read(&self.told),
            collected: read(&self.collected),
            recycled: read(&self.recycled),
            slept: read(&self.slept),
            freed_bytes: read(&self.freed_bytes),
        }
    }
}

fn count(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Watches, as a task of the current runtime, where there is something to watch.
pub(super) fn watch(environment: &Environment, instance: Arc<Instance>) {
    let registered = MemoryPressure::from(environment)
        .map_err(|error| error.to_string())
        .and_then(|found| found.map(register).transpose().map_err(|error| error.to_string()));
    match registered {
        Ok(None) => {}
        Ok(Some(pressure)) => drop(tokio::spawn(follow(pressure, instance))),
        Err(error) => tracing::warn!(%error, "the server does not learn when memory is short"),
    }
}

#[expect(
    deprecated,
    reason = "the constructors that replace this one are unsafe because a type may answer with another descriptor each time; \
              this type never does, and unsafe code stays out of this crate"
)]
fn register(pressure: MemoryPressure) -> std::io::Result<AsyncFd<MemoryPressure>> {
    let interest = match pressure.ready() {
        Ready::Priority => Interest::PRIORITY,
        Ready::Readable => Interest::READABLE,
    };
    AsyncFd::with_interest(pressure, interest)
}

async fn follow(pressure: AsyncFd<MemoryPressure>, instance: Arc<Instance>) {
    let interest = match pressure.get_ref().ready() {
        Ready::Priority => Interest::PRIORITY | Interest::ERROR,
        Ready::Readable => Interest::READABLE | Interest::ERROR,
    };
    let mut relief = Relief::default();
    loop {
        let Ok(mut guard) = pressure.ready(interest).await else { return };
        let ended = guard.ready().is_error() || !matches!(pressure.get_ref().take(), Ok(true));
        guard.clear_ready();
        if ended {
            tracing::debug!("memory pressure is not told any more");
            return;
        }
        count(&instance.relieved.told, 1);
        for generation in instance.generations() {
            generation.exchange.trim(0);
        }
        if let Some((step, again)) = relief.next(Instant::now()) {
            let done = relieve(&instance, step, again).await;
            relief.did(done, Instant::now());
        }
    }
}

/// Takes the step, or the next one where that has nothing to do; returns which it was. What is done `again` without effect is not told again.
async fn relieve(instance: &Instance, step: Step, again: bool) -> Step {
    match step {
        Step::Collect => collect(instance).await,
        Step::Recycle if recycle(instance).await => {}
        Step::Recycle | Step::Sleep => {
            sleep(instance, again).await;
            return Step::Sleep;
        }
    }
    step
}

/// Has the workers of all generations collect their garbage, one generation after the other.
async fn collect(instance: &Instance) {
    let mut all = Vec::new();
    for generation in instance.generations() {
        all.extend(generation.supervisor.collect(PATIENCE).await);
    }
    let sum = |of: fn(&Collected) -> u64| all.iter().map(of).fold(0, u64::saturating_add);
    let (before, after) = (sum(|one| one.before), sum(|one| one.after));
    count(&instance.relieved.collected, 1);
    count(&instance.relieved.freed_bytes, before.saturating_sub(after));
    tracing::info!(
        workers = all.len(),
        objects = sum(|one| one.objects),
        before_bytes = before,
        after_bytes = after,
        "memory is short: the workers collected their garbage, and what was unused is given back"
    );
}

/// Replaces the worker that uses far more than the others; false when there is none.
async fn recycle(instance: &Instance) -> bool {
    let supervisor = instance.current().supervisor.clone();
    let workers = supervisor.sample().await;
    let Some((worker, memory)) = greediest(&workers) else { return false };
    if supervisor.recycle(worker).await.is_err() {
        return false;
    }
    count(&instance.relieved.recycled, 1);
    tracing::info!(
        worker,
        memory_bytes = memory,
        "memory is short all the while: the worker that uses far more than the others is replaced"
    );
    true
}

/// Lets the workers go, and has the server end, where it may and nobody asks anything.
async fn sleep(instance: &Instance, again: bool) {
    // The server's main task decides, which knows who is connected.
    instance.may_leave.notify_one();
    if instance.current().supervisor.doze(IDLE).await {
        count(&instance.relieved.slept, 1);
        tracing::info!(
            "memory is short all the while, and nobody asks anything: the workers are let go before their time"
        );
    } else if !again {
        tracing::info!("memory is short all the while, and there is nothing more to give back");
    }
}

/// The worker that uses far more memory than the others, and its bytes.
fn greediest(workers: &[WorkerStatus]) -> Option<(u16, u64)> {
    let serving = workers.iter().filter(|worker| worker.state == WorkerState::Ready && worker.recycling.is_none());
    let used = serving.filter_map(|worker| Some((worker.usage?.memory?, worker.worker)));
    far_above(used.collect())
}

fn far_above(mut used: Vec<(u64, u16)>) -> Option<(u16, u64)> {
    used.sort_unstable();
    let (most, worker) = used.pop()?;
    let (middle, _) = *used.get(used.len() / 2)?;
    (most / 100 > middle / 100 * FAR_MORE / 100).then_some((worker, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_far_above_the_others_is_replaced() {
        assert_eq!(far_above(vec![]), None);
        assert_eq!(far_above(vec![(900_000, 0)]), None, "there is nobody to compare it with");
        assert_eq!(far_above(vec![(300_000, 0), (200_000, 1)]), None);
        assert_eq!(far_above(vec![(200_000, 0), (310_000, 1)]), Some((1, 310_000)));
        assert_eq!(far_above(vec![(100_000, 0), (900_000, 3), (800_000, 1), (850_000, 2)]), None);
    }
}
