//! A new instance: choose a folder, review, create; or import what another server was told.

use egui::Ui;

use super::Stage;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
