//! One window for one person: who starts the manager again is shown the window that is there.
//!
//! The first owns `org.hostler.Manager` on the session bus and serves `org.freedesktop.Application` there (Desktop Entry
//! Specification 1.5, "D-Bus Activation"); the next calls it and ends. Without a session bus, or where the owner of the
//! name does not answer, each start has a window of its own. It knows nothing of the daemons: that is `bus`.

mod calls;
mod link;
mod name;

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

use egui::Context;

pub use calls::Calls;
pub use link::{Link, LinkError, Resolved};

/// How many calls wait for a window that does not draw; more are refused.
const CALLS_LIMIT: usize = 32;

/// What somebody who starts the manager wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// See the window.
    Activate,
    /// See what these links name; what is no link comes as well, so that it can be said.
    Open(Vec<String>),
    /// Have a machine in the sidebar that is reached by ssh.
    Connect {
        /// The machine, as ssh(1) takes it.
        host: String,
        /// Whether the instances of the user there.
        user: bool,
    },
    /// See the instances of the user, or else of the computer.
    Show {
        /// Whether those of the user.
        user: bool,
    },
}

/// How the start went on.
#[derive(Debug)]
pub enum Begun {
    /// Here: there is to be a window.
    Here(Application),
    /// In the window that was there already.
    Elsewhere,
}

/// The near end of who holds the name on the session bus.
#[derive(Debug)]
pub struct Application {
    calls: Mutex<Receiver<Call>>,
    window: Arc<OnceLock<Context>>,
}

/// Claims the name, or passes `calls` on to its owner. It takes a few milliseconds, and never more than seconds.
/// `address` is the bus; the session's without one.
#[must_use]
pub fn begin(calls: Vec<Call>, address: Option<String>) -> Begun {
    let window = Arc::new(OnceLock::new());
    let (put, inbox) = sync_channel(CALLS_LIMIT);
    let here = || Begun::Here(Application { calls: Mutex::new(inbox), window: Arc::clone(&window) });
    let outer = name::Inbox { calls: put, window: Arc::clone(&window) };
    match name::claim(calls, address, outer) {
        name::Claimed::Elsewhere => Begun::Elsewhere,
        name::Claimed::Here => here(),
    }
}

impl Application {
    /// Has the window woken for each call from now on.
    pub fn attach(&self, window: &Context) {
        // It is set once: there is one window.
        let _ = self.window.set(window.clone());
    }

    /// The next call, if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Call> {
        self.calls.lock().ok()?.try_recv().ok()
    }
}
