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

/// Who reads a stream.
pub(crate) struct Reader {
    /// Whether what takes the right to read logs and settings is told.
    pub(crate) whole: bool,
    /// The unique name on the bus: the right may be given while the stream is read.
    pub(crate) sender: Option<String>,
}

/// Begins a stream, and returns the reader's end of it. It ends when the reader closes it, or the instance is gone.
pub(crate) fn stream(
    daemon: Hostlerd,
    name: String,
    interval_ms: u32,
    mut reader: Reader,
    using: Using,
) -> Result<OwnedFd> {
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
            reader.whole |= reader.sender.as_deref().is_some_and(|sender| daemon.has_read(sender, &name));
            if !reader.whole {
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
