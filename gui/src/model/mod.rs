//! What is known of the world: machines, instances, their parts. It changes by events alone and knows nothing of
//! windows, so each change can be tried without one.

mod choice;
mod clock;
mod course;
mod failure;
mod happenings;
mod instance;
mod loaded;
pub mod logs;
mod making;
mod samples;
mod take;
mod toast;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "example"))]
pub mod example;

use std::collections::BTreeMap;

use hostler_bus::daemon::{Reach, SettingInfo};

use crate::bus::{Absence, Link};

pub use choice::Choice;
pub use clock::Clock;
pub use course::{Course, Renewal, Step, StepState};
pub use failure::{Failure, FailureKind};
pub use happenings::{Happening, HappeningKind};
pub use instance::{Instance, InstanceKey, Running};
pub use loaded::Loaded;
pub use logs::{LogBook, LogCriteria, LogHistogram, LogIndex, Severity};
pub use making::Making;
pub use samples::{Sample, Samples};
pub use toast::{Toast, ToastTone};

/// All that is known.
#[derive(Debug, Default)]
pub struct World {
    /// The machines and scopes, in the order of the sidebar.
    pub machines: Vec<Machine>,
    /// What was done lately and is told at the edge of the window, the latest last; those whose time is over are kept as their
    /// history, as far as a limit goes.
    pub toasts: Vec<Toast>,
    /// The new instance that was ordered last, until its view is left.
    pub making: Option<Making>,
    /// The dialog of the desktop's that was asked for last.
    pub choice: Option<Choice>,
    /// How many toasts there ever were.
    toasted: u64,
}

/// A machine's or a user's daemon, and what it manages.
#[derive(Debug)]
pub struct Machine {
    /// Which.
    pub reach: Reach,
    /// How the connection is.
    pub link: Link,
    /// Its instances by name; those of the last connection stay while it is lost.
    pub instances: BTreeMap<String, Instance>,
    /// Whether the list came in since the connection was made.
    pub listed: bool,
    /// All settings that its daemon knows.
    pub schema: Vec<SettingInfo>,
}

impl Machine {
    /// How it is called in the sidebar.
    #[must_use]
    pub fn title(&self) -> String {
        match (&self.reach.host, self.reach.user) {
            (None, true) => "This user".to_owned(),
            (None, false) => "This computer".to_owned(),
            (Some(host), true) => format!("{host} (user)"),
            (Some(host), false) => host.clone(),
        }
    }

    /// Why it is not there, if it is not.
    #[must_use]
    pub fn absence(&self) -> Option<Absence> {
        match &self.link {
            Link::Absent { why, .. } => Some(*why),
            _ => None,
        }
    }

    /// Whether orders reach it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.link, Link::Ready(_))
    }
}

impl World {
    /// Puts a machine at the end of the sidebar, unless it is there.
    pub fn add_machine(&mut self, reach: Reach) {
        if self.machine(&reach).is_none() {
            self.machines.push(Machine {
                reach,
                link: Link::Connecting,
                instances: BTreeMap::new(),
                listed: false,
                schema: Vec::new(),
            });
        }
    }

    /// Takes a machine out of the sidebar.
    pub fn remove_machine(&mut self, reach: &Reach) {
        self.machines.retain(|machine| machine.reach != *reach);
    }

    /// A machine.
    #[must_use]
    pub fn machine(&self, reach: &Reach) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.reach == *reach)
    }

    pub(crate) fn machine_mut(&mut self, reach: &Reach) -> Option<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.reach == *reach)
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Option<&Instance> {
        self.machine(&key.reach)?.instances.get(&key.name)
    }

    /// An instance, to change what only views know of it, as how far its log is read.
    pub fn instance_mut(&mut self, key: &InstanceKey) -> Option<&mut Instance> {
        self.machine_mut(&key.reach)?.instances.get_mut(&key.name)
    }
}
