//! `org.hostler.Hostler1.Instance`: the definition that both the server side and the proxy are made from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::message::Header;
use zbus::zvariant::{Fd, OwnedFd, OwnedObjectPath, OwnedValue, Value};

use super::control::{Caller, Order};
use super::error::Result;
use super::logs::{LogFilter, LogPage};
use super::manager::Calls;
use super::overview::{Detail, Overview};
use super::path::job_path;
use super::tree::{last_reload, security};
use crate::samples::Samples;
use crate::words::LogLevel;
use crate::workers::{Request, Worker};

/// The object of one instance.
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) calls: Calls,
    pub(super) overview: Arc<Mutex<Overview>>,
}

#[zbus::interface(
    name = "org.hostler.Hostler1.Instance",
    proxy(gen_blocking = false, default_service = "org.hostler.Hostler1")
)]
impl Instance {
    /// All that is known of it now: what is configured, and what is observed.
    async fn status(&self, #[zbus(header)] header: Header<'_>) -> Result<Detail> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.detail(caller, name).await }).await
    }

    /// What it was like over the last day, in each span of time that ended after that moment (microseconds since 1970, UTC; 0 for all
    /// that is kept), and what happened to it.
    async fn samples(&self, #[zbus(header)] header: Header<'_>, since_us: u64) -> Result<Samples> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(move |daemon| async move { daemon.samples(caller, name, since_us).await }).await
    }

    /// Its workers, of all generations.
    async fn workers(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Worker>> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.workers(caller, name).await }).await
    }

    /// All requests that are in it.
    #[zbus(proxy(allow_interactive_auth))]
    async fn requests(&self, #[zbus(header)] header: Header<'_>) -> Result<Vec<Request>> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.requests(caller, name).await }).await
    }

    /// The Python stacks of one of its workers.
    #[zbus(proxy(allow_interactive_auth))]
    async fn stacks(&self, #[zbus(header)] header: Header<'_>, worker: u32) -> Result<String> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        let stacks = self.calls.run(move |daemon| async move { daemon.stacks(caller, name, worker).await }).await;
        stacks.map(crate::text::clean)
    }

    /// Starts its socket and its service; done when it serves. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn start(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Start).await
    }

    /// Stops its socket and its service; done when both have ended. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn stop(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Stop).await
    }

    /// Stops and starts its service; its socket listens on meanwhile. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn restart(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Restart).await
    }

    /// Makes the next generation; done when that serves, and failed, with the traceback, when it was thrown away. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn reload(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Reload).await
    }

    /// Brings its previous good generation back. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn rollback(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Rollback).await
    }

    /// Starts the program of its server anew, as after an update of it, and leaves the sockets to it; done when that serves. Answers with
    /// the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn upgrade(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Upgrade).await
    }

    /// Starts its service, if it sleeps. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn wake(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Wake).await
    }

    /// Stops its service; its socket listens on, and the next request wakes it. Answers with the job.
    #[zbus(proxy(allow_interactive_auth))]
    async fn sleep(&self, #[zbus(header)] header: Header<'_>) -> Result<OwnedObjectPath> {
        self.begin(&header, Order::Sleep).await
    }

    /// Lets its socket start with the system (system) or the session (user), so that requests start it.
    #[zbus(proxy(allow_interactive_auth))]
    async fn enable(&self, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.enable(caller, name, true).await }).await
    }

    /// Ends that, for its socket and its service. What runs goes on.
    #[zbus(proxy(allow_interactive_auth))]
    async fn disable(&self, #[zbus(header)] header: Header<'_>) -> Result<()> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.enable(caller, name, false).await }).await
    }

    /// Sets the number of its workers by hand, until the next reload.
    #[zbus(proxy(allow_interactive_auth))]
    async fn scale(&self, #[zbus(header)] header: Header<'_>, workers: u32) -> Result<()> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(move |daemon| async move { daemon.scale(caller, name, workers).await }).await
    }

    /// Replaces one of its workers, the successor first.
    #[zbus(proxy(allow_interactive_auth))]
    async fn recycle(&self, #[zbus(header)] header: Header<'_>, worker: u32) -> Result<()> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(move |daemon| async move { daemon.recycle(caller, name, worker).await }).await
    }

    /// The least severity that it logs: `debug`, `info`, `warning` or `error`.
    async fn log_level(&self, #[zbus(header)] header: Header<'_>) -> Result<LogLevel> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.log_level(caller, name).await }).await
    }

    /// Sets the least severity that it logs, until the next reload.
    #[zbus(proxy(allow_interactive_auth))]
    async fn set_log_level(&self, #[zbus(header)] header: Header<'_>, level: LogLevel) -> Result<()> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(move |daemon| async move { daemon.set_log_level(caller, name, level).await }).await
    }

    /// Its log, as a socket to read from: one JSON object a line, the fields those of a page's lines. A last
    /// object with the one field `error` says why the stream ended early. Close it when you have read enough.
    #[zbus(proxy(allow_interactive_auth))]
    async fn logs(&self, #[zbus(header)] header: Header<'_>, filter: LogFilter) -> Result<OwnedFd> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        let stream = self.calls.run(|daemon| async move { daemon.logs(caller, name, filter).await }).await?;
        Ok(Fd::from(stream).into())
    }

    /// A part of its log, for clients that no descriptor can be passed to; `follow` is passed over.
    #[zbus(proxy(allow_interactive_auth))]
    async fn read_logs(&self, #[zbus(header)] header: Header<'_>, filter: LogFilter) -> Result<LogPage> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.read_logs(caller, name, filter).await }).await
    }

    /// Its status every so many milliseconds (250 at least), as a socket to read from: one JSON object a line, the
    /// fields those of `Status` and `time_us`. A reader that is slow gets fewer. Close it when you have read enough.
    async fn metrics(&self, #[zbus(header)] header: Header<'_>, interval_ms: u32) -> Result<OwnedFd> {
        let (caller, name) = (Caller::of(&header), self.name.clone());
        let stream =
            self.calls.run(move |daemon| async move { daemon.metrics(caller, name, interval_ms).await }).await?;
        Ok(Fd::from(stream).into())
    }

    /// What it is called.
    #[zbus(property(emits_changed_signal = "const"))]
    async fn name(&self) -> String {
        self.name.clone()
    }

    /// What it does: a word of [`super::InstanceState`].
    #[zbus(property)]
    async fn state(&self) -> String {
        self.read(|overview| overview.state.as_str().to_owned())
    }

    /// Since when, in microseconds since 1970 (UTC); 0 when nobody knows.
    #[zbus(property)]
    async fn since_us(&self) -> u64 {
        self.read(|overview| overview.since_us)
    }

    /// Why it is failed or broken, or what is odd about it; empty when all is well.
    #[zbus(property)]
    async fn problem(&self) -> String {
        self.read(|overview| overview.problem.clone())
    }

    /// Whether it starts by itself: `enabled`, `socket`, `disabled`, or empty without systemd.
    #[zbus(property)]
    async fn enabled(&self) -> String {
        self.read(|overview| overview.enabled.clone())
    }

    /// Whether its settings file is there.
    #[zbus(property)]
    async fn has_settings(&self) -> bool {
        self.read(|overview| overview.has_settings)
    }

    /// Whether systemd manages it.
    #[zbus(property)]
    async fn managed(&self) -> bool {
        self.read(|overview| overview.managed)
    }

    /// The application, as `package.module:attribute`; empty when it is to be found by looking.
    #[zbus(property)]
    async fn application(&self) -> String {
        self.read(|overview| overview.application.clone())
    }

    /// The framework of its application, as `Django`; as it was when it last ran. Empty when nobody knows.
    #[zbus(property)]
    async fn framework(&self) -> String {
        self.read(|overview| overview.framework.clone())
    }

    /// The Python of its workers, as `3.11.2`; as it was when it last ran. Empty when nobody knows.
    #[zbus(property)]
    async fn python(&self) -> String {
        self.read(|overview| overview.python.clone())
    }

    /// Where it listens, or would.
    #[zbus(property)]
    async fn binds(&self) -> Vec<String> {
        self.read(|overview| overview.binds.clone())
    }

    /// Where a browser finds it; empty where it listens on nothing of HTTP that has an address.
    #[zbus(property)]
    async fn url(&self) -> String {
        self.read(|overview| overview.url.clone())
    }

    /// Where its socket unit listens; empty without one.
    #[zbus(property)]
    async fn sockets(&self) -> Vec<String> {
        self.read(|overview| overview.sockets.clone())
    }

    /// The generation that serves; 0 while none does.
    #[zbus(property)]
    async fn generation(&self) -> u64 {
        self.read(|overview| overview.generation)
    }

    /// How its last reload or rollback ended (`at_us`, `succeeded`, `generation`, `seconds`, `message`); nothing while there was none.
    #[zbus(property)]
    async fn last_reload(&self) -> HashMap<String, OwnedValue> {
        self.read(|overview| owned(last_reload(overview)))
    }

    /// The least number of workers that it is told to have; 0 while it does not run.
    #[zbus(property)]
    async fn workers_min(&self) -> u32 {
        self.read(|overview| overview.workers_min)
    }

    /// The greatest number of workers that it is told to have; 0 while it does not run.
    #[zbus(property)]
    async fn workers_max(&self) -> u32 {
        self.read(|overview| overview.workers_max)
    }

    /// How much of the system is kept from its service (`exposure`, `rating`, `profile`); nothing until that was judged, which the first
    /// Status has done.
    #[zbus(property)]
    async fn security(&self) -> HashMap<String, OwnedValue> {
        self.read(|overview| owned(security(overview)))
    }
}

impl Instance {
    async fn begin(&self, header: &Header<'_>, order: Order) -> Result<OwnedObjectPath> {
        let (caller, name) = (Caller::of(header), self.name.clone());
        self.calls.run(|daemon| async move { daemon.begin(caller, name, order).await }).await.map(job_path)
    }

    fn read<T>(&self, field: impl FnOnce(&Overview) -> T) -> T {
        field(&self.overview.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Values without descriptors, of which each can be owned.
fn owned(values: HashMap<&'static str, Value<'static>>) -> HashMap<String, OwnedValue> {
    values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.try_to_owned().ok()?))).collect()
}
