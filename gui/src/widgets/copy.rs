//! The small button that copies a text.

use egui::{Button, Response, RichText, Role, Ui, Vec2, WidgetInfo};

use crate::theme::icon::{self, Icon};

/// Draws it; `what` is what is copied, in a few words: `the address`.
pub fn button(ui: &mut Ui, what: &str, text: &str) -> Response {
    let button =
        Button::new(RichText::new(icon::text(Icon::Copy)).size(12.5)).frame(false).min_size(Vec2::new(18.0, 16.0));
    let name = format!("Copy {what}");
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    if response.clicked() {
        ui.ctx().copy_text(text.to_owned());
    }
    response.on_hover_text(name)
}
