//! What time it is: the system's, or one that stands still.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Option<u64>);

impl Clock {
    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands still at a moment, in microseconds since 1970 (UTC).
    #[must_use]
    pub fn at(now_us: u64) -> Self {
        Self(Some(now_us))
    }

    /// Now, in microseconds since 1970 (UTC).
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
        })
    }
}
