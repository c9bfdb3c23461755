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

/// Goes to the log of the instance that is shown, with the lines of one request alone.
pub fn show_request(state: &mut crate::state::State, id: &str) {
    let _ = id;
    state.tab = crate::state::Tab::Logs;
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let _ = (ui, stage);
}
