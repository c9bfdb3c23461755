//! What an instance does, as icon, word and colour.

use egui::{FontId, Response, Role, Sense, Ui, Vec2, WidgetInfo};
use hostler_bus::daemon::InstanceState;

use crate::theme::Tokens;
use crate::theme::icon;

/// What an instance does.
pub fn state(ui: &mut Ui, tokens: &Tokens, state: InstanceState) -> Response {
    pill(ui, tokens, tokens.state(state), &icon::text(icon::state(state)), state.as_str())
}

/// A word in a coloured pill; it is drawn as one, so that layouts from the right keep icon and word in their order.
pub fn pill(ui: &mut Ui, tokens: &Tokens, color: egui::Color32, glyph: &str, word: &str) -> Response {
    let words = if glyph.is_empty() { word.to_owned() } else { format!("{glyph}  {word}") };
    let galley = ui.painter().layout_no_wrap(words, FontId::proportional(12.5), color);
    let (rect, response) = ui.allocate_exact_size(galley.size() + Vec2::new(18.0, 5.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, word));
    ui.painter().rect_filled(rect, 10, tokens.tint(color));
    ui.painter().galley(rect.min + Vec2::new(9.0, 2.5), galley, color);
    response
}
