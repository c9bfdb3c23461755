//! What happened to an instance: found in what changes from one look to the next, and marked on the time axis of plots.

use hostler_bus::daemon::{Detail, InstanceState, Overview, RevisionInfo};
use hostler_bus::{EventKind, Status, Worker};

use super::Instance;

/// How many are kept of an instance.
const LIMIT: usize = 256;
/// What is told by two sides within this time is the same.
const SAME_US: u64 = 2_000_000;

/// Something that happened to an instance, as plots mark it.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When, in microseconds since 1970 (UTC).
    pub at_us: u64,
    /// What kind.
    pub kind: HappeningKind,
    /// What, in one line.
    pub message: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// A new generation serves.
    Reloaded,
    /// A generation was thrown away.
    ReloadFailed,
    /// A former generation serves again.
    RolledBack,
    /// The service was started.
    Started,
    /// Another server process took over.
    Upgraded,
    /// A worker was replaced against its will.
    WorkerReplaced,
    /// Workers were replaced, for one of their limits or by hand.
    Recycled,
    /// Settings were changed.
    Configured,
    /// It went to sleep.
    Slept,
    /// It woke up.
    Woke,
    /// No worker could be had.
    Broken,
    /// A worker serves again after that.
    Mended,
    /// Its server process was killed or crashed.
    Crashed,
}

impl Happening {
    /// What the instance itself tells; `None` of a kind that is not known here.
    fn told(event: &hostler_bus::Event) -> Option<Self> {
        let kind = match event.kind {
            EventKind::Started => HappeningKind::Started,
            EventKind::Upgraded => HappeningKind::Upgraded,
            EventKind::Reloaded => HappeningKind::Reloaded,
            EventKind::ReloadFailed => HappeningKind::ReloadFailed,
            EventKind::RolledBack => HappeningKind::RolledBack,
            EventKind::Applied => HappeningKind::Configured,
            EventKind::WorkerDied => HappeningKind::WorkerReplaced,
            EventKind::Recycled => HappeningKind::Recycled,
            EventKind::Broken => HappeningKind::Broken,
            EventKind::Healed => HappeningKind::Mended,
            EventKind::Asleep => HappeningKind::Slept,
            EventKind::Awake => HappeningKind::Woke,
            EventKind::Crashed => HappeningKind::Crashed,
            EventKind::Unknown => return None,
        };
        Some(Self { at_us: event.at_us, kind, message: event.message.clone() })
    }

    /// Whether both are the same thing, told by two sides: the instance, the daemon, systemd, the history of settings.
    fn is_same(&self, other: &Self) -> bool {
        let states =
            !matches!(self.kind, HappeningKind::WorkerReplaced | HappeningKind::Recycled | HappeningKind::ReloadFailed);
        self.kind == other.kind
            && (self.at_us == other.at_us && (states || self.message == other.message)
                || states && self.at_us.abs_diff(other.at_us) < SAME_US)
    }
}

impl Instance {
    /// Notes what happened, once; in the order of time.
    pub(super) fn happened(&mut self, happening: Happening) {
        let same = |one: &Happening| one.is_same(&happening);
        if self.happenings.iter().any(same) {
            return;
        }
        let place = self.happenings.partition_point(|one| one.at_us <= happening.at_us);
        self.happenings.insert(place, happening);
        if self.happenings.len() > LIMIT {
            self.happenings.remove(0);
        }
    }

    /// Notes what an overview says that differs from the former one.
    pub(super) fn notice_overview(&mut self, next: &Overview, now_us: u64) {
        let (before, now) = (self.overview.state, next.state);
        let at_us = if next.since_us == 0 { now_us } else { next.since_us };
        let served = matches!(before, InstanceState::Serving | InstanceState::Stopping | InstanceState::Broken);
        if now == InstanceState::Asleep && served {
            let message = "it went to sleep; the next request wakes it".to_owned();
            self.happened(Happening { at_us, kind: HappeningKind::Slept, message });
        }
        if before == InstanceState::Asleep && matches!(now, InstanceState::Serving | InstanceState::Starting) {
            self.happened(Happening { at_us, kind: HappeningKind::Woke, message: "it woke up".to_owned() });
        }
        if now == InstanceState::Broken && before != now && before != InstanceState::Unknown {
            self.happened(Happening { at_us, kind: HappeningKind::Broken, message: next.problem.clone() });
        }
        if before == InstanceState::Broken && now == InstanceState::Serving {
            let message = "a worker serves again".to_owned();
            self.happened(Happening { at_us, kind: HappeningKind::Mended, message });
        }
    }

    /// Notes what a status says that differs from the former one.
    pub(super) fn notice_status(&mut self, detail: &Detail, at_us: u64) {
        let Some(status) = &detail.instance else { return };
        if !status.observed.events.is_empty() {
            self.notice_events(&status.observed.events);
            return;
        }
        // An instance of an older version tells nothing: it is seen from outside.
        if let Some(service) = detail.service.as_ref().filter(|unit| unit.active == "active" && unit.since_us > 0) {
            let message = "its service was started".to_owned();
            self.happened(Happening { at_us: service.since_us, kind: HappeningKind::Started, message });
        } else if self.status().is_some_and(|before| before.observed.pid != status.observed.pid) {
            let message = format!("another server process runs: {}", status.observed.pid);
            self.happened(Happening { at_us, kind: HappeningKind::Started, message });
        }
        self.notice_reload(status);
    }

    /// Notes what the instance itself tells.
    pub(super) fn notice_events(&mut self, events: &[hostler_bus::Event]) {
        self.tells_events |= !events.is_empty();
        for happening in events.iter().filter_map(Happening::told) {
            self.happened(happening);
        }
    }

    fn notice_reload(&mut self, status: &Status) {
        let Some(reload) = &status.observed.last_reload else { return };
        let (kind, message) = if reload.succeeded {
            let message = format!("generation {} serves, after {:.1} s", reload.generation, reload.seconds);
            (HappeningKind::Reloaded, message)
        } else {
            let message = format!("generation {} was thrown away: {}", reload.generation, reload.message);
            (HappeningKind::ReloadFailed, message)
        };
        self.happened(Happening { at_us: reload.at_us, kind, message });
    }

    /// Notes workers that were replaced since the former list.
    pub(super) fn notice_workers(&mut self, next: &[Worker], at_us: u64) {
        let Some(before) = self.workers.value().filter(|_| !self.tells_events) else { return };
        let mut replaced = Vec::new();
        for worker in next {
            let Some(former) = before.iter().find(|former| former.place == worker.place) else { continue };
            for (cause, count) in &worker.restarts {
                if *count > former.restarts.get(cause).copied().unwrap_or_default() {
                    replaced.push(format!("worker {}: {}", worker.place, cause.replace('_', " ")));
                }
            }
        }
        if !replaced.is_empty() {
            self.happened(Happening { at_us, kind: HappeningKind::WorkerReplaced, message: replaced.join(", ") });
        }
    }

    /// Notes changes of settings.
    pub(super) fn notice_history(&mut self, revisions: &[RevisionInfo]) {
        for revision in revisions {
            let message = if revision.summary.is_empty() {
                "its settings were changed".to_owned()
            } else {
                format!("settings: {}", revision.summary)
            };
            self.happened(Happening { at_us: revision.at_us, kind: HappeningKind::Configured, message });
        }
    }
}
