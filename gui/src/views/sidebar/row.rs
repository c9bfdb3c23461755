//! One instance in the sidebar: two lines, painted, with one name for screen readers.

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align, Align2, Color32, CornerRadius, FontFamily, FontId, Id, Key, Modifiers, Painter, Pos2, Rect, Role, Sense,
    Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
};
use hostler_bus::daemon::InstanceState;

use crate::commands;
use crate::model::{Instance, InstanceKey};
use crate::state::State;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens, fonts};
use crate::views::{Stage, filter, menu, trend};
use crate::widgets::{figures, sparkline, text};

/// What a row shows.
pub(super) struct Row {
    pub(super) key: InstanceKey,
    state: InstanceState,
    /// The second line.
    words: String,
    /// Whether the second line says what is wrong.
    is_trouble: bool,
    /// Requests a second, of one that runs.
    rate: Option<f64>,
    is_selected: bool,
    is_marked: bool,
    /// Whether any instance is marked, so that all show whether they are.
    is_marking: bool,
    is_favourite: bool,
    /// Whether its daemon is there; else all is as it was last seen.
    is_reached: bool,
}

impl Row {
    pub(super) fn new(key: InstanceKey, instance: &Instance, state: &State, is_reached: bool) -> Self {
        let (words, is_trouble) = second_line(instance);
        Self {
            state: instance.state(),
            words,
            is_trouble,
            rate: filter::runs(instance.state()).then(|| instance.samples.last().map(|last| last.rate())).flatten(),
            is_selected: state.selected.as_ref() == Some(&key),
            is_marked: state.marked.contains(&key),
            is_marking: !state.marked.is_empty(),
            is_favourite: state.favourites.contains(&key),
            is_reached,
            key,
        }
    }
}

/// What is going on, in few words, and whether it is trouble.
fn second_line(instance: &Instance) -> (String, bool) {
    let state = instance.state();
    if let Some(running) = &instance.running {
        let word = if running.authorizing { "waiting for authorisation…" } else { running.action.doing() };
        return (word.to_owned(), false);
    }
    let problem = &instance.overview.problem;
    if !problem.is_empty() && matches!(state, InstanceState::Failed | InstanceState::Broken) {
        return (format!("{state} · {problem}"), true);
    }
    let mut words = vec![state.as_str().to_owned()];
    if let Some(status) = instance.status().filter(|_| filter::runs(state)) {
        let workers = status.observed.workers_ready;
        words.push(if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") });
        words.push(figures::bytes(filter::memory(instance)));
    }
    (words.join(" · "), false)
}

/// Draws a row, and carries out what is done to it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, row: Row, id: Id, rect: Rect) {
    let tokens = stage.tokens;
    let response = ui.interact(rect, id, Sense::click());
    let name = format!("{}, {}", row.key.name, row.state);
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, row.is_selected, &name));
    ui.ctx().accesskit_node_builder(id, |node| {
        let rate = row.rate.map(|rate| format!(", {} requests a second", figures::rate(rate).trim_end_matches(" /s")));
        let marked = if row.is_marked { ", marked" } else { "" };
        node.set_description(format!("{}{}{marked}", row.words, rate.unwrap_or_default()));
    });
    if ui.is_rect_visible(rect) {
        let face = rect.shrink2(Vec2::new(6.0, 1.0));
        let fill = match (row.is_selected, response.hovered()) {
            (true, _) => tokens.selected,
            (_, true) => tokens.hovered,
            _ => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(face, CornerRadius::same(7), fill);
        if response.has_focus() {
            let line = Stroke::new(1.5, tokens.accent);
            ui.painter().rect_stroke(face, CornerRadius::same(7), line, StrokeKind::Inside);
        }
        let line = stage
            .world
            .instance(&row.key)
            .filter(|_| row.rate.is_some())
            .map(|instance| trend::rates(&instance.samples, stage.now))
            .unwrap_or_default();
        if paint(ui, tokens, &row, face, &line) {
            response.clone().on_hover_text(format!("{}\n{}", row.key.name, text::sentence(&row.words)));
        }
    }
    let check = check_rect(rect);
    super::hold_arrows(ui, &response);
    let marks = ui.input(|input| input.modifiers.command)
        || (row.is_marking && ui.ctx().pointer_interact_pos().is_some_and(|position| check.contains(position)));
    let is_space = response.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Space));
    if is_space || (response.clicked() && marks && ui.input(|input| input.pointer.any_click())) {
        commands::run(commands::Command::Mark, Some(&row.key), ui.ctx(), stage);
    } else if response.clicked() {
        commands::go_to(stage.state, row.key.clone());
    }
    response.context_menu(|ui| menu::about(ui, stage, &row.key));
}

/// Where a click marks, while any are marked.
fn check_rect(rect: Rect) -> Rect {
    Rect::from_min_size(rect.min, Vec2::new(40.0, rect.height()))
}

/// Paints a row; answers whether any of its words are cut.
fn paint(ui: &Ui, tokens: &Tokens, row: &Row, face: Rect, line: &[f64]) -> bool {
    let mut painter = ui.painter_at(face);
    if !row.is_reached {
        painter.multiply_opacity(0.7);
    }
    let (upper, lower) = (face.top() + 14.5, face.top() + 31.0);
    let (glyph, color) = match (row.is_marking, row.is_marked) {
        (true, true) => (Icon::SquareCheckBig, tokens.accent),
        (true, false) => (Icon::Square, tokens.muted),
        _ => (icon::state(row.state), tokens.state(row.state)),
    };
    let icon_font = FontId::new(15.0, FontFamily::Proportional);
    painter.text(Pos2::new(face.left() + 16.0, upper), Align2::CENTER_CENTER, icon::text(glyph), icon_font, color);
    let left = face.left() + 32.0;
    let right = face.right() - 10.0;
    let small = FontId::new(Size::SMALL, FontFamily::Proportional);
    let figure = row.rate.map(|rate| painter.layout_no_wrap(figures::rate(rate), small.clone(), tokens.muted));
    let figure_width = figure.as_ref().map_or(0.0, |galley| galley.size().x + 8.0);
    if let Some(galley) = figure {
        let place = Pos2::new(right - galley.size().x, lower - galley.size().y / 2.0);
        painter.galley(place, galley, tokens.muted);
    }
    let line_width = if row.rate.is_some() { 64.0 } else { 0.0 };
    if row.rate.is_some() {
        let area = Rect::from_min_max(Pos2::new(right - line_width, upper - 8.0), Pos2::new(right, upper + 7.0));
        sparkline::paint(&painter, area, tokens.accent, line);
    }
    let star_width = if row.is_favourite { 18.0 } else { 0.0 };
    let strong = FontId::new(Size::BODY, FontFamily::Name(fonts::STRONG.into()));
    let width = right - line_width - 8.0 - star_width - left;
    let (end, is_name_cut) = cut(&painter, &row.key.name, strong, tokens.text, Pos2::new(left, upper), width);
    if row.is_favourite {
        let star = FontId::new(12.0, FontFamily::Proportional);
        let place = Pos2::new(end + 11.0, upper);
        painter.text(place, Align2::CENTER_CENTER, icon::text(Icon::Star), star, tokens.caution);
    }
    let color = if row.is_trouble { tokens.bad } else { tokens.muted };
    let (_, are_words_cut) =
        cut(&painter, &row.words, small, color, Pos2::new(left, lower), right - figure_width - left);
    is_name_cut || are_words_cut
}

/// Paints one line of text around a height, cut with an ellipsis where there is no room; answers where it ends, and whether it was cut.
fn cut(painter: &Painter, text: &str, font: FontId, color: Color32, at: Pos2, width: f32) -> (f32, bool) {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
    job.wrap = TextWrapping { break_anywhere: true, max_rows: 1, ..TextWrapping::truncate_at_width(width.max(8.0)) };
    job.halign = Align::LEFT;
    let galley = painter.layout_job(job);
    let (size, is_cut) = (galley.size(), galley.elided);
    painter.galley(Pos2::new(at.x, at.y - size.y / 2.0), galley, color);
    (at.x + size.x, is_cut)
}
