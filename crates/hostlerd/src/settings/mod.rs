//! Settings files: what there is to set, what is wrong with a text, editing it as a person would, writing it whole or not at all, and
//! its history. Only `applying` knows of running instances.

mod applying;
mod check;
mod confining;
mod edit;
mod file;
mod history;
mod looking_back;
mod schema;
mod sources;

pub use check::problems;
pub(crate) use check::{told, unclaimed};
pub use edit::{BadChange, changed_keys, edited};
pub(crate) use edit::{size, written};
pub(crate) use file::SIZE_LIMIT;
pub use file::{Stored, read, replace, revision};
pub use history::{History, difference};
pub use schema::schema;
pub(crate) use sources::values;
