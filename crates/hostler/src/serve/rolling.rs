//! A reload that replaces worker by worker, within the exchange that serves: when it can be done so, and how it ends.

use std::sync::Arc;

use hostler_channel::Loaded;
use hostler_settings::{App, Asgi, Settings};
use hostler_supervisor::{Condition, Failure, RollFailed};

use super::generation::{Generation, NotReady};
use super::{Served, translate};

impl Generation {
    /// Why a reload with these settings cannot replace worker by worker; `None` where it can.
    pub(super) fn cannot_roll(&self, next: &Served) -> Option<String> {
        let condition = self.supervisor.condition();
        if condition != Condition::Serving {
            return Some(format!("no worker serves ({})", describe(&condition)));
        }
        if next.settings.life.ready_path.is_some() {
            return Some("ready_path is set, which is asked before anything serves".to_owned());
        }
        if self.served.settings.pool.preload || next.settings.pool.preload {
            return Some("preload is set: new workers come from a keeper, which has the code of before".to_owned());
        }
        let changed = more_than_processes(&self.served.settings, &next.settings);
        (!changed.is_empty()).then(|| format!("more changed than new processes take up, in: {}", changed.join(", ")))
    }

    /// The generation that this one becomes when its workers are replaced: it has the same exchange and the same supervisor.
    pub(super) fn followed_within(&self, number: u64, served: Served) -> Arc<Self> {
        Arc::new(Self::of(number, served, Arc::clone(&self.exchange), self.supervisor.clone()))
    }

    /// Replaces all workers, one after the other, and returns what they found. Dropping this does not end it.
    pub(super) async fn roll(self: Arc<Self>, cores: usize) -> Result<Loaded, NotReady> {
        let threads = self.exchange.config().router_threads as u16;
        let mut options =
            translate::supervisor(&self.served, translate::Strength::of(&self.served.settings, cores, None), threads);
        options.start.generation = self.number;
        self.supervisor.roll(options, self.number).await.map_err(NotReady::from)
    }
}

impl From<RollFailed> for NotReady {
    fn from(failed: RollFailed) -> Self {
        let reason = failed.to_string();
        match failed {
            RollFailed::NotReady { failure: Failure::Import { traceback, .. }, .. } => {
                Self::of_application(reason, traceback)
            }
            RollFailed::NotReady { .. } | RollFailed::Ended { .. } => Self::because(reason),
        }
    }
}

/// The groups of settings in which something differs that the present exchange, router or supervisor was made for. What takes effect at once does
/// not count, nor what does only when the server is started anew.
fn more_than_processes(now: &Settings, next: &Settings) -> Vec<&'static str> {
    let mut now = now.clone();
    now.take_live(next);
    let Settings { app, bind: _, pool, life, asgi, http, limits, log: _, develop: _, service: _, is_bind_given: _ } =
        next;
    // Where a setting is added it is to be decided here whether new processes take it up.
    let App {
        app: _,
        interface: _,
        chdir: _,
        pythonpath: _,
        python: _,
        venv: _,
        env: _,
        root_path: _,
        umask: _,
        pidfile: _,
        hooks: _,
    } = app;
    let Asgi { r#loop, lifespan, .. } = asgi;
    let mut life_now = now.life.clone();
    life_now.rolling = life.rolling;
    life_now.debug = life.debug;
    let mut pool_now = now.pool.clone();
    pool_now.router_threads = pool.router_threads;
    let asgi_now = Asgi { r#loop: *r#loop, lifespan: *lifespan, ..now.asgi.clone() };
    [
        ("Workers", pool_now != *pool),
        ("The life of workers", life_now != *life),
        ("ASGI", asgi_now != *asgi),
        ("HTTP", now.http != *http),
        ("Limits", now.limits != *limits),
    ]
    .into_iter()
    .filter_map(|(group, differs)| differs.then_some(group))
    .collect()
}

fn describe(condition: &Condition) -> &'static str {
    match condition {
        Condition::Booting => "it starts",
        Condition::Serving => "it serves",
        Condition::Broken { .. } => "the application is broken",
        Condition::Asleep => "it is asleep",
        Condition::Waking => "it is being woken",
        Condition::Stopping | Condition::Stopped => "it stops",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use hostler_settings::Workers;

    use super::*;

    #[test]
    fn what_new_processes_take_up_is_rolled_and_all_else_is_not() {
        let now = Settings::default();
        let mut next = now.clone();
        next.app.chdir = Some(PathBuf::from("/other"));
        next.life.rolling = true;
        next.pool.router_threads = hostler_settings::CountOrAuto::Count(3);
        assert_eq!(more_than_processes(&now, &next), [""; 0]);
        next.pool.workers = Workers::Count(3);
        next.http.keepalive = Duration::from_secs(1);
        next.life.max_requests = 7;
        assert_eq!(more_than_processes(&now, &next), ["Workers", "The life of workers"]);
    }
}
