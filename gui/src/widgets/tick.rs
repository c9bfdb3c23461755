//! What is on or off, or one of several: a box with a tick, a circle with a dot. Their outlines are seen wherever they
//! stand, in menus as well.

use egui::{Align2, FontFamily, FontId, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo};

use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// The side of a box, and the width of a circle.
const SIDE: f32 = 16.0;

/// A box, with words behind it if there are any; `name` is what a screen reader says.
pub fn check(ui: &mut Ui, tokens: &Tokens, is_on: &mut bool, words: impl Into<RichText>, name: &str) -> Response {
    let mut response = draw(ui, tokens, *is_on, words.into(), Role::CheckBox, name);
    if response.clicked() {
        *is_on = !*is_on;
        response.mark_changed();
    }
    response
}

/// A circle of one value of several, with words behind it that are its name as well.
pub fn radio<Value: PartialEq>(
    ui: &mut Ui,
    tokens: &Tokens,
    current: &mut Value,
    value: Value,
    words: &str,
) -> Response {
    let mut response = draw(ui, tokens, *current == value, RichText::new(words), Role::RadioButton, words);
    if response.clicked() && *current != value {
        *current = value;
        response.mark_changed();
    }
    response
}

/// A circle that is on or off as the caller says, with words behind it; `name` is what a screen reader says.
pub fn choice(ui: &mut Ui, tokens: &Tokens, is_on: bool, words: &str, name: &str) -> Response {
    draw(ui, tokens, is_on, RichText::new(words), Role::RadioButton, name)
}

fn draw(ui: &mut Ui, tokens: &Tokens, is_on: bool, words: RichText, role: Role, name: &str) -> Response {
    let galley = (!words.is_empty()).then(|| {
        let words = egui::WidgetText::from(words);
        let room = (ui.available_width() - SIDE - Size::GAP).max(SIDE);
        words.into_galley(ui, Some(egui::TextWrapMode::Truncate), room, egui::TextStyle::Body)
    });
    let (width, height) = galley.as_ref().map_or((0.0, 0.0), |galley| (Size::GAP + galley.size().x, galley.size().y));
    let size = Vec2::new(SIDE + width, height.max(24.0));
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let is_enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(role, is_enabled, is_on, name));
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let painter = ui.painter();
    let face = egui::Rect::from_center_size(rect.left_center() + Vec2::new(SIDE / 2.0, 0.0), Vec2::splat(SIDE));
    let corner = if role == Role::CheckBox { 4.0 } else { SIDE / 2.0 };
    let fill = if is_on { tokens.accent } else { tokens.raised };
    let line = if is_on || response.hovered() { tokens.accent } else { tokens.muted };
    painter.rect(face, corner, fill, Stroke::new(1.0, line), StrokeKind::Inside);
    match (is_on, role) {
        (false, _) => {}
        (true, Role::CheckBox) => {
            let font = FontId::new(SIDE - 3.0, FontFamily::Proportional);
            painter.text(face.center(), Align2::CENTER_CENTER, icon::text(Icon::Check), font, tokens.on_accent);
        }
        (true, _) => {
            painter.circle_filled(face.center(), SIDE * 0.2, tokens.on_accent);
        }
    }
    if response.has_focus() {
        let stroke = Stroke::new(1.5, tokens.accent);
        painter.rect_stroke(face.expand(2.0), corner + 2.0, stroke, StrokeKind::Outside);
    }
    if let Some(galley) = galley {
        let place = egui::pos2(face.right() + Size::GAP, rect.center().y - galley.size().y / 2.0);
        painter.galley(place, galley, tokens.text);
    }
    response
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::{NodeT, Queryable};

    use super::*;

    #[test]
    fn a_click_turns_it_and_chooses() {
        let mut harness = egui_kittest::Harness::builder().with_context_setup(crate::theme::install).build_ui_state(
            |ui, (on, chosen): &mut (bool, u8)| {
                let tokens = crate::theme::tokens(ui);
                check(ui, tokens, on, "With words", "Box");
                radio(ui, tokens, chosen, 1, "One");
                radio(ui, tokens, chosen, 2, "Two");
            },
            (false, 1),
        );
        harness.run();
        harness.get_by_role_and_label(Role::CheckBox, "Box").click();
        harness.get_by_role_and_label(Role::RadioButton, "Two").click();
        harness.run();
        assert_eq!(*harness.state(), (true, 2));
        let toggled = harness.get_by_label("Box").accesskit_node().toggled();
        assert_eq!(toggled, Some(egui::accesskit::Toggled::True));
    }
}
