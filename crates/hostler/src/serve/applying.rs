//! Settings that take effect in the generation that serves, without another one.

use std::collections::BTreeSet;
use std::sync::Arc;

use hostler_bus::{Applied, Error, EventKind};
use hostler_settings::{Apply, Settings};
use tokio::sync::oneshot;

use super::generation::Generation;
use super::logs::Prepared;
use super::reloading::Loading;
use super::task::Main;
use super::translate;

/// Where the outcome goes.
pub(super) type Reply = oneshot::Sender<Result<Applied, Error>>;

/// Settings that would take effect at once, and whether they can.
struct Planned {
    settings: Settings,
    logs: Option<Prepared>,
    applied: Applied,
}

impl Main<'_> {
    /// Reads the settings anew, and puts those into effect that need no other generation: all of them, or none.
    pub(super) async fn apply(&self, reply: Reply, loading: Option<&Loading>) {
        let outcome = match self.plan(loading.is_some()).await {
            Ok(planned) => {
                self.put_in_effect(planned.settings, planned.logs).await;
                let keys = planned.applied.in_effect.join(", ");
                if !keys.is_empty() {
                    tracing::info!("changed settings are in effect: {keys}");
                    self.instance.happened(EventKind::Applied, &format!("changed: {keys}"));
                }
                Ok(planned.applied)
            }
            Err(reason) => {
                tracing::warn!("changed settings are not in effect: {reason}");
                Err(Error::Refused { reason })
            }
        };
        // Who asked may have hung up; the log has it.
        let _gone = reply.send(outcome);
    }

    async fn plan(&self, loads: bool) -> Result<Planned, String> {
        if self.estate.upgrade.is_some() {
            return Err("an upgrade is under way, which reads all settings anew".to_owned());
        }
        let next = self.source.settings_again().await?;
        let now = self.instance.current().served.settings.clone();
        let mut applied = Applied::default();
        for meta in now.differing(&next) {
            let keys = match meta.apply {
                // What is loading was read before, and would bring the former values back.
                Apply::Live if loads => &mut applied.needs_reload,
                Apply::Live => &mut applied.in_effect,
                Apply::NextGeneration => &mut applied.needs_reload,
                Apply::Restart => continue,
            };
            keys.push(meta.key.to_owned());
        }
        let waiting = self.awaits_restart(&next);
        applied.needs_restart = waiting.iter().cloned().collect();
        self.instance.view().awaits_restart = waiting;
        let mut settings = now.clone();
        if !applied.in_effect.is_empty() {
            settings.take_live(&next);
        }
        let logs = (settings.log != now.log).then(|| self.logs.prepare(&settings.log)).transpose()?;
        Ok(Planned { settings, logs, applied })
    }

    /// The settings that differ from those that this process was started with, and take effect when it is started anew.
    pub(super) fn awaits_restart(&self, next: &Settings) -> BTreeSet<String> {
        let differing = self.started.differing(next).into_iter();
        differing.filter(|meta| meta.apply == Apply::Restart).map(|meta| meta.key.to_owned()).collect()
    }

    /// Has the generation that serves keep to these settings, which differ from its own in what takes effect at once.
    pub(super) async fn put_in_effect(&self, settings: Settings, logs: Option<Prepared>) {
        let current = self.instance.current();
        let pool = &settings.pool;
        self.instance.router.configure(translate::router(&settings, self.cores)).await;
        current.supervisor.set_timeouts(pool.graceful_timeout, pool.boot_timeout).await;
        if let Some(logs) = logs {
            self.logs.take(logs, &self.instance.router).await;
        }
        let mut served = current.served.clone();
        served.settings = settings;
        let (exchange, supervisor) = (Arc::clone(&current.exchange), current.supervisor.clone());
        let keeping = Generation::of(current.number, served, exchange, supervisor);
        self.instance.view().current = Arc::new(keeping);
    }
}
