//! The end of a server that nobody is connected to, where systemd starts it again with the next connection.
//!
//! The sockets are systemd's: what connects while the server ends waits there, and is served by the next one. A connection that was
//! accepted is served here, whatever was decided meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::instance::Instance;
use super::pressure;

/// How often is looked, at most and at least.
const LOOKS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(5);

/// Since when nobody is connected.
pub(super) struct Leaving {
    since: Instant,
    /// When it is looked next.
    look: Instant,
    /// Connections that were accepted until then.
    accepted: u64,
}

impl Leaving {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), look: Instant::now(), accepted: 0 }
    }

    /// Waits until nobody was connected for `exit_idle_time`, or for a shorter time when memory is short; for ever where the server does not leave. Cancel safe.
    pub(super) async fn is_due(leaving: &mut Option<Self>, instance: &Instance) {
        let Some(leaving) = leaving else { return std::future::pending().await };
        loop {
            let memory_is_short = tokio::select! {
                () = sleep_until(leaving.look) => false,
                () = instance.may_leave.notified() => true,
            };
            let set = instance.current().served.settings.life.exit_idle_time;
            leaving.look = Instant::now() + (set / 4).clamp(*LOOKS.start(), *LOOKS.end());
            let limit = if memory_is_short { set.min(pressure::IDLE) } else { set };
            let statistics = instance.router.statistics().await;
            if statistics.connections > 0 || statistics.accepted != leaving.accepted {
                leaving.since = Instant::now();
                leaving.accepted = statistics.accepted;
            }
            // Reloaded to 0: never.
            if !limit.is_zero() && leaving.since.elapsed() >= limit {
                return;
            }
        }
    }
}
