//! All instances of all machines, or of one, as a table.

use egui::Ui;

use super::Stage;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
