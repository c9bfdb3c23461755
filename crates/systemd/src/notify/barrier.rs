//! A pipe whose one end the manager closes when it has come to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::NotifyError;

pub(super) struct Barrier {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Barrier {
    pub(super) fn new() -> Result<Self, NotifyError> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| NotifyError::Socket(error.into()))?;
        Ok(Self { ours, theirs })
    }

    pub(super) fn theirs(&self) -> BorrowedFd<'_> {
        self.theirs.as_fd()
    }

    /// Waits for the manager to close its duplicate.
    pub(super) fn wait(self, limit: Duration) -> Result<(), NotifyError> {
        drop(self.theirs);
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(|_| NotifyError::NotProcessed(limit))?;
            let mut waited = [PollFd::new(&self.ours, PollFlags::empty())];
            match poll(&mut waited, Some(&timeout)) {
                Ok(0) => return Err(NotifyError::NotProcessed(limit)),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(NotifyError::Send { message: "BARRIER=1".into(), source: io::Error::from(error) });
                }
            }
        }
    }
}
