//! The thread that talks to the daemons. Views never call it: they answer with [`Order`]s, and the model changes by
//! [`Event`]s.

mod absence;
mod acting;
mod asking;
mod background;
mod ledger;
mod logs;
mod machine;
mod observing;
mod outbox;
mod portal;
mod session;
mod signals;
mod thread;
mod words;

use std::path::PathBuf;

use hostler_bus::daemon::{
    Change, Detail, LogFilter, LogLine, NewInstance, Outcome, Overview, Problem, Reach, RevisionInfo, SettingInfo,
    SettingValue,
};
use hostler_bus::{LogLevel, Request, Worker};

use crate::model::{Failure, InstanceKey, Sample};

pub use thread::{Connect, OwnBuses, Thread, start, start_over};

/// Where orders go and events come from.
pub trait Bus: Send + Sync {
    /// Sends an order. It never waits.
    fn send(&self, order: Order);
    /// The next event, if there is one.
    fn try_next(&self) -> Option<Event>;
}

/// What the bus thread is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Connect to a daemon and stay connected; again at once where it waits for its next attempt.
    Connect(Reach),
    /// Let go of a daemon.
    Disconnect(Reach),
    /// Which instance is on screen, and which of its parts: those are kept fresh, and no others.
    Observe(Option<InstanceKey>, Vec<Part>),
    /// Ask again at once for what is on screen of this instance, also for what was refused: the person may be asked for a
    /// password, once.
    Refresh(InstanceKey),
    /// Whether the window is seen. While it is not, nothing is asked for.
    Shown(bool),
    /// Do something to an instance.
    Act(InstanceKey, Action),
    /// Cancel the job that does something to an instance.
    Cancel(InstanceKey),
    /// Ask for the least severity that an instance logs.
    AskLogLevel(InstanceKey),
    /// Follow the log from now on; replaces the stream that there was.
    FollowLogs(InstanceKey, LogFilter),
    /// The same after it ended by itself: nobody acted, so that nobody is asked for a password.
    ResumeLogs(InstanceKey, LogFilter),
    /// End the stream of the log.
    EndLogs(InstanceKey),
    /// Ask for a change's mistakes; `draft` comes back with the answer.
    Validate {
        /// Whose settings.
        key: InstanceKey,
        /// The number of the draft.
        draft: u64,
        /// The change.
        change: Change,
    },
    /// Have the person choose files in the desktop's own dialog; another one in the place of the one before.
    Choose(ChoiceWish),
    /// Make a new instance. What becomes of it is told of as of [`Action::Create`].
    Create {
        /// On which machine.
        reach: Reach,
        /// What it is called.
        name: String,
        /// Its settings.
        change: Change,
        /// What it is beside them.
        options: NewInstance,
    },
}

/// What the person is to choose in the desktop's own dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceWish {
    /// Its number, which comes back with the answer.
    pub number: u64,
    /// What is chosen.
    pub kind: ChoiceKind,
    /// The title of the dialog.
    pub title: String,
    /// Where it begins.
    pub folder: PathBuf,
}

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChoiceKind {
    /// A folder.
    Folder,
    /// Files, one or several.
    Files,
    /// A file to write to, with the name that is proposed. The dialog asks before an existing one is taken.
    Save(String),
}

/// A part of an instance that is kept fresh while it is on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its status, every second.
    Status,
    /// Its workers, every second.
    Workers,
    /// Its requests in flight, every second.
    Requests,
    /// Its settings, once and after each change.
    Settings,
    /// The history of its settings, once and after each change.
    History,
}

/// What can be done to an instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start socket and service.
    Start,
    /// Stop socket and service.
    Stop,
    /// Stop and start the service.
    Restart,
    /// Make the next generation.
    Reload,
    /// Bring the previous generation back.
    Rollback,
    /// Start the program of its server anew.
    Upgrade,
    /// Start the service of one that sleeps.
    Wake,
    /// Stop the service, leave the socket.
    Sleep,
    /// Let it start by itself, or not.
    Enable(bool),
    /// Set the number of workers.
    Scale(u32),
    /// Set the least severity that it logs.
    SetLogLevel(LogLevel),
    /// Replace a worker.
    Recycle(u32),
    /// Ask for a worker's Python stacks.
    Stacks(u32),
    /// Apply a change of settings made from a revision.
    Apply {
        /// The revision.
        revision: String,
        /// The change.
        change: Change,
    },
    /// Take back what made a revision.
    Undo {
        /// The revision.
        revision: String,
    },
    /// Bring the text of a revision back.
    Restore {
        /// The revision that the file has now.
        revision: String,
        /// The one that comes back.
        to: String,
    },
    /// Take the instance away.
    Remove,
    /// Make it; ordered with [`Order::Create`].
    Create,
}

/// How the connection to a daemon is.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// It is being made.
    Connecting,
    /// It is there, with the daemon's version.
    Ready(String),
    /// It is not there.
    Absent {
        /// What kind of absence.
        why: Absence,
        /// The words, with what to do.
        message: String,
        /// When it is tried again, in microseconds since 1970 (UTC); none when only an order does.
        retry_at_us: Option<u64>,
    },
}

/// Why a daemon cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// There is no bus, or it went away.
    NoBus,
    /// The host is not reached.
    NoHost,
    /// Hostler is not installed there.
    NotInstalled,
    /// The daemon does not start or went away.
    NotRunning,
    /// The person may not.
    NotPermitted,
}

/// What the bus thread tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// A connection changed.
    Link(Reach, Link),
    /// All instances of a machine, and its settings' schema.
    Listed(Reach, Vec<Overview>),
    /// All settings that a daemon knows.
    Schema(Reach, Vec<SettingInfo>),
    /// An instance was added or changed.
    Changed(Reach, Overview),
    /// An instance is gone.
    Gone(Reach, String),
    /// An instance's status at a moment (microseconds since 1970): of the one on screen each second, of others that
    /// run every few seconds.
    Status(InstanceKey, u64, Result<Box<Detail>, Failure>),
    /// What was measured before the window was opened, when its server did not run, and what happened; the oldest first.
    Past(InstanceKey, Vec<Sample>, Vec<hostler_bus::Gap>, Vec<hostler_bus::Event>),
    /// The answer to what is asked for a part is waiting for polkit's dialog, or no longer.
    Asking(InstanceKey, Part, bool),
    /// Its workers.
    Workers(InstanceKey, Result<Vec<Worker>, Failure>),
    /// Its requests in flight.
    Requests(InstanceKey, Result<Vec<Request>, Failure>),
    /// A worker's stacks.
    Stacks(InstanceKey, u32, Result<String, Failure>),
    /// The least severity that it logs.
    LogLevel(InstanceKey, Result<LogLevel, Failure>),
    /// Its settings.
    Settings(InstanceKey, Result<Settings, Failure>),
    /// The mistakes of a draft.
    Validated(InstanceKey, u64, Result<Vec<Problem>, Failure>),
    /// The history of its settings.
    History(InstanceKey, Result<Vec<RevisionInfo>, Failure>),
    /// Lines of its log.
    Logged(InstanceKey, Vec<LogLine>),
    /// The stream of its log ended; with a reason, if not as ordered.
    LogsEnded(InstanceKey, Option<Failure>),
    /// Its log may be read, and is: what was logged follows.
    LogsOpened(InstanceKey),
    /// Somebody else does something to an instance: a job was begun that is none of ours. It goes on as an action of
    /// ours does.
    Begun(InstanceKey, Action),
    /// An action is waiting for polkit's dialog, or no longer.
    Authorizing(InstanceKey, Action, bool),
    /// What was chosen in the desktop's own dialog, by its number; nothing where it was closed.
    Chosen(u64, Result<Vec<PathBuf>, Failure>),
    /// How far an action's job is.
    Progress(InstanceKey, Action, Progress),
    /// The job that should have been cancelled goes on.
    NotCancelled(InstanceKey, Failure),
    /// An action came to its end. [`Action::Stacks`] does not: it ends with [`Event::Stacks`].
    Ended(InstanceKey, Action, Result<Outcome, Failure>),
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What it is at.
    pub stage: String,
    /// How much is done, between 0 and 1.
    pub fraction: f64,
}

/// The settings of an instance at a revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// The revision of the file; empty while there is none.
    pub revision: String,
    /// The values.
    pub values: Vec<SettingValue>,
    /// The text of the file.
    pub text: String,
}
