//! A small line of what was measured, without axes.

use egui::{Color32, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo};

/// Draws values from left (oldest) to right; `name` says to a screen reader what they are.
pub fn show(ui: &mut Ui, size: Vec2, color: Color32, values: &[f64], name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    if ui.is_rect_visible(rect) {
        paint(&ui.painter_at(rect), rect, color, values);
    }
    response
}

/// Paints the line into a rectangle.
pub fn paint(painter: &Painter, rect: Rect, color: Color32, values: &[f64]) {
    if values.len() < 2 {
        return;
    }
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let step = rect.width() / (values.len() - 1) as f32;
    let line: Vec<Pos2> = values
        .iter()
        .enumerate()
        .map(|(index, value)| {
            let height = (value / most).clamp(0.0, 1.0) as f32 * (rect.height() - 2.0);
            Pos2::new(rect.left() + step * index as f32, rect.bottom() - 1.0 - height)
        })
        .collect();
    let mut area = Mesh::default();
    for point in &line {
        let below = area.vertices.len() as u32;
        area.colored_vertex(*point, color.gamma_multiply(0.16));
        area.colored_vertex(Pos2::new(point.x, rect.bottom()), color.gamma_multiply(0.16));
        if below > 0 {
            area.add_triangle(below - 2, below - 1, below);
            area.add_triangle(below - 1, below, below + 1);
        }
    }
    painter.add(Shape::mesh(area));
    painter.add(Shape::line(line, Stroke::new(1.25, color)));
}
