//! The D-Bus interfaces of Hostler: types, errors, and from one definition the server side and the proxies. No other
//! crate has D-Bus signatures.
//!
//! The daemon `hostlerd`, which manages the instances of a machine or of a user, has its interfaces in [`daemon`].
//! An instance serves [`INTERFACE`] peer to peer on its control socket, without a bus daemon: [`serve`] and [`Control`].
//! Whoever manages it connects with [`connect`], and finds the socket with [`Places`]. What the calls do is not known
//! here.
//!
//! On the wire each answer is a dictionary (`a{sv}`): a field that the other side does not know is passed over, and one
//! that it did not send has its default. So `hostler` may be newer than the instance it asks, or older, as it is after each upgrade.

pub mod access;
mod client;
mod control;
pub mod daemon;
mod error;
mod instance;
mod places;
mod reach;
mod samples;
mod server;
mod status;
mod stopping;
mod text;
mod wire;
mod words;
mod workers;

pub use client::{Unreachable, connect, connect_over};
pub use control::{Condition, Control};
pub use error::{Error, Result};
pub use instance::InstanceProxy;
pub use places::{Found, NoPlace, Places, SOCKET_FILE};
pub use reach::reach;
pub use samples::{Gap, Sample, Samples};
pub use server::{CONNECTION_LIMIT, NotServed, Server, serve, serve_on};
pub use status::{Configured, Event, LastError, LastReload, Observed, Status};
pub use stopping::stops_for_good;
pub use words::{Absence, EventKind, LogLevel, Phase, State, WorkerState};
pub use workers::{Applied, Reloaded, Request, Running, Upgraded, Worker};

/// Where an instance's own socket has it.
pub const PATH: &str = "/org/hostler/Instance1";
