//! Sockets that systemd's limits stopped: nobody could connect any more until an operator came. They are started again, a few
//! times, and it is said.
//!
//! The units of Hostler turn those limits off; units that were written by hand, or drop-ins, may have them
//! (`TriggerLimitIntervalSec=`, `StartLimitIntervalSec=`). `OnFailure=` of the socket's unit starts the daemon, so that nobody has to call. What was
//! done is remembered in the daemon's directory: it leaves when it is idle, and the count goes on.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hostler_bus::daemon::Overview;
use serde::{Deserialize, Serialize};

use crate::clients::InUse;
use crate::metrics::now_us;
use crate::remembered::Remembered;
use crate::units::{Pair, Units, Verb, service_of, socket_of};

/// What systemd calls a unit's end by its limits: its Result.
const LIMITS: [&str; 3] = ["trigger-limit-hit", "service-start-limit-hit", "start-limit-hit"];

/// How often one instance is healed within the span: a socket that fails again and again has a cause that somebody has to
/// see.
const TIMES: usize = 3;
const SPAN: Duration = Duration::from_secs(600);

/// How long systemd may take to start a socket.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was done for one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    /// The last times that its socket was started again, the latest last.
    done: Vec<Once>,
    /// Whether it failed once more after that, and is left alone until somebody starts it.
    given_up: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Once {
    /// When, in microseconds since 1970.
    at_us: u64,
    /// Which limit had stopped it.
    limit: String,
}

/// What is to be done about a socket.
#[derive(Debug, PartialEq)]
enum Step {
    Start,
    /// From now on it is left alone.
    GiveUp,
    Nothing,
}

/// What was done for all. Cloned, it is the same.
#[derive(Clone, Debug)]
pub(crate) struct Healer {
    records: Arc<Remembered<Record>>,
    /// Those that are being healed now.
    under_way: Arc<Mutex<HashSet<String>>>,
}

impl Healer {
    /// With what former daemons did, as it stands in the daemon's directory.
    pub(crate) fn of(state: &Path) -> Self {
        Self { records: Arc::new(Remembered::of(state.join("healed"))), under_way: Arc::default() }
    }

    /// Begins to start the instance's socket again, where a limit stopped it. systemd's signals tell of the end.
    pub(crate) fn heal(&self, units: &Units, name: &str, pair: &Pair, in_use: &InUse) {
        if is_active(pair) {
            self.forgive(name);
            return;
        }
        let Some(limit) = stopped_by(pair) else { return };
        if locked(&self.under_way).contains(name) {
            return;
        }
        match self.step(name, limit, now_us()) {
            Step::Nothing => {}
            Step::GiveUp => tracing::error!(
                name,
                limit,
                "a socket was stopped by systemd's limit again and again, and is not started again: nobody can connect until somebody starts it"
            ),
            Step::Start => {
                locked(&self.under_way).insert(name.to_owned());
                let (healer, units, using) = (self.clone(), units.clone(), in_use.begin());
                let (name, limit) = (name.to_owned(), limit.to_owned());
                tokio::spawn(async move {
                    let _using = using;
                    start(&units, &name, &limit).await;
                    locked(&healer.under_way).remove(&name);
                });
            }
        }
    }

    /// Decides, and notes it.
    fn step(&self, name: &str, limit: &str, now_us: u64) -> Step {
        let mut record = self.records.get(name);
        if record.given_up {
            return Step::Nothing;
        }
        let span_us = SPAN.as_micros() as u64;
        // A clock that was put back makes no moment recent for ever.
        let recent = record.done.iter().filter(|once| now_us.abs_diff(once.at_us) < span_us).count();
        let step = if recent < TIMES {
            record.done.push(Once { at_us: now_us, limit: limit.to_owned() });
            let most = record.done.len().saturating_sub(TIMES);
            record.done.drain(..most);
            Step::Start
        } else {
            record.given_up = true;
            Step::GiveUp
        };
        self.records.put(name, &record);
        step
    }

    /// Somebody has started it: it may be healed again.
    fn forgive(&self, name: &str) {
        let mut record = self.records.get(name);
        if std::mem::take(&mut record.given_up) {
            record.done.clear();
            self.records.put(name, &record);
        }
    }

    /// Why that instance is left alone; none for one that is not.
    pub(crate) fn given_up(&self, name: &str) -> Option<String> {
        let record = self.records.get(name);
        record.given_up.then(|| {
            format!(
                "systemd's limit stopped its socket {} times within {} minutes, and it is not started again by itself: see its log, \
                 mend that, and `hostler start {name}`",
                TIMES + 1,
                SPAN.as_secs() / 60
            )
        })
    }

    /// What was done to that instance, the latest last.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        let now = now_us();
        let words = |once: &Once| {
            let ago = now.saturating_sub(once.at_us) / 1_000_000;
            format!(
                "{ago} s ago its socket had been stopped by systemd's limit ({}), and was started again",
                once.limit
            )
        };
        self.records.get(name).done.iter().map(words).chain(self.given_up(name)).collect()
    }

    /// Forgets all instances but these.
    pub(crate) fn keep_only(&self, instances: &[Overview]) {
        self.records.keep_only(instances);
    }
}

async fn start(units: &Units, name: &str, limit: &str) {
    for unit in [service_of(name), socket_of(name)] {
        if let Err(error) = units.reset_failed(&unit).await {
            tracing::warn!(%error, unit, "a failed unit cannot be reset");
        }
    }
    match tokio::time::timeout(PATIENCE, units.act(&socket_of(name), Verb::Start)).await {
        Ok(Ok(())) => tracing::warn!(name, limit, "a socket that systemd's limit had stopped was started again"),
        Ok(Err(error)) => {
            tracing::error!(%error, name, limit, "a socket that systemd's limit stopped cannot be started");
        }
        Err(_) => tracing::error!(name, limit, "a socket that systemd's limit stopped is not started in time"),
    }
}

fn is_active(pair: &Pair) -> bool {
    pair.socket.as_ref().is_some_and(|socket| socket.active == "active")
}

/// The limit that stopped its socket.
fn stopped_by(pair: &Pair) -> Option<&str> {
    let socket = pair.socket.as_ref().filter(|socket| socket.active == "failed")?;
    LIMITS.contains(&socket.result.as_str()).then_some(socket.result.as_str())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Unit;

    const MINUTE_US: u64 = 60_000_000;

    #[test]
    fn only_limits() {
        let socket = |result: &str| Pair {
            socket: Some(Unit { active: "failed".to_owned(), result: result.to_owned(), ..Unit::default() }),
            service: None,
        };
        assert_eq!(stopped_by(&socket("resources")), None, "an address in use is not mended by trying");
        assert_eq!(stopped_by(&socket("trigger-limit-hit")), Some("trigger-limit-hit"));
        assert_eq!(stopped_by(&Pair::default()), None);
    }

    #[test]
    fn a_few_times_also_by_the_next_daemon_and_not_for_ever() {
        let state = tempfile::tempdir().unwrap();
        let now = now_us();
        for minute in 0..3 {
            // Each time another daemon.
            let healer = Healer::of(state.path());
            assert_eq!(healer.step("shop", "start-limit-hit", now + minute * MINUTE_US), Step::Start);
        }
        let healer = Healer::of(state.path());
        assert_eq!(healer.told("shop").len(), 3);
        assert_eq!(healer.step("blog", "start-limit-hit", now), Step::Start, "each for itself");
        assert_eq!(healer.given_up("shop"), None);
        assert_eq!(healer.step("shop", "start-limit-hit", now + 9 * MINUTE_US), Step::GiveUp);
        // It is said once, and remembered, however long it takes until somebody comes.
        let later = Healer::of(state.path());
        assert_eq!(later.step("shop", "start-limit-hit", now + 900 * MINUTE_US), Step::Nothing);
        assert!(later.told("shop").last().unwrap().contains("hostler start shop"));
        later.forgive("shop");
        assert_eq!(Healer::of(state.path()).step("shop", "start-limit-hit", now + 901 * MINUTE_US), Step::Start);
        later.keep_only(&[]);
        assert_eq!(Healer::of(state.path()).told("shop"), Vec::<String>::new());
    }

    #[test]
    fn one_that_fails_now_and_then_is_always_healed() {
        let healer = Healer::of(tempfile::tempdir().unwrap().path());
        for round in 0..9 {
            assert_eq!(healer.step("shop", "trigger-limit-hit", round * 5 * MINUTE_US), Step::Start, "{round}");
        }
    }
}
