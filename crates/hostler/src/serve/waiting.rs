//! Clients that wait in the sockets of systemd for a server that cannot start: they are answered before it ends.
//!
//! Else the socket would start it again at once for the very client that it left behind, and so on for as long as that one waits. Systemd goes on
//! listening, so the next client starts it once more, and finds out whether it was mended.

use std::process::ExitCode;

use hostler_listener::{Bound, adopt};
use hostler_project::Surroundings;
use hostler_router::{Held, answer_waiting};
use hostler_systemd::Environment;
use hostler_systemd::sockets::{Passed, Purpose, receive};
use hostler_systemd::store;

use super::sockets::Sockets;
use super::{page, stored};
use crate::USAGE;
use crate::refusal::Refusal;

/// Second holds of the sockets in which they wait.
pub(super) struct Waiting(Vec<Bound>);

impl Waiting {
    /// Those of what systemd passed, before a setting took any: what their name says is for requests.
    pub(super) fn of_passed(passed: &[Passed]) -> Self {
        let for_requests = passed.iter().filter(|passed| Purpose::of_name(&passed.name) == Some(Purpose::Http));
        // One that is nothing to accept from is told of elsewhere.
        let held = |passed: &Passed| adopt(passed.number, passed.descriptor.try_clone().ok()?).ok();
        Self(for_requests.filter_map(held).collect())
    }

    /// Those that the settings took. What was not passed closes with this process, and starts nothing.
    pub(super) fn of_clients(sockets: &Sockets) -> Self {
        let clients = sockets.clients.iter().filter(|_| sockets.passed);
        Self(clients.filter_map(|bound| bound.try_clone().ok()).collect())
    }

    /// A server is there for them.
    pub(super) fn are_served(&mut self) {
        self.0.clear();
    }

    /// Answers them all, which takes two seconds at most. Returns when nobody waits any more.
    pub(super) fn answer(&self, held: Held) {
        if self.0.is_empty() {
            return;
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::debug!(%error, "who waits in the sockets is not answered"),
        };
        let clients = runtime.block_on(answer_waiting(&self.0, held));
        if clients > 0 {
            tracing::info!(clients, "who waited for the start was answered 503");
        }
    }
}

/// Tells why serving does not begin, of a process that has not taken yet what systemd passed to it; the exit code.
pub(crate) fn refused(refusal: &Refusal, surroundings: &Surroundings) -> ExitCode {
    let code = refusal.tell(surroundings);
    // Other faults pass by themselves, and systemd tries again: whoever waits is served then.
    if refusal.code == USAGE {
        answer_waiting_clients();
    }
    code
}

/// Answers them in a process that has not taken yet what systemd passed to it, and never will.
pub(crate) fn answer_waiting_clients() {
    // What systemd says wrongly is told by a process that needs it.
    if let Ok(passed) = receive(&Environment::of_process()) {
        Waiting::of_passed(&store::sort(passed, stored::is_known).sockets).answer(page::unusable());
    }
}
