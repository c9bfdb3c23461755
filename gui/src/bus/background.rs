//! The figures of instances that run and are not on screen, for the list: looked at every few seconds, a few at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use hostler_bus::daemon::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Event;
use super::observing::{late, now_us, samples, told_past};
use super::session::Line;
use crate::model::Failure;

/// How often each is looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// A round takes at most one part in so many of the time: with many instances they are looked at less often.
const PAUSE_FACTOR: u32 = 5;
/// How many are asked at once.
const AT_ONCE: usize = 4;
/// How much of what was measured before is asked for, so that a sparkline has something to show.
const PAST_US: u64 = 600_000_000;
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Whom to look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Others {
    /// Those that run and are not on screen.
    pub(super) names: Vec<String>,
    /// Whether the window is seen.
    pub(super) shown: bool,
}

/// Looks until the session ends. While nothing runs, or nobody looks, it sleeps.
pub(super) async fn run(line: Line, mut others: watch::Receiver<Others>) {
    let mut known = HashSet::new();
    loop {
        let names = match others.wait_for(|others| others.shown && !others.names.is_empty()).await {
            Ok(others) => others.names.clone(),
            Err(_) => return,
        };
        let began = Instant::now();
        let new = names.iter().filter(|name| !known.contains(*name)).cloned().collect();
        known = names.iter().cloned().collect();
        round(&line, new, past).await;
        round(&line, names, look).await;
        tokio::time::sleep(INTERVAL.max(began.elapsed() * PAUSE_FACTOR)).await;
    }
}

/// Does it to each, a few at once.
async fn round<F>(line: &Line, names: Vec<String>, ask: impl Fn(Line, String) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for name in names {
        if asked.len() >= AT_ONCE {
            asked.join_next().await;
        }
        asked.spawn(ask(line.clone(), name));
    }
    while asked.join_next().await.is_some() {}
}

async fn past(line: Line, name: String) {
    let asking = samples(&line.client, &name, now_us().saturating_sub(PAST_US));
    if let Ok(Ok(past)) = tokio::time::timeout(LIMIT, asking).await {
        line.outbox.put(told_past(&line, &name, past)).await;
    }
}

async fn look(line: Line, name: String) {
    let asking = async { line.client.known_instance(&name).await?.status().await };
    let result = match tokio::time::timeout(LIMIT, asking).await {
        // It went away meanwhile, which is signalled.
        Ok(Err(Error::NoInstance { .. } | Error::Refused { .. })) => return,
        Ok(result) => result.map(Box::new).map_err(Failure::from),
        Err(_) => Err(late(LIMIT)),
    };
    line.outbox.put(Event::Status(line.key(&name), now_us(), result)).await;
}
