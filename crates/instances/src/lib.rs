//! What an instance is on disk: its name, its settings file, and the drop-ins of its units; written whole, compared with
//! what is there, and taken away again.
//!
//! What is written bears a [`stamp`], by which a later run tells its own files from those that a person changed. The crate
//! looks for no project and runs no command: that is its callers' affair.

mod address;
mod drop_in;
mod name;
mod places;
mod plan;
mod settings_file;
pub mod stamp;
mod whose;

pub use address::{AddressError, listen_streams};
pub use drop_in::Account;
pub use name::{Name, NameError};
pub use places::{Places, Scope, Unit};
pub use plan::{Change, Failed, Goal, Impossible, Plan, Step, take_all};
pub use settings_file::{Entry, compose};

/// What an instance should be.
#[derive(Clone, Debug)]
pub struct Instance {
    /// What it is called.
    pub name: Name,
    /// What its settings file says, in the order of the file; without `bind`, for which there are the addresses. `profile` and `network` among
    /// them say which drop-ins its service has.
    pub settings: Vec<Entry>,
    /// What its socket unit listens on, as `bind` is written; empty for what the template says.
    pub addresses: Vec<String>,
    /// As whom the service runs, and what it may see of the file system.
    pub account: Account,
}
