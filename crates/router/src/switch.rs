//! The switch from one line to the next, in all threads: all of them can, or none does.
//!
//! ```text
//!   prepare, in each thread: it watches the new doorbell ──all could──► switch, in each thread: new requests go to the new line
//!                                                        └──one could not──► forgotten with the next preparation, or right away
//! ```
//!
//! Between the two a switch can still be dropped without effect. Once the threads are told to switch they all do.

use std::io;
use std::sync::Arc;

use hostler_exchange::Exchange;
use rustix::fd::OwnedFd;
use tokio::sync::{oneshot, watch};

use crate::{Command, Config, Router};

/// A line that a thread is to make ready.
#[derive(Debug)]
pub(crate) struct Prepare {
    pub(crate) number: u32,
    pub(crate) config: Arc<Config>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) doorbell: OwnedFd,
    pub(crate) ready: oneshot::Sender<io::Result<()>>,
}

/// The numbers of former lines, once for each thread that still uses one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Former(watch::Sender<Vec<u32>>);

/// One thread's use of a former line.
#[derive(Debug)]
pub(crate) struct InUse {
    number: u32,
    former: Former,
}

impl Former {
    pub(crate) fn add(&self, number: u32) -> InUse {
        self.0.send_modify(|numbers| numbers.push(number));
        InUse { number, former: self.clone() }
    }

    fn count(&self) -> usize {
        self.0.borrow().len()
    }

    async fn finished(&self, line: u32) {
        let mut numbers = self.0.subscribe();
        // It cannot be closed while `self` holds it.
        let _open = numbers.wait_for(|numbers| !numbers.contains(&line)).await;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.former.0.send_modify(|numbers| {
            if let Some(place) = numbers.iter().position(|number| *number == self.number) {
                numbers.swap_remove(place);
            }
        });
    }
}

impl Router {
    /// Sends all requests that are read from now on to `exchange`, under `config`; its `threads` are those that run. No connection is closed but
    /// WebSockets, which are told to come again (1012). Requests that were begun are finished where they were, see
    /// [`Router::former_finished`]. A hold ends. Returns when all threads have switched.
    ///
    /// Cancel safe: dropped early, it happens in all threads or in none.
    ///
    /// # Errors
    /// When the exchange has fewer doorbells than the router threads, it is the current one's or a former one's that is still in use (see
    /// [`Router::former_finished`]), a descriptor cannot be had, or the router has stopped. Nothing is
    /// changed then.
    pub async fn switch(&self, config: Config, exchange: &Arc<Exchange>) -> io::Result<()> {
        let mut line = self.line.lock().await;
        let number = line.wrapping_add(1);
        let config = Arc::new(Config { threads: self.threads.len() as u32, ..config });
        let prepared = self.prepare(number, &config, exchange).await;
        let mut permits = Vec::new();
        for thread in &self.threads {
            permits.push(thread.reserve().await.map_err(stopped)?);
        }
        // From here on nothing waits until all of them are told.
        let mut switched = Vec::new();
        for permit in permits {
            if prepared.is_ok() {
                let (tell, told) = oneshot::channel();
                permit.send(Command::Switch(number, tell));
                switched.push(told);
            } else {
                permit.send(Command::Forget(number));
            }
        }
        prepared?;
        *line = number;
        for told in switched {
            // A thread that has ended since needs no line.
            let _ended = told.await;
        }
        Ok(())
    }

    async fn prepare(&self, number: u32, config: &Arc<Config>, exchange: &Arc<Exchange>) -> io::Result<()> {
        for (thread, sender) in (0..).zip(&self.threads) {
            let doorbell =
                exchange.doorbell(thread).ok_or_else(|| io::Error::other("the exchange has too few doorbells"))?;
            let doorbell = doorbell.try_clone_to_owned()?;
            let (ready, readiness) = oneshot::channel();
            let (config, exchange) = (Arc::clone(config), Arc::clone(exchange));
            let prepare = Prepare { number, config, exchange, doorbell, ready };
            sender.send(Command::Prepare(Box::new(prepare))).await.map_err(stopped)?;
            readiness.await.map_err(stopped)??;
        }
        Ok(())
    }

    /// The number of the line that new requests go to: 0 at first, one more with each switch. [`crate::RouterEvent`]s name it.
    pub async fn line(&self) -> u32 {
        *self.line.lock().await
    }

    /// How many former lines are in use, counted once for each thread that uses one.
    pub fn former_in_use(&self) -> usize {
        self.former.count()
    }

    /// Waits until no thread uses the former line `line` any more: no request that was begun there is in flight. Returns at once for the current
    /// line. Cancel safe.
    pub async fn former_finished(&self, line: u32) {
        self.former.finished(line).await;
    }
}

fn stopped<E>(_: E) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the router has stopped")
}
