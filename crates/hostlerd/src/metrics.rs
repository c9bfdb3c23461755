//! The stream of an instance's state.

use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hostler_bus::daemon::{Error, MetricsLine, Result};
use tokio::time::MissedTickBehavior;

use crate::clients::Using;
use crate::daemon::{Hostlerd, LastUnits, without_words_of_logs};
use crate::logs::Frames;

/// The least interval: each frame asks the instance.
const LEAST_MS: u32 = 250;

/// Begins a stream, and returns the reader's end of it. It ends when the reader closes it, or the instance is gone.
///
/// `whole` has the words of the log in it.
pub(crate) fn stream(daemon: Hostlerd, name: String, interval_ms: u32, whole: bool, using: Using) -> Result<OwnedFd> {
    let (theirs, mut frames) = Frames::pair().map_err(|error| Error::Internal { reason: error.to_string() })?;
    tokio::spawn(async move {
        let _using = using;
        let mut units = LastUnits::default();
        let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms.max(LEAST_MS).into()));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = frames.left() => return,
            }
            let looked = tokio::select! {
                looked = daemon.look_again(&name, &mut units) => looked,
                () = frames.left() => return,
            };
            let Ok(mut detail) = looked else { return };
            if !whole {
                without_words_of_logs(&mut detail);
            }
            if frames.send(&MetricsLine { time_us: now_us(), detail }).await.is_err() {
                return;
            }
        }
    });
    Ok(theirs)
}

/// Now, in microseconds since 1970 (UTC).
pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
