//! Toasts at the edge of the window.

use egui::Ui;

use super::Stage;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
