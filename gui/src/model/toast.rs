//! Short words at the edge of the window about what was done.

use hostler_bus::daemon::{InstanceState, Outcome};

use super::{Failure, Instance, InstanceKey, World};
use crate::bus::Action;

/// For how long a toast is shown: one that only tells, one with an offer to take it back, one about a failure.
const PLAIN_US: u64 = 5_000_000;
const UNDO_US: u64 = 10_000_000;
const BAD_US: u64 = 30_000_000;
/// How many are kept.
const LIMIT: usize = 50;

/// How a toast sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastTone {
    /// It was done.
    Good,
    /// It was not.
    Bad,
    /// The person may not.
    Refused,
    /// It is only said.
    Plain,
}

/// One toast.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    /// Its number, larger than those before.
    pub number: u64,
    /// How it sounds.
    pub tone: ToastTone,
    /// What it says.
    pub text: String,
    /// The instance that it is about.
    pub about: Option<InstanceKey>,
    /// What takes the action back, or does it after all, with the word for it.
    pub undo: Option<(&'static str, Action)>,
    /// When it goes, in microseconds since 1970 (UTC).
    pub until_us: u64,
}

impl World {
    /// Says something at the edge of the window.
    pub fn toast(
        &mut self,
        tone: ToastTone,
        text: String,
        about: Option<InstanceKey>,
        undo: Option<(&'static str, Action)>,
        now_us: u64,
    ) {
        self.toasted += 1;
        let shown_us = match tone {
            ToastTone::Bad | ToastTone::Refused => BAD_US,
            _ if undo.is_some() => UNDO_US,
            _ => PLAIN_US,
        };
        if let Some(about) = &about {
            // What was done later to the same instance cannot be taken back by what was offered before.
            self.toasts.iter_mut().filter(|toast| toast.about.as_ref() == Some(about)).for_each(|toast| {
                toast.undo = None;
            });
        }
        self.toasts.push(Toast { number: self.toasted, tone, text, about, undo, until_us: now_us + shown_us });
        if self.toasts.len() > LIMIT {
            self.toasts.remove(0);
        }
    }

    /// The toasts that are shown now, the latest last.
    pub fn shown_toasts(&self, now_us: u64) -> impl DoubleEndedIterator<Item = &Toast> {
        self.toasts.iter().filter(move |toast| toast.until_us > now_us)
    }

    /// Takes a toast from the screen. It stays in the history.
    pub fn dismiss_toast(&mut self, number: u64) {
        if let Some(toast) = self.toasts.iter_mut().find(|toast| toast.number == number) {
            toast.until_us = 0;
        }
    }

    /// Shows a toast for so many microseconds more, as the pointer is over it.
    pub fn hold_toast(&mut self, number: u64, now_us: u64, for_us: u64) {
        if let Some(toast) = self.toasts.iter_mut().find(|toast| toast.number == number && toast.until_us > now_us) {
            toast.until_us = toast.until_us.max(now_us + for_us);
        }
    }

    /// Says how an action ended.
    pub(super) fn toast_end(
        &mut self,
        key: &InstanceKey,
        action: &Action,
        result: &Result<Outcome, Failure>,
        now_us: u64,
    ) {
        let name = key.name.as_str();
        let taken_back = self.instance(key).and_then(|instance| instance.taken_back.clone());
        let (tone, text, undo) = match result {
            Ok(outcome) => {
                let text = if outcome.message.is_empty() { done(name, action) } else { outcome.message.clone() };
                (ToastTone::Good, text, undo_of(action, outcome, taken_back))
            }
            Err(failure) => {
                // What is made is made from its dialog, where what was typed still stands.
                let may_again = failure.is_unanswered() && *action != Action::Create;
                let again = may_again.then(|| ("Try again", action.clone()));
                (failure.tone(), format!("{}: {}", not_done(name, action), failure.reason()), again)
            }
        };
        self.toast(tone, text, Some(key.clone()), undo, now_us);
    }
}

impl Instance {
    /// What would take an action back, from how it is before.
    pub(super) fn taking_back(&self, action: &Action) -> Option<(&'static str, Action)> {
        let rests = matches!(
            self.state(),
            InstanceState::Configured | InstanceState::Stopped | InstanceState::Failed | InstanceState::Asleep
        );
        match action {
            Action::Start if rests => Some(("Stop again", Action::Stop)),
            Action::Stop => Some(("Start again", Action::Start)),
            Action::Sleep => Some(("Wake", Action::Wake)),
            Action::Wake => Some(("Sleep again", Action::Sleep)),
            Action::Enable(enabled) => Some(("Undo", Action::Enable(!enabled))),
            Action::Scale(workers) => {
                let former = self.status()?.observed.workers_wanted;
                (former != *workers && former > 0).then_some(("Undo", Action::Scale(former)))
            }
            Action::SetLogLevel(level) => {
                let former = self.log_level.value().copied().filter(|former| former != level)?;
                Some(("Undo", Action::SetLogLevel(former)))
            }
            _ => None,
        }
    }
}

fn undo_of(
    action: &Action,
    outcome: &Outcome,
    taken_back: Option<(&'static str, Action)>,
) -> Option<(&'static str, Action)> {
    let revision = || outcome.revision.clone().filter(|revision| !revision.is_empty());
    match action {
        Action::Reload => Some(("Roll back", Action::Rollback)),
        Action::Apply { .. } => revision().map(|revision| ("Undo", Action::Undo { revision })),
        // To undo that would go on to the change before.
        Action::Undo { revision: undone } => {
            revision().map(|revision| ("Redo", Action::Restore { revision, to: undone.clone() }))
        }
        Action::Restore { revision: former, .. } if !former.is_empty() => {
            revision().map(|revision| ("Undo", Action::Restore { revision, to: former.clone() }))
        }
        _ => taken_back,
    }
}

/// What was done, where the daemon has no words for it.
fn done(name: &str, action: &Action) -> String {
    match action {
        Action::Scale(1) => format!("{name} is to have 1 worker"),
        Action::Scale(workers) => format!("{name} is to have {workers} workers"),
        Action::Recycle(worker) => format!("worker {worker} of {name} is being replaced"),
        Action::Enable(true) => format!("{name} starts by itself from now on"),
        Action::Enable(false) => format!("{name} does not start by itself any more"),
        Action::Start => format!("{name} is started"),
        Action::Stop => format!("{name} is stopped"),
        Action::Restart => format!("{name} is restarted"),
        Action::Reload => format!("{name} is reloaded"),
        Action::Rollback => format!("the former generation of {name} serves again"),
        Action::Upgrade => format!("the new server of {name} serves"),
        Action::SetLogLevel(level) => format!("{name} logs what is {level} or worse", level = level.as_str()),
        Action::Wake => format!("{name} is awake"),
        Action::Sleep => format!("{name} is asleep"),
        Action::Apply { .. } => format!("the settings of {name} are changed"),
        Action::Undo { .. } | Action::Restore { .. } => format!("the former settings of {name} are back"),
        Action::Remove => format!("{name} is removed"),
        Action::Create => format!("{name} is there"),
        Action::Stacks(worker) => format!("the stacks of worker {worker} of {name} are here"),
    }
}

/// What was not.
fn not_done(name: &str, action: &Action) -> String {
    match action {
        Action::Scale(_) => format!("the number of workers of {name} was not changed"),
        Action::Recycle(worker) => format!("worker {worker} of {name} was not replaced"),
        Action::Enable(_) => format!("whether {name} starts by itself was not changed"),
        Action::Start => format!("{name} was not started"),
        Action::Stop => format!("{name} was not stopped"),
        Action::Restart => format!("{name} was not restarted"),
        Action::Reload => format!("{name} was not reloaded"),
        Action::Rollback => format!("{name} was not rolled back"),
        Action::Upgrade => format!("the server of {name} was not upgraded"),
        Action::SetLogLevel(_) => format!("the log level of {name} was not changed"),
        Action::Wake => format!("{name} was not woken"),
        Action::Sleep => format!("{name} was not put to sleep"),
        Action::Apply { .. } => format!("the settings of {name} were not changed"),
        Action::Undo { .. } => format!("the settings of {name} were not taken back"),
        Action::Restore { .. } => format!("the former settings of {name} were not brought back"),
        Action::Remove => format!("{name} was not removed"),
        Action::Create => format!("{name} was not made"),
        Action::Stacks(worker) => format!("the stacks of worker {worker} of {name} did not come"),
    }
}
