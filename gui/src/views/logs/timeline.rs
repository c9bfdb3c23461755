//! How many lines were logged when, as bars by severity. A time is chosen by dragging over it, and let go by a double click.

use egui::{Align2, Pos2, Rect, Role, Sense, Ui, Vec2, WidgetInfo};

use super::Stage;
use super::reading::Reading;
use crate::model::{InstanceKey, LogBook};
use crate::theme::Size;
use crate::widgets::figures;

const HEIGHT: f32 = 46.0;
/// The height of the words below the bars.
const WORDS_HEIGHT: f32 = 14.0;
/// A bar and what is free beside it.
const BAR_WIDTH: f32 = 5.0;
/// The least time that is shown.
const LEAST_US: u64 = 10_000_000;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let tokens = stage.tokens;
    let size = Vec2::new(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let Some(book) = stage.world.instance(key).map(|instance| &instance.log) else { return };
    let Some(mut time_us) = whole_time(book) else { return };
    let histogram = reading.index.histogram();
    let (bar_us, bars) = histogram.bars(&time_us, (rect.width() / BAR_WIDTH) as usize);
    time_us.start = histogram.start_us(time_us.start);
    let end_us = time_us.start + bar_us * bars.len() as u64;
    let plot = Rect::from_min_max(rect.min, Pos2::new(rect.right(), rect.bottom() - WORDS_HEIGHT));
    let at = |x: f32| {
        let part = f64::from((x - plot.left()) / plot.width()).clamp(0.0, 1.0);
        time_us.start + (part * (end_us - time_us.start) as f64) as u64
    };
    let x = |at_us: u64| {
        let part = at_us.saturating_sub(time_us.start) as f64 / (end_us - time_us.start) as f64;
        plot.left() + (part.clamp(0.0, 1.0) as f32) * plot.width()
    };
    response.widget_info(|| {
        let words = format!(
            "Lines over time, from {} to {}; drag to choose a time",
            figures::time(time_us.start),
            figures::time(end_us)
        );
        WidgetInfo::labeled(Role::Image, true, words)
    });
    let painter = ui.painter_at(rect);
    painter.rect_filled(plot, Size::CORNER, tokens.sunken);
    // The chosen time.
    let dragged = match (reading.drag_from_us, response.interact_pointer_pos()) {
        (Some(from_us), Some(position)) => Some((from_us.min(at(position.x)), from_us.max(at(position.x)))),
        _ => None,
    };
    let chosen =
        dragged.or_else(|| reading.index.criteria().time_us.as_ref().map(|time_us| (time_us.start, time_us.end)));
    if let Some((from_us, to_us)) = chosen {
        let area = Rect::from_x_y_ranges(x(from_us)..=x(to_us), plot.y_range());
        painter.rect_filled(area, 0.0, tokens.selected);
        for edge in [area.left(), area.right()] {
            painter.vline(edge, plot.y_range(), egui::Stroke::new(1.0, tokens.accent));
        }
    }
    let most = bars.iter().map(|bar| bar.iter().sum::<u32>()).max().unwrap_or(0).max(1);
    let width = plot.width() / bars.len().max(1) as f32;
    for (place, counts) in bars.iter().enumerate() {
        let left = plot.left() + place as f32 * width;
        let mut bottom = plot.bottom() - 1.0;
        for (count, color) in [(counts[2], tokens.bad), (counts[1], tokens.caution), (counts[0], tokens.series[5])] {
            if count == 0 {
                continue;
            }
            // What is there is seen, however little it is.
            let height = ((count as f32 / most as f32) * (plot.height() - 6.0)).max(1.5);
            let bar = Rect::from_min_max(
                Pos2::new(left + 0.5, (bottom - height).max(plot.top())),
                Pos2::new(left + (width - 1.0).max(1.0), bottom),
            );
            painter.rect_filled(bar, 1.0, color.gamma_multiply(0.85));
            bottom = bar.top();
        }
    }
    let font = egui::FontId::proportional(10.5);
    let below = plot.bottom() + 2.0;
    let long = end_us - time_us.start > 20 * 3_600_000_000;
    let form = if long { "%m-%d %H:%M" } else { "%H:%M:%S" };
    for (part, align) in [(0.0, Align2::LEFT_TOP), (0.5, Align2::CENTER_TOP), (1.0, Align2::RIGHT_TOP)] {
        let position = Pos2::new(plot.left() + plot.width() * part, below);
        painter.text(position, align, figures::local(at(position.x), form), font.clone(), tokens.muted);
    }
    if let Some(position) = response.hover_pos().filter(|_| dragged.is_none()) {
        let place = ((position.x - plot.left()) / width) as usize;
        if let Some(counts) = bars.get(place) {
            let from_us = time_us.start + place as u64 * bar_us;
            painter.vline(position.x, plot.y_range(), egui::Stroke::new(1.0, tokens.muted));
            let words = format!(
                "{} to {}\n{} lines: {} errors, {} warnings",
                figures::local(from_us, form),
                figures::local(from_us + bar_us, form),
                counts.iter().sum::<u32>(),
                counts[2],
                counts[1]
            );
            response.clone().on_hover_text_at_pointer(words);
        }
    }
    if response.drag_started() {
        let origin = ui.input(|input| input.pointer.press_origin());
        reading.drag_from_us = origin.or(response.interact_pointer_pos()).map(|position| at(position.x));
    }
    if response.drag_stopped() {
        reading.drag_from_us = None;
        if let Some((from_us, to_us)) = dragged.filter(|(from_us, to_us)| from_us < to_us) {
            reading.let_go();
            reading.change(|criteria| criteria.time_us = Some(from_us..to_us));
        }
    }
    if response.double_clicked() {
        reading.change(|criteria| criteria.time_us = None);
    }
}

/// The time of all lines that were read, whichever are shown.
fn whole_time(book: &LogBook) -> Option<std::ops::Range<u64>> {
    let numbers = book.numbers();
    let first = book.line(numbers.start)?.time_us;
    let last = book.line(numbers.end.checked_sub(1)?)?.time_us;
    let end = last.max(first) + 1;
    Some(first.min(last).min(end.saturating_sub(LEAST_US))..end)
}
