//! One instance: its name and state, what can be done to it, what is being done, and the tabs with their views.

mod actions;
mod course;
mod failure;
mod header;
mod tabs;

use egui::Ui;

use super::Stage;
use crate::state::Tab;
use crate::theme::Size;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    header::show(ui, stage);
    course::show(ui, stage);
    failure::show(ui, stage);
    ui.add_space(Size::GAP);
    tabs::show(ui, stage);
    ui.add_space(Size::GAP);
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
