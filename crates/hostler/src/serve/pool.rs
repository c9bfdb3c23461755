//! The exchange as the supervisor needs it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hostler_exchange::Exchange;
use hostler_supervisor::Pool;

/// One generation's shared memory.
pub(super) struct Generation(pub(super) Arc<Exchange>);

impl Pool for Generation {
    fn prepare(&self, worker: u16) -> io::Result<()> {
        self.0.prepare_worker(worker);
        Ok(())
    }

    fn descriptors(&self, _worker: u16) -> io::Result<Vec<OwnedFd>> {
        self.0.worker_descriptors()
    }

    fn served(&self, worker: u16) -> u64 {
        self.0.served(worker)
    }

    fn recover(&self, worker: u16, crashed: bool) -> usize {
        self.0.recover_worker(worker, crashed)
    }

    fn retire(&self, worker: u16) {
        self.0.retire_worker(worker);
    }
}
