//! The Python stacks of a worker: what each of its threads does at this moment.

use egui::{Align, Layout, RichText, Ui};
use hostler_bus::Worker;

use crate::bus::{Action, Order};
use crate::model::Loaded;
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::views::shown::Shown;
use crate::widgets::{button, figures, loaded, spinner, text, traceback};

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, worker: &Worker, state: &mut State, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    let place = worker.place;
    let asks = shown.instance.running.as_ref().is_some_and(|running| running.action == Action::Stacks(place));
    let stacks = shown.instance.stacks.get(&place);
    ui.horizontal(|ui| {
        ui.label(text::title(format!("Python stacks of worker {place}")));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if button::icon_only(ui, Icon::X, "Close the stacks").clicked() {
                state.passing.workers.stacks_of = None;
            }
            if let Some(words) = stacks.and_then(Loaded::value)
                && button::icon_only(ui, Icon::Copy, "Copy the stacks").clicked()
            {
                ui.ctx().copy_text(words.clone());
            }
            if asks {
                spinner::show(ui, 15.0, tokens.moving);
            } else {
                ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
                    if button::icon_only(ui, Icon::RefreshCw, "Take the stacks again").clicked() {
                        orders.push(shown.act(Action::Stacks(place)));
                    }
                });
            }
        });
    });
    let words = match &worker.running {
        Some(running) => {
            format!(
                "pid {} · {} {} for {}",
                worker.pid,
                running.method,
                running.target,
                figures::duration(running.age_us)
            )
        }
        None => format!("pid {} · runs nothing now", worker.pid),
    };
    ui.add(egui::Label::new(text::small(tokens, words)).truncate());
    ui.add_space(Size::TIGHT);
    match stacks {
        Some(stacks) => {
            let again = loaded::show(ui, tokens, "the stacks", stacks, |ui, words| {
                let height = (ui.available_height() - 2.0 * Size::GAP).max(60.0);
                traceback::show(ui, tokens, "stacks", words, height);
            });
            if again {
                orders.push(shown.act(Action::Stacks(place)));
            }
        }
        None if asks => loaded::awaited(ui, tokens, "the stacks"),
        None => {
            let failed = shown.instance.failed.as_ref().filter(|(action, _)| *action == Action::Stacks(place));
            match failed {
                Some((_, failure)) => ui.label(RichText::new(&failure.message).color(tokens.bad)),
                None => ui.label(text::muted(tokens, "They were not asked for yet.")),
            };
        }
    }
}
