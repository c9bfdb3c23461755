//! What is on screen. Each view draws what the model says, changes the state, and answers with orders.

pub mod absence;
pub mod dialogs;
pub mod filter;
pub mod history;
mod install;
pub mod instance;
#[cfg(test)]
mod layout_tests;
pub mod list;
pub mod logs;
pub mod menu;
pub mod new;
pub mod overview;
pub mod palette;
pub mod requests;
pub mod settings;
pub mod shell;
pub mod shown;
pub mod sidebar;
pub mod toasts;
pub mod top_bar;
pub mod trend;
#[cfg(test)]
pub(crate) mod trial;
pub mod units;
pub mod workers;

use serde::{Deserialize, Serialize};

use crate::bus::Order;
use crate::model::{Instance, InstanceKey, World};
use crate::state::State;
use crate::theme::Tokens;

/// What a view is drawn with.
pub struct Stage<'a> {
    /// What is known.
    pub world: &'a mut World,
    /// What the person chose.
    pub state: &'a mut State,
    /// What is to be done.
    pub orders: &'a mut Vec<Order>,
    /// The theme.
    pub tokens: &'static Tokens,
    /// Now, in microseconds since 1970 (UTC).
    pub now: u64,
}

impl Stage<'_> {
    /// The instance that is shown, with its key.
    #[must_use]
    pub fn selected(&self) -> Option<(InstanceKey, &Instance)> {
        let key = self.state.selected.clone()?;
        let instance = self.world.instance(&key)?;
        Some((key, instance))
    }

    /// Gives an order.
    pub fn order(&mut self, order: Order) {
        self.orders.push(order);
    }
}

/// What each view keeps between runs: one field a view.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The log's.
    pub logs: logs::Kept,
    /// The overview's.
    pub overview: overview::Kept,
    /// The sidebar's.
    pub sidebar: sidebar::Kept,
    /// The list's.
    pub list: list::Kept,
}

/// What each view remembers while the window is open: one field a view.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// The log's.
    pub logs: logs::Passing,
    /// The overview's: the part of the range that is looked at.
    pub overview: overview::Passing,
    /// The workers'.
    pub workers: workers::Passing,
    /// The history's.
    pub history: history::Passing,
    /// The settings': drafts by instance.
    pub settings: settings::Passing,
    /// The new instance's.
    pub new: new::Passing,
    /// The palette's.
    pub palette: palette::Passing,
    /// The shell's: what is observed, where the keys are.
    pub shell: shell::Passing,
    /// The dialog that is open.
    pub dialog: Option<dialogs::Dialog>,
    /// The toasts': what was told lately.
    pub toasts: toasts::Passing,
}
