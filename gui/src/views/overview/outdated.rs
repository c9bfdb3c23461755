//! That another version of Hostler is installed than the instance's server runs: until it is upgraded, that is the old one.

use egui::{Label, Ui};

use crate::bus::{Action, Order};
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::views::shown::Shown;
use crate::widgets::{button, card, glyph, text};

/// Draws it where it is so.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, orders: &mut Vec<Order>) {
    let (Some(status), Some(installed)) = (shown.instance.status(), shown.version) else { return };
    let runs = &status.observed.version;
    if runs.is_empty() || installed.is_empty() || runs == installed {
        return;
    }
    card::frame(shown.tokens).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = Size::GAP;
            glyph::show(ui, Icon::PackageCheck, 16.0, shown.tokens.accent);
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let press = |ui: &mut Ui| button::plain(ui, Icon::PackageCheck, "Upgrade it");
                let response = ui.add_enabled_ui(!shown.instance.is_busy(), press).inner;
                if response.on_hover_text("The installed server takes over; no request is lost").clicked() {
                    orders.push(shown.act(Action::Upgrade));
                }
                let words = format!("Hostler {installed} is installed; its server still runs {runs}.");
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    ui.add(Label::new(text::muted(shown.tokens, words)).truncate());
                });
            });
        });
    });
}
