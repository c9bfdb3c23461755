//! The D-Bus interfaces of `hostlerd`: what manages all instances of a machine (system bus) or of a user (session bus).
//!
//! ```text
//! org.hostler.Hostler1                              the name on the bus
//! /org/hostler/Hostler1                             ObjectManager, org.hostler.Hostler1.Manager
//! /org/hostler/Hostler1/instances/NAME              org.hostler.Hostler1.Instance, org.hostler.Hostler1.Settings
//! /org/hostler/Hostler1/jobs/NUMBER                 org.hostler.Hostler1.Job
//! ```
//!
//! Names that are no element of an object path are escaped as systemd's are ([`instance_path`]). A method that takes
//! long answers with the path of a job at once. Answers are dictionaries, as everywhere in this crate. Properties are
//! few and true: a change of each is signalled, those of one moment in one signal. What moves all the time (rates, times,
//! memory) is asked for with `Status`, or streamed by `Metrics`.
//!
//! Who serves them implements [`Daemon`] and publishes its objects with [`Tree`]; clients use the proxies.

mod client;
mod control;
mod error;
mod following;
mod instance;
mod job;
mod logs;
mod manager;
mod overview;
mod path;
mod quiet;
mod setting;
mod settings;
mod tree;
mod words;

pub use client::{Absent, Change, Client, Reach};
pub use control::{Caller, Daemon, Order};
pub use error::{Error, Result};
pub use following::{Followed, Following, Stage};
pub use instance::InstanceProxy;
pub use job::{JobProxy, Outcome, Report};
pub use logs::{LogFilter, LogLine, LogPage, MetricsLine};
pub use manager::ManagerProxy;
pub use overview::{Detail, Overview, STARTED_AGAIN, Security, SocketFacts, UnitFacts};
pub use path::{instance_path, job_path, name_of};
pub use setting::{Changes, NewInstance, Problem, RevisionInfo, SettingInfo, SettingValue};
pub use settings::SettingsProxy;
pub use tree::Tree;
pub use words::{Applied, Form, InstanceState, JobKind, JobState, Origin, ProblemKind};

/// Where a job's object is.
pub type JobPath = zbus::zvariant::OwnedObjectPath;

/// The daemon's name on the bus.
pub const NAME: &str = "org.hostler.Hostler1";

/// Where the daemon's objects begin.
pub const PATH: &str = "/org/hostler/Hostler1";

#[cfg(test)]
mod tests;
