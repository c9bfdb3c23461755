//! The log: live, searched, filtered, folded.

use egui::Ui;

use super::Stage;

/// What it keeps between runs.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Kept {}

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
