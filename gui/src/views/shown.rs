//! The instance that is shown, apart from what a view changes while it draws.

use super::Stage;
use crate::bus::{Action, Link, Order};
use crate::model::{Instance, InstanceKey};
use crate::state::State;
use crate::theme::Tokens;

/// The instance that is shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// Which.
    pub key: &'a InstanceKey,
    /// What is known of it.
    pub instance: &'a Instance,
    /// The version of the daemon that it was told by, which is the installed one; none while that is away.
    pub version: Option<&'a str>,
    /// The theme.
    pub tokens: &'static Tokens,
    /// Now, in microseconds since 1970 (UTC).
    pub now: u64,
}

impl Shown<'_> {
    /// The order to do something to it.
    #[must_use]
    pub fn act(&self, action: Action) -> Order {
        Order::Act(self.key.clone(), action)
    }
}

impl Stage<'_> {
    /// Draws what an instance is shown with; nothing when none is.
    pub fn with_shown(&mut self, draw: impl FnOnce(Shown<'_>, &mut State, &mut Vec<Order>)) {
        let Some(key) = self.state.selected.clone() else { return };
        let Some(instance) = self.world.instance(&key) else { return };
        let version = match self.world.machine(&key.reach).map(|machine| &machine.link) {
            Some(Link::Ready(version)) => Some(version.as_str()),
            _ => None,
        };
        let shown = Shown { key: &key, instance, version, tokens: self.tokens, now: self.now };
        draw(shown, self.state, self.orders);
    }
}
