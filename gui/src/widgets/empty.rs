//! What is shown where nothing is to be shown: why, and what to do next.

use egui::{RichText, Ui};

use super::text;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// An icon, a title, a sentence or two, and what can be done, in the middle of what is left.
pub fn show<R>(
    ui: &mut Ui,
    tokens: &Tokens,
    icon: Icon,
    title: &str,
    words: &str,
    actions: impl FnOnce(&mut Ui) -> R,
) -> R {
    let above = (ui.available_height() * 0.28 - 40.0).max(Size::WIDE);
    ui.vertical_centered(|ui| {
        ui.add_space(above);
        ui.label(RichText::new(icon::text(icon)).size(36.0).color(tokens.muted));
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
