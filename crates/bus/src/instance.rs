//! `org.hostler.Instance1`: the definition that both the server side and the proxy are made from.

use std::future::Future;
use std::sync::Arc;

use crate::control::Control;
use crate::error::{Error, Result};
use crate::samples::Samples;
use crate::status::Status;
use crate::text::clean;
use crate::words::LogLevel;
use crate::workers::{Applied, Reloaded, Request, Upgraded, Worker};

/// The object that one connection talks to.
pub(crate) struct Instance {
    pub(crate) control: Arc<dyn Control>,
}

#[zbus::interface(
    name = "org.hostler.Instance1",
    proxy(gen_blocking = false, default_path = "/org/hostler/Instance1", default_service = "org.hostler.Instance1")
)]
impl Instance {
    /// The instance at this moment.
    async fn status(&self) -> Result<Status> {
        let mut status = self.call(|control| async move { control.status().await }).await?;
        let observed = &mut status.observed;
        let reload = observed.last_reload.iter_mut().map(|reload| &mut reload.message);
        let error = observed.last_error.iter_mut().map(|error| &mut error.message);
        let events = observed.events.iter_mut().map(|event| &mut event.message);
        reload.chain(error).chain(events).for_each(|text| *text = clean(std::mem::take(text)));
        Ok(status)
    }

    /// What it was like in each span of time that ended after that moment (microseconds since 1970, UTC; 0 for all that is
    /// kept), and what happened.
    async fn samples(&self, since_us: u64) -> Result<Samples> {
        let mut samples = self.call(move |control| async move { control.samples(since_us).await }).await?;
        samples.events.iter_mut().for_each(|event| event.message = clean(std::mem::take(&mut event.message)));
        Ok(samples)
    }

    /// All workers of all generations.
    async fn workers(&self) -> Result<Vec<Worker>> {
        self.call(|control| async move { control.workers().await }).await
    }

    /// All requests that are in the instance.
    async fn requests(&self) -> Result<Vec<Request>> {
        self.call(|control| async move { control.requests().await }).await
    }

    /// The Python stacks of one worker.
    async fn stacks(&self, worker: u32) -> Result<String> {
        self.call(move |control| async move { control.stacks(worker).await }).await.map(clean)
    }

    /// Makes the next generation; answers when it serves or was thrown away, which may take minutes.
    async fn reload(&self) -> Result<Reloaded> {
        self.call(|control| async move { control.reload().await }).await
    }

    /// Reads the settings anew, and puts those into effect that need no other generation.
    async fn apply_settings(&self) -> Result<Applied> {
        self.call(|control| async move { control.apply_settings().await }).await
    }

    /// Brings the previous good generation back.
    async fn rollback(&self) -> Result<Reloaded> {
        self.call(|control| async move { control.rollback().await }).await
    }

    /// Throws away the generation that Reload or Rollback is making; nothing when none is. Their answer says that it was cancelled.
    async fn cancel_reload(&self) -> Result<()> {
        self.call(|control| async move { control.cancel_reload().await }).await
    }

    /// Leaves the sockets to a new server process; answers when that serves or was thrown away, which may take minutes.
    async fn upgrade(&self) -> Result<Upgraded> {
        self.call(|control| async move { control.upgrade().await }).await
    }

    /// Sets the number of workers.
    async fn scale(&self, workers: u32) -> Result<()> {
        self.call(move |control| async move { control.scale(workers).await }).await
    }

    /// Replaces one worker.
    async fn recycle(&self, worker: u32) -> Result<()> {
        self.call(move |control| async move { control.recycle(worker).await }).await
    }

    /// The least severity that is logged: `debug`, `info`, `warning` or `error`.
    async fn log_level(&self) -> Result<LogLevel> {
        self.call(|control| async move { control.log_level().await }).await
    }

    /// Sets the least severity that is logged.
    async fn set_log_level(&self, level: LogLevel) -> Result<()> {
        if level == LogLevel::Unknown {
            let words: Vec<&str> = LogLevel::ALL.iter().map(|level| level.as_str()).collect();
            return Err(Error::Refused { reason: format!("a log level is one of {}", words.join(", ")) });
        }
        self.call(move |control| async move { control.set_log_level(level).await }).await
    }

    /// Counters and histograms in Prometheus' text format.
    async fn metrics(&self) -> Result<String> {
        self.call(|control| async move { control.metrics().await }).await.map(clean)
    }

    /// What the instance is doing: a word of [`crate::State`].
    #[zbus(property)]
    async fn state(&self) -> String {
        self.control.condition().borrow().state.as_str().to_owned()
    }

    /// The generation that serves; 0 before the first.
    #[zbus(property)]
    async fn generation(&self) -> u64 {
        self.control.condition().borrow().generation
    }

    /// The version of Hostler that the instance runs.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }
}

impl Instance {
    /// Runs a call in a task of its own: it ends whoever hangs up, and a panic of it is an answer.
    async fn call<T, F>(&self, run: impl FnOnce(Arc<dyn Control>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match tokio::spawn(run(Arc::clone(&self.control))).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                Err(Error::Internal { reason: "the call panicked, which the log tells of".to_owned() })
            }
            Err(_) => Err(Error::Internal { reason: "the instance is stopping".to_owned() }),
        }
    }
}
