//! The server's logs: the access log with its formats, the error log, the slow-request log, and their reopening.
//!
//! Owns: how a record looks, that it cannot be forged, and that a log which cannot be written neither stops nor fails
//! a request. Does not know who calls it, nor when a request counts as slow.

mod access;
mod combined;
mod disk;
mod error_log;
mod escape;
mod fields;
mod journal;
mod json;
mod last_error;
mod number;
mod output;
mod shade;
mod sink;
mod slow;
mod timestamp;

pub use access::{AccessLog, AccessRecord, Format};
pub use error_log::{ErrorLog, init_error_log};
pub use last_error::LoggedError;
pub use sink::{Error, Sink, Target, records_lost};
pub use slow::slow_request;
