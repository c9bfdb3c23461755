//! Cards: framed groups.

use egui::{CornerRadius, Frame, Margin, Stroke, Ui, Vec2};

use super::text;
use crate::theme::{Size, Tokens};

/// The line around a card.
const LINE: f32 = 1.0;

/// The frame of a card.
pub fn frame(tokens: &Tokens) -> Frame {
    Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(LINE, tokens.line))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::same(Size::PAD as i8))
}

/// Two columns. That on the left is one card; it is told how high its content is at least, so that both end at one height
/// where the right one is the longer.
pub fn level(ui: &mut Ui, salt: &str, left: impl FnOnce(&mut Ui, f32), right: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with(salt);
    let known: f32 = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let around = 2.0 * (Size::PAD + LINE);
    let mut height = known;
    ui.columns(2, |columns| {
        // Not in the columns' own layout, which stretches wrapped text.
        columns[0].vertical(|ui| left(ui, (known - around).max(0.0)));
        height = columns[1].vertical(right).response.rect.height();
    });
    if (height - known).abs() > 0.5 {
        ui.data_mut(|data| data.insert_temp(id, height));
        ui.ctx().request_discard("two columns end at another height");
    }
}

/// A card with a title.
pub fn titled<R>(ui: &mut Ui, tokens: &Tokens, title: &str, content: impl FnOnce(&mut Ui) -> R) -> R {
    titled_of(ui, tokens, title, 0.0, content)
}

/// A card with a title, which is with its content at least so high.
pub fn titled_of<R>(ui: &mut Ui, tokens: &Tokens, title: &str, least: f32, content: impl FnOnce(&mut Ui) -> R) -> R {
    frame(tokens)
        .show(ui, |ui| {
            ui.set_min_size(Vec2::new(ui.available_width(), least));
            ui.label(text::title(title));
            ui.add_space(Size::TIGHT);
            content(ui)
        })
        .inner
}
