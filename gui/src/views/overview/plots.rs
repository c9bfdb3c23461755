//! The plots: requests, latency, work, memory, over the same span of time, with one cursor for all.

mod chart;
mod series;

use egui::{Id, Ui};
use jiff::tz::TimeZone;

use self::chart::{Chart, Span};
use super::track::{Range, Track};
use crate::state::State;
use crate::theme::Size;
use crate::views::shown::Shown;
use crate::widgets::text;

/// Draws the choice of the range, and the plots.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, state: &mut State) {
    let range = &mut state.views.overview.range;
    ui.horizontal(|ui| {
        ui.label(text::title("Activity"));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| choose(ui, range));
    });
    let id = Id::unique("the cursor of the overview's plots");
    let cursor: Option<f64> = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let track = Track::new(&shown.instance.samples, *range, shown.now);
    let zone = TimeZone::system();
    let span = Span { range: *range, now_us: shown.now, zone: &zone, cursor };
    let columns = if ui.available_width() < super::WIDE { 1 } else { 2 };
    let mut hovered = None;
    let charts: Vec<Chart> = series::charts(&track);
    for row in charts.chunks(columns) {
        ui.columns(columns, |ui| {
            for (ui, chart) in ui.iter_mut().zip(row) {
                hovered = hovered.or(chart.show(ui, shown, &track, span));
            }
        });
    }
    if let Some(pointed) = hovered.filter(|pointed| pointed.clicked) {
        crate::views::logs::show_since(state, (pointed.moment.max(0.0) * 1e6) as u64);
    }
    let hovered = hovered.map(|pointed| pointed.moment);
    if hovered != cursor {
        ui.data_mut(|data| data.insert_temp(id, hovered));
        ui.ctx().request_repaint();
    }
}

fn choose(ui: &mut Ui, range: &mut Range) {
    ui.spacing_mut().item_spacing.x = 2.0;
    for each in Range::ALL.into_iter().rev() {
        let button = egui::Button::selectable(*range == each, text_of(each)).min_size(egui::Vec2::new(46.0, Size::ROW));
        let response = ui.add(button).on_hover_text(format!("Show {}", each.words()));
        if response.clicked() {
            *range = each;
        }
    }
}

fn text_of(range: Range) -> egui::RichText {
    egui::RichText::new(range.title()).size(Size::SMALL + 0.5)
}
