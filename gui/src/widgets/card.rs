//! Cards: framed groups.

use egui::{CornerRadius, Frame, Margin, Stroke, Ui};

use super::text;
use crate::theme::{Size, Tokens};

/// The frame of a card.
pub fn frame(tokens: &Tokens) -> Frame {
    Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::same(Size::PAD as i8))
}

/// A card with a title.
pub fn titled<R>(ui: &mut Ui, tokens: &Tokens, title: &str, content: impl FnOnce(&mut Ui) -> R) -> R {
    frame(tokens)
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.label(text::title(title));
            ui.add_space(Size::TIGHT);
            content(ui)
        })
        .inner
}
