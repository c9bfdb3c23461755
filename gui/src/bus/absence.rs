//! Why a daemon is not there, and when it is tried again.

use std::time::Duration;

use hostler_bus::daemon::{Absent, Error, Reach};

use super::Absence;

/// The pauses between attempts: the first, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: after it the pauses are short again.
const GOOD: Duration = Duration::from_secs(20);

/// Why there is no daemon, in words that say what to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Away {
    pub(super) why: Absence,
    pub(super) message: String,
}

impl Away {
    /// The daemon was there, and left the bus.
    pub(super) fn left(reach: &Reach) -> Self {
        let unit = if reach.user { "--user -u hostlerd" } else { "-u hostlerd" };
        let message = format!("hostlerd left the bus; see `journalctl {unit}`");
        Self { why: Absence::NotRunning, message }
    }

    /// The connection was there, and was cut.
    pub(super) fn cut(reach: &Reach) -> Self {
        match &reach.host {
            Some(host) => Self {
                why: Absence::NoHost,
                message: format!("the connection to {host} was cut; is it up, and does `ssh {host}` work?"),
            },
            None => Self {
                why: Absence::NoBus,
                message: format!("the {} bus hung up; does it run?", if reach.user { "session" } else { "system" }),
            },
        }
    }

    /// Nobody answered in time.
    pub(super) fn silent(reach: &Reach, limit: Duration) -> Self {
        let unit = if reach.user { "--user -u hostlerd" } else { "-u hostlerd" };
        let message = format!("hostlerd did not answer within {} seconds; see `journalctl {unit}`", limit.as_secs());
        Self { why: Absence::NotRunning, message }
    }

    /// The daemon is there, and does not let itself be asked.
    pub(super) fn refused(error: &Error) -> Self {
        let why = match error {
            Error::NotAuthorized { .. } | Error::AuthenticationNeeded { .. } | Error::Dismissed { .. } => {
                Absence::NotPermitted
            }
            _ => Absence::NotRunning,
        };
        Self { why, message: error.to_string() }
    }
}

impl From<Absent> for Away {
    fn from(absent: Absent) -> Self {
        let message = absent.to_string();
        let why = match absent {
            Absent::NoBus { source, .. } if forbidden(&source) => Absence::NotPermitted,
            Absent::NoBus { .. } => Absence::NoBus,
            Absent::NoHost { .. } => Absence::NoHost,
            Absent::NotInstalled { .. } => Absence::NotInstalled,
            Absent::NotStarted { .. } | Absent::Silent { .. } | Absent::Late { .. } => Absence::NotRunning,
        };
        Self { why, message }
    }
}

fn forbidden(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::InputOutput(error) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// The pauses between attempts, each twice the one before.
#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// The pause after an attempt that failed, or a connection that lasted for `lasted`.
    pub(super) fn pause(&mut self, lasted: Option<Duration>) -> Duration {
        if lasted.is_some_and(|lasted| lasted >= GOOD) {
            self.0 = FIRST;
        }
        let pause = self.0;
        self.0 = (self.0 * 2).min(LONGEST);
        pause
    }

    /// Whether it is tried again without an order. A host that was never reached is not: ssh may ask for a password each
    /// time. What is forbidden stays so.
    pub(super) fn tries_again(why: Absence, was_connected: bool) -> bool {
        match why {
            Absence::NoHost => was_connected,
            Absence::NotPermitted => false,
            Absence::NoBus | Absence::NotInstalled | Absence::NotRunning => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_shrink_after_a_good_connection() {
        let mut backoff = Backoff::new();
        let seconds: Vec<u64> = (0..7).map(|_| backoff.pause(None).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(backoff.pause(Some(Duration::from_secs(5))), LONGEST, "it came and went: no reason to hurry");
        assert_eq!(backoff.pause(Some(GOOD)), FIRST);
        assert_eq!(backoff.pause(None), FIRST * 2);
    }

    #[test]
    fn each_absence_is_named() {
        let broken = |kind| Box::new(zbus::Error::InputOutput(std::sync::Arc::new(std::io::Error::from(kind))));
        let table = [
            (Absent::NoBus { bus: "system", source: broken(std::io::ErrorKind::NotFound) }, Absence::NoBus),
            (
                Absent::NoBus { bus: "system", source: broken(std::io::ErrorKind::PermissionDenied) },
                Absence::NotPermitted,
            ),
            (Absent::NoHost { host: "web".to_owned(), source: broken(std::io::ErrorKind::NotFound) }, Absence::NoHost),
            (Absent::NotInstalled { bus: "session", place: "web".to_owned() }, Absence::NotInstalled),
            (Absent::NotStarted { reason: "it failed".to_owned(), unit: "-u hostlerd" }, Absence::NotRunning),
            (Absent::Silent { unit: "-u hostlerd", limit: LONGEST }, Absence::NotRunning),
            (Absent::Late { bus: "system", limit: LONGEST }, Absence::NotRunning),
        ];
        for (absent, why) in table {
            let away = Away::from(absent);
            assert_eq!(away.why, why, "{away:?}");
            assert!(!away.message.is_empty());
        }
        let refused = Error::NotAuthorized { purpose: "call hostlerd".to_owned(), reason: "policy".to_owned() };
        assert_eq!(Away::refused(&refused).why, Absence::NotPermitted);
    }
}
