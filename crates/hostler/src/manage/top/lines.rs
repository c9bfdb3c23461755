//! `hostler top --json`: what is seen of an instance, an object a line, for programs. It needs no terminal.

use std::io::{Write, stdout};

use hostler_bus::{Status, Worker};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::view::Seen;
use super::{INTERVAL, PATIENCE, Watched};
use crate::manage::{Failed, now_us};

/// One line.
#[derive(Serialize)]
struct Looked<'a> {
    /// When, in microseconds since 1970.
    at_us: u64,
    status: &'a Status,
    workers: &'a [Worker],
}

/// Writes a line each second, `times` of them or until nobody reads them. While the instance does not answer, as between two of its servers,
/// there are none.
///
/// # Errors
/// When it does not answer at first, or for [`PATIENCE`].
pub(in crate::manage) async fn lines(watched: &Watched, times: Option<u32>) -> Result<(), Failed> {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = 0;
    // Since when it does not answer.
    let mut away: Option<Instant> = None;
    while times.is_none_or(|times| written < times) {
        interval.tick().await;
        match watched.look().await {
            Ok(seen) => {
                away = None;
                if writeln!(stdout().lock(), "{}", line(&seen)?).is_err() {
                    return Ok(());
                }
                written += 1;
            }
            Err(failed) if written == 0 || !failed.passes() => return Err(failed),
            Err(failed) if away.get_or_insert_with(Instant::now).elapsed() > PATIENCE => return Err(failed),
            Err(_) => {}
        }
    }
    Ok(())
}

fn line(seen: &Seen) -> Result<String, Failed> {
    let Seen { status, workers } = seen;
    Ok(serde_json::to_string(&Looked { at_us: now_us(), status, workers })?)
}
