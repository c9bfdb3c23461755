//! The watchdog of the service manager (`WatchdogSec=`).

use std::time::Duration;

use crate::{Environment, VariableError};

/// A watchdog that waits for this process: without a [`State::Watchdog`](super::State::Watchdog) in each interval the
/// manager ends the service (SIGABRT, `WatchdogSignal=`) and counts it as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    interval: Duration,
}

impl Watchdog {
    /// The watchdog of this process, if there is one (`WATCHDOG_USEC`, `WATCHDOG_PID`).
    ///
    /// # Errors
    /// A variable is not a number, or the interval is 0.
    pub fn from(environment: &Environment) -> Result<Option<Self>, VariableError> {
        Self::for_process(environment, std::process::id())
    }

    pub(super) fn for_process(environment: &Environment, pid: u32) -> Result<Option<Self>, VariableError> {
        let Some(microseconds) = environment.number("WATCHDOG_USEC")? else { return Ok(None) };
        if environment.number("WATCHDOG_PID")?.is_some_and(|meant| meant != u64::from(pid)) {
            return Ok(None);
        }
        if microseconds == 0 || microseconds == u64::MAX {
            return Err(environment.wrong("WATCHDOG_USEC", "a number of microseconds above 0"));
        }
        Ok(Some(Self { interval: Duration::from_micros(microseconds) }))
    }

    /// How long the manager waits.
    pub fn interval(self) -> Duration {
        self.interval
    }

    /// How often to say that all is well: twice an interval, as sd_watchdog_enabled(3) recommends.
    pub fn ping_every(self) -> Duration {
        self.interval / 2
    }
}
