//! The small button that copies a text, and texts with it.

use egui::{Button, Response, RichText, Role, TextStyle, Ui, Vec2, WidgetInfo};

use crate::theme::Size;
use crate::theme::icon::{self, Icon};

/// How wide the button is.
pub const BUTTON: f32 = 18.0;

/// Draws it; `what` is what is copied, in a few words: `the address`.
pub fn button(ui: &mut Ui, what: &str, text: &str) -> Response {
    let button =
        Button::new(RichText::new(icon::text(Icon::Copy)).size(12.5)).frame(false).min_size(Vec2::new(BUTTON, 16.0));
    let name = format!("Copy {what}");
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    if response.clicked() {
        ui.ctx().copy_text(text.to_owned());
    }
    response.on_hover_text(name)
}

/// A text in monospace with the button that copies it behind it; what does not fit is cut.
pub fn text(ui: &mut Ui, text: &str) -> Response {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = Size::TIGHT;
        let words = RichText::new(text).text_style(TextStyle::Monospace);
        let room = ui.available_width() - BUTTON - Size::TIGHT;
        let label = ui.scope(|ui| {
            ui.set_max_width(room);
            ui.add(egui::Label::new(words).truncate())
        });
        button(ui, text, text);
        label.inner
    })
    .inner
}
