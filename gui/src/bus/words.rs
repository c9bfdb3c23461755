//! How actions are called.

use super::Action;

impl Action {
    /// What is done, as a verb: `Reload`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
            Self::Reload => "Reload",
            Self::Rollback => "Roll back",
            Self::Upgrade => "Upgrade",
            Self::Wake => "Wake",
            Self::Sleep => "Sleep",
            Self::Enable(true) => "Start automatically",
            Self::Enable(false) => "Do not start automatically",
            Self::Scale(_) => "Set workers",
            Self::SetLogLevel(_) => "Set log level",
            Self::Recycle(_) => "Recycle worker",
            Self::Stacks(_) => "Show stacks",
            Self::Apply { .. } => "Apply settings",
            Self::Undo { .. } => "Undo change",
            Self::Restore { .. } => "Bring settings back",
            Self::Remove => "Remove",
            Self::Create => "Create",
        }
    }

    /// What goes on: `Reloading…`.
    #[must_use]
    pub fn doing(&self) -> &'static str {
        match self {
            Self::Start => "Starting…",
            Self::Stop => "Stopping…",
            Self::Restart => "Restarting…",
            Self::Reload => "Reloading…",
            Self::Rollback => "Rolling back…",
            Self::Upgrade => "Upgrading…",
            Self::Wake => "Waking…",
            Self::Sleep => "Going to sleep…",
            Self::Enable(_) => "Changing how it starts…",
            Self::Scale(_) => "Setting workers…",
            Self::SetLogLevel(_) => "Setting the log level…",
            Self::Recycle(_) => "Replacing a worker…",
            Self::Stacks(_) => "Asking for stacks…",
            Self::Apply { .. } => "Applying settings…",
            Self::Undo { .. } => "Taking the change back…",
            Self::Restore { .. } => "Bringing the settings back…",
            Self::Remove => "Removing…",
            Self::Create => "Making it…",
        }
    }

    /// Whether it changes settings, which may make a generation.
    #[must_use]
    pub fn changes_settings(&self) -> bool {
        matches!(self, Self::Apply { .. } | Self::Undo { .. } | Self::Restore { .. })
    }

    /// What is said when it failed: `Reload failed`.
    #[must_use]
    pub fn failed(&self) -> String {
        format!("{} failed", self.verb())
    }
}
