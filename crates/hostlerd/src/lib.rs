//! `hostlerd`: knows every instance of its scope (the machine's, or a user's), and does what clients on D-Bus ask for. It owns what is
//! known and what is done; names, types and signatures on the bus are `hostler-bus`', the meaning of settings is
//! `hostler-settings`'.
//!
//! ```text
//!   settings files ─┐ notify                            ┌─ Tree: objects and signals (hostler-bus)
//!   systemd1 ───────┤ signals    registry::merge        │
//!   control sockets ┘ signals  ──────────────────► overviews
//! ```
//!
//! News of any source only says that something changed; then all sources are read again, once for all news of a moment
//! ([`Hostlerd::refresh`]). So nothing is assumed that was not looked at, and a burst of news is one signal an object.

mod authority;
mod beside;
mod clients;
mod creating;
mod daemon;
mod ending;
mod heal;
mod jobs;
mod journal;
mod known;
mod logs;
mod metrics;
mod observer;
mod orders;
mod patience;
mod readers;
mod registry;
mod remembered;
mod scope;
mod security;
mod service;
pub mod settings;
mod systemd;
mod units;
mod watching;

pub use authority::Authority;
pub use daemon::Hostlerd;
pub use scope::{Kind, Scope, valid_name};
pub use service::{Ended, run};
