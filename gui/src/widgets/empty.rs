//! What is shown where nothing is to be shown: why, and what to do next.

use egui::{Align2, FontId, Sense, Ui, Vec2};

use super::text;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// The side of the circle behind the icon.
const TILE: f32 = 64.0;

/// An icon, a title, a sentence or two, and what can be done, in the middle of what is left.
pub fn show<R>(
    ui: &mut Ui,
    tokens: &Tokens,
    icon: Icon,
    title: &str,
    words: &str,
    actions: impl FnOnce(&mut Ui) -> R,
) -> R {
    let above = (ui.available_height() * 0.28 - 54.0).max(Size::WIDE);
    ui.vertical_centered(|ui| {
        ui.add_space(above);
        let (tile, _) = ui.allocate_exact_size(Vec2::splat(TILE), Sense::hover());
        ui.painter().circle_filled(tile.center(), TILE / 2.0, tokens.hovered.gamma_multiply(0.6));
        let font = FontId::proportional(28.0);
        ui.painter().text(tile.center(), Align2::CENTER_CENTER, icon::text(icon), font, tokens.muted);
        ui.add_space(Size::GAP);
        ui.label(text::title(title));
        ui.scope(|ui| {
            ui.set_max_width(500.0_f32.min(ui.available_width()));
            ui.label(text::muted(tokens, words));
        });
        ui.add_space(Size::PAD);
        actions(ui)
    })
    .inner
}
