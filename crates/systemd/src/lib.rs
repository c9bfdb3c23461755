//! What speaks to systemd: passed sockets, notification, the store of descriptors, the journal, memory pressure,
//! control groups.
//!
//! Owns the protocols, each as plain functions over datagrams and files that do not need an async runtime. Does not know
//! settings, workers or HTTP, and writes no log. The environment is read from a snapshot ([`Environment`]), and never
//! changed: whoever starts children leaves systemd's variables out of theirs.
//!
//! Works with systemd 249 and later. Where a message is newer than that, its documentation says since when it is
//! understood; an older manager ignores it.

pub mod cgroup;
mod environment;
pub mod journal;
pub mod notify;
pub mod pressure;
pub mod sockets;
pub mod store;

pub use environment::{Environment, VariableError};
