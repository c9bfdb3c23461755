//! The answers about instances: an overview of each, and the detail of one.

use serde::{Deserialize, Serialize};
use zbus::zvariant::Type;

use super::words::InstanceState;
use crate::status::{LastReload, Status};
use crate::wire;

/// An instance as the list shows it; its fields are the properties of its object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Overview {
    /// What it is called: the part of `hostler@NAME.service`, and of `NAME.toml`.
    #[serde(with = "wire")]
    pub name: String,
    /// What it does.
    #[serde(with = "wire")]
    pub state: InstanceState,
    /// Since when, in microseconds since 1970 (UTC); 0 when nobody knows.
    #[serde(with = "wire")]
    pub since_us: u64,
    /// Why it is failed or broken, or what is odd about it, in one line; empty when all is well.
    #[serde(with = "wire")]
    pub problem: String,
    /// Whether it starts by itself, as systemd says: `enabled` (its service, at boot), `socket` (with the first request),
    /// `disabled`; empty without systemd.
    #[serde(with = "wire")]
    pub enabled: String,
    /// Whether its settings file is there.
    #[serde(with = "wire")]
    pub has_settings: bool,
    /// Whether systemd manages it; else it was started by hand.
    #[serde(with = "wire")]
    pub managed: bool,
    /// The application: as the running instance says, else as the settings file says; empty when it is to be found by
    /// looking.
    #[serde(with = "wire")]
    pub application: String,
    /// The framework of its application, as `Django`; as it was when it last ran. Empty when nobody knows.
    #[serde(with = "wire")]
    pub framework: String,
    /// The Python of its workers, as `3.11.2`; as it was when it last ran. Empty when nobody knows.
    #[serde(with = "wire")]
    pub python: String,
    /// Where it listens, or would: `http://127.0.0.1:8000`, `unix:/run/hostler/shop.sock`.
    #[serde(with = "wire")]
    pub binds: Vec<String>,
    /// Where a browser finds it: the first address that is one of HTTP; empty where there is none.
    #[serde(with = "wire")]
    pub url: String,
    /// Where its socket unit listens, as `/run/hostler/shop.sock`; empty without one.
    #[serde(with = "wire")]
    pub sockets: Vec<String>,
    /// The generation that serves; 0 while none does.
    #[serde(with = "wire")]
    pub generation: u64,
    /// How its last reload or rollback ended; none while there was none since its server was started, and while it does not run.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub last_reload: Option<LastReload>,
    /// The least number of workers that it is told to have; 0 while it does not run.
    #[serde(with = "wire")]
    pub workers_min: u32,
    /// The greatest number of workers that it is told to have; 0 while it does not run.
    #[serde(with = "wire")]
    pub workers_max: u32,
    /// How much of the system is kept from its service; none until it was judged, which the first call of `Status` has done.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
}

/// All that is known of an instance at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Detail {
    /// As the list shows it.
    #[serde(with = "wire")]
    pub overview: Overview,
    /// What the instance itself says; none while it does not run, or does not answer.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub instance: Option<Status>,
    /// Why the instance itself says nothing; empty when it does.
    #[serde(with = "wire")]
    pub silent_because: String,
    /// What systemd says of the service; none without systemd.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub service: Option<UnitFacts>,
    /// What systemd says of the socket; none without systemd.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub socket: Option<SocketFacts>,
    /// How much of the system is kept from its service; none without systemd, and where it does not tell.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// The revision of the settings file; empty while there is none.
    #[serde(with = "wire")]
    pub revision: String,
    /// Keys of settings that were changed and wait for a restart.
    #[serde(with = "wire")]
    pub awaits_restart: Vec<String>,
    /// What the daemon did to keep it alive, the latest last, in one line each.
    #[serde(with = "wire")]
    pub healed: Vec<String>,
}

/// How the problem of an instance begins that systemd starts again; then comes how it ended.
pub const STARTED_AGAIN: &str = "systemd starts it again, as it ended: ";

/// A service, as systemd has it (org.freedesktop.systemd1(5)).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct UnitFacts {
    /// ActiveState, as `active` or `failed`.
    #[serde(with = "wire")]
    pub active: String,
    /// SubState, as `running` or `dead`.
    #[serde(with = "wire")]
    pub sub: String,
    /// Result, as `success`, `exit-code`, `watchdog` or `oom-kill`.
    #[serde(with = "wire")]
    pub result: String,
    /// UnitFileState, as `enabled`.
    #[serde(with = "wire")]
    pub file_state: String,
    /// Where its unit file is: FragmentPath.
    #[serde(with = "wire")]
    pub unit_file: String,
    /// Since when it is active or not, in microseconds since 1970 (UTC).
    #[serde(with = "wire")]
    pub since_us: u64,
    /// Its main process; 0 while there is none.
    #[serde(with = "wire")]
    pub main_pid: u32,
    /// What it says of itself: STATUS= of sd_notify(3).
    #[serde(with = "wire")]
    pub status_text: String,
    /// The exit status of its last main process.
    #[serde(with = "wire")]
    pub exit_status: i32,
    /// How often systemd restarted it.
    #[serde(with = "wire")]
    pub restarts: u32,
    /// The memory of its control group; none where it is not counted.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The processor time of its control group in microseconds; none where it is not counted.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<u64>,
    /// Its tasks; none where they are not counted.
    #[serde(with = "wire::optional", skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// Whether its unit file changed on disk since systemd read it.
    #[serde(with = "wire")]
    pub needs_daemon_reload: bool,
    /// Its drop-ins.
    #[serde(with = "wire")]
    pub drop_ins: Vec<String>,
}

/// How much of the system is kept from a service, as systemd-analyze(1) judges it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct Security {
    /// The overall exposure level, from 0 (nothing is open to it) to 10 (all is).
    #[serde(with = "wire")]
    pub exposure: f64,
    /// That in a word of systemd's: `SAFE`, `OK`, `MEDIUM`, `EXPOSED`, `UNSAFE`.
    #[serde(with = "wire")]
    pub rating: String,
    /// The profile of its units: `standard`, or the drop-in that says otherwise, as `strict`; `changed` where that is none of ours.
    #[serde(with = "wire")]
    pub profile: String,
}

/// A socket, as systemd has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Type)]
#[zvariant(signature = "dict")]
#[serde(default)]
pub struct SocketFacts {
    /// ActiveState.
    #[serde(with = "wire")]
    pub active: String,
    /// SubState, as `listening` or `running`.
    #[serde(with = "wire")]
    pub sub: String,
    /// Result, as `success`, `trigger-limit-hit` or `service-start-limit-hit`.
    #[serde(with = "wire")]
    pub result: String,
    /// UnitFileState.
    #[serde(with = "wire")]
    pub file_state: String,
    /// Where its unit file is: FragmentPath.
    #[serde(with = "wire")]
    pub unit_file: String,
    /// Where it listens, as `/run/hostler/shop.sock` or `127.0.0.1:8000`.
    #[serde(with = "wire")]
    pub listen: Vec<String>,
    /// Its drop-ins.
    #[serde(with = "wire")]
    pub drop_ins: Vec<String>,
}
