//! An icon beside words that say the same: it is painted, and screen readers are not told of it.

use egui::{Align2, Color32, FontFamily, FontId, Response, Sense, Ui, Vec2};

use crate::theme::icon::{self, Icon};

/// Draws it.
pub fn show(ui: &mut Ui, glyph: Icon, size: f32, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::hover());
    let font = FontId::new(size, FontFamily::Proportional);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, icon::text(glyph), font, color);
    response
}
