//! Orders to systemd: each is a job of systemd's, which is waited for.

use std::time::Duration;

use futures_lite::StreamExt;
use hostler_bus::daemon::{Error, Result, UnitFacts};
use zbus::zvariant::OwnedObjectPath;

use super::{Units, line, locked, name_in, service_of, socket_of};
use crate::ending::Ending;
use crate::systemd::ManagerProxy;

/// How long the next attempt of a start that failed may take to say why it fails.
const NEXT_FAILURE_LIMIT: Duration = Duration::from_secs(5);

/// What is to be done with a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Start,
    Stop,
    Restart,
}

impl Units {
    /// Does it, and waits until systemd says that it is done.
    pub(crate) async fn act(&self, unit: &str, verb: Verb) -> Result<()> {
        // Listening first: the job may end before its number is known.
        let mut removed = self.manager.receive_job_removed().await.map_err(|error| said(unit, &error))?;
        let job = match verb {
            Verb::Start => self.manager.start_unit(unit, "replace").await,
            Verb::Stop => self.manager.stop_unit(unit, "replace").await,
            Verb::Restart => self.manager.restart_unit(unit, "replace").await,
        };
        let job = match job {
            Ok(job) => job,
            // What is not loaded does not run.
            Err(error) if matches!(verb, Verb::Stop) && is(&error, "org.freedesktop.systemd1.NoSuchUnit") => {
                return Ok(());
            }
            Err(error) => return Err(said(unit, &error)),
        };
        let mut cancel = CancelJob { manager: Some(self.manager.clone()), job: job.clone() };
        while let Some(signal) = removed.next().await {
            let Ok(arguments) = signal.args() else { continue };
            if arguments.job == job {
                cancel.manager = None;
                return match arguments.result.as_str() {
                    "done" | "skipped" => Ok(()),
                    result => match self.why(unit, result).await {
                        None if matches!(verb, Verb::Start | Verb::Restart) => Ok(()),
                        why => Err(Error::Systemd { reason: why.unwrap_or_else(|| format!("{unit}: {result}")) }),
                    },
                };
            }
        }
        Err(Error::Systemd { reason: format!("{unit}: systemd hung up before it was done") })
    }

    /// Why a job of systemd's failed; `None` when the service serves all the same, as it was started once more for who waits at its socket.
    async fn why(&self, unit: &str, result: &str) -> Option<String> {
        let told = match name_in(unit) {
            Some((name, true)) => match self.failed_service(name).await {
                Some(facts) if facts.active == "active" => return None,
                Some(facts) if facts.result == "success" => {
                    Some("it is being started once more, for a request that waits; see its log".to_owned())
                }
                Some(UnitFacts { result, exit_status, status_text, .. }) => {
                    // It may be starting again already, and then systemd has forgotten how it ended.
                    let ended = self.ending(unit).await.unwrap_or_default();
                    let ended = Ending { result, exit_status, status_text: line(&status_text), ..ended };
                    Some(ended.sentence(unit, self.of_user))
                }
                None => None,
            },
            Some((name, false)) => self.socket(name).await.ok().map(|facts| format!("{}; see its log", facts.result)),
            None => None,
        };
        let told = told.unwrap_or_else(|| "systemd says no more; see its log".to_owned());
        Some(match result {
            "failed" => format!("{unit}: {told}"),
            _ => format!("{unit}: {result}: {told}"),
        })
    }

    /// What systemd says of a service that failed to start. Whoever waits at its socket has it started again at once, and then nothing is left of
    /// the failure: the next attempt tells as much, as soon as it has failed as well. One that comes to serve says that all is well.
    async fn failed_service(&self, name: &str) -> Option<UnitFacts> {
        let path = self.manager.load_unit(&service_of(name)).await.ok()?;
        let properties = zbus::fdo::PropertiesProxy::builder(&self.connection)
            .destination(super::SERVICE)
            .and_then(|builder| builder.path(path))
            .ok()?
            .build()
            .await
            .ok()?;
        let mut changes = properties.receive_properties_changed().await.ok()?;
        let told = async {
            loop {
                let (facts, _) = self.service(name).await.ok()?;
                if facts.result != "success" || facts.active == "active" {
                    return Some(facts);
                }
                changes.next().await?;
            }
        };
        match tokio::time::timeout(NEXT_FAILURE_LIMIT, told).await {
            Ok(facts) => facts,
            Err(_) => self.service(name).await.ok().map(|(facts, _)| facts),
        }
    }

    /// Forgets that it failed, and with that its start limits. Of one that is failing at this moment systemd would forget why, and call the
    /// start done that waits for its end.
    pub(crate) async fn reset_failed(&self, unit: &str) -> Result<()> {
        if self.state(unit).await.as_deref() != Some("failed") {
            return Ok(());
        }
        match self.manager.reset_failed_unit(unit).await {
            Err(error) if !is(&error, "org.freedesktop.systemd1.NoSuchUnit") => Err(said(unit, &error)),
            _ => Ok(()),
        }
    }

    /// Enables its socket, or disables socket and service.
    pub(crate) async fn enable(&self, name: &str, enabled: bool) -> Result<()> {
        let (socket, service) = (socket_of(name), service_of(name));
        let done = if enabled {
            self.manager.enable_unit_files(&[&socket], false, false).await.map(drop)
        } else {
            self.manager.disable_unit_files(&[&socket, &service], false).await.map(drop)
        };
        done.map_err(|error| said(&socket, &error))?;
        // Enabling changes files only; systemd knows of it when it has read them again.
        self.read_again(&socket).await
    }

    /// Has systemd read all unit files again: `systemctl daemon-reload`. `unit` is what it is done for.
    pub(crate) async fn read_again(&self, unit: &str) -> Result<()> {
        locked(&self.file_states).clear();
        locked(&self.listens).clear();
        self.manager.reload().await.map_err(|error| said(unit, &error))
    }
}

/// Cancels systemd's job when nobody waits for it any more.
struct CancelJob {
    manager: Option<ManagerProxy<'static>>,
    job: OwnedObjectPath,
}

impl Drop for CancelJob {
    fn drop(&mut self) {
        let id = self.job.as_str().rsplit('/').next().and_then(|id| id.parse().ok());
        if let (Some(manager), Some(id)) = (self.manager.take(), id) {
            tokio::spawn(async move {
                if let Err(error) = manager.cancel_job(id).await {
                    tracing::debug!(%error, id, "a job of systemd could not be cancelled");
                }
            });
        }
    }
}

fn is(error: &zbus::Error, name: &str) -> bool {
    matches!(error, zbus::Error::MethodError(found, ..) if found.as_str() == name)
}

fn said(unit: &str, error: &zbus::Error) -> Error {
    let text = match error {
        zbus::Error::MethodError(name, text, _) => text.clone().unwrap_or_else(|| name.to_string()),
        other => other.to_string(),
    };
    Error::Systemd { reason: format!("{unit}: systemd says: {text}") }
}
