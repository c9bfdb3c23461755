//! Clients that watch, and whether the daemon is in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_lite::StreamExt;
use hostler_bus::daemon::{Caller, Error, Result};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

/// How many clients may watch at once: each costs a rule at the bus.
const WATCHER_LIMIT: usize = 256;

/// How many streams, jobs and watching clients there may be for a further stream to begin: each has a descriptor.
const STREAM_LIMIT: usize = 384;

/// Counts what keeps the daemon from leaving: watching clients, jobs that run, streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct InUse(Arc<watch::Sender<usize>>);

/// One such thing, until it is dropped.
#[derive(Debug)]
pub(crate) struct Using(Arc<watch::Sender<usize>>);

impl InUse {
    pub(crate) fn begin(&self) -> Using {
        self.0.send_modify(|count| *count += 1);
        Using(Arc::clone(&self.0))
    }

    /// The same for a stream, which whoever may look can ask for.
    pub(crate) fn begin_stream(&self) -> Result<Using> {
        if self.count() >= STREAM_LIMIT {
            return Err(Error::Refused { reason: "too many streams are open; close one".to_owned() });
        }
        Ok(self.begin())
    }

    pub(crate) fn count(&self) -> usize {
        *self.0.borrow()
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The clients that watch.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    watching: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl Clients {
    /// Keeps the daemon in use until the caller disconnects.
    pub(crate) fn watch(&self, caller: &Caller, bus: Option<&Connection>, in_use: &InUse) -> Result<()> {
        // The other end of a pair watches for as long as there is a connection.
        let (Some(sender), Some(bus)) = (caller.sender.clone(), bus.cloned()) else { return Ok(()) };
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        if watching.contains_key(&sender) {
            return Ok(());
        }
        if watching.len() >= WATCHER_LIMIT {
            return Err(Error::Refused { reason: format!("{WATCHER_LIMIT} clients watch already; close one") });
        }
        let (using, all, name) = (in_use.begin(), Arc::clone(&self.watching), sender.clone());
        let task = tokio::spawn(async move {
            let _using = using;
            gone(&bus, &name).await;
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        });
        watching.insert(sender, task.abort_handle());
        Ok(())
    }

    pub(crate) fn unwatch(&self, caller: &Caller) {
        let sender = caller.sender.as_deref().unwrap_or_default();
        if let Some(task) = self.watching.lock().unwrap_or_else(PoisonError::into_inner).remove(sender) {
            task.abort();
        }
    }
}

/// Waits until a client has left the bus; a bus that does not answer has lost all its clients.
pub(crate) async fn gone(bus: &Connection, sender: &str) {
    let wait = async {
        let daemon = DBusProxy::new(bus).await?;
        let mut changes = daemon.receive_name_owner_changed_with_args(&[(0, sender)]).await?;
        // It may have left before anybody listened.
        if !daemon.name_has_owner(BusName::try_from(sender)?).await? {
            return Ok(());
        }
        while let Some(change) = changes.next().await {
            if change.args()?.new_owner().is_none() {
                return Ok(());
            }
        }
        Ok::<(), zbus::Error>(())
    };
    if let Err(error) = wait.await {
        tracing::debug!(%error, sender, "a client could not be followed");
    }
}
