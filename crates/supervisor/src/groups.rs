//! What the supervisor needs of control groups: each worker in one of its own, and what its end says of memory.

use std::fmt;

/// Where workers are put, each into a group of its own. A failure is the implementor's to log: a worker without a group serves as well.
///
/// Called from the supervisor's task: every call must return soon.
pub trait Groups: Send + Sync + fmt::Debug {
    /// The process was started in this place, and imports nothing before this returns.
    fn join(&self, worker: u16, pid: u32);

    /// The process of this place was reaped. Says whether the kernel killed something in its group for want of memory.
    fn leave(&self, worker: u16, pid: u32) -> Option<OutOfMemory>;
}

/// Whose memory had run out when the kernel killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfMemory {
    /// The worker's own: it went over its limit.
    Own {
        /// In bytes.
        limit: u64,
    },
    /// That of the service, of a group above it, or of the machine.
    Shared,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own { limit } => write!(f, "its memory went over its limit of {} MiB", limit / (1024 * 1024)),
            Self::Shared => f.write_str("the service or the machine ran out of memory"),
        }
    }
}
