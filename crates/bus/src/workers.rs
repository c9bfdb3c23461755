//! The answers about workers and requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zbus::zvariant::Type;

use crate::wire;
use crate::words::{Phase, WorkerState};

/// One worker: its place stays the same when its process is replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Worker {
    /// The number of its place, from 0; the other calls name a worker by it.
    #[serde(with = "wire")]
    pub place: u32,
    /// Its process; 0 while there is none.
    #[serde(with = "wire")]
    pub pid: u32,
    /// The generation that it belongs to.
    #[serde(with = "wire")]
    pub generation: u64,
    /// What it is doing.
    #[serde(with = "wire")]
    pub state: WorkerState,
    /// Since when its process runs, in microseconds since 1970 (UTC); 0 while there is none.
    #[serde(with = "wire")]
    pub since_us: u64,
    /// Requests that its process answered.
    #[serde(with = "wire")]
    pub requests: u64,
    /// How often a process in this place was replaced, by cause, as `crashed`, `timed_out`, `max_requests`.
    #[serde(with = "wire")]
    pub restarts: BTreeMap<String, u64>,
    /// The PSS of its process: shared memory is counted in parts.
    #[serde(with = "wire")]
    pub memory_bytes: u64,
    /// Processor time that its process used.
    #[serde(with = "wire")]
    pub cpu_seconds: f64,
    /// The request that it has run for the longest time; none while it runs none.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
}

/// A request as its worker's entry shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Running {
    /// Its id, as in the access log.
    #[serde(with = "wire")]
    pub id: String,
    /// Its method.
    #[serde(with = "wire")]
    pub method: String,
    /// Its target, as the client sent it.
    #[serde(with = "wire")]
    pub target: String,
    /// How long ago it came in, in microseconds.
    #[serde(with = "wire")]
    pub age_us: u64,
}

/// One request that is in the instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Request {
    /// Its id, as in the access log.
    #[serde(with = "wire")]
    pub id: String,
    /// Its method.
    #[serde(with = "wire")]
    pub method: String,
    /// Its target, as the client sent it.
    #[serde(with = "wire")]
    pub target: String,
    /// The place of the worker that runs it; none while it waits for one.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// How far it is.
    #[serde(with = "wire")]
    pub phase: Phase,
    /// How long ago it came in, in microseconds.
    #[serde(with = "wire")]
    pub age_us: u64,
}

/// A reload or a rollback that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Reloaded {
    /// The generation that serves now.
    #[serde(with = "wire")]
    pub generation: u64,
    /// How long it took.
    #[serde(with = "wire")]
    pub seconds: f64,
}

/// An upgrade that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Upgraded {
    /// The server process that serves now. The one that answered finishes what it runs.
    #[serde(with = "wire")]
    pub pid: u32,
    /// How long it took.
    #[serde(with = "wire")]
    pub seconds: f64,
    /// Its version; empty where it did not say.
    #[serde(with = "wire")]
    pub version: String,
}

/// Settings that were read anew without another generation: the keys that differ, by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Applied {
    /// Those that are in effect now.
    #[serde(with = "wire")]
    pub in_effect: Vec<String>,
    /// Those that a reload takes up.
    #[serde(with = "wire")]
    pub needs_reload: Vec<String>,
    /// Those that a restart takes up.
    #[serde(with = "wire")]
    pub needs_restart: Vec<String>,
}
