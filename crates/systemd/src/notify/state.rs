//! What can be said to the service manager, and how it is written.

use std::fmt::Write as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A longer status is cut: the manager reads messages of up to 4096 bytes (`NOTIFY_BUFFER_MAX`).
const STATUS_LIMIT: usize = 1024;

/// Something to say. Those with a version are ignored by managers before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State<'a> {
    /// The start is finished, or a reload is, whether it changed anything or not.
    Ready,
    /// A reload begins; [`State::Ready`] must follow. Carries the time it was made into a message (`MONOTONIC_USEC`, which
    /// `Type=notify-reload` needs, since 253): send it after the signal, and after its handler was installed.
    Reloading,
    /// The service ends. The last word, but for status and extensions of the time to stop: since 259 it cannot be taken back.
    Stopping,
    /// One line for `systemctl status`. Line breaks and other control characters become spaces, and what is over 1 KiB is cut.
    Status(&'a str),
    /// Why the service failed, as errno(3).
    Errno(i32),
    /// The start, reload or stop goes on for at least this long from now; to be repeated within it (since 236).
    ExtendTimeout(Duration),
    /// The service makes progress. To be sent at [`Watchdog::ping_every`](super::Watchdog::ping_every).
    Watchdog,
    /// The service found itself stuck: it is treated as one whose watchdog ran out, with or without `WatchdogSec=` (since 243).
    WatchdogTrigger,
}

/// The text of one message.
pub(super) fn text(states: &[State<'_>]) -> String {
    let mut text = String::new();
    for state in states {
        // Writing to a String does not fail.
        let _ = match state {
            State::Ready => writeln!(text, "READY=1"),
            State::Reloading => writeln!(text, "RELOADING=1\nMONOTONIC_USEC={}", monotonic_microseconds()),
            State::Stopping => writeln!(text, "STOPPING=1"),
            State::Status(status) => writeln!(text, "STATUS={}", one_line(status)),
            State::Errno(number) => writeln!(text, "ERRNO={number}"),
            State::ExtendTimeout(time) => writeln!(text, "EXTEND_TIMEOUT_USEC={}", time.as_micros()),
            State::Watchdog => writeln!(text, "WATCHDOG=1"),
            State::WatchdogTrigger => writeln!(text, "WATCHDOG=trigger"),
        };
    }
    text
}

/// `CLOCK_MONOTONIC`, which the manager compares with the time of its signal.
fn monotonic_microseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

fn one_line(text: &str) -> String {
    let end = text.floor_char_boundary(STATUS_LIMIT);
    let cut = text.get(..end).unwrap_or_default();
    cut.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}
