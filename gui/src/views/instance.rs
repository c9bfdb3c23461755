//! One instance: its name and state, what can be done to it, and the tabs with their views.

use egui::Ui;

use super::Stage;
use crate::state::Tab;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some((key, instance)) = stage.selected() else { return };
    ui.heading(&key.name);
    ui.label(instance.state().as_str());
    ui.horizontal(|ui| {
        for tab in Tab::ALL {
            ui.selectable_value(&mut stage.state.tab, tab, tab.title());
        }
    });
    match stage.state.tab {
        Tab::Overview => super::overview::show(ui, stage),
        Tab::Workers => super::workers::show(ui, stage),
        Tab::Requests => super::requests::show(ui, stage),
        Tab::Logs => super::logs::show(ui, stage),
        Tab::Settings => super::settings::show(ui, stage),
        Tab::Units => super::units::show(ui, stage),
        Tab::History => super::history::show(ui, stage),
    }
}
