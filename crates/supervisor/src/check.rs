//! Loading the application once, in a throw-away process that serves nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hostler_channel::{FromWorker, Loaded, ToWorker, WorkerStart};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::Signal;

use crate::ended::{Cause, Death, Ended};
use crate::process::{Process, launch, reap};
use crate::{Failure, Options, report};

/// How long the process may take to exit by itself once it has said what it found.
const EXIT_TIME: Duration = Duration::from_secs(1);

/// Loads the application in a process of its own and reports. Blocks until that process is gone, at most `boot_timeout` and a
/// second. The process has no shared memory: `/dev/null` is in its place.
///
/// # Errors
/// Why it could not be loaded.
pub fn check(options: Options) -> Result<Loaded, Failure> {
    let start = WorkerStart { worker: 0, check_only: true, ..options.start.clone() };
    let shared = no_memory(start.router_threads).map_err(died)?;
    let process = launch(&options, &ToWorker::Start(start), shared, |_| {}).map_err(died)?;
    let result = listen(&process, options.boot_timeout);
    let (status, killed) = end(&process, EXIT_TIME);
    result.unwrap_or_else(|| {
        let cause = if killed { Cause::BootTimeout } else { Cause::Unasked };
        let death = Death { worker: 0, pid: process.pid, status, cause };
        Err(died(death.describe(0)))
    })
}

fn died(detail: impl ToString) -> Failure {
    Failure::DiedAtBoot { detail: detail.to_string() }
}

/// Memory, and one doorbell for each router thread.
fn no_memory(router_threads: u16) -> io::Result<Vec<OwnedFd>> {
    (0..1 + router_threads).map(|_| Ok(File::options().read(true).write(true).open("/dev/null")?.into())).collect()
}

/// The word of the process; `None` when it ended, or the time did, without one.
fn listen(process: &Process, limit: Duration) -> Option<Result<Loaded, Failure>> {
    let deadline = Instant::now() + limit;
    loop {
        // Asked before the last message is read, so that none is missed. The end of the channel alone would not do: a child
        // of the process may have inherited it.
        let ended = wait(&[&process.pidfd], Instant::now());
        match process.channel.receive() {
            Ok(Some(FromWorker::Ready(loaded))) => return Some(Ok(loaded)),
            Ok(Some(FromWorker::Failed { message, traceback })) => {
                return Some(Err(Failure::Import { message, traceback }));
            }
            Ok(Some(FromWorker::Log(record))) => report::record(Some(0), process.pid, &record),
            // It is no keeper, and is not asked to collect anything.
            Ok(Some(FromWorker::Forked { .. } | FromWorker::ForkFailed { .. } | FromWorker::Collected { .. })) => {}
            Ok(None) => return None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if ended || !wait(&[&process.channel, &process.pidfd], deadline) {
                    return None;
                }
            }
            Err(error) => {
                if !report::unreadable(Some(0), process.pid, &error) {
                    return None;
                }
            }
        }
    }
}

/// Waits for the end of the process, kills it when that does not come, and returns whether it had to.
fn end(process: &Process, limit: Duration) -> (Ended, bool) {
    let by_itself = wait(&[&process.pidfd], Instant::now() + limit);
    if !by_itself {
        // It fails only for a process that has just ended.
        let _ = rustix::process::pidfd_send_signal(&process.pidfd, Signal::KILL);
    }
    loop {
        if let Some(status) = reap(&process.pidfd) {
            return (status, !by_itself);
        }
        wait(&[&process.pidfd], Instant::now() + limit);
    }
}

/// Waits until one of `descriptors` is readable; false when the deadline came first.
fn wait(descriptors: &[&dyn AsFd], deadline: Instant) -> bool {
    let mut watched: Vec<PollFd<'_>> =
        descriptors.iter().map(|descriptor| PollFd::new(descriptor, PollFlags::IN)).collect();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(timeout) = Timespec::try_from(left) else {
            return false;
        };
        match rustix::event::poll(&mut watched, Some(&timeout)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
