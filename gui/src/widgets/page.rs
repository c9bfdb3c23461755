//! What scrolls up and down as a whole. Its bar stands in the margin of the window, so that what is on the page ends
//! where all else ends, whether it scrolls or not.

use egui::{ScrollArea, Ui, UiBuilder};

/// How far the bar stands out into the margin.
const MARGIN: f32 = 12.0;

/// Draws it.
pub fn show<R>(ui: &mut Ui, salt: &str, content: impl FnOnce(&mut Ui) -> R) -> R {
    with_margin(ui, |ui, width| {
        ScrollArea::vertical()
            .id_salt(salt)
            .auto_shrink(false)
            .show(ui, |ui| {
                ui.set_max_width(width);
                content(ui)
            })
            .inner
    })
}

/// Draws what scrolls by itself with room for its bar in the margin; it is told how wide its content is to be.
pub fn with_margin<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui, f32) -> R) -> R {
    let mut rect = ui.available_rect_before_wrap();
    let width = rect.width();
    rect.max.x += MARGIN;
    let mut inner = ui.new_child(UiBuilder::new().max_rect(rect));
    inner.set_clip_rect(ui.clip_rect().with_max_x(ui.clip_rect().right().max(rect.right())));
    let answer = content(&mut inner, width);
    ui.advance_cursor_after_rect(inner.min_rect().intersect(rect.with_max_x(rect.right() - MARGIN)));
    answer
}
