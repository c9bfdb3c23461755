//! The course of a reload.
//!
//! ```text
//!   a reload ──► the next generation loads beside the current one ──ready──► the router switches ──► the former one finishes, and is gone
//!      ▲                       │ not ready, or broken
//!      └── another one ────────┴──► thrown away; the current one goes on, and who asked is told why
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hostler_bus::{EventKind, LastReload, Reloaded, State};
use hostler_channel::Loaded;
use hostler_supervisor::Condition as Found;
use hostler_systemd::journal::MessageId;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::generation::{Generation, NotReady, Ready};
use super::instance::Parked;
use super::instance::now_us;
use super::logs::Prepared;
use super::task::{Main, Order, state_of};
use super::{Served, traceback, translate};

/// Where the result of a reload goes.
pub(super) type Reply = oneshot::Sender<Result<Reloaded, hostler_bus::Error>>;
/// A generation that is being loaded.
pub(super) struct Loading {
    generation: Arc<Generation>,
    ready: Pin<Box<dyn Future<Output = Result<Way, NotReady>> + Send>>,
    replies: Vec<Reply>,
    began: Instant,
    /// It replaces the workers of the current generation one after the other, and has none beside them.
    rolling: bool,
    /// It is one that served before.
    back: bool,
}

/// How a generation got ready.
pub(super) enum Way {
    /// It stands beside the current one.
    Beside(Ready),
    /// All workers of the current one were replaced.
    Within(Loaded),
}
impl Main<'_> {
    /// Begins to load the next generation. One that is loading is thrown away: who asked for it gets the result of this one.
    pub(super) async fn begin(&mut self, order: Order, loading: &mut Option<Loading>) {
        let (reply, back) = match order {
            Order::Reload(reply) => (reply, false),
            Order::Rollback(reply) => (reply, true),
            Order::CancelReload(reply) => {
                self.cancel(loading.take()).await;
                // Who asked may have hung up.
                let _gone = reply.send(Ok(()));
                return;
            }
            Order::Apply(reply) => return self.apply(reply, loading.as_ref()).await,
            Order::Upgrade(reply) => {
                return self.estate.begin(reply, self.instance.current().number, self.instance.share_past());
            }
        };
        if self.estate.upgrade.is_some() {
            return refuse(reply, &NotReady::because("an upgrade is under way, which reads all anew".to_owned()));
        }
        let mut replies = vec![reply];
        if let Some(superseded) = loading.take() {
            tracing::info!(
                generation = superseded.generation.number,
                "another reload: what was loading is thrown away"
            );
            superseded.drop_it().await;
            replies.extend(superseded.replies);
        }
        let began = Instant::now();
        self.service.reloading();
        let number = self.instance.current().number + 1;
        if back && let Some(parked) = self.instance.take_parked() {
            *loading = Some(self.bring_back(number, parked, replies, began));
            return;
        }
        let served = match back {
            true => self.source.previous().map_err(NotReady::because),
            false => self.source.read_again().await.map_err(NotReady::from),
        };
        // A log that cannot be had is a mistake of the settings: nothing changes.
        let served = served.and_then(|served| {
            self.logs.prepare(&served.settings.log).map_err(NotReady::because)?;
            Ok(served)
        });
        if let Ok(served) = &served
            && self.may_roll(served)
        {
            self.compare(served);
            *loading = Some(self.roll(number, served.clone(), (replies, began, back)));
            return;
        }
        let begun = served.and_then(|served| {
            self.compare(&served);
            let strength = self.strength(&served);
            Generation::begin(number, served, &self.extension, self.router_threads, strength)
                .map_err(|error| NotReady::because(format!("the next generation has no memory or processes: {error}")))
        });
        match begun {
            Ok((generation, notices)) => {
                tracing::info!(generation = number, "reloading: the next generation is loaded beside the current one");
                self.instance.set_state(State::Reloading);
                let (loading_one, instance) = (Arc::clone(&generation), Arc::clone(&self.instance));
                let ready = Box::pin(async move {
                    let ready = loading_one.ready(notices).await?;
                    instance.has_room().await;
                    Ok(Way::Beside(ready))
                });
                *loading = Some(Loading { generation, ready, replies, began, rolling: false, back });
            }
            Err(failed) => {
                if !back {
                    self.show(&failed).await;
                }
                self.failed(number, began, &failed);
                replies.into_iter().for_each(|reply| refuse(reply, &failed));
            }
        }
    }

    /// Brings the generation before back, whose keeper was kept: its workers are forked from the code as it was imported.
    fn bring_back(&self, number: u64, parked: Parked, replies: Vec<Reply>, began: Instant) -> Loading {
        tracing::info!(generation = number, "rolling back: workers are forked from the code that was kept");
        self.instance.set_state(State::Reloading);
        let generation = parked.generation.again(number);
        let (instance, back) = (Arc::clone(&self.instance), Arc::clone(&generation));
        let ready = Box::pin(async move {
            if !back.supervisor.unpark().await {
                return Err(NotReady::because(
                    "its workers did not come back; another rollback loads it anew".to_owned(),
                ));
            }
            instance.has_room().await;
            Ok(Way::Beside(parked.ready))
        });
        Loading { generation, ready, replies, began, rolling: false, back: true }
    }

    /// Whether the settings ask for worker after worker, and that can be done.
    fn may_roll(&self, next: &Served) -> bool {
        if !next.settings.life.rolling {
            return false;
        }
        let reason = self.instance.current().cannot_roll(next);
        if let Some(reason) = &reason {
            tracing::info!("reloading: all workers are made new at once, and not one after the other: {reason}");
        }
        reason.is_none()
    }

    fn roll(&self, number: u64, served: Served, (replies, began, back): (Vec<Reply>, Instant, bool)) -> Loading {
        tracing::info!(generation = number, "reloading: workers are replaced one after the other");
        self.instance.set_state(State::Reloading);
        let generation = self.instance.current().followed_within(number, served);
        let (rolled, cores) = (Arc::clone(&generation), self.cores);
        let ready = Box::pin(async move { Ok(Way::Within(rolled.roll(cores).await?)) });
        Loading { generation, ready, replies, began, rolling: true, back }
    }

    /// How many workers the next generation begins with: as many as there are, so that none is missing at the switch.
    fn strength(&self, next: &Served) -> translate::Strength {
        let supervisor = &self.instance.current().supervisor;
        let now = (supervisor.condition() == Found::Serving).then(|| supervisor.strength().wanted);
        translate::Strength::of(&next.settings, self.cores, now)
    }

    /// What a reload cannot change is said.
    fn compare(&self, next: &Served) {
        let (now, next) = (&self.instance.current().served.settings, &next.settings);
        let changed = [
            ("bind", now.bind != next.bind),
            ("umask", now.app.umask != next.app.umask),
            ("pidfile", now.app.pidfile != next.app.pidfile),
            ("router_threads", now.pool.router_threads != next.pool.router_threads),
            ("reload, or a setting that goes with it,", now.develop != next.develop),
        ];
        for (what, _) in changed.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("{what} changed, which takes effect when the server is restarted");
        }
    }

    /// The next generation is ready, or never will be.
    pub(super) async fn loaded(&mut self, loading: Loading, ready: Result<Way, NotReady>, retiring: &mut JoinSet<()>) {
        let generation = Arc::clone(&loading.generation);
        let config = translate::router(&generation.served.settings, self.cores);
        let switched = match ready {
            Ok(Way::Within(loaded)) => {
                if let Some(developing) = &self.developing {
                    developing.follow(&generation.served, &loaded);
                }
                self.put_in_place(&loading, None, loaded);
                let logs = self.logs_of(&generation);
                self.put_in_effect(generation.served.settings.clone(), logs).await;
                // As after a switch: what did not load before is not shown any more.
                self.instance.router.hold(None).await;
                self.service.reloaded(None);
                loading.succeed();
                return;
            }
            Ok(Way::Beside(ready)) => match self.instance.router.switch(config, &generation.exchange).await {
                Ok(()) => Ok(ready),
                Err(error) => Err(NotReady::because(format!("the router cannot switch: {error}"))),
            },
            Err(failed) => Err(failed),
        };
        match switched {
            Ok((loaded, notices)) => {
                let former_notices = std::mem::replace(&mut self.notices, notices);
                let former_loaded = self.instance.view().loaded.clone();
                if let Some(developing) = &self.developing {
                    developing.follow(&generation.served, &loaded);
                    // Whoever develops waits for no generation but the one before.
                    self.instance.view().former.iter().for_each(|(_, former)| former.hurry());
                }
                let line = self.instance.router.line().await;
                let (former_line, former) = self.put_in_place(&loading, Some(line), loaded);
                if let Some(logs) = self.logs_of(&generation) {
                    self.logs.take(logs, &self.instance.router).await;
                }
                self.serving = true;
                let instance = Arc::clone(&self.instance);
                retiring.spawn(async move {
                    let parked = Arc::clone(&former).retire(Arc::clone(&instance.router), former_line).await;
                    if parked {
                        instance.park(Parked { generation: former, ready: (former_loaded, former_notices) }).await;
                    }
                    instance.forget(former_line);
                });
                self.service.reloaded(None);
                loading.succeed();
            }
            Err(failed) => {
                loading.drop_it().await;
                self.show(&failed).await;
                self.failed(generation.number, loading.began, &failed);
                self.go_on();
                loading.refuse(&failed);
            }
        }
    }

    /// Throws away what is loading, as somebody wishes.
    async fn cancel(&mut self, loading: Option<Loading>) {
        let Some(loading) = loading else { return };
        loading.drop_it().await;
        let (generation, seconds) = (loading.generation.number, loading.began.elapsed().as_secs_f64());
        let failed = NotReady::because("it was cancelled".to_owned());
        tracing::info!(generation, seconds, "the reload was cancelled, and the current generation goes on");
        self.service.reloaded(Some(&failed.reason));
        self.tell_last(generation, seconds, &failed);
        self.go_on();
        loading.refuse(&failed);
    }

    /// The current generation goes on: what the instance does is what that one does.
    fn go_on(&self) {
        let current = self.instance.current().supervisor.condition();
        self.instance.set_state(if self.serving { state_of(&current) } else { State::Serving });
    }

    /// The logs of a generation that serves. They could be had when it was begun.
    fn logs_of(&self, generation: &Generation) -> Option<Prepared> {
        let prepared = self.logs.prepare(&generation.served.settings.log);
        prepared.inspect_err(|error| tracing::error!("the logs stay where they are: {error}")).ok()
    }

    /// Puts the next generation in the current one's place; the former one, with the router's number of it. One without a `line` of its own has the
    /// former one's, and the former one's workers are gone.
    fn put_in_place(&self, loading: &Loading, line: Option<u32>, loaded: Loaded) -> (u32, Arc<Generation>) {
        let generation = &loading.generation;
        let seconds = loading.began.elapsed().as_secs_f64();
        self.logs.errors.set_generation(generation.number);
        tracing::info!(message_id = %MessageId::RELOADED, generation = generation.number, seconds, "the next generation serves");
        // What never served is nothing to go back to.
        if self.serving && !self.instance.view().loaded.python.is_empty() {
            self.source.remember(&self.instance.current().served);
        }
        let (former_line, former) = {
            let mut view = self.instance.view();
            let former = self.instance.succeed(&mut view, generation);
            let former_line = view.line;
            if let Some(line) = line {
                view.line = line;
                view.former.push((former_line, Arc::clone(&former)));
            }
            view.loaded = loaded;
            view.awaits_restart = self.awaits_restart(&generation.served.settings);
            view.last_reload = Some(LastReload {
                at_us: now_us(),
                succeeded: true,
                generation: generation.number,
                seconds,
                message: String::new(),
            });
            (former_line, former)
        };
        let kind = if loading.back { EventKind::RolledBack } else { EventKind::Reloaded };
        let message = format!("generation {} serves, after {seconds:.1} s", generation.number);
        self.instance.events().add(kind, generation.number, &message);
        self.instance.set_state(state_of(&generation.supervisor.condition()));
        (former_line, former)
    }

    /// Shows a failure to whoever develops.
    pub(super) async fn show(&mut self, failed: &NotReady) {
        if let Some(developing) = &mut self.developing {
            developing.show(&self.instance.router, failed, self.serving).await;
        }
    }

    fn failed(&mut self, number: u64, began: Instant, failed: &NotReady) {
        let seconds = began.elapsed().as_secs_f64();
        let detail = failed.traceback.as_deref().map(traceback::told);
        let goes_on = if self.serving { ", and the current generation goes on" } else { "" };
        let reason = &failed.reason;
        let message_id = MessageId::RELOAD_FAILED.to_string();
        tracing::error!(message_id, generation = number, seconds, detail, "the reload failed{goes_on}: {reason}");
        self.service.reloaded(Some(failed.in_public()));
        self.tell_last(number, seconds, failed);
    }

    fn tell_last(&self, generation: u64, seconds: f64, failed: &NotReady) {
        let message = failed.in_public().to_owned();
        let last = LastReload { at_us: now_us(), succeeded: false, generation, seconds, message };
        self.instance.view().last_reload = Some(last);
        self.instance.events().add(EventKind::ReloadFailed, generation, &failed.reason);
    }
}
impl Loading {
    /// Ends what was begun for a generation that will not serve.
    pub(super) async fn drop_it(&self) {
        if self.rolling {
            self.generation.supervisor.end_roll();
        } else {
            self.generation.throw_away().await;
        }
    }

    fn succeed(self) {
        let seconds = self.began.elapsed().as_secs_f64();
        for reply in self.replies {
            // Who asked may have hung up; the log has it.
            let _gone = reply.send(Ok(Reloaded { generation: self.generation.number, seconds }));
        }
    }

    pub(super) fn refuse(self, failed: &NotReady) {
        self.replies.into_iter().for_each(|reply| refuse(reply, failed));
    }
}

fn refuse(reply: Reply, failed: &NotReady) {
    let error = hostler_bus::Error::ReloadFailed {
        reason: failed.reason.clone(),
        traceback: failed.traceback.clone().unwrap_or_default(),
    };
    // Who asked may have hung up; the log has it.
    let _gone = reply.send(Err(error));
}

/// Waits for what is loading; for ever when nothing is. Cancel safe.
pub(super) async fn readiness(loading: &mut Option<Loading>) -> Result<Way, NotReady> {
    match loading {
        Some(loading) => (&mut loading.ready).await,
        None => std::future::pending().await,
    }
}
