//! A switch: on or off, with its word beside it.

use egui::{Response, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use crate::theme::Tokens;

/// Draws a switch and changes what it stands for; `name` is what a screen reader says.
pub fn show(ui: &mut Ui, tokens: &Tokens, on: &mut bool, name: &str) -> Response {
    let (rect, mut response) = ui.allocate_exact_size(Vec2::new(36.0, 20.0), Sense::click());
    if response.clicked() {
        *on = !*on;
        response.mark_changed();
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Switch, enabled, *on, name));
    if ui.is_rect_visible(rect) {
        let place = ui.ctx().animate_bool_responsive(response.id, *on);
        let fill = if *on { tokens.accent } else { tokens.hovered };
        let line = if response.hovered() || response.has_focus() { tokens.accent } else { tokens.muted };
        let radius = rect.height() / 2.0;
        let painter = ui.painter();
        painter.rect(rect, radius, fill, Stroke::new(1.0, line), StrokeKind::Inside);
        if response.has_focus() {
            painter.rect_stroke(rect.expand(2.0), radius + 2.0, Stroke::new(1.0, tokens.accent), StrokeKind::Outside);
        }
        let x = egui::lerp(rect.left() + radius..=rect.right() - radius, place);
        let knob = if *on { tokens.on_accent } else { tokens.muted };
        painter.circle_filled(egui::pos2(x, rect.center().y), radius - 4.5, knob);
    }
    response
}
