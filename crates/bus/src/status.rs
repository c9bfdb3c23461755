//! The answer to `Status`: what is configured, and what is observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zbus::zvariant::Type;

use crate::wire;
use crate::words::{EventKind, State};

/// An instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Status {
    /// What its settings say.
    #[serde(with = "wire")]
    pub configured: Configured,
    /// What it does.
    #[serde(with = "wire")]
    pub observed: Observed,
}

/// What an instance was told to do, by the settings of the generation that serves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Configured {
    /// What the instance is called.
    #[serde(with = "wire")]
    pub name: String,
    /// The application, as `package.module:attribute`.
    #[serde(with = "wire")]
    pub application: String,
    /// Where it listens, as shown: `http://127.0.0.1:8000`, `unix:/run/shop.sock`.
    #[serde(with = "wire")]
    pub binds: Vec<String>,
    /// The least number of workers; 0 lets it sleep.
    #[serde(with = "wire")]
    pub workers_min: u32,
    /// The greatest number of workers.
    #[serde(with = "wire")]
    pub workers_max: u32,
    /// Threads of each worker.
    #[serde(with = "wire")]
    pub threads: u32,
    /// `wsgi` or `asgi`.
    #[serde(with = "wire")]
    pub interface: String,
    /// Where its error log goes: `journal`, `stderr`, or the path of a file.
    #[serde(with = "wire")]
    pub error_log: String,
    /// The file that the settings were read from; none when they were all given as options.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub settings_file: Option<String>,
}

/// What an instance does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Observed {
    /// What it is doing.
    #[serde(with = "wire")]
    pub state: State,
    /// Since when it does that, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub since_us: u64,
    /// Its process: router and supervisor.
    #[serde(with = "wire")]
    pub pid: u32,
    /// The version of Hostler that runs.
    #[serde(with = "wire")]
    pub version: String,
    /// The Python of its workers, as `3.11.2`; empty while no worker was ready.
    #[serde(with = "wire")]
    pub python: String,
    /// The framework of its application, as `Django` or `FastAPI`; empty while no worker was ready, and where it shows none.
    #[serde(with = "wire")]
    pub framework: String,
    /// The event loop of its workers, as `uvloop`; none for WSGI.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub event_loop: Option<String>,
    /// The generation that serves; 0 before the first.
    #[serde(with = "wire")]
    pub generation: u64,
    /// How the last reload or rollback ended; none while there was none.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<LastReload>,
    /// Keys of settings that were changed since the server process was started, and take effect when it is started anew; as it
    /// read them last, with a reload or `ApplySettings`.
    #[serde(with = "wire")]
    pub awaits_restart: Vec<String>,
    /// Workers that can take requests.
    #[serde(with = "wire")]
    pub workers_ready: u32,
    /// Workers that there should be now, between the least and the greatest number.
    #[serde(with = "wire")]
    pub workers_wanted: u32,
    /// Workers that run at least one request.
    #[serde(with = "wire")]
    pub workers_busy: u32,
    /// Why there should be that many, in one line.
    #[serde(with = "wire")]
    pub workers_reason: String,
    /// Why no worker can be had, in one line; empty unless it is broken.
    #[serde(with = "wire")]
    pub failure: String,
    /// Why no worker is ready though it is not broken, in one line; empty when one is, and while nothing is known to keep them from it. Requests wait.
    #[serde(with = "wire")]
    pub trouble: String,
    /// The last error that went to its log, whoever made it; none since the server process was started.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// How often a worker process ended or was replaced, by cause, of all generations: as `crashed`, `timed_out`,
    /// `max_requests`. Causes that never were are left out.
    #[serde(with = "wire")]
    pub restarts: BTreeMap<String, u64>,
    /// What happened to it, the latest last; the last 16. `Samples` tells more of them.
    #[serde(with = "wire")]
    pub events: Vec<Event>,
    /// Requests that wait for a worker.
    #[serde(with = "wire")]
    pub queued: u32,
    /// Requests that a worker runs.
    #[serde(with = "wire")]
    pub in_flight: u32,
    /// Requests answered since the instance was started.
    #[serde(with = "wire")]
    pub requests_total: u64,
    /// The same by the class of their status, as `2xx`: `1xx` are WebSockets that ended; `4xx` has those whose client left
    /// before the answer.
    #[serde(with = "wire")]
    pub responses: BTreeMap<String, u64>,
    /// Requests answered a second, over the last minute.
    #[serde(with = "wire")]
    pub requests_per_second: f64,
    /// The median time of the requests of the last minute, in microseconds; 0 when there were none.
    #[serde(with = "wire")]
    pub p50_us: u64,
    /// The time that 95 of 100 requests of the last minute did not exceed, in microseconds.
    #[serde(with = "wire")]
    pub p95_us: u64,
    /// The time that 99 of 100 requests of the last minute did not exceed, in microseconds.
    #[serde(with = "wire")]
    pub p99_us: u64,
    /// Connections of clients that are open.
    #[serde(with = "wire")]
    pub connections: u32,
    /// Memory of the whole instance: the PSS of its processes.
    #[serde(with = "wire")]
    pub memory_bytes: u64,
    /// Processor time of the whole instance since its server process was started: that process, and all workers there were.
    #[serde(with = "wire")]
    pub cpu_seconds: f64,
}

/// An error of the log, in one line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct LastError {
    /// When it was logged, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub at_us: u64,
    /// What went wrong; of a traceback the last line.
    #[serde(with = "wire")]
    pub message: String,
}

/// Something that happened to an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Event {
    /// What it was.
    #[serde(with = "wire")]
    pub kind: EventKind,
    /// When, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub at_us: u64,
    /// The generation that it was about.
    #[serde(with = "wire")]
    pub generation: u64,
    /// In one line, for people.
    #[serde(with = "wire")]
    pub message: String,
}

/// How a reload or a rollback ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct LastReload {
    /// When it ended, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub at_us: u64,
    /// Whether the new generation serves.
    #[serde(with = "wire")]
    pub succeeded: bool,
    /// The generation that was made; it is the one that serves only if that succeeded.
    #[serde(with = "wire")]
    pub generation: u64,
    /// How long it took.
    #[serde(with = "wire")]
    pub seconds: f64,
    /// Why it failed, in one line; empty when it succeeded.
    #[serde(with = "wire")]
    pub message: String,
}
