//! How a process ended, and how that is said to people.

use std::fmt;

use rustix::process::{Signal, WaitIdStatus};

use crate::OutOfMemory;

/// How many requests a line names; of the others it says how many there are.
const NAMED_REQUESTS: usize = 3;

/// How a process ended (`waitid(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By `exit` with this status.
    Exited(i32),
    /// By the signal of this number.
    Signaled(i32),
    /// Nobody knows: the status was collected elsewhere, as happens when the server inherited an ignored SIGCHLD.
    Unknown,
}

impl Ended {
    pub(crate) fn from_wait(status: &WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(code),
            (None, Some(signal)) => Self::Signaled(signal),
            (None, None) => Self::Unknown,
        }
    }

    /// Whether SIGKILL ended it.
    pub(crate) fn is_kill(self) -> bool {
        self == Self::Signaled(Signal::KILL.as_raw())
    }

    /// Whether a signal ended it that somebody else sends: a person, a program, or the kernel for want of memory. Faults of a process raise others.
    pub(crate) fn is_from_outside(self) -> bool {
        self.is_kill() || self == Self::Signaled(Signal::TERM.as_raw())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exited(code) => write!(f, "exited with status {code}"),
            Self::Signaled(number) => match signal_name(number) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {number}"),
            },
            Self::Unknown => write!(f, "ended in an unknown way"),
        }
    }
}

/// The end of one worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) worker: u16,
    pub(crate) pid: u32,
    pub(crate) status: Ended,
    pub(crate) cause: Cause,
}

/// Why a worker ended, as far as the supervisor had a part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// None: it crashed, exited or was killed by somebody else.
    Unasked,
    /// The kernel killed it.
    OutOfMemory(OutOfMemory),
    /// It said that it could not load the application.
    Failed,
    /// It was not ready in time.
    BootTimeout,
    /// A request ran too long.
    RequestTimeout,
    /// The server stops.
    Stop,
    /// Another has its place, or fewer are wanted.
    Retired,
}

impl Death {
    /// Whether the process did it itself: by an exit, or by a signal that only a fault of its own raises.
    pub(crate) fn is_crash(&self) -> bool {
        const FAULTS: [Signal; 6] = [Signal::ILL, Signal::ABORT, Signal::BUS, Signal::FPE, Signal::SEGV, Signal::SYS];
        self.cause == Cause::Unasked
            && match self.status {
                Ended::Exited(_) => true,
                Ended::Signaled(number) => FAULTS.iter().any(|signal| signal.as_raw() == number),
                Ended::Unknown => false,
            }
    }

    /// Whether somebody else than the supervisor ended it, from outside.
    pub(crate) fn is_from_outside(&self) -> bool {
        matches!(self.cause, Cause::Unasked | Cause::OutOfMemory(_)) && self.status.is_from_outside()
    }

    /// Whether it is news: neither the supervisor nor the worker itself announced it.
    pub(crate) fn is_unasked(&self) -> bool {
        !matches!(self.cause, Cause::Stop | Cause::Retired | Cause::Failed)
    }

    /// One line: who, how, and what it cost.
    pub(crate) fn describe(&self, requests: usize) -> String {
        self.describe_with(requests, &[])
    }

    /// The same with the requests that are known by name, of the `requests` that it ran.
    pub(crate) fn describe_with(&self, requests: usize, named: &[String]) -> String {
        let Self { worker, pid, status, cause } = self;
        let mut line = match cause {
            Cause::BootTimeout => format!("worker {worker} (pid {pid}) was not ready in time and was killed"),
            Cause::RequestTimeout if *status == Ended::Exited(0) => {
                format!("worker {worker} (pid {pid}) finished after a request had run past its timeout")
            }
            Cause::RequestTimeout => {
                format!("worker {worker} (pid {pid}) was killed because a request ran past its timeout")
            }
            Cause::OutOfMemory(shortage) => {
                format!("worker {worker} (pid {pid}) was killed by the kernel, as {shortage},")
            }
            Cause::Unasked | Cause::Failed | Cause::Stop | Cause::Retired => {
                format!("worker {worker} (pid {pid}) {status}")
            }
        };
        match requests {
            0 => {}
            _ if !named.is_empty() => {
                let shown = named.iter().take(NAMED_REQUESTS).map(String::as_str).collect::<Vec<_>>().join(", ");
                line.push_str(&format!(" while it served {shown}"));
                match requests.saturating_sub(named.len().min(NAMED_REQUESTS)) {
                    0 => {}
                    more => line.push_str(&format!(" and {more} more")),
                }
            }
            1 => line.push_str(" while it ran 1 request"),
            many => line.push_str(&format!(" while it ran {many} requests")),
        }
        if line.ends_with(',') {
            line.pop();
        }
        if *cause == Cause::Unasked && status.is_kill() {
            line.push_str("; if nobody did that, the kernel's log says whether memory ran out");
        }
        line
    }
}

/// The names of signals that end processes in practice.
fn signal_name(number: i32) -> Option<&'static str> {
    const NAMES: [(Signal, &str); 16] = [
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::TERM, "SIGTERM"),
        (Signal::STKFLT, "SIGSTKFLT"),
        (Signal::XCPU, "SIGXCPU"),
        (Signal::SYS, "SIGSYS"),
    ];
    NAMES.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_else_did_is_from_outside() {
        let death = |status, cause| Death { worker: 0, pid: 1, status, cause }.is_from_outside();
        for signal in [9, 15] {
            assert!(death(Ended::Signaled(signal), Cause::Unasked));
            assert!(death(Ended::Signaled(signal), Cause::OutOfMemory(OutOfMemory::Shared)));
            for ours in [Cause::BootTimeout, Cause::RequestTimeout, Cause::Failed, Cause::Stop, Cause::Retired] {
                assert!(!death(Ended::Signaled(signal), ours), "{ours:?}");
            }
        }
        for own in [Ended::Signaled(11), Ended::Signaled(6), Ended::Exited(0), Ended::Exited(137), Ended::Unknown] {
            assert!(!death(own, Cause::Unasked), "{own:?}");
        }
    }

    #[test]
    fn a_death_is_told_in_one_line() {
        let death = |status, cause| Death { worker: 3, pid: 1234, status, cause };
        let segv = death(Ended::Signaled(11), Cause::Unasked);
        assert_eq!(segv.describe(2), "worker 3 (pid 1234) was killed by SIGSEGV while it ran 2 requests");
        let exit = death(Ended::Exited(1), Cause::Unasked);
        assert_eq!(exit.describe(0), "worker 3 (pid 1234) exited with status 1");
        let killed = death(Ended::Signaled(9), Cause::Unasked);
        assert!(killed.describe(1).contains("SIGKILL while it ran 1 request; if nobody did that"));
        let starved = death(Ended::Signaled(9), Cause::OutOfMemory(OutOfMemory::Own { limit: 300 << 20 }));
        assert_eq!(
            starved.describe_with(1, &["GET /take (r-1)".to_owned()]),
            "worker 3 (pid 1234) was killed by the kernel, as its memory went over its limit of 300 MiB, \
             while it served GET /take (r-1)"
        );
        let named = ["GET /a (1)", "GET /b (2)", "GET /c (3)", "GET /d (4)"].map(str::to_owned);
        assert!(starved.describe_with(5, &named).ends_with("GET /a (1), GET /b (2), GET /c (3) and 2 more"));
        let shared = death(Ended::Signaled(9), Cause::OutOfMemory(OutOfMemory::Shared));
        assert_eq!(
            shared.describe(0),
            "worker 3 (pid 1234) was killed by the kernel, as the service or the machine ran out of memory"
        );
        let slow = death(Ended::Signaled(9), Cause::RequestTimeout);
        assert_eq!(
            slow.describe(1),
            "worker 3 (pid 1234) was killed because a request ran past its timeout while it ran 1 request"
        );
        assert_eq!(Ended::Signaled(63).to_string(), "was killed by signal 63");
    }
}
