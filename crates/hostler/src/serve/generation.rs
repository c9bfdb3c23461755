//! A generation: one snapshot of the settings, one import of the code, its workers, its shared memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostler_channel::Loaded;
use hostler_exchange::{Exchange, now_ns};
use hostler_router::Router;
use hostler_supervisor::{Extension, Failure, Handle, Notice, Supervisor};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use super::stop::cancel_all;
use super::{Served, groups, pool, probe, translate};
use crate::refusal::Refusal;

/// Notices of a supervisor that nobody has read yet, at most.
const NOTICES: usize = 64;
/// How long the workers of a former generation may take to end, once nothing runs in it any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a generation that is ready has: its application as it was found, and what its supervisor tells from now on.
pub(super) type Ready = (Loaded, mpsc::Receiver<Notice>);

/// A generation, from its first process on.
pub(super) struct Generation {
    /// 1 for the first.
    pub(super) number: u64,
    pub(super) served: Served,
    pub(super) exchange: Arc<Exchange>,
    pub(super) supervisor: Handle,
    /// The instance stops: it has no more time.
    hurry: Notify,
}

/// Why a generation does not serve.
#[derive(Debug)]
pub(super) struct NotReady {
    pub(super) reason: String,
    /// What everybody may be told, where the reason quotes values of settings.
    pub(super) public: Option<String>,
    pub(super) traceback: Option<String>,
}

impl Generation {
    /// Makes the shared memory and starts the workers.
    pub(super) fn begin(
        number: u64,
        served: Served,
        extension: &Extension,
        router_threads: u32,
        strength: translate::Strength,
    ) -> io::Result<(Arc<Self>, mpsc::Receiver<Notice>)> {
        let sizes = translate::exchange(&served.settings, strength.places(), router_threads);
        let exchange = Arc::new(Exchange::create(sizes)?);
        let mut options = translate::supervisor(&served, strength, router_threads as u16);
        // One that is to follow another is thrown away when it is broken; while somebody develops, the next change is waited for.
        options.outlive_failures &= number == 1 && !served.settings.develop.reload;
        options.extension = Some(extension.clone());
        options.edition = number;
        options.groups = groups::of_generation(served.settings.life.memory_max);
        options.start.generation = number;
        let (sender, notices) = mpsc::channel(NOTICES);
        let supervisor = Supervisor::spawn(options, Arc::new(pool::Generation::new(Arc::clone(&exchange))), sender);
        Ok((Arc::new(Self::of(number, served, exchange, supervisor)), notices))
    }

    /// A generation of workers that are there.
    pub(super) fn of(number: u64, served: Served, exchange: Arc<Exchange>, supervisor: Handle) -> Self {
        Self { number, served, exchange, supervisor, hurry: Notify::new() }
    }

    /// Waits until all its workers are ready, and its `ready_path` is answered with 2xx.
    pub(super) async fn ready(self: Arc<Self>, notices: mpsc::Receiver<Notice>) -> Result<Ready, NotReady> {
        let (loaded, notices) = self.all_ready(notices).await?;
        if let Some(path) = &self.served.settings.life.ready_path {
            let limit = self.served.settings.pool.boot_timeout;
            let answered = timeout(limit, probe::ask(&self.exchange, path)).await;
            match answered {
                Ok(Ok(status)) if (200..300).contains(&status) => {}
                Ok(Ok(status)) => {
                    return Err(NotReady::because(format!("ready_path {} was answered with {status}", path.as_str())));
                }
                Ok(Err(reason)) => return Err(NotReady::because(format!("ready_path {}: {reason}", path.as_str()))),
                Err(_) => {
                    return Err(NotReady::because(format!(
                        "ready_path {} was not answered within boot_timeout",
                        path.as_str()
                    )));
                }
            }
        }
        Ok((loaded, notices))
    }

    async fn all_ready(&self, mut notices: mpsc::Receiver<Notice>) -> Result<Ready, NotReady> {
        let mut found = None;
        loop {
            match notices.recv().await {
                Some(Notice::Ready { loaded, .. }) => found = Some(loaded),
                Some(Notice::AllReady) => {
                    if let Some(loaded) = found {
                        return Ok((loaded, notices));
                    }
                }
                Some(Notice::WorkerDied { pid, .. }) if found.is_some() => {
                    return Err(NotReady::because(format!("worker process {pid} died before all were ready")));
                }
                Some(Notice::WorkerDied { .. }) => {}
                Some(Notice::Failed(failure)) => return Err(NotReady::from(failure)),
                Some(Notice::Stopped) | None => return Err(NotReady::because("it was stopped".to_owned())),
            }
        }
    }

    /// Ends a generation that never served.
    pub(super) async fn throw_away(&self) {
        self.supervisor.stop(false);
        self.supervisor.stopped().await;
    }

    /// Ends a generation that another has followed, in the router under the number `line`: its requests are finished first, up to
    /// `graceful_timeout`; then what is left is cancelled. Returns whether it is parked: its keeper is kept, and it can be brought back.
    pub(super) async fn retire(self: Arc<Self>, router: Arc<Router>, line: u32) -> bool {
        let patience = self.served.settings.pool.graceful_timeout;
        let by = now_ns().saturating_add(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
        self.exchange.stop_by(by);
        let finished = tokio::select! {
            () = router.former_finished(line) => true,
            () = sleep(patience) => false,
            () = self.hurry.notified() => false,
        };
        let develops = self.served.settings.develop.reload;
        let last_words = if develops { LAST_WORDS.min(patience) } else { LAST_WORDS };
        if !finished {
            if develops {
                tracing::info!(generation = self.number, "requests of a former generation still ran, and were cut off");
            } else {
                tracing::warn!(generation = self.number, "requests of a former generation still ran, and were cut off");
            }
            cancel_all(&self.exchange);
        }
        let parks = finished && self.served.settings.pool.preload && !develops;
        if parks && matches!(timeout(patience, self.supervisor.park()).await, Ok(true)) {
            tracing::info!(
                generation = self.number,
                "the former generation is parked: its code is kept for a rollback"
            );
            return true;
        }
        self.supervisor.stop(true);
        let patience = if finished { patience } else { last_words };
        if timeout(patience + last_words, self.supervisor.stopped()).await.is_err() {
            self.supervisor.stop(false);
            self.supervisor.stopped().await;
        }
        tracing::info!(generation = self.number, "the former generation is gone");
        false
    }

    /// Ends a generation that is parked.
    pub(super) async fn abandon(&self) {
        self.supervisor.stop(true);
        if timeout(LAST_WORDS, self.supervisor.stopped()).await.is_err() {
            self.supervisor.stop(false);
            self.supervisor.stopped().await;
        }
    }

    /// Brings a generation back that was parked, as that of another number.
    pub(super) fn again(&self, number: u64) -> Arc<Self> {
        self.exchange.stop_by(0);
        Arc::new(Self::of(number, self.served.clone(), Arc::clone(&self.exchange), self.supervisor.clone()))
    }

    /// Takes its remaining time from a former generation, as the instance stops.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }
}

impl NotReady {
    pub(super) fn because(reason: String) -> Self {
        Self::of_application(reason, None)
    }

    /// What the application itself is the reason of, with its traceback if there is one.
    pub(super) fn of_application(reason: String, traceback: Option<String>) -> Self {
        Self { reason, public: None, traceback }
    }

    /// What everybody may be told.
    pub(super) fn in_public(&self) -> &str {
        self.public.as_ref().unwrap_or(&self.reason)
    }
}

impl From<Refusal> for NotReady {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.message, public: refusal.public, traceback: None }
    }
}

impl From<Failure> for NotReady {
    fn from(failure: Failure) -> Self {
        let reason = failure.to_string();
        let traceback = match failure {
            Failure::Import { traceback, .. } => traceback,
            _ => None,
        };
        Self::of_application(reason, traceback)
    }
}
