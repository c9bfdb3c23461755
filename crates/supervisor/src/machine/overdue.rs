//! Requests past their time: the worker is saved if it can be, and replaced if it cannot.
//!
//! ```text
//!                                                 ended: the worker is saved
//!                                                    ▲
//!   timed out ──► Interrupt ──(GRACE)──► Look ───────┤
//!                                          ▲         ├─ nothing else runs ──► Killed, and started again in its place
//!                                          │         ▼
//!                                          │      others run: takes nothing more (Retiring), another takes its seat
//!                                          └─(LOOK_AGAIN)─┘   until they are done, or `graceful_timeout` is over
//! ```
//!
//! The router has answered the request already. When the process was replaced meanwhile the new one is not to blame: while it is not ready
//! it cannot have run the request.

use std::time::Duration;

use super::state::Overdue;
use super::{Action, Cause, Machine, Remark, State};
use crate::Look;

/// From the exception raised in a request to the look whether that ended it.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
/// Between two looks at a worker that was given up, whether its other requests are done.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Requests past their time that are followed in one worker; it has as many threads at most.
const MOST: usize = 64;

impl Machine {
    pub(super) fn timed_out(&mut self, worker: u16, request: Option<u64>, limit: Duration) {
        let Some(State::Ready | State::Retiring { .. }) = self.state(worker) else { return };
        let overdue = &mut self.workers[usize::from(worker)].overdue;
        if overdue.len() >= MOST || overdue.iter().any(|known| known.request == request) {
            return;
        }
        overdue.push(Overdue { request, look: self.now + GRACE, hopeless: false });
        self.actions.push(Action::Remark(Remark::RequestTimedOut { worker }));
        self.actions.push(Action::Interrupt { worker, request, limit });
    }

    /// Asks for a look when one is due. What is looked at then had its time.
    pub(super) fn look_if_due(&mut self, worker: u16) {
        let (now, entry) = (self.now, &mut self.workers[usize::from(worker)]);
        if entry.look_due().is_none_or(|due| now < due) {
            return;
        }
        for overdue in entry.overdue.iter_mut().filter(|overdue| overdue.look <= now) {
            *overdue = Overdue { look: now + LOOK_AGAIN, hopeless: true, ..*overdue };
        }
        self.actions.push(Action::Look { worker });
    }

    pub(super) fn looked(&mut self, worker: u16, look: &Look) {
        let Some(state @ (State::Ready | State::Retiring { .. })) = self.state(worker) else { return };
        let overdue = &mut self.workers[usize::from(worker)].overdue;
        let before = overdue.len();
        overdue.retain(|overdue| match overdue.request {
            Some(request) => look.running.contains(&request),
            None => !look.turned,
        });
        let requests = before - overdue.len();
        let hopeless: Vec<Option<u64>> = overdue.iter().filter(|one| one.hopeless).map(|one| one.request).collect();
        if hopeless.is_empty() {
            if requests > 0 && state == State::Ready {
                self.actions.push(Action::Remark(Remark::Saved { worker, requests }));
            }
            return;
        }
        // All that an event loop runs is stuck with it.
        let others = match hopeless.contains(&None) {
            true => 0,
            false => look.running.iter().filter(|request| !hopeless.contains(&Some(**request))).count(),
        };
        self.workers[usize::from(worker)].cause = Cause::RequestTimeout;
        if others == 0 {
            self.actions.push(Action::Remark(Remark::Stuck { worker, others }));
            self.kill(worker);
        } else if state == State::Ready {
            self.actions.push(Action::Remark(Remark::Stuck { worker, others }));
            self.give_up(worker);
        }
    }

    /// Lets a worker finish what it runs, while another has its seat: the one that was to replace it anyway, or a new one.
    fn give_up(&mut self, worker: u16) {
        if let Some(replacement) = self.replacement_of(worker) {
            self.workers[usize::from(replacement)].replaces = None;
        }
        self.workers[usize::from(worker)].released = true;
        self.dismiss(worker, true, Cause::RequestTimeout);
    }
}
