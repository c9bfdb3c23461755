//! The frame of the window: sidebar, content, dialogs, toasts.

use egui::Ui;

use super::Stage;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    egui::Panel::left("sidebar").default_size(280.0).show(ui, |ui| super::sidebar::show(ui, stage));
    egui::CentralPanel::default().show(ui, |ui| {
        if stage.selected().is_some() {
            super::instance::show(ui, stage);
        } else {
            super::list::show(ui, stage);
        }
    });
    super::palette::show(ui, stage);
    super::toasts::show(ui, stage);
}
