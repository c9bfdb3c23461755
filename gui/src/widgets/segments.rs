//! The tray in which choices stand of which one is taken: how much time, which form, which kind.

use egui::{CornerRadius, Frame, Margin, Stroke, Ui};

use crate::theme::Tokens;

/// The height of a choice; with the tray around it, that of a button.
pub const HEIGHT: f32 = 24.0;

/// Draws the tray around choices, in the direction of the layout it stands in.
pub fn tray<R>(ui: &mut Ui, tokens: &Tokens, content: impl FnOnce(&mut Ui) -> R) -> R {
    Frame::new()
        .fill(tokens.sunken)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(7))
        .inner_margin(Margin::same(1))
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 1.0;
            ui.spacing_mut().interact_size.y = HEIGHT;
            ui.spacing_mut().button_padding.y = 2.0;
            content(ui)
        })
        .inner
}
