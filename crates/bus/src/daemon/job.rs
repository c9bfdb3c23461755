//! `org.hostler.Hostler1.Job`: long work. The definition that both the server side and the proxy are made from, and what a
//! job tells.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use zbus::message::Header;
use zbus::zvariant::Type;

use super::control::Caller;
use super::error::{Error, Result};
use super::manager::Calls;
use super::words::{JobKind, JobState};
use crate::wire;

/// What came of a job that was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Outcome {
    /// What was done, in one line.
    #[serde(with = "wire")]
    pub message: String,
    /// The generation that serves; none where none was made.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The revision of the settings file; none where it was not written.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Keys whose change took effect.
    #[serde(with = "wire")]
    pub took_effect: Vec<String>,
    /// Keys whose change waits for a restart.
    #[serde(with = "wire")]
    pub awaits_restart: Vec<String>,
}

impl Outcome {
    /// What everybody may know of it: nothing of what a settings file says.
    fn in_public(&self) -> Self {
        Self { message: "it is done".to_owned(), generation: self.generation, ..Self::default() }
    }
}

/// A job at one moment; its fields are the properties of its object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What it does.
    pub kind: JobKind,
    /// The instance that it does it to.
    pub instance: String,
    /// Who began it: the unique name on the bus; none for the other end of a pair of sockets.
    pub by: Option<String>,
    /// How far it is.
    pub state: JobState,
    /// What it is at, in a few words.
    pub stage: String,
    /// How much of it is done, between 0 and 1.
    pub progress: f64,
    /// What came of it; none while it runs.
    pub result: Option<Result<Outcome>>,
}

/// The object of one job.
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) calls: Calls,
    pub(super) report: watch::Receiver<Report>,
}

#[zbus::interface(
    name = "org.hostler.Hostler1.Job",
    proxy(gen_blocking = false, default_service = "org.hostler.Hostler1")
)]
impl Job {
    /// Waits for its end, and answers what came of it: its failure is the call's. A job can be asked for a minute after its
    /// end. Whoever neither began it nor may read the instance's log and settings is told no more than the properties tell everybody.
    async fn wait(&self, #[zbus(header)] header: Header<'_>) -> Result<Outcome> {
        let caller = Caller::of(&header);
        let mut report = self.report.clone();
        let ended = report.wait_for(|report| report.result.is_some()).await.map(|report| report.clone());
        let Ok(Report { result: Some(result), by, instance, .. }) = ended else {
            return Err(Error::Internal { reason: "the job ended without a result".to_owned() });
        };
        let own = by == caller.sender;
        if own || self.calls.run(|daemon| async move { Ok(daemon.reads(caller, instance).await) }).await? {
            return result;
        }
        match result {
            Ok(outcome) => Ok(outcome.in_public()),
            Err(error) => Err(error.in_public()),
        }
    }

    /// Cancels it, as far as it can be: what systemd or the instance has begun may go on.
    #[zbus(proxy(allow_interactive_auth))]
    async fn cancel(&self, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let (caller, number) = (Caller::of(&header), self.number);
        self.calls.run(move |daemon| async move { daemon.cancel(caller, number).await }).await
    }

    /// What it does: a word of [`JobKind`].
    #[zbus(property(emits_changed_signal = "const"))]
    async fn kind(&self) -> String {
        self.report.borrow().kind.as_str().to_owned()
    }

    /// The instance that it does it to.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn instance(&self) -> String {
        self.report.borrow().instance.clone()
    }

    /// How far it is: a word of [`JobState`].
    #[zbus(property)]
    async fn state(&self) -> String {
        self.report.borrow().state.as_str().to_owned()
    }

    /// What it is at, in a few words.
    #[zbus(property)]
    async fn stage(&self) -> String {
        self.report.borrow().stage.clone()
    }

    /// How much of it is done, between 0 and 1.
    #[zbus(property)]
    async fn progress(&self) -> f64 {
        self.report.borrow().progress
    }

    /// Why it failed, as everybody may know it: the error's name, a sentence, and nothing; all empty while it has not. `Wait` tells all.
    #[zbus(property)]
    async fn failure(&self) -> (String, String, String) {
        failure(&self.report.borrow())
    }
}

pub(super) fn failure(report: &Report) -> (String, String, String) {
    match &report.result {
        Some(Err(error)) => {
            let (name, message, _) = error.in_public().to_wire();
            (name.to_owned(), message, String::new())
        }
        _ => Default::default(),
    }
}
