//! What became of a change whose end nobody saw, as the daemon was killed in the middle of it: the history has its text as one that is
//! pending, the settings file may have it, and a running instance may have taken it, refused it, or never heard of it.
//!
//! It stays where the instance took it, or will when it starts; else the former file comes back.

use std::time::Duration;

use futures_lite::StreamExt;
use hostler_bus::State;
use hostler_bus::daemon::Error;
use hostler_instances::stamp::{Owner, owner};
use tokio::task::JoinSet;

use super::applying::note;
use super::history::Left;
use crate::beside::beside;
use crate::daemon::Hostlerd;
use crate::patience::{QUICK, SLOW, within};
use crate::scope::Scope;

/// How long the daemon's start waits for that. What takes longer goes on: an instance may just be making a generation.
const PATIENCE: Duration = Duration::from_secs(2);

impl Hostlerd {
    /// Looks back at the changes of all instances, as a former daemon may have left them.
    pub(crate) async fn look_back_at_all(&self) {
        let mut looks = JoinSet::new();
        for name in Scope::names(&self.scope().state.join("history"), "") {
            if self.history_of(&name).left().is_none() {
                continue;
            }
            // Before anybody can call: a change has to wait for it.
            let Ok(alone) = self.edit_lock(&name).try_lock_owned() else { continue };
            let (daemon, using) = (self.clone(), self.using());
            looks.spawn(async move {
                let (_alone, _using) = (alone, using);
                daemon.look_back_alone(&name).await;
            });
        }
        let all = async { while looks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            looks.detach_all();
        }
    }

    /// Looks back at the last change of one instance, unless one is under way now.
    pub(crate) async fn look_back(&self, name: &str) {
        if let Ok(_alone) = self.edit_lock(name).try_lock_owned() {
            self.look_back_alone(name).await;
        }
    }

    /// The same with the edit lock held.
    pub(super) async fn look_back_alone(&self, name: &str) {
        let (daemon, instance) = (self.clone(), name.to_owned());
        let Ok(Some(left)) = beside(move || Ok(daemon.left(&instance))).await else { return };
        // This daemon saw the end of its own, and could not note it.
        let took = if left.at_us >= self.began_us() { Ok(()) } else { self.took(name, left.at_us).await };
        let Err(why) = took else { return self.settled(name).await };
        tracing::warn!(name, why, "a change of settings whose end nobody saw is taken back");
        let _told = self.taken_back(name, &left.former, &left.stored, Error::Refused { reason: why }).await;
        // What it took at once it takes back at once; what it did not take it does not miss.
        if let Ok(instance) = self.running_soon(name).await
            && let Err(error) = within(SLOW, instance.apply_settings()).await
        {
            tracing::debug!(name, %error, "an instance does not read its settings again");
        }
    }

    /// The last change, if its text is in the file and it is not known whether that is to stay. What is known without asking anybody is
    /// noted: that it never came to be in the file; that the file is another instance's, which was made since.
    fn left(&self, name: &str) -> Option<Left> {
        let (history, stored) = (self.history_of(name), self.stored(name).ok()?);
        if owner(&stored.text) == Owner::Ours && !history.knows(&stored.revision) {
            note(name, history.part());
            return None;
        }
        let left = history.left()?;
        if left.stored.revision != stored.revision {
            note(name, history.refuse(&left.stored.revision, "hostlerd ended before it was in the file"));
            return None;
        }
        Some(left)
    }

    /// Whether an instance has taken its settings file since then (microseconds since 1970); one that does not run, or does not answer,
    /// takes it when it starts. Waits for the end of a reload.
    async fn took(&self, name: &str, since_us: u64) -> Result<(), String> {
        let Ok(instance) = self.running_soon(name).await else { return Ok(()) };
        let connection = instance.inner().connection().clone();
        let mut states = instance.receive_state_changed().await;
        let observed = loop {
            let Ok(status) = within(QUICK, instance.status()).await else { return Ok(()) };
            if status.observed.state != State::Reloading {
                break status.observed;
            }
            tokio::select! {
                Some(_) = states.next() => {}
                () = connection.closed() => return Ok(()),
            }
        };
        if let Some(reload) = observed.last_reload.filter(|reload| reload.at_us > since_us) {
            return if reload.succeeded { Ok(()) } else { Err(reload.message) };
        }
        let started_us = match self.units() {
            Ok(units) => units.service(name).await.map(|(facts, _)| facts.since_us).unwrap_or_default(),
            Err(_) => 0,
        };
        if started_us > since_us { Ok(()) } else { Err("hostlerd ended before the instance was told".to_owned()) }
    }
}
