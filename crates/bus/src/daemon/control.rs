//! What a daemon has to do for whoever serves its interfaces: one method a call, plain data.

use std::os::fd::OwnedFd;

use async_trait::async_trait;
use zbus::message::{Flags, Header};

use super::error::Result;
use super::logs::{LogFilter, LogPage};
use super::overview::{Detail, Overview};
use super::setting::{Changes, NewInstance, Problem, RevisionInfo, SettingInfo, SettingValue};
use crate::samples::Samples;
use crate::words::LogLevel;
use crate::workers::{Request, Worker};

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The caller's unique name on the bus; none for the other end of a pair of sockets.
    pub sender: Option<String>,
    /// Whether the caller waits while a person is asked for a password (ALLOW_INTERACTIVE_AUTHORIZATION of the D-Bus
    /// specification).
    pub interactive: bool,
}

impl Caller {
    pub(super) fn of(header: &Header<'_>) -> Self {
        Self {
            sender: header.sender().map(ToString::to_string),
            interactive: header.primary().flags().contains(Flags::AllowInteractiveAuth),
        }
    }
}

/// What a job is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Start socket and service.
    Start,
    /// Stop socket and service.
    Stop,
    /// Stop and start the service.
    Restart,
    /// Make the next generation.
    Reload,
    /// Bring the previous generation back.
    Rollback,
    /// Leave the sockets to a new server process.
    Upgrade,
    /// Start the service of an instance that sleeps.
    Wake,
    /// Stop the service, and leave the socket.
    Sleep,
    /// Change settings.
    Apply {
        /// The revision that the changes were made from; empty for none yet.
        revision: String,
        /// What changes.
        changes: Changes,
    },
    /// Replace the text of the settings file.
    ApplyText {
        /// The revision that the text was made from; empty for none yet.
        revision: String,
        /// The new text.
        text: String,
    },
    /// Take back what made a revision.
    Undo {
        /// The revision whose change is taken back; it has to be the current one.
        revision: String,
    },
    /// Bring the text of a revision back.
    Restore {
        /// The revision that the file has now.
        revision: String,
        /// The one that comes back.
        to: String,
    },
}

/// What a daemon can be asked for.
///
/// Several calls may be under way at once. Each runs in a task of its own, which runs to its end whether or not the
/// client waits for the answer. A panic in one is told to its client as [`crate::daemon::Error::Internal`]. `name` is what a client
/// named and is not to be trusted.
#[async_trait]
pub trait Daemon: Send + Sync + 'static {
    /// All instances, by name.
    async fn list(&self, caller: Caller) -> Result<Vec<Overview>>;

    /// Begins to write a new instance with these settings; answers with the job.
    async fn create(&self, caller: Caller, name: String, changes: Changes, new: NewInstance) -> Result<u64>;

    /// Begins to take an instance away; answers with the job.
    async fn remove(&self, caller: Caller, name: String) -> Result<u64>;

    /// All settings, in the order of the reference.
    async fn schema(&self) -> Result<Vec<SettingInfo>>;

    /// Keeps the daemon and its signals for as long as the caller is connected.
    async fn watch(&self, caller: Caller) -> Result<()>;

    /// Ends that.
    async fn unwatch(&self, caller: Caller) -> Result<()>;

    /// All that is known of an instance now.
    async fn detail(&self, caller: Caller, name: String) -> Result<Detail>;

    /// What it was like over the last day, from a moment on (microseconds since 1970; 0 for all that is kept).
    async fn samples(&self, caller: Caller, name: String, since_us: u64) -> Result<Samples>;

    /// Its workers.
    async fn workers(&self, caller: Caller, name: String) -> Result<Vec<Worker>>;

    /// Its requests in flight.
    async fn requests(&self, caller: Caller, name: String) -> Result<Vec<Request>>;

    /// The Python stacks of one of its workers.
    async fn stacks(&self, caller: Caller, name: String, worker: u32) -> Result<String>;

    /// Begins a job, and answers with its number.
    async fn begin(&self, caller: Caller, name: String, order: Order) -> Result<u64>;

    /// Whether the caller may read the log and the settings of an instance. Nobody is asked for a password for it.
    async fn reads(&self, caller: Caller, name: String) -> bool;

    /// Cancels a job, as far as it can be; answers when it was told.
    async fn cancel(&self, caller: Caller, job: u64) -> Result<()>;

    /// Lets it start by itself, or not.
    async fn enable(&self, caller: Caller, name: String, enabled: bool) -> Result<()>;

    /// Sets the number of its workers, until the next reload.
    async fn scale(&self, caller: Caller, name: String, workers: u32) -> Result<()>;

    /// Replaces one of its workers.
    async fn recycle(&self, caller: Caller, name: String, worker: u32) -> Result<()>;

    /// The least severity that it logs.
    async fn log_level(&self, caller: Caller, name: String) -> Result<LogLevel>;

    /// Sets that, until the next reload. It is never `Unknown`.
    async fn set_log_level(&self, caller: Caller, name: String, level: LogLevel) -> Result<()>;

    /// A stream of its log.
    async fn logs(&self, caller: Caller, name: String, filter: LogFilter) -> Result<OwnedFd>;

    /// A part of its log.
    async fn read_logs(&self, caller: Caller, name: String, filter: LogFilter) -> Result<LogPage>;

    /// A stream of its state, every so many milliseconds.
    async fn metrics(&self, caller: Caller, name: String, interval_ms: u32) -> Result<OwnedFd>;

    /// Its settings, and the revision of their file.
    async fn values(&self, caller: Caller, name: String) -> Result<(String, Vec<SettingValue>)>;

    /// The text of its settings file, and its revision.
    async fn text(&self, caller: Caller, name: String) -> Result<(String, String)>;

    /// What would be wrong after these changes.
    async fn validate(&self, caller: Caller, name: String, changes: Changes) -> Result<Vec<Problem>>;

    /// What would be wrong with this text.
    async fn validate_text(&self, caller: Caller, name: String, text: String) -> Result<Vec<Problem>>;

    /// The revisions of its settings file, the latest first.
    async fn history(&self, caller: Caller, name: String) -> Result<Vec<RevisionInfo>>;
}
