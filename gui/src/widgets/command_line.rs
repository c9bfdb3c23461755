//! A command for a terminal: monospaced, with a button that copies it.

use egui::{Align, Layout, RichText, TextStyle, Ui};

use super::{copy, text};
use crate::theme::{Size, Tokens};

/// Draws what it does, and the command; a button copies it.
pub fn show(ui: &mut Ui, tokens: &Tokens, what: &str, command: &str) {
    if !what.is_empty() {
        ui.label(text::small(tokens, what));
    }
    egui::Frame::new()
        .fill(tokens.sunken)
        .corner_radius(Size::CORNER)
        .inner_margin(egui::Margin::symmetric(10, 2))
        .show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            ui.allocate_ui_with_layout(
                egui::Vec2::new(ui.available_width(), Size::ROW),
                Layout::right_to_left(Align::Center),
                |ui| {
                    copy::button(ui, &format!("`{command}`"), command);
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        let words = RichText::new(command).text_style(TextStyle::Monospace).color(tokens.text);
                        ui.add(egui::Label::new(words).truncate());
                    });
                },
            );
        });
}
