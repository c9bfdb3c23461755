//! Machines and scopes, and their instances.

use egui::Ui;

use super::Stage;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
