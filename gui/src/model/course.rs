//! The course of a reload on screen: the next generation imports and gets ready, it serves, the former one finishes what it
//! runs; or the next one is thrown away, and the former one goes on.

use hostler_bus::daemon::{InstanceState, Outcome};
use hostler_bus::{Worker, WorkerState};

use super::{Failure, FailureKind, Instance};
use crate::bus::Action;

/// How long a course that came to its end is shown.
const SHOWN_US: u64 = 8_000_000;
/// After so long without news of its end, nobody knows what became of a reload that others asked for.
const UNKNOWN_AFTER_US: u64 = 600_000_000;

/// A generation that is made, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Renewal {
    /// The generation that served before.
    pub former: u64,
    /// When it began, in microseconds since 1970 (UTC).
    pub since_us: u64,
    /// When and how it ended: with the generation that serves, or why it was thrown away.
    pub ended: Option<(u64, Result<u64, Failure>)>,
}

/// The course of a reload.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The generation that is made.
    pub generation: u64,
    /// The one that served before.
    pub former: u64,
    /// Since when, in microseconds since 1970 (UTC).
    pub since_us: u64,
    /// Its steps, in their order.
    pub steps: Vec<Step>,
    /// Why the generation was thrown away; its detail is the traceback.
    pub failure: Option<Failure>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How far it is.
    pub state: StepState,
    /// What it is: `Generation 8 starts`.
    pub title: String,
    /// How it goes: `2 of 4 workers ready`; may be empty.
    pub detail: String,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// It is still to come.
    Waiting,
    /// It is under way.
    Underway,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

impl Course {
    /// Whether nothing more comes.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.failure.is_some() || self.steps.iter().all(|step| step.state == StepState::Done)
    }
}

impl Instance {
    /// The course of the reload that is under way, ended a moment ago, or failed and was not dismissed.
    #[must_use]
    pub fn course(&self, now_us: u64) -> Option<Course> {
        let renewal = self.renewal.as_ref()?;
        let former = renewal.former;
        let serves = self.status().map_or(self.overview.generation, |status| status.observed.generation);
        let (generation, failure) = match &renewal.ended {
            Some((_, Ok(generation))) => (*generation, None),
            Some((_, Err(failure))) => (former + 1, Some(failure.clone())),
            None => (self.youngest_worker().max(serves).max(former + 1), None),
        };
        let course = |steps, failure| Some(Course { generation, former, since_us: renewal.since_us, steps, failure });
        if let Some(failure) = failure {
            let steps = vec![
                step(StepState::Failed, format!("Generation {generation} was thrown away"), failure.message.clone()),
                step(StepState::Done, format!("Generation {former} goes on serving"), String::new()),
            ];
            return course(steps, Some(failure));
        }
        let ready = renewal.ended.is_some() || serves > former;
        let drain = self.drain(generation);
        if let Some((at_us, Ok(_))) = renewal.ended
            && drain.is_none()
            && now_us.saturating_sub(at_us) > SHOWN_US
        {
            return None;
        }
        let state = |done, underway| match (done, underway) {
            (true, _) => StepState::Done,
            (_, true) => StepState::Underway,
            _ => StepState::Waiting,
        };
        let draining = ready && drain.is_some();
        course(
            vec![
                step(
                    state(ready, true),
                    format!("Generation {generation} starts"),
                    if ready { String::new() } else { self.starting(generation) },
                ),
                step(state(ready, false), format!("Generation {generation} serves"), String::new()),
                step(
                    state(ready && !draining, draining),
                    format!("Generation {former} finishes"),
                    drain.filter(|_| ready).unwrap_or_default(),
                ),
            ],
            None,
        )
    }

    /// Lets go of what failed, as the person has seen it.
    pub fn dismiss_failure(&mut self) {
        self.failed = None;
        if matches!(&self.renewal, Some(Renewal { ended: Some((_, Err(_))), .. })) {
            self.renewal = None;
        }
    }

    /// Notes that the next generation was asked for.
    pub(super) fn renew(&mut self, now_us: u64) {
        let former = self.status().map_or(self.overview.generation, |status| status.observed.generation);
        self.renewal = Some(Renewal { former, since_us: now_us, ended: None });
    }

    /// Notes how an action ended that may have made a generation.
    pub(super) fn renewed(&mut self, action: &Action, result: &Result<Outcome, Failure>, now_us: u64) {
        let asked = matches!(action, Action::Reload | Action::Rollback);
        if !asked && !action.changes_settings() {
            return;
        }
        let Some(renewal) = self.renewal.as_mut().filter(|renewal| renewal.ended.is_none()) else { return };
        match result {
            Ok(outcome) => {
                let generation = outcome.generation.unwrap_or_default().max(renewal.former + 1);
                renewal.ended = Some((now_us, Ok(generation)));
            }
            Err(failure) if failure.kind == FailureKind::Failed => {
                renewal.ended = Some((now_us, Err(failure.clone())));
            }
            // It never began, or nobody knows.
            Err(_) => self.renewal = None,
        }
    }

    /// Notes a generation that others asked for: its beginning is seen in the state, its end in the status.
    pub(super) fn notice_renewal(&mut self, now_us: u64) {
        let reloads = self.overview.state == InstanceState::Reloading;
        let ours = self.running.as_ref().is_some_and(|running| {
            matches!(running.action, Action::Reload | Action::Rollback) || running.action.changes_settings()
        });
        let last = self.status().and_then(|status| status.observed.last_reload.clone());
        if let Some(renewal) = self.renewal.as_mut().filter(|renewal| renewal.ended.is_none()) {
            match last.filter(|last| last.at_us >= renewal.since_us) {
                _ if reloads || ours => {}
                // Another server process counts anew: nobody knows what became of it.
                Some(last) if last.generation <= renewal.former => self.renewal = None,
                Some(last) if last.succeeded => renewal.ended = Some((last.at_us, Ok(last.generation))),
                Some(last) => {
                    let failure = Failure { message: last.message, ..Failure::default() };
                    renewal.ended = Some((last.at_us, Err(failure)));
                }
                // The status that tells of its end comes in a moment, unless the instance ended instead.
                None if now_us.saturating_sub(renewal.since_us) > UNKNOWN_AFTER_US => self.renewal = None,
                None => {}
            }
            return;
        }
        // The state may be an older one than that in which the last was seen to end.
        let ended = self.renewal.as_ref().and_then(|renewal| renewal.ended.as_ref()).map(|(at_us, _)| *at_us);
        let ended = ended.max(last.map(|last| last.at_us)).unwrap_or_default();
        if reloads && ended < self.overview.since_us {
            self.renew(self.overview.since_us);
        }
    }

    fn youngest_worker(&self) -> u64 {
        self.workers.value().into_iter().flatten().map(|worker| worker.generation).max().unwrap_or_default()
    }

    /// How far the workers of a generation are that does not serve yet.
    fn starting(&self, generation: u64) -> String {
        let workers: Vec<&Worker> =
            self.workers.value().into_iter().flatten().filter(|worker| worker.generation == generation).collect();
        if !workers.is_empty() {
            let ready = workers.iter().filter(|one| matches!(one.state, WorkerState::Idle | WorkerState::Busy)).count();
            return format!("{ready} of {} workers ready", workers.len());
        }
        match &self.running {
            Some(running) if running.authorizing => "waiting for authorisation".to_owned(),
            Some(running) if !running.progress.stage.is_empty() => running.progress.stage.clone(),
            _ => "its workers import the application".to_owned(),
        }
    }

    /// What former generations still run; `None` when nothing is known to be left of them.
    fn drain(&self, generation: u64) -> Option<String> {
        let old: Vec<&Worker> =
            self.workers.value()?.iter().filter(|worker| worker.generation < generation && worker.pid != 0).collect();
        if old.is_empty() {
            return None;
        }
        let places: Vec<u32> = old.iter().map(|worker| worker.place).collect();
        let listed = self.requests.value().map(|requests| {
            requests.iter().filter(|one| one.worker.is_some_and(|place| places.contains(&place))).count()
        });
        let running = old.iter().filter(|worker| worker.running.is_some()).count();
        let plural = |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
        Some(match listed.unwrap_or_default().max(running) {
            0 => format!("{} left", plural(old.len(), "worker")),
            requests => {
                format!("{} in {}", plural(requests, "request"), plural(old.len(), "worker"))
            }
        })
    }
}

fn step(state: StepState, title: String, detail: String) -> Step {
    Step { state, title, detail }
}
