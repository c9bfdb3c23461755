//! The overview: the figures of now, live plots with what happened on their time axis, and the facts.

mod cards;
mod face;
mod facts;
mod lately;
mod outdated;
mod plots;
mod scale;
#[cfg(test)]
mod tests;
mod track;
mod zoom;

use egui::Ui;
use hostler_bus::daemon::InstanceState;

use super::Stage;
use super::shown::Shown;
use crate::bus::Order;
use crate::model::Loaded;
use crate::state::State;
use crate::theme::Size;
use crate::widgets::{card, page};
pub use track::Range;
pub use zoom::{Change, Passing};

/// From this width on, things stand beside each other.
const WIDE: f32 = 660.0;

/// What it keeps between runs.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Kept {
    /// How much time the plots show.
    pub range: Range,
}

/// Changes which part of the range the plots show.
pub fn change(state: &mut State, change: Change, now_us: u64) {
    state.passing.overview.change(change, state.views.overview.range, now_us);
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    stage.with_shown(|shown, state, orders| {
        page::show(ui, "overview", |ui| {
            ui.spacing_mut().item_spacing.y = Size::PAD;
            parts(ui, shown, state, orders);
            ui.add_space(Size::GAP);
        });
    });
}

fn parts(ui: &mut Ui, shown: Shown<'_>, state: &mut State, orders: &mut Vec<Order>) {
    face::show(ui, shown, state, orders);
    let state_runs = matches!(shown.instance.state(), InstanceState::Serving | InstanceState::Reloading);
    if state_runs && matches!(shown.instance.detail, Loaded::Never | Loaded::Awaited) {
        cards::awaited(ui, shown);
    }
    outdated::show(ui, shown, orders);
    if let Some(status) = shown.instance.status() {
        cards::show(ui, shown, status);
    }
    if shown.instance.samples.last().is_some() || shown.instance.status().is_some() {
        plots::show(ui, shown, state);
    }
    if ui.available_width() < WIDE {
        lately::show(ui, shown, state, 0.0);
        facts::show(ui, shown);
        return;
    }
    let lately = |ui: &mut Ui, least: f32| lately::show(ui, shown, state, least);
    card::level(ui, "lately and facts", lately, |ui| facts::show(ui, shown));
}
