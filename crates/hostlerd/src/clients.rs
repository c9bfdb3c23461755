//! Clients that watch, and whether the daemon is in use.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_lite::StreamExt;
use hostler_bus::daemon::{Caller, Error, Result};
use tokio::task::AbortHandle;
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

/// How many clients may watch at once: each costs a rule at the bus.
const WATCHER_LIMIT: usize = 256;

/// How many of them may be of one user, but for root: nobody takes all there is from the others.
const USERS_WATCHERS: usize = 32;

/// How many streams, jobs and watching clients there may be for a further stream to begin: each has a descriptor.
const STREAM_LIMIT: usize = 384;

/// How many streams one user may have, but for root.
const USERS_STREAMS: usize = 64;

/// Counts what keeps the daemon from leaving: watching clients, jobs that run, streams. Cloned, it is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct InUse(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: AtomicUsize,
    /// The streams of each user who has some.
    streams: Mutex<HashMap<u32, usize>>,
}

/// One such thing, until it is dropped.
#[derive(Debug)]
pub(crate) struct Using {
    counts: Arc<Counts>,
    /// Whose stream it is.
    user: Option<u32>,
}

impl InUse {
    pub(crate) fn begin(&self) -> Using {
        self.0.all.fetch_add(1, Ordering::Relaxed);
        Using { counts: Arc::clone(&self.0), user: None }
    }

    /// The same for a stream, which whoever may look can ask for; `user` is none for one whose streams nobody counts.
    pub(crate) fn begin_stream(&self, user: Option<u32>) -> Result<Using> {
        if self.count() >= STREAM_LIMIT {
            return Err(Error::Refused { reason: "too many streams are open; close one".to_owned() });
        }
        if let Some(user) = user {
            let mut streams = locked(&self.0.streams);
            let own = streams.entry(user).or_default();
            if *own >= USERS_STREAMS {
                let reason = format!("{USERS_STREAMS} streams of user {user} are open; close one");
                return Err(Error::Refused { reason });
            }
            *own += 1;
        }
        let mut using = self.begin();
        using.user = user;
        Ok(using)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.all.load(Ordering::Relaxed)
    }
}

impl Drop for Using {
    fn drop(&mut self) {
        self.counts.all.fetch_sub(1, Ordering::Relaxed);
        let Some(user) = self.user else { return };
        let mut streams = locked(&self.counts.streams);
        if let Some(own) = streams.get_mut(&user) {
            *own -= 1;
            if *own == 0 {
                streams.remove(&user);
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The clients that watch.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    watching: Arc<Mutex<HashMap<String, Watcher>>>,
}

#[derive(Debug)]
struct Watcher {
    task: AbortHandle,
    user: Option<u32>,
}

impl Clients {
    /// Keeps the daemon in use until the caller disconnects; `user` is none for one whose clients nobody counts.
    pub(crate) fn watch(
        &self,
        caller: &Caller,
        user: Option<u32>,
        bus: Option<&Connection>,
        in_use: &InUse,
    ) -> Result<()> {
        // The other end of a pair watches for as long as there is a connection.
        let (Some(sender), Some(bus)) = (caller.sender.clone(), bus.cloned()) else { return Ok(()) };
        let mut watching = locked(&self.watching);
        if watching.contains_key(&sender) {
            return Ok(());
        }
        if watching.len() >= WATCHER_LIMIT {
            return Err(Error::Refused { reason: format!("{WATCHER_LIMIT} clients watch already; close one") });
        }
        if user.is_some() && watching.values().filter(|watcher| watcher.user == user).count() >= USERS_WATCHERS {
            let reason = format!("{USERS_WATCHERS} clients of this user watch already; close one");
            return Err(Error::Refused { reason });
        }
        let (using, all, name) = (in_use.begin(), Arc::clone(&self.watching), sender.clone());
        let task = tokio::spawn(async move {
            let _using = using;
            gone(&bus, &name).await;
            locked(&all).remove(&name);
        });
        watching.insert(sender, Watcher { task: task.abort_handle(), user });
        Ok(())
    }

    pub(crate) fn unwatch(&self, caller: &Caller) {
        let sender = caller.sender.as_deref().unwrap_or_default();
        if let Some(watcher) = locked(&self.watching).remove(sender) {
            watcher.task.abort();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_take_all_streams() {
        let in_use = InUse::default();
        let own: Vec<_> = (0..USERS_STREAMS).map(|_| in_use.begin_stream(Some(1000)).unwrap()).collect();
        let refused = in_use.begin_stream(Some(1000)).unwrap_err().to_string();
        assert!(refused.contains("64 streams of user 1000"), "{refused}");
        let others = [in_use.begin_stream(Some(1001)).unwrap(), in_use.begin_stream(None).unwrap()];
        assert_eq!(in_use.count(), USERS_STREAMS + 2);
        drop(own);
        assert_eq!(in_use.count(), 2);
        assert!(in_use.begin_stream(Some(1000)).is_ok());
        drop(others);
        assert_eq!((in_use.count(), locked(&in_use.0.streams).len()), (0, 0));
    }
}
