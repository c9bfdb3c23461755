//! Forking a worker that is the supervisor's child.
//!
//! ```text
//!   keeper ── fork ──► helper ── fork ──► worker
//!     │                   │ sends a pidfd of the worker, and exits: the worker's parent is now the next subreaper, which is the supervisor
//!     └── waits for it ◄──┘
//! ```
//!
//! Python is told of one fork, whose parent is the keeper and whose child is the worker: what was registered by `os.register_at_fork` runs once
//! before and after it on each side. In the helper nothing of Python runs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use hostler_channel::{Channel, FromWorker};
use pyo3::ffi;
use pyo3::prelude::*;
use rustix::process::{Pid, PidfdFlags};

/// What the helper exits with when it did what it was there for.
const DONE: i32 = 0;

/// Which process this is.
pub(super) enum Side {
    /// The keeper, with the worker's number and a pidfd of it.
    Keeper(u32, OwnedFd),
    /// The new worker.
    Worker,
}

/// Forks a worker for place `worker`. In the keeper the worker is nobody's child but the supervisor's when this returns.
///
/// # Errors
/// In the keeper, when there is no worker; a process that is left of the attempt has nobody at the other end of its channel.
pub(super) fn fork(_py: Python<'_>, worker: u16) -> io::Result<Side> {
    let (ours, theirs) = Channel::pair()?;
    let theirs = Channel::from_fd(theirs);
    // SAFETY: the interpreter's lock is held; the call that ends what begins here follows on each side.
    unsafe { ffi::PyOS_BeforeFork() };
    // SAFETY: what runs in the child until it forks or exits needs nothing that another thread may have held: the C library takes care of its own
    // locks, and Python's are taken by the call above.
    let helper = unsafe { libc::fork() };
    if helper == 0 {
        // SAFETY: as above.
        match unsafe { libc::fork() } {
            0 => {
                // SAFETY: this is the child of the fork that was begun above.
                unsafe { ffi::PyOS_AfterFork_Child() };
                return Ok(Side::Worker);
            }
            forked => help(worker, forked, &theirs),
        }
    }
    let refused = io::Error::last_os_error();
    // SAFETY: this is the parent of the fork that was begun above.
    unsafe { ffi::PyOS_AfterFork_Parent() };
    if helper < 0 {
        return Err(refused);
    }
    let status = wait_for(helper);
    match ours.receive_with::<FromWorker>() {
        Ok(Some((FromWorker::Forked { pid, .. }, mut beside))) => beside
            .pop()
            .map(|pidfd| Side::Keeper(pid, pidfd))
            .ok_or_else(|| io::Error::other("it came without a descriptor")),
        Ok(_) => Err(io::Error::other("the process that forks it is at fault")),
        // The helper exits with the number of the error.
        Err(_) if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) != DONE => {
            Err(io::Error::from_raw_os_error(libc::WEXITSTATUS(status)))
        }
        Err(_) => Err(io::Error::other("the process that forks it was killed")),
    }
}

/// What the helper does: tells of the worker, and exits.
fn help(worker: u16, forked: libc::pid_t, tell: &Channel) -> ! {
    let told = Pid::from_raw(forked).filter(|_| forked > 0).ok_or_else(io::Error::last_os_error).and_then(|pid| {
        // The number is the worker's own, as nobody but this process can collect it.
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        tell.send_with(&FromWorker::Forked { worker, pid: forked.unsigned_abs() }, &[pidfd.as_fd()])
    });
    let status = told.map_or_else(|error| error.raw_os_error().unwrap_or(libc::EIO), |()| DONE);
    // SAFETY: ends the process at once; what it has in memory is a copy of the keeper's.
    unsafe { libc::_exit(status) }
}

/// Waits for the helper; its wait status, or 0 when somebody else collected it (an application may ignore SIGCHLD).
fn wait_for(helper: libc::pid_t) -> i32 {
    let mut status = 0;
    loop {
        // SAFETY: `status` is there to be written to.
        let waited = unsafe { libc::waitpid(helper, &raw mut status, 0) };
        if waited == helper || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return status;
        }
    }
}
