//! Facts: names with their values, the values below each other.

use egui::{RichText, TextStyle, Ui, Vec2};

use super::text;
use crate::theme::{Size, Tokens};

/// How wide the names are.
const NAME: f32 = 96.0;

/// A fact whose value is drawn by the caller; what is long is wrapped.
pub fn row(ui: &mut Ui, tokens: &Tokens, name: &str, value: impl FnOnce(&mut Ui)) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = Size::GAP;
        ui.allocate_ui(Vec2::new(NAME, 0.0), |ui| {
            ui.set_width(NAME);
            ui.label(text::muted(tokens, name));
        });
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            value(ui);
        });
    });
}

/// A fact that is a text.
pub fn text(ui: &mut Ui, tokens: &Tokens, name: &str, value: &str) {
    row(ui, tokens, name, |ui| {
        ui.add(egui::Label::new(value).wrap());
    });
}

/// A fact that is code, a path or an address.
pub fn code(ui: &mut Ui, tokens: &Tokens, name: &str, value: &str) {
    row(ui, tokens, name, |ui| {
        ui.add(egui::Label::new(RichText::new(value).text_style(TextStyle::Monospace)).wrap());
    });
}
