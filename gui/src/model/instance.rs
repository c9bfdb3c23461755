//! One instance: what the list says, and what is known of its parts.

use std::collections::BTreeMap;

use hostler_bus::daemon::{Detail, InstanceState, Overview, Problem, Reach, RevisionInfo};
use hostler_bus::{LogLevel, Request, Worker};
use serde::{Deserialize, Serialize};

use super::{Failure, Happening, Loaded, LogBook, Renewal, Samples};
use crate::bus::{Action, Part, Progress, Settings};

/// Which instance of all machines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceKey {
    /// Whose.
    pub reach: Reach,
    /// What it is called.
    pub name: String,
}

/// One instance.
#[derive(Debug, Default)]
pub struct Instance {
    /// As the daemon's properties say.
    pub overview: Overview,
    /// All that is known of it, as of the last look.
    pub detail: Loaded<Detail>,
    /// What was measured.
    pub samples: Samples,
    /// What happened: reloads, restarts, the latest last.
    pub happenings: Vec<Happening>,
    /// Whether it tells itself what happens.
    pub(super) tells_events: bool,
    /// Its workers.
    pub workers: Loaded<Vec<Worker>>,
    /// Its requests in flight.
    pub requests: Loaded<Vec<Request>>,
    /// Python stacks by the worker's place.
    pub stacks: BTreeMap<u32, Loaded<String>>,
    /// The least severity that it logs, as far as somebody asked.
    pub log_level: Loaded<LogLevel>,
    /// Its settings.
    pub settings: Loaded<Settings>,
    /// The mistakes of the last draft that was looked through, with its number.
    pub validated: Option<(u64, Result<Vec<Problem>, Failure>)>,
    /// The history of its settings.
    pub history: Loaded<Vec<RevisionInfo>>,
    /// Its log.
    pub log: LogBook,
    /// The parts whose answers wait for polkit's dialog.
    pub asking: Vec<Part>,
    /// What is being done to it.
    pub running: Option<Running>,
    /// What takes back what is being done, with the word for it, as far as that is known from how it was before.
    pub taken_back: Option<(&'static str, Action)>,
    /// The generation that is made, or was last; see [`Instance::course`].
    pub renewal: Option<Renewal>,
    /// How the last action ended that failed, until it is dismissed or another one begins.
    pub failed: Option<(Action, Failure)>,
}

/// An action under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// What is done.
    pub action: Action,
    /// Since when, in microseconds since 1970 (UTC).
    pub since_us: u64,
    /// Whether polkit waits for the person.
    pub authorizing: bool,
    /// How far it is.
    pub progress: Progress,
}

impl Instance {
    /// What it does.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.overview.state
    }

    /// What the instance itself says, if it runs and answers.
    #[must_use]
    pub fn status(&self) -> Option<&hostler_bus::Status> {
        self.detail.value()?.instance.as_ref()
    }

    /// The action that failed last, and why; a reload that somebody else asked for fails as well.
    #[must_use]
    pub fn last_failure(&self, now_us: u64) -> Option<(Action, Failure)> {
        let of_others = || Some((Action::Reload, self.course(now_us)?.failure?));
        self.failed.clone().or_else(of_others)
    }

    /// What is wrong with it, unless the failure that is on screen names the same reason: it is said once.
    #[must_use]
    pub fn untold_problem(&self, now_us: u64) -> Option<&str> {
        let problem = self.overview.problem.as_str();
        let reason = problem.split([';', '\n']).next().unwrap_or_default().trim_end_matches('.');
        let is_told = self.last_failure(now_us).is_some_and(|(_, failure)| failure.message.contains(reason));
        (!reason.is_empty() && !is_told).then_some(problem)
    }

    /// Notes what somebody else does to it.
    pub(super) fn begun_by_others(&mut self, action: Action, now_us: u64) {
        if self.running.is_some() {
            return;
        }
        self.dismiss_failure();
        let is_noticed = self.renewal.as_ref().is_some_and(|renewal| renewal.ended.is_none());
        if matches!(action, Action::Reload | Action::Rollback) && !is_noticed {
            self.renew(now_us);
        }
        self.running = Some(Running { action, since_us: now_us, authorizing: false, progress: Progress::default() });
    }

    /// Whether polkit waits for the person before a part can be seen.
    #[must_use]
    pub fn asks_for(&self, part: Part) -> bool {
        self.asking.contains(&part)
    }

    /// Whether its settings are being changed.
    pub(super) fn is_changing(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.action.changes_settings())
    }

    /// Whether something is being done to it that no other action may cross.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }
}
