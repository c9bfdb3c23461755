//! What an instance does, as icon, word and colour.

use egui::{CornerRadius, Frame, Margin, Response, RichText, Ui};
use hostler_bus::daemon::InstanceState;

use crate::theme::Tokens;
use crate::theme::icon;

/// What an instance does.
pub fn state(ui: &mut Ui, tokens: &Tokens, state: InstanceState) -> Response {
    pill(ui, tokens.state(state), &icon::text(icon::state(state)), state.as_str())
}

/// A word in a coloured pill.
pub fn pill(ui: &mut Ui, color: egui::Color32, glyph: &str, word: &str) -> Response {
    Frame::new()
        .fill(color.gamma_multiply(0.14))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(8, 2))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            ui.spacing_mut().interact_size.y = 0.0;
            ui.horizontal(|ui| {
                if !glyph.is_empty() {
                    ui.label(RichText::new(glyph).color(color).size(12.5));
                }
                ui.label(RichText::new(word).color(color).size(12.5))
            })
            .inner
        })
        .inner
}
