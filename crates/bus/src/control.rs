//! What an instance has to do for whoever serves its interface: one method a call, plain data.

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::Result;
use crate::samples::Samples;
use crate::status::Status;
use crate::words::{LogLevel, State};
use crate::workers::{Applied, Reloaded, Request, Upgraded, Worker};

/// What clients are told of without asking: a change of either is signalled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// What the instance is doing.
    pub state: State,
    /// The generation that serves; 0 before the first.
    pub generation: u64,
}

/// What an instance can be asked for.
///
/// Several calls may be under way at once. Each runs in a task of its own, which runs to its end whether or not the
/// client waits for the answer: a reload goes on when the client hangs up. A panic in one is told to its client as
/// [`crate::Error::Internal`].
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Where changes of the condition are seen. Its sender lives as long as the instance.
    fn condition(&self) -> watch::Receiver<Condition>;

    /// The instance at this moment.
    async fn status(&self) -> Result<Status>;

    /// What it was like in each span of time that ended after `since_us`, and what happened; 0 for all that is kept.
    async fn samples(&self, since_us: u64) -> Result<Samples>;

    /// All workers of all generations, by place.
    async fn workers(&self) -> Result<Vec<Worker>>;

    /// All requests that are in the instance, the oldest first.
    async fn requests(&self) -> Result<Vec<Request>>;

    /// The Python stacks of all threads and tasks of the worker in that place.
    async fn stacks(&self, worker: u32) -> Result<String>;

    /// Reads settings and code anew, and answers when the next generation serves or was thrown away. It has no time
    /// limit here.
    async fn reload(&self) -> Result<Reloaded>;

    /// Reads the settings anew, and puts those into effect that need no other generation. The rest waits for a reload or a restart.
    async fn apply_settings(&self) -> Result<Applied>;

    /// Brings the previous good generation back, and answers when it serves.
    async fn rollback(&self) -> Result<Reloaded>;

    /// Throws away the generation that is being made, if one is: whoever asked for it is told that it was cancelled. Answers when it
    /// is gone.
    async fn cancel_reload(&self) -> Result<()>;

    /// Starts the program that stands in the server's place now, and leaves the sockets to it; answers when it serves. It has no time
    /// limit here.
    async fn upgrade(&self) -> Result<Upgraded>;

    /// Sets the number of workers by hand, until the next reload.
    async fn scale(&self, workers: u32) -> Result<()>;

    /// Replaces the worker in that place, its successor first; answers when that is under way.
    async fn recycle(&self, worker: u32) -> Result<()>;

    /// The log level.
    async fn log_level(&self) -> Result<LogLevel>;

    /// Sets the log level until the next reload. It is never `Unknown`.
    async fn set_log_level(&self, level: LogLevel) -> Result<()>;

    /// Counters and histograms as Prometheus' text format, version 0.0.4.
    async fn metrics(&self) -> Result<String>;
}
