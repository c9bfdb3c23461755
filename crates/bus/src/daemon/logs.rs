//! Logs and metrics: what is asked for, and the frames of the streams: one JSON object a line.

use serde::{Deserialize, Serialize};
use zbus::zvariant::Type;

use super::overview::Detail;
use crate::wire;

/// Which lines of the log. Fields that are left out ask for all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct LogFilter {
    /// Whether to go on with what is logged from now on, until the reader closes the stream.
    #[serde(with = "wire")]
    pub follow: bool,
    /// From when, in microseconds since 1970 (UTC).
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub since_us: Option<u64>,
    /// Until when, in microseconds since 1970 (UTC).
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub until_us: Option<u64>,
    /// The least severe priority, as syslog(3) counts: 0 emergency, 3 error, 4 warning, 6 informational, 7 debug.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// A text that the message contains, upper and lower case alike.
    #[serde(with = "wire")]
    pub text: String,
    /// The id of a request that the line is about.
    #[serde(with = "wire")]
    pub request: String,
    /// At most the last so many lines of what is there; 500 when it is left out, 100,000 at most. `ReadLogs` gives 5,000 at
    /// most, and with a cursor the first so many that follow it.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub lines: Option<u32>,
    /// Only what follows this cursor of an earlier line.
    #[serde(with = "wire")]
    pub cursor: String,
}

/// One line of the log: a frame of the stream of `Logs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct LogLine {
    /// When it was logged, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub time_us: u64,
    /// Its priority, as syslog(3) counts; 6 where it has none.
    #[serde(with = "wire")]
    pub priority: u32,
    /// The message. It may have several lines, and control characters of the application's.
    #[serde(with = "wire")]
    pub message: String,
    /// The process that logged it; 0 when nobody knows.
    #[serde(with = "wire")]
    pub pid: u32,
    /// Who logged it: `hostler`, `systemd`, `python`.
    #[serde(with = "wire")]
    pub identifier: String,
    /// The place in the log: for [`LogFilter::cursor`].
    #[serde(with = "wire")]
    pub cursor: String,
    /// What was logged with it: Hostler's own fields in lower case, as `worker` and `generation`.
    #[serde(with = "wire")]
    pub fields: std::collections::BTreeMap<String, String>,
}

/// A part of the log, for clients that no descriptor can be passed to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct LogPage {
    /// The lines, the oldest first.
    #[serde(with = "wire")]
    pub lines: Vec<LogLine>,
    /// Where to go on: the cursor of the last line that was looked at; empty when there was none.
    #[serde(with = "wire")]
    pub cursor: String,
}

/// A frame of the stream of `Metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricsLine {
    /// When it was taken, in microseconds since 1970 (UTC).
    pub time_us: u64,
    /// The instance at that moment.
    #[serde(flatten)]
    pub detail: Detail,
}
