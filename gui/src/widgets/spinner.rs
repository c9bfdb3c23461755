//! A sign that something is under way: it turns a few times a second, so that it costs next to nothing.

use std::f32::consts::TAU;
use std::time::Duration;

use egui::{Color32, Pos2, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo};

/// How often it is drawn while it can be seen.
const PERIOD: Duration = Duration::from_millis(80);

/// Draws it; to be used only while something is under way.
pub fn show(ui: &mut Ui, size: f32, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(size), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Under way"));
    if ui.is_rect_visible(rect) {
        let turn = (ui.input(|input| input.time) * 1.1).fract() as f32 * TAU;
        let radius = size / 2.0 - 1.5;
        let arc: Vec<Pos2> = (0..=16_u8)
            .map(|step| rect.center() + radius * Vec2::angled(turn + f32::from(step) / 16.0 * TAU * 0.7))
            .collect();
        ui.painter().circle_stroke(rect.center(), radius, Stroke::new(1.5, color.gamma_multiply(0.2)));
        ui.painter().add(Shape::line(arc, Stroke::new(1.75, color)));
        ui.ctx().request_repaint_after(PERIOD);
    }
    response
}
