//! The workers of an instance, by generation while a reload drains, and the Python stacks of one of them.

mod rows;
mod stacks;
#[cfg(test)]
mod tests;

use egui::Ui;
use hostler_bus::Worker;
use hostler_bus::daemon::InstanceState;

use super::Stage;
use super::shown::Shown;
use crate::bus::{Action, Order};
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::widgets::{button, empty, loaded, text};

pub use rows::Sort;

/// From this width on, the stacks stand beside the table.
const BESIDE: f32 = 1_080.0;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// The worker whose stacks are shown.
    pub stacks_of: Option<u32>,
    /// What the table is sorted by, and whether the greatest is first.
    pub sort: (Sort, bool),
}

/// Shows the stacks of a worker of the instance that is shown, and has them asked for.
pub fn show_stacks(state: &mut State, orders: &mut Vec<Order>, shown: Shown<'_>, place: u32) {
    state.tab = crate::state::Tab::Workers;
    state.passing.workers.stacks_of = Some(place);
    orders.push(shown.act(Action::Stacks(place)));
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    stage.with_shown(|shown, state, orders| {
        let again = loaded::show(ui, shown.tokens, "the workers", &shown.instance.workers, |ui, workers| {
            if workers.is_empty() {
                nothing(ui, shown, orders);
            } else {
                filled(ui, shown, workers, state, orders);
            }
        });
        if again {
            orders.push(Order::Refresh(shown.key.clone()));
        }
    });
}

fn filled(ui: &mut Ui, shown: Shown<'_>, workers: &[Worker], state: &mut State, orders: &mut Vec<Order>) {
    if let Some(status) = shown.instance.status() {
        let observed = &status.observed;
        let words = match observed.workers_reason.as_str() {
            "" => format!("{} ready of {} wanted", observed.workers_ready, observed.workers_wanted),
            reason => format!("{} ready of {} wanted: {reason}", observed.workers_ready, observed.workers_wanted),
        };
        ui.label(text::muted(shown.tokens, words));
        ui.add_space(Size::TIGHT);
    }
    let chosen = state.passing.workers.stacks_of.and_then(|place| workers.iter().find(|worker| worker.place == place));
    let Some(worker) = chosen else {
        rows::show(ui, shown, workers, state, orders);
        return;
    };
    if ui.available_width() >= BESIDE {
        let panel = egui::Panel::right("stacks").resizable(true).default_size(460.0).min_size(320.0);
        panel.frame(egui::Frame::new().inner_margin(egui::Margin { left: 12, ..Default::default() })).show(ui, |ui| {
            stacks::show(ui, shown, worker, state, orders);
        });
    } else {
        let panel = egui::Panel::bottom("stacks").resizable(true).default_size(260.0).min_size(140.0);
        panel.frame(egui::Frame::new().inner_margin(egui::Margin { top: 8, ..Default::default() })).show(ui, |ui| {
            stacks::show(ui, shown, worker, state, orders);
        });
    }
    rows::show(ui, shown, workers, state, orders);
}

fn nothing(ui: &mut Ui, shown: Shown<'_>, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    match shown.instance.state() {
        InstanceState::Asleep => {
            let words = "All workers were let go as nobody asked anything. The next request starts them.";
            empty::show(ui, tokens, Icon::Moon, "No worker runs", words, |ui| {
                ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
                    if button::primary(ui, tokens, Some(Icon::Sunrise), "Wake it now").clicked() {
                        orders.push(shown.act(Action::Wake));
                    }
                });
            });
        }
        InstanceState::Broken => {
            let words = if shown.instance.overview.problem.is_empty() {
                "No worker can be had; its log says why."
            } else {
                &shown.instance.overview.problem
            };
            empty::show(ui, tokens, Icon::CircleAlert, "No worker can be had", words, |_| {});
        }
        _ => {
            let words = "Workers are here while the instance runs.";
            empty::show(ui, tokens, Icon::Cpu, "No worker runs", words, |_| {});
        }
    }
}
