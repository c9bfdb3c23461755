//! The types of our own that settings have, a file each.

pub(crate) mod application;
pub(crate) mod choice;
pub(crate) mod count;
pub(crate) mod duration;
pub(crate) mod log_file;
pub(crate) mod mode;
pub(crate) mod name;
pub(crate) mod peers;
pub(crate) mod size;
pub(crate) mod workers;
