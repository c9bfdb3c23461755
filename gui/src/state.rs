//! What the person chose: kept between runs, save what is marked so.

use std::collections::BTreeSet;

use egui::ThemePreference;
use hostler_bus::daemon::{InstanceState, Reach};
use serde::{Deserialize, Serialize};

use crate::model::{InstanceKey, World};

/// The view of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tab {
    /// Live plots and what happened.
    #[default]
    Overview,
    /// The workers.
    Workers,
    /// Requests in flight.
    Requests,
    /// The log.
    Logs,
    /// The settings.
    Settings,
    /// Sockets, unit files, hardening.
    Units,
    /// What was changed.
    History,
}

impl Tab {
    /// All, in their order.
    pub const ALL: [Self; 7] =
        [Self::Overview, Self::Workers, Self::Requests, Self::Logs, Self::Settings, Self::Units, Self::History];

    /// What it is called.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Workers => "Workers",
            Self::Requests => "Requests",
            Self::Logs => "Logs",
            Self::Settings => "Settings",
            Self::Units => "Units",
            Self::History => "History",
        }
    }
}

/// What the instances of the list are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// Their names.
    #[default]
    Name,
    /// Their states, those that need somebody first.
    State,
    /// Requests a second, the most first.
    Requests,
    /// Memory, the most first.
    Memory,
}

/// What the person chose.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Light, dark, or as the desktop is.
    pub theme: ThemePreference,
    /// The machines that were added by hand.
    pub hosts: Vec<Reach>,
    /// The instance that is shown.
    pub selected: Option<InstanceKey>,
    /// The machine whose instances alone are listed; all of all machines without it. Not kept.
    #[serde(skip)]
    pub machine: Option<Reach>,
    /// The view of it.
    pub tab: Tab,
    /// What the list is searched for.
    pub search: String,
    /// The states that the list shows; all when there are none.
    pub states: Vec<InstanceState>,
    /// What the list is sorted by.
    pub sort: Sort,
    /// Those at the top of the list.
    pub favourites: BTreeSet<InstanceKey>,
    /// Those that an action on several is for. Not kept.
    #[serde(skip)]
    pub marked: BTreeSet<InstanceKey>,
    /// What each view keeps for itself.
    pub views: crate::views::Kept,
    /// What each view remembers while the window is open.
    #[serde(skip)]
    pub passing: crate::views::Passing,
}

impl Default for State {
    fn default() -> Self {
        Self {
            theme: ThemePreference::System,
            hosts: Vec::new(),
            selected: None,
            machine: None,
            tab: Tab::default(),
            search: String::new(),
            states: Vec::new(),
            sort: Sort::default(),
            favourites: BTreeSet::new(),
            marked: BTreeSet::new(),
            views: Default::default(),
            passing: Default::default(),
        }
    }
}

impl State {
    /// Lets go of what is no longer there, after the world changed.
    pub fn follow(&mut self, world: &World) {
        self.marked.retain(|key| world.instance(key).is_some());
        if self.machine.as_ref().is_some_and(|reach| world.machine(reach).is_none()) {
            self.machine = None;
        }
    }
}
