//! Sockets that systemd's limits stopped: nobody could connect any more until an operator came. They are started again, a few
//! times, and it is said.
//!
//! The units of Hostler turn those limits off; units that were written by hand, or drop-ins, may have them
//! (`TriggerLimitIntervalSec=`, `StartLimitIntervalSec=`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::units::{Pair, Units, Verb, service_of, socket_of};

/// What systemd calls a unit's end by its limits: its Result.
const LIMITS: [&str; 3] = ["trigger-limit-hit", "service-start-limit-hit", "start-limit-hit"];

/// How often one instance is healed within the span: a socket that fails again and again has a cause that somebody has to
/// see.
const TIMES: usize = 3;
const SPAN: Duration = Duration::from_secs(600);

/// What was done, and when.
#[derive(Debug, Default)]
pub(crate) struct Healer {
    done: Mutex<HashMap<String, VecDeque<(Instant, String)>>>,
}

impl Healer {
    /// Starts the instance's socket again, where a limit stopped it. Returns whether something was done.
    pub(crate) async fn heal(&self, units: &Units, name: &str, pair: &Pair) -> bool {
        let Some(limit) = stopped_by(pair).filter(|limit| self.may(name, limit, Instant::now())) else { return false };
        for unit in [service_of(name), socket_of(name)] {
            if let Err(error) = units.reset_failed(&unit).await {
                tracing::warn!(%error, unit, "a failed unit cannot be reset");
            }
        }
        match units.act(&socket_of(name), Verb::Start).await {
            Ok(()) => tracing::warn!(name, limit, "a socket that systemd's limit had stopped was started again"),
            Err(error) => {
                tracing::error!(%error, name, limit, "a socket that systemd's limit stopped cannot be started")
            }
        }
        true
    }

    /// Notes it, unless it was done too often.
    fn may(&self, name: &str, limit: &str, now: Instant) -> bool {
        let mut all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done = all.entry(name.to_owned()).or_default();
        if done.iter().filter(|(when, _)| now.duration_since(*when) < SPAN).count() >= TIMES {
            return false;
        }
        if done.len() == TIMES {
            done.pop_front();
        }
        done.push_back((
            now,
            format!("its socket had been stopped by systemd's limit ({limit}), and was started again"),
        ));
        true
    }

    /// What was done to that instance, the latest last.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        let all = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done = all.get(name).into_iter().flatten();
        done.map(|(when, what)| format!("{} s ago {what}", when.elapsed().as_secs())).collect()
    }
}

/// The limit that stopped its socket.
fn stopped_by(pair: &Pair) -> Option<&str> {
    let socket = pair.socket.as_ref().filter(|socket| socket.active == "failed")?;
    LIMITS.contains(&socket.result.as_str()).then_some(socket.result.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Unit;

    #[test]
    fn only_limits_and_not_for_ever() {
        let socket = |result: &str| Pair {
            socket: Some(Unit { active: "failed".to_owned(), result: result.to_owned(), ..Unit::default() }),
            service: None,
        };
        assert_eq!(stopped_by(&socket("resources")), None, "an address in use is not mended by trying");
        assert_eq!(stopped_by(&socket("trigger-limit-hit")), Some("trigger-limit-hit"));
        assert_eq!(stopped_by(&Pair::default()), None);
        let (healer, now) = (Healer::default(), Instant::now());
        let tries: Vec<_> = (0..4).map(|_| healer.may("shop", "start-limit-hit", now)).collect();
        assert_eq!(tries, [true, true, true, false]);
        assert!(healer.may("blog", "start-limit-hit", now));
        assert!(healer.may("shop", "start-limit-hit", now + SPAN));
        assert_eq!(healer.told("shop").len(), 3);
    }
}
