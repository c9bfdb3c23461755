//! What systemd is told of an instance, and the watchdog it feeds. Without systemd, nothing.
//!
//! A message that systemd does not take is logged and forgotten: an instance serves whoever listens to it.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use hostler_bus::{LastReload, Observed, State as Doing};
use hostler_systemd::Environment;
use hostler_systemd::journal::MessageId;
use hostler_systemd::notify::{Notifier, NotifyError, State, Watchdog};
use hostler_systemd::store::StoreName;
use rustix::process::Pid;
use tokio::time::{Interval, MissedTickBehavior};

use crate::manage::units::{rate, time};

/// How much longer systemd is asked to wait, each time: well above what lies between two times.
const MORE_TIME: Duration = Duration::from_secs(30);
/// How long systemd may take to hear of another main process.
const BARRIER: Duration = Duration::from_secs(5);

/// The service manager, as an instance speaks to it.
pub(super) struct Service {
    notifier: Notifier,
    /// When it is to be fed, if there is one.
    feeding: Option<Interval>,
    limit: Duration,
    /// It was said that it is not fed.
    starves: bool,
    status: String,
}

impl Service {
    /// The service manager that started this process, if one did. What it told wrongly is logged, and done without.
    pub(super) fn of(environment: &Environment) -> Self {
        let mistaken = |error: &dyn std::fmt::Display| tracing::warn!("systemd is not told of this instance: {error}");
        let notifier = Notifier::from(environment).unwrap_or_else(|error| {
            mistaken(&error);
            Notifier::none()
        });
        let watchdog = Watchdog::from(environment).unwrap_or_else(|error| {
            mistaken(&error);
            None
        });
        let feeding = watchdog.map(|watchdog| {
            let mut feeding = tokio::time::interval(watchdog.ping_every() / 2);
            feeding.set_missed_tick_behavior(MissedTickBehavior::Delay);
            feeding
        });
        let limit = watchdog.map_or(Duration::MAX, Watchdog::interval);
        Self { notifier, feeding, limit, starves: false, status: String::new() }
    }

    /// Nobody is told anything: systemd hears the main process alone (`NotifyAccess=main`), and warns of each word of another.
    pub(super) fn silent() -> Self {
        let (notifier, limit) = (Notifier::none(), Duration::MAX);
        Self { notifier, feeding: None, limit, starves: false, status: String::new() }
    }

    fn send(&self, states: &[State<'_>]) {
        told(self.notifier.send(states));
    }

    /// Whether somebody listens.
    pub(super) fn is_active(&self) -> bool {
        self.notifier.is_active()
    }

    /// Puts a descriptor into the store, whence it comes back after a restart; whether the message was sent.
    pub(super) fn keep(&self, name: &StoreName, descriptor: BorrowedFd<'_>) -> bool {
        self.is_active() && told(self.notifier.store(name, &[descriptor], true))
    }

    /// Takes what has this name out of the store.
    pub(super) fn forget(&self, name: &str) {
        told(self.notifier.remove_stored(name));
    }

    /// The application is being loaded, at the start; `trouble` says what keeps it from that.
    pub(super) fn loading(&self, seconds: u64, trouble: Option<&str>) {
        let mut status = match seconds {
            0 => "loading the application".to_owned(),
            _ => format!("loading the application since {seconds} s"),
        };
        if let Some(trouble) = trouble {
            status.push_str(&format!("; {trouble}"));
        }
        self.send(&[State::ExtendTimeout(MORE_TIME), State::Status(&status)]);
    }

    /// Requests are accepted.
    pub(super) fn serving(&self) {
        self.send(&[State::Ready, State::Status("serving")]);
    }

    /// A reload begins, or goes on.
    pub(super) fn reloading(&self) {
        self.send(&[State::Reloading, State::ExtendTimeout(MORE_TIME)]);
    }

    /// It takes longer.
    pub(super) fn still_reloading(&self) {
        self.send(&[State::ExtendTimeout(MORE_TIME)]);
    }

    /// A reload is over; `failed` says why it changed nothing.
    pub(super) fn reloaded(&mut self, failed: Option<&str>) {
        let status = failed.map_or_else(|| "reloaded".to_owned(), |reason| format!("the reload failed: {reason}"));
        self.send(&[State::Ready, State::Status(&status)]);
        // So that it is said how it goes on.
        self.status = status;
    }

    /// The end begins, which may take so long.
    pub(super) fn stopping(&self, patience: Duration) {
        self.send(&[State::Stopping, State::ExtendTimeout(patience + MORE_TIME), State::Status("finishing what runs")]);
    }

    /// How it goes, for `systemctl status`; said when it differs from what was said.
    pub(super) fn tell(&mut self, observed: &Observed) {
        let status = line(observed);
        if status != self.status && self.notifier.is_active() {
            self.send(&[State::Status(&status)]);
            self.status = status;
        }
    }

    /// Waits until systemd has taken in what it was told.
    pub(super) fn settle(&self) {
        told(self.notifier.barrier(BARRIER));
    }

    /// Another process is the service's main one from now on, and this one is not heard any more. Returns when systemd knows.
    pub(super) fn hand_over(&self, pid: u32) {
        let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
        told(self.notifier.main_process(process));
        told(self.notifier.barrier(BARRIER));
    }

    /// Waits until the watchdog is to be fed; for ever without one. Cancel safe.
    pub(super) async fn hungry(&mut self) {
        match &mut self.feeding {
            Some(feeding) => drop(feeding.tick().await),
            None => std::future::pending().await,
        }
    }

    /// How long may pass until the watchdog ends the service.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The instance makes progress.
    pub(super) fn feed(&mut self) {
        if std::mem::take(&mut self.starves) {
            tracing::info!("the workers make progress again: the watchdog is fed");
        }
        self.send(&[State::Watchdog]);
    }

    /// Its workers do not: unless they do before the watchdog runs out, the service is started anew.
    pub(super) fn starve(&mut self) {
        if !std::mem::replace(&mut self.starves, true) {
            tracing::error!(
                message_id = %MessageId::WORKERS_STUCK,
                "no worker makes progress, stopped or deaf as they are: the watchdog is not fed, and ends the service within {} s",
                self.limit.as_secs_f64()
            );
        }
    }

    /// It does not: better it is ended now than when the watchdog has run out.
    pub(super) fn give_up(&self) {
        tracing::error!(
            message_id = %MessageId::STUCK,
            "a router thread has not answered for {} s: the service is to be started anew",
            self.limit.as_secs_f64()
        );
        self.send(&[State::WatchdogTrigger]);
    }
}

/// Says why this process does not serve, for `systemctl status`; `errno` where the reason is one of errno(3).
pub(crate) fn failed(environment: &Environment, reason: &str, errno: Option<i32>) {
    // What is wrong with the way to systemd is the lesser trouble.
    let Ok(notifier) = Notifier::from(environment) else { return };
    let states = [Some(State::Status(reason)), errno.map(State::Errno)];
    told(notifier.send(&states.into_iter().flatten().collect::<Vec<_>>()));
}

/// Logs what systemd was not told; whether it was.
fn told(sent: Result<(), NotifyError>) -> bool {
    sent.inspect_err(|error| tracing::debug!(%error, "systemd was not told")).is_ok()
}

/// `generation 7: 4 of 4 workers, 120 requests/s, p95 4.1 ms, 2 queued; reloaded in 210 ms`.
fn line(observed: &Observed) -> String {
    let Observed { state, generation, workers_ready, workers_wanted, queued, trouble, .. } = observed;
    let doing = match state {
        Doing::Serving => "",
        other => &format!("{}, ", other.as_str()),
    };
    let rate = rate(observed.requests_per_second);
    let mut line =
        format!("{doing}generation {generation}: {workers_ready} of {workers_wanted} workers, {rate} requests/s");
    if observed.requests_per_second >= 0.05 {
        line.push_str(&format!(", p95 {}", time(observed.p95_us)));
    }
    if *queued > 0 {
        line.push_str(&format!(", {queued} queued"));
    }
    if !trouble.is_empty() {
        line.push_str(&format!("; {trouble}"));
    }
    match &observed.last_reload {
        Some(LastReload { succeeded: true, seconds, .. }) => {
            line.push_str(&format!("; reloaded in {}", time((seconds.max(0.0) * 1e6) as u64)));
        }
        Some(LastReload { message, .. }) => line.push_str(&format!("; the last reload failed: {message}")),
        None => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_one_line_that_says_what_counts() {
        let mut observed = Observed {
            state: Doing::Serving,
            generation: 7,
            workers_ready: 4,
            workers_wanted: 4,
            ..Observed::default()
        };
        assert_eq!(line(&observed), "generation 7: 4 of 4 workers, 0 requests/s");
        observed.requests_per_second = 120.4;
        observed.p95_us = 4_100;
        observed.queued = 2;
        observed.state = Doing::Reloading;
        let message = "no module named shop".to_owned();
        observed.last_reload = Some(LastReload { message, ..LastReload::default() });
        let wanted = "reloading, generation 7: 4 of 4 workers, 120 requests/s, p95 4.1 ms, 2 queued; \
                      the last reload failed: no module named shop";
        assert_eq!(line(&observed), wanted);
        observed = Observed { state: Doing::Serving, workers_wanted: 2, queued: 1, ..Observed::default() };
        observed.trouble = "workers are killed from outside while they start: worker 0".to_owned();
        let wanted = "generation 0: 0 of 2 workers, 0 requests/s, 1 queued; \
                      workers are killed from outside while they start: worker 0";
        assert_eq!(line(&observed), wanted);
    }
}
