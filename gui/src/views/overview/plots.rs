//! The plots: requests, latency, work, processors, memory, over the same span of time, with one cursor for all.

mod chart;
mod pointer;
mod series;
mod tooltip;

use egui::{Align, Layout, RichText, Ui};
use jiff::tz::TimeZone;

use self::chart::{Chart, Scene};
use super::scale::second_mark;
use super::track::{Range, Track};
use super::zoom::Input;
use crate::state::State;
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::views::logs;
use crate::views::shown::Shown;
use crate::widgets::{button, segments, text};

/// From this width on, three plots stand beside each other.
const THREE: f32 = 1_040.0;
/// From this width on, both the part of the range and a moment are told between the title and the ranges.
const BOTH: f32 = 560.0;

/// Draws the choice of the range, and the plots.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, state: &mut State) {
    let zone = TimeZone::system();
    choices(ui, shown, state, &zone);
    let range = state.views.overview.range;
    let looking = &state.passing.overview;
    let span = looking.span(range, shown.now);
    let track = Track::new(&shown.instance.samples, span, shown.now);
    let over = if looking.is_zoomed() {
        format!("from {}", span.words(&zone).replace('–', "to"))
    } else {
        format!("over {}", range.words())
    };
    let scene = Scene {
        span,
        over: &over,
        zone: &zone,
        cursor: looking.cursor(span),
        kept: looking.kept(),
        drawn: looking.drawn(),
        zoomed: looking.is_zoomed(),
    };
    let mut input = None;
    let mut charts = series::charts(&track).into_iter();
    for columns in rows(ui.available_width()) {
        let row: Vec<Chart> = charts.by_ref().take(*columns).collect();
        ui.columns(*columns, |ui| {
            for (ui, chart) in ui.iter_mut().zip(&row) {
                input = input.or(chart.show(ui, shown, &track, scene));
            }
        });
    }
    let before = state.passing.overview.clone();
    let looking = &mut state.passing.overview;
    looking.leave();
    if let Some(input) = input {
        looking.take(input, range, shown.now);
    }
    // The other plots show what one of them was told.
    if *looking != before {
        ui.ctx().request_repaint();
    }
    if let Some(Input::Opens(moment)) = input {
        open_log(state, moment);
    }
}

/// How many plots stand in each row: processors and memory beside each other.
fn rows(width: f32) -> &'static [usize] {
    match width {
        width if width >= THREE => &[2, 3],
        width if width >= super::WIDE => &[1, 2, 2],
        _ => &[1; 5],
    }
}

/// The title and the ranges; between them the part of the range and the moment that are looked at, or how to choose them.
fn choices(ui: &mut Ui, shown: Shown<'_>, state: &mut State, zone: &TimeZone) {
    let row = |ui: &egui::Ui| egui::Vec2::new(ui.available_width(), Size::ROW);
    ui.allocate_ui_with_layout(row(ui), Layout::left_to_right(Align::Center), |ui| {
        ui.label(text::title("Activity"));
        ui.allocate_ui_with_layout(row(ui), Layout::right_to_left(Align::Center), |ui| {
            choose(ui, shown.tokens, state);
            let between = Layout::left_to_right(Align::Center);
            ui.allocate_ui_with_layout(row(ui), between, |ui| looked_at(ui, shown, state, zone));
        });
    });
}

fn looked_at(ui: &mut Ui, shown: Shown<'_>, state: &mut State, zone: &TimeZone) {
    let range = state.views.overview.range;
    let looking = &mut state.passing.overview;
    ui.spacing_mut().item_spacing.x = 6.0;
    ui.add_space(Size::GAP);
    if looking.is_zoomed() {
        // The axes say it as well, where both do not fit.
        if looking.kept().is_none() || ui.available_width() > BOTH {
            ui.label(text::strong(looking.span(range, shown.now).words(zone)));
        }
        let back = button::plain(ui, Icon::ZoomOut, &format!("Back to {}", range.title()));
        if back.on_hover_text(format!("Show all of {}  (Escape)", range.words())).clicked() {
            looking.reset();
        }
    }
    let Some(kept) = looking.kept() else {
        if !looking.is_zoomed() {
            let hint = "Draw over a plot to look closer. Click to keep a moment.";
            ui.add(egui::Label::new(text::small(shown.tokens, hint)).truncate());
        }
        return;
    };
    ui.label(text::muted(shown.tokens, format!("At {}", second_mark(kept, zone))));
    let log = button::plain(ui, Icon::ScrollText, "Log from here");
    let is_wanted = log.on_hover_text("Show the lines of the log from this moment on  (Enter)").clicked();
    if button::icon_only(ui, Icon::X, "Let go of this moment").clicked() {
        looking.release();
    }
    if is_wanted {
        open_log(state, kept);
    }
}

fn open_log(state: &mut State, moment: f64) {
    logs::show_since(state, (moment.max(0.0) * 1e6) as u64);
}

fn choose(ui: &mut Ui, tokens: &Tokens, state: &mut State) {
    let (range, looking) = (&mut state.views.overview.range, &mut state.passing.overview);
    segments::tray(ui, tokens, |ui| {
        for each in Range::ALL.into_iter().rev() {
            let chosen = *range == each && !looking.is_zoomed();
            let size = egui::Vec2::new(46.0, segments::HEIGHT);
            let button = egui::Button::selectable(chosen, text_of(each)).min_size(size);
            let response = ui.add(button).on_hover_text(format!("Show {}", each.words()));
            if response.clicked() {
                *range = each;
                looking.reset();
            }
        }
    });
}

fn text_of(range: Range) -> RichText {
    RichText::new(range.title()).size(Size::SMALL + 0.5)
}
