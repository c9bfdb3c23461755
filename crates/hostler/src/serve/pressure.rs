//! What is done when systemd says that memory is short (`MemoryPressureWatch=`, since 254): what is unused is given back, and at most once
//! a minute the worker that uses far more than the others is replaced.

use std::sync::Arc;
use std::time::Duration;

use hostler_supervisor::{WorkerState, WorkerStatus};
use hostler_systemd::Environment;
use hostler_systemd::pressure::{MemoryPressure, Ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::instance::Instance;

/// How long nobody is replaced after somebody was.
const PAUSE: Duration = Duration::from_secs(60);
/// How many times as much as the middle one of the others a worker uses, in percent, when it uses far more.
const FAR_MORE: u64 = 150;

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
    let mut replaced: Option<Instant> = None;
    loop {
        let Ok(mut guard) = pressure.ready(interest).await else { return };
        let ended = guard.ready().is_error() || !matches!(pressure.get_ref().take(), Ok(true));
        guard.clear_ready();
        if ended {
            tracing::debug!("memory pressure is not told any more");
            return;
        }
        for generation in instance.generations() {
            generation.exchange.trim(0);
        }
        if replaced.is_none_or(|at| at.elapsed() >= PAUSE) && replace(&instance).await {
            replaced = Some(Instant::now());
        } else {
            tracing::info!("memory is short: what was unused is given back");
        }
    }
}

/// Replaces the worker that uses far more than the others; false when there is none.
async fn replace(instance: &Instance) -> bool {
    let supervisor = instance.current().supervisor.clone();
    let workers = supervisor.sample().await;
    let Some((worker, memory)) = greediest(&workers) else { return false };
    if supervisor.recycle(worker).await.is_err() {
        return false;
    }
    tracing::info!(
        worker,
        memory_mib = memory / (1024 * 1024),
        "memory is short: what was unused is given back, and the worker that uses far more than the others is replaced"
    );
    true
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
