//! What is on the pictures: a world, what the person chose, and what was pressed.

use egui::{Key, Modifiers};
use hostler_bus::daemon::InstanceState;
use hostler_manager::model::example::{self, extremes};
use hostler_manager::model::{InstanceKey, World};
use hostler_manager::state::{State, Tab};
use hostler_manager::views::settings;

use crate::hands::Step;

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) world: fn() -> World,
    /// What the person chose before.
    pub(crate) choose: fn(&mut State),
    /// What is done before the picture.
    pub(crate) steps: &'static [Step],
    /// How much larger than usual all is.
    pub(crate) zoom: f32,
}

const fn scene(name: &'static str, world: fn() -> World, choose: fn(&mut State)) -> Scene {
    Scene { name, world, choose, steps: &[], zoom: 1.0 }
}

impl Scene {
    const fn after(self, steps: &'static [Step]) -> Self {
        Self { steps, ..self }
    }

    const fn zoomed(self, zoom: f32) -> Self {
        Self { zoom, ..self }
    }
}

fn show(state: &mut State, name: &str, tab: Tab) {
    state.selected = Some(example::key(name));
    state.tab = tab;
}

fn all(_: &mut State) {}

/// The settings of `shop`, scrolled to those of its workers.
fn worker_settings(state: &mut State) {
    show(state, "shop", Tab::Settings);
    settings::show_setting(state, "threads");
}

fn machine(state: &mut State) {
    state.machine = Some(example::system());
}

fn marked(state: &mut State) {
    state.marked = ["admin", "api", "blog", "shop"].map(example::key).into();
    state.favourites = ["shop", "intranet-of-the-northern-warehouse"].map(example::key).into();
}

fn unfound(state: &mut State) {
    state.search = "saddle".to_owned();
    state.states = vec![InstanceState::Failed];
}

fn long(state: &mut State) {
    state.selected = Some(InstanceKey { reach: example::system(), name: extremes::LONG_NAME.to_owned() });
}

/// The view of `shop` with a tab.
macro_rules! shop {
    ($tab:ident) => {
        |state| show(state, "shop", Tab::$tab)
    };
}

const COMMAND_K: Step = Step::Press(Modifiers::COMMAND, Key::K);
/// Twice, it shows a quarter of the time.
const CLOSER: Step = Step::Press(Modifiers::ALT, Key::Equals);
/// Three changes.
const EDITS: [Step; 4] = [
    Step::Click("More threads"),
    Step::Click("More threads"),
    Step::Click("preload"),
    Step::Click("workers: One a core"),
];

/// All of them.
pub(crate) const ALL: &[Scene] = &[
    scene("list", example::world, all),
    scene("list-machine", example::world, machine),
    scene("list-many", extremes::many, all),
    scene("list-marked", example::world, marked),
    scene("list-unfound", example::world, unfound),
    scene("list-filter", example::world, all).after(&[Step::Click("Filter by state")]),
    scene("list-menu", example::world, all).after(&[Step::Click("Instance")]),
    scene("list-menu-of-row", example::world, all).after(&[Step::ClickOther("shop, serving")]),
    scene("list-zoomed", example::world, all).zoomed(1.5),
    scene("overview", example::world, shop!(Overview)),
    scene("overview-pointed", example::world, shop!(Overview)).after(&[Step::Point("Latency over the last 5 minutes")]),
    scene("overview-closer", example::world, shop!(Overview)).after(&[CLOSER, CLOSER]),
    scene("overview-idle", extremes::idle, shop!(Overview)),
    scene("overview-awaited", extremes::awaited, shop!(Overview)),
    scene("overview-long", extremes::long_names, long),
    scene("overview-lost", extremes::lost, shop!(Overview)),
    scene("overview-zoomed", example::world, shop!(Overview)).zoomed(1.5),
    scene("workers", example::world, shop!(Workers)),
    scene("workers-reloading", extremes::reloads, shop!(Workers)),
    scene("workers-long", extremes::long_names, |state| {
        long(state);
        state.tab = Tab::Workers;
    }),
    scene("workers-forbidden", extremes::forbidden, shop!(Workers)),
    scene("requests", example::world, shop!(Requests)),
    scene("requests-idle", extremes::idle, shop!(Requests)),
    scene("logs", example::world, shop!(Logs)),
    scene("logs-unfolded", example::world, shop!(Logs)).after(&[
        Step::Click("Search the log"),
        Step::Type("KeyError"),
        Step::Press(Modifiers::NONE, Key::Enter),
        Step::Click("Show all 6 lines"),
    ]),
    scene("logs-search", example::world, shop!(Logs)).after(&[
        Step::Click("Search the log"),
        Step::Type("orders"),
        Step::Press(Modifiers::NONE, Key::Enter),
        Step::Click("Wrap long lines"),
    ]),
    scene("logs-detail", example::world, shop!(Logs))
        .after(&[Step::Click("Log lines"), Step::Press(Modifiers::NONE, Key::ArrowUp)]),
    scene("logs-filter", example::world, shop!(Logs)).after(&[Step::Click("Filter by worker, generation or time")]),
    scene("logs-idle", extremes::idle, shop!(Logs)),
    scene("logs-forbidden", extremes::forbidden, shop!(Logs)),
    scene("settings", example::world, shop!(Settings)),
    scene("settings-edited", example::world, worker_settings).after(&EDITS),
    scene("settings-mistaken", extremes::mistaken, worker_settings).after(&EDITS),
    scene("settings-review", example::world, worker_settings).after(&[
        EDITS[0],
        EDITS[1],
        EDITS[2],
        EDITS[3],
        Step::Click("Review…"),
    ]),
    scene("settings-file", example::world, shop!(Settings)).after(&[Step::Click("File")]),
    scene("settings-forbidden", extremes::forbidden, shop!(Settings)),
    scene("units", example::world, shop!(Units)),
    scene("history", example::world, shop!(History)),
    scene("history-deploys", example::world, shop!(History)).after(&[Step::Click("Deploys and reloads")]),
    scene("history-idle", extremes::idle, shop!(History)),
    scene("reloading", example::world, |state| show(state, "api", Tab::Overview)),
    scene("reloading-course", extremes::reloads, shop!(Overview)),
    scene("reload-failed", extremes::reload_failed, shop!(Overview)),
    scene("authorizing", extremes::authorizes, shop!(Overview)),
    scene("dismissed", extremes::dismissed, shop!(Overview)),
    scene("unauthorised", extremes::unauthorised, shop!(Overview)),
    scene("requests-locked", extremes::locked, shop!(Requests)),
    scene("workers-locked", extremes::locked, shop!(Workers)),
    scene("asleep", example::world, |state| show(state, "admin", Tab::Overview)),
    scene("failed", example::world, |state| show(state, "billing", Tab::Overview)),
    scene("broken", example::world, |state| show(state, "jobs", Tab::Overview)),
    scene("never-started", example::world, |state| show(state, "docs", Tab::Overview)),
    scene("toasts", extremes::told, shop!(Overview)),
    scene("notices", extremes::told, all).after(&[Step::Click("Notices, 3 new")]),
    scene("palette", example::world, shop!(Overview)).after(&[COMMAND_K, Step::Type("re")]),
    scene("palette-unfound", example::world, all).after(&[COMMAND_K, Step::Type("qqq")]),
    scene("shortcuts", example::world, all).after(&[Step::Press(Modifiers::NONE, Key::F1)]),
    scene("new", example::world, all).after(&[Step::Click("New instance…")]),
    scene("add-host", example::world, all).after(&[Step::Click("Add host…")]),
    scene("scale", example::world, shop!(Overview)).after(&[Step::Click("Set workers…")]),
    scene("stop-marked", example::world, marked).after(&[Step::Click("Stop…")]),
    scene("away", example::away, all),
    scene("connecting", example::connecting, all),
    scene("empty", example::empty, all),
];
