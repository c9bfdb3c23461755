//! What jobs do.

use std::time::Duration;

use hostler_bus::daemon::{Error, JobKind, Order, Outcome, Overview, Result};
use hostler_bus::{InstanceProxy, Reloaded};

use crate::authority::Right;
use crate::daemon::Hostlerd;
use crate::jobs::Progress;
use crate::patience::{QUICK, SLOW, within};
use crate::settings::{changed_keys, size};
use crate::units::{Units, Verb, service_of, socket_of};

/// What a job is called, and the right it takes, as far as that does not depend on what changes.
pub(crate) fn kind(order: &Order) -> JobKind {
    match order {
        Order::Start => JobKind::Start,
        Order::Stop => JobKind::Stop,
        Order::Restart => JobKind::Restart,
        Order::Reload => JobKind::Reload,
        Order::Rollback => JobKind::Rollback,
        Order::Upgrade => JobKind::Upgrade,
        Order::Wake => JobKind::Wake,
        Order::Sleep => JobKind::Sleep,
        Order::Apply { .. } | Order::ApplyText { .. } => JobKind::Apply,
        Order::Undo { .. } | Order::Restore { .. } => JobKind::Undo,
    }
}

/// How many bytes a client sent with an order to change settings; `None` for one that changes none.
pub(crate) fn sent(order: &Order) -> Option<usize> {
    match order {
        Order::Apply { revision, changes } => Some(revision.len() + size(changes)),
        Order::ApplyText { revision, text } => Some(revision.len() + text.len()),
        Order::Undo { revision } => Some(revision.len()),
        Order::Restore { revision, to } => Some(revision.len() + to.len()),
        _ => None,
    }
}

/// The right that a change of a text takes: to deploy, if any key that changes decides what code runs, or is not known.
pub(crate) fn right_to_change(before: &str, after: &str) -> Right {
    let harmless = |key: &String| hostler_settings::metas().iter().any(|meta| meta.key == *key && !meta.decides_code());
    match changed_keys(before, after) {
        Some(keys) if keys.iter().all(harmless) => Right::Configure,
        _ => Right::Deploy,
    }
}

impl Hostlerd {
    /// Does what is no change of settings.
    pub(crate) async fn control(self, overview: Overview, order: Order, progress: Progress) -> Result<Outcome> {
        let name = overview.name.as_str();
        let message = match order {
            Order::Reload | Order::Rollback => return self.renew(name, &order, &progress).await,
            Order::Upgrade => {
                let instance = self.returning(name).await?;
                progress.at("the program is started anew, and takes the sockets over when it serves", 0.2);
                let upgraded = instance.upgrade().await?;
                self.returned(name, upgraded.pid).await;
                let version = match upgraded.version.as_str() {
                    "" => String::new(),
                    version => format!("hostler {version}, "),
                };
                let (pid, seconds) = (upgraded.pid, upgraded.seconds);
                let message = format!("{version}process {pid} of {name} serves, after {seconds:.1} s");
                return Ok(Outcome { message, ..Outcome::default() });
            }
            Order::Start => {
                let units = self.units_of(&overview)?;
                self.unlimited(units, name).await?;
                start(units, &[socket_of(name), service_of(name)], &progress).await?;
                "started"
            }
            Order::Stop => {
                let units = self.units_of(&overview)?;
                // The socket first: else a request could wake what was just stopped.
                progress.at("stopping its socket", 0.1);
                units.act(&socket_of(name), Verb::Stop).await?;
                progress.at("stopping its service, which finishes what it runs", 0.3);
                units.act(&service_of(name), Verb::Stop).await?;
                "stopped"
            }
            Order::Restart => {
                let units = self.units_of(&overview)?;
                self.unlimited(units, name).await?;
                progress.at("restarting its service, which finishes what it runs first", 0.2);
                units.act(&service_of(name), Verb::Restart).await?;
                "restarted"
            }
            Order::Wake => {
                let units = self.units_of(&overview)?;
                start(units, &[service_of(name)], &progress).await?;
                "awake"
            }
            Order::Sleep => {
                let units = self.units_of(&overview)?;
                if units.socket(name).await.is_ok_and(|socket| socket.active != "active") {
                    let reason =
                        format!("{name} has no socket that listens, so that no request would wake it; stop it");
                    return Err(Error::Refused { reason });
                }
                progress.at("stopping its service, which finishes what it runs", 0.2);
                units.act(&service_of(name), Verb::Stop).await?;
                "asleep; the next request wakes it"
            }
            Order::Apply { .. } | Order::ApplyText { .. } | Order::Undo { .. } | Order::Restore { .. } => {
                return Err(Error::Internal {
                    reason: "an order to change settings came to the wrong place".to_owned(),
                });
            }
        };
        Ok(Outcome { message: format!("{name} is {message}"), ..Outcome::default() })
    }

    /// Waits a moment until that process answers in place of the one before, so that who asks next is answered.
    async fn returned(&self, name: &str, pid: u32) {
        const MOMENT: std::time::Duration = std::time::Duration::from_millis(50);
        const LOOKS: usize = 60;
        let looks = async {
            for _ in 0..LOOKS {
                self.refresh().await;
                if let Ok(instance) = self.running(name)
                    && within(QUICK, instance.status()).await.is_ok_and(|status| status.observed.pid == pid)
                {
                    return;
                }
                tokio::time::sleep(MOMENT).await;
            }
        };
        if tokio::time::timeout(SLOW, looks).await.is_err() {
            tracing::warn!(name, pid, "the server that took an instance over does not answer");
        }
    }

    /// Lets the instance make another generation.
    async fn renew(&self, name: &str, order: &Order, progress: &Progress) -> Result<Outcome> {
        let instance = self.returning(name).await?;
        progress.at("the next generation is being made", 0.2);
        let reloaded = match order {
            Order::Rollback => unless_cancelled(&instance, instance.rollback(), progress).await?,
            _ => reload(&instance, progress).await?,
        };
        let message = format!("generation {} of {name} serves, after {:.1} s", reloaded.generation, reloaded.seconds);
        Ok(Outcome { message, generation: Some(reloaded.generation), ..Outcome::default() })
    }

    /// systemd, where it manages the instance.
    fn units_of(&self, overview: &Overview) -> Result<&Units> {
        let units = self.units()?;
        if overview.managed {
            return Ok(units);
        }
        let reason = format!(
            "{} was started by hand, not by systemd: stop it where it was started, then start it here",
            overview.name
        );
        Err(Error::Refused { reason })
    }

    /// A start by hand is not refused for former failures.
    async fn unlimited(&self, units: &Units, name: &str) -> Result<()> {
        units.reset_failed(&service_of(name)).await?;
        units.reset_failed(&socket_of(name)).await
    }
}

/// Reloads an instance; its own error says why it did not come to that, with the traceback.
pub(crate) async fn reload(instance: &InstanceProxy<'_>, progress: &Progress) -> Result<Reloaded> {
    unless_cancelled(instance, instance.reload(), progress).await
}

/// Waits for the next generation, or has it thrown away when the job is cancelled.
async fn unless_cancelled(
    instance: &InstanceProxy<'_>,
    made: impl Future<Output = hostler_bus::Result<Reloaded>>,
    progress: &Progress,
) -> Result<Reloaded> {
    tokio::pin!(made);
    tokio::select! {
        made = &mut made => return Ok(made?),
        () = progress.cancelled() => progress.at("cancelled: the next generation is thrown away", 0.9),
    }
    if let Err(error) = within(QUICK, instance.cancel_reload()).await {
        tracing::warn!(%error, "an instance does not cancel its reload, which goes on");
    }
    after_cancelling(made, SLOW).await
}

/// What came of a generation that is to be thrown away.
async fn after_cancelling(
    made: impl Future<Output = hostler_bus::Result<Reloaded>>,
    limit: Duration,
) -> Result<Reloaded> {
    // It may have come to serve just before.
    match tokio::time::timeout(limit, made).await {
        Ok(Err(hostler_bus::Error::ReloadFailed { .. })) => Err(Error::Cancelled),
        Ok(other) => Ok(other?),
        Err(_) => {
            let seconds = limit.as_secs();
            let reason = format!(
                "cancelled, and the instance did not answer within {seconds} seconds: what became of its next generation is not known; \
                 see its status"
            );
            Err(Error::Refused { reason })
        }
    }
}

/// Starts units one after the other. When the job is cancelled, those that were not active are stopped again.
async fn start(units: &Units, all: &[String], progress: &Progress) -> Result<()> {
    let mut begun = Vec::new();
    for (index, unit) in all.iter().enumerate() {
        let what = if unit.ends_with(".socket") { "starting its socket" } else { "starting its service" };
        progress.at(what, 0.1 + 0.2 * index as f64);
        if !units.is_active(unit).await {
            begun.push(unit);
        }
        tokio::select! {
            started = units.act(unit, Verb::Start) => started?,
            () = progress.cancelled() => {
                progress.at("cancelled: stopping what was started", 0.9);
                for unit in begun {
                    units.act(unit, Verb::Stop).await?;
                }
                return Err(Error::Cancelled);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cancelled_reload_ends_whether_or_not_the_instance_answers() {
        let suspended = after_cancelling(std::future::pending(), Duration::ZERO).await.unwrap_err();
        assert!(suspended.to_string().contains("within 0 seconds: what became of its next generation is not known"));
        let thrown_away = hostler_bus::Error::ReloadFailed { reason: "cancelled".to_owned(), traceback: String::new() };
        let ended = after_cancelling(std::future::ready(Err(thrown_away)), SLOW).await;
        assert_eq!(ended, Err(Error::Cancelled));
        let served = Reloaded { generation: 4, seconds: 0.5 };
        let just_before = after_cancelling(std::future::ready(Ok(served.clone())), SLOW).await;
        assert_eq!(just_before, Ok(served));
    }

    #[test]
    fn what_runs_code_takes_the_right_to_deploy() {
        let table = [
            ("workers = 1", "workers = 2", Right::Configure),
            ("workers = 1", "# a comment\nworkers = 1", Right::Configure),
            ("workers = 1", "workers = 2\napp = \"a:b\"", Right::Deploy),
            ("app = \"a:b\"", "", Right::Deploy),
            ("env = [\"A=b\"]", "env = [\"A=c\"]", Right::Deploy),
            ("workers = 1", "workers = 1\nunknown = 2", Right::Deploy),
            ("workers = 1", "= =", Right::Deploy),
        ];
        for (before, after, right) in table {
            assert_eq!(right_to_change(before, after), right, "{before:?} {after:?}");
        }
    }
}
