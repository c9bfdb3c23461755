//! The rows of the log. Only those that are visible are laid out and drawn, whatever the length of the log.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align2, Color32, EventFilter, FontId, Galley, Key, Modifiers, Pos2, Rect, Role, ScrollArea, Sense, Ui, UiBuilder,
    Vec2, WidgetInfo,
};
use hostler_bus::daemon::LogLine;

use super::reading::Reading;
use super::{Stage, states, toolbar};
use crate::model::logs::{Row, as_text, field, fold, matches, plain};
use crate::model::{InstanceKey, LogBook, Severity};
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::widgets::figures;

/// The height of one text line, in points.
const LINE: f32 = 20.0;
/// The size of the text.
const TEXT: f32 = 12.5;
/// How many lines are copied at once, at most; more is a matter for a file.
const COPY_LIMIT: usize = 20_000;
/// Before the text: the letter of the severity.
const LETTER_WIDTH: f32 = 26.0;
const WORKER_WIDTH: f32 = 34.0;
const EXPANDER_WIDTH: f32 = 18.0;
/// Right of the text.
const RIGHT: f32 = 14.0;

/// What each row is drawn with.
struct Face {
    tokens: &'static Tokens,
    font: FontId,
    /// Where the time begins, the worker, the expander, the text.
    time: f32,
    worker: f32,
    expander: f32,
    text: f32,
    right: f32,
    /// The pattern of the time.
    form: &'static str,
    wraps: bool,
}

/// Draws them.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let Some(instance) = stage.world.instance(key) else { return };
    let book = &instance.log;
    if reading.index.is_empty() {
        states::no_rows(ui, stage, key, reading);
        return;
    }
    let area = ui.available_rect_before_wrap();
    ui.painter().rect_filled(area, crate::theme::Size::CORNER, stage.tokens.sunken);
    let face = face(ui, stage, book, area);
    let columns = face.wraps.then(|| {
        let width = ui.fonts_mut(|fonts| fonts.glyph_width(&face.font, 'x'));
        (((face.right - face.text) / width.max(1.0)) as usize).max(20)
    });
    let top = reading.scroll.top.filter(|_| !reading.follows);
    let height = reading.index.height();
    reading.index.set_columns(columns, book);
    if reading.index.height() != height && reading.reveal.is_none() {
        reading.reveal = top;
    }
    let list = ui.interact(area, ui.scope_id().with("log lines"), Sense::click());
    list.widget_info(|| WidgetInfo::labeled(Role::Log, true, "Log lines"));
    keys(ui, &list, reading, book, area.height());
    let mut clicked = None;
    // Whole lines: none is cut in two at the end.
    let inner = area.shrink2(Vec2::new(0.0, 2.0));
    let height = (inner.height() / LINE).floor().max(1.0) * LINE;
    let builder = UiBuilder::new().max_rect(inner.with_max_y(inner.top() + height));
    ui.scope_builder(builder, |ui| clicked = scroll(ui, &face, key, reading, book, &list));
    if let Some(number) = clicked {
        let unfolded = reading.index.is_unfolded(number);
        reading.let_go();
        reading.index.set_unfolded(number, !unfolded, book);
    }
    new_lines(ui, stage.tokens, area, reading, stage.world.instance(key).map(|instance| &instance.log));
}

fn face(ui: &Ui, stage: &Stage<'_>, book: &LogBook, area: Rect) -> Face {
    let day = |at_us: u64| figures::local(at_us, "%F");
    let oldest = book.line(book.numbers().start).map_or(stage.now, |line| line.time_us);
    let today = day(oldest) == day(stage.now);
    let font = FontId::monospace(TEXT);
    let width = ui.fonts_mut(|fonts| fonts.glyph_width(&font, '0'));
    let form = if today { "%H:%M:%S.%3f" } else { "%m-%d %H:%M:%S.%3f" };
    let time = area.left() + LETTER_WIDTH;
    let worker = time + width * if today { 12.0 } else { 18.0 } + 12.0;
    let expander = worker + WORKER_WIDTH;
    Face {
        tokens: stage.tokens,
        font,
        time,
        worker,
        expander,
        text: expander + EXPANDER_WIDTH,
        right: area.right() - RIGHT,
        form,
        wraps: stage.state.views.logs.wrap,
    }
}

/// Draws what is visible; answers with the line whose expander was pressed.
fn scroll(
    ui: &mut Ui,
    face: &Face,
    key: &InstanceKey,
    reading: &mut Reading,
    book: &LogBook,
    list: &egui::Response,
) -> Option<u64> {
    let height = reading.index.height();
    let inner = f64::from(ui.available_height());
    let end = (height as f64 * f64::from(LINE) - inner).max(0.0);
    // Who is at the end as lines come would be thrown back to where the end was.
    ui.spacing_mut().scroll.kinetic.rubber_band = false;
    let mut area = ScrollArea::vertical().auto_shrink(false).animated(false).id_salt(("log", key));
    let wanted = wanted_offset(reading, inner, end);
    if let Some(offset) = wanted {
        area = area.vertical_scroll_offset(offset as f32);
    }
    let mut expander = None;
    let output = area.show_viewport(ui, |ui, viewport| {
        ui.set_height(height as f32 * LINE);
        let top = ui.clip_rect().top();
        let first = reading.index.place_at((viewport.top().max(0.0) / LINE) as u64);
        let mut place = first;
        while let Some(row) = reading.index.row(place) {
            let extent = reading.index.extent(place);
            let y = (extent.start as f64 * f64::from(LINE) - f64::from(viewport.top())) as f32;
            if y > viewport.height() {
                break;
            }
            let lines = (extent.end - extent.start) as f32;
            let rect = Rect::from_min_size(
                Pos2::new(ui.clip_rect().left(), (top + y).round()),
                Vec2::new(face.right - ui.clip_rect().left() + RIGHT, lines * LINE),
            );
            if let Some(line) = book.line(row.number)
                && draw(ui, face, reading, line, row, rect)
            {
                expander = Some(row.number);
            }
            place += 1;
        }
        if list.clicked()
            && expander.is_none()
            && let Some(position) = list.interact_pointer_pos()
        {
            let line = (position.y - top + viewport.top()).max(0.0) / LINE;
            click(ui, reading, line as u64);
            list.request_focus();
        }
        reading.index.row(first).map(|row| row.number)
    });
    let offset = f64::from(output.state.clamped_offset().y);
    if reading.follows && offset < end - 2.0 {
        reading.let_go();
    } else if !reading.follows && wanted.is_none() && offset > reading.scroll.offset && offset >= end - 1.0 {
        // Whoever scrolls to the end wants to stay there.
        reading.follows = reading.paused_at.is_none();
    }
    if end <= 0.0 && reading.paused_at.is_none() {
        // All of it is in sight.
        reading.follows = true;
    }
    reading.scroll.offset = offset;
    reading.scroll.end = end;
    reading.scroll.height = height;
    reading.scroll.gone = reading.index.gone();
    reading.scroll.top = output.inner;
    expander
}

/// Where the view is to be, if it is not to stay where it is.
fn wanted_offset(reading: &mut Reading, inner: f64, end: f64) -> Option<f64> {
    let line = f64::from(LINE);
    if let Some(number) = reading.reveal.filter(|number| reading.index.next() > *number) {
        reading.reveal = None;
        let extent = reading.index.extent(reading.index.place(number));
        let (above, below) = (extent.start as f64 * line, extent.end as f64 * line);
        let offset = reading.scroll.offset;
        // What is in sight stays where it is.
        let visible = above >= offset && below <= offset + inner && reading.scroll.height == reading.index.height();
        return (!visible).then_some((above - inner / 3.0).clamp(0.0, end));
    }
    if reading.follows {
        // Only where something changed, so that who scrolls up gets away.
        return (reading.scroll.end != end || reading.scroll.gone != reading.index.gone()).then_some(end);
    }
    // What went above does not move what is in sight.
    let gone = reading.index.gone().checked_sub(reading.scroll.gone).filter(|gone| *gone > 0)?;
    Some((reading.scroll.offset - gone as f64 * line).max(0.0))
}

fn click(ui: &Ui, reading: &mut Reading, line: u64) {
    let Some(row) = reading.index.row(reading.index.place_at(line)) else { return };
    let extend = ui.input(|input| input.modifiers.shift);
    let same = reading.current == Some(row.number) && !extend;
    reading.choose(row.number, extend);
    reading.detail = !(extend || same && reading.detail);
}

/// Draws a row; answers whether its expander was pressed.
fn draw(ui: &mut Ui, face: &Face, reading: &Reading, line: &LogLine, row: Row, rect: Rect) -> bool {
    let tokens = face.tokens;
    let severity = Severity::of(line.priority);
    let id = ui.scope_id().with(("row", row.number));
    let response = ui.interact(rect, id, Sense::hover());
    let chosen = reading.chosen().is_some_and(|chosen| chosen.contains(&row.number));
    let unfolded = row.lines > 1 && reading.index.is_unfolded(row.number);
    let folded = fold(&line.message);
    response.widget_info(|| {
        let shown = if unfolded { line.message.as_str() } else { folded.lead };
        WidgetInfo::selected(Role::Row, true, chosen, format!("{} {}", severity.word(), plain(shown)))
    });
    let painter = ui.painter().clone();
    let ground = match severity {
        _ if chosen => tokens.selected,
        _ if response.contains_pointer() => tokens.hovered,
        Severity::Error => tokens.tint(tokens.bad),
        Severity::Warning => tokens.tint(tokens.caution),
        _ => Color32::TRANSPARENT,
    };
    painter.rect_filled(rect, 0.0, ground);
    let color = toolbar::color(tokens, severity);
    let middle = rect.top() + LINE / 2.0;
    let at = |x: f32, align: Align2, text: &str, color: Color32| {
        painter.text(Pos2::new(x, middle), align, text, face.font.clone(), color);
    };
    if severity >= Severity::Warning {
        let bar = Rect::from_min_size(rect.min, Vec2::new(3.0, rect.height()));
        painter.rect_filled(bar, 0.0, color);
    }
    let letter = if severity >= Severity::Warning { color } else { tokens.muted };
    at(rect.left() + LETTER_WIDTH / 2.0 + 1.0, Align2::CENTER_CENTER, severity.letter(), letter);
    at(face.time, Align2::LEFT_CENTER, &figures::local(line.time_us, face.form), tokens.muted);
    if let Some(worker) = field(line, "worker") {
        at(face.worker, Align2::LEFT_CENTER, &format!("w{worker}"), tokens.muted);
    }
    let galley = message(ui, face, reading, line, row, unfolded, rect);
    let offset = (LINE - galley.rows.first().map_or(LINE, |row| row.height())) / 2.0;
    painter.with_clip_rect(rect.intersect(ui.clip_rect())).galley(
        Pos2::new(face.text, rect.top() + offset),
        galley,
        color,
    );
    row.lines > 1 && expander(ui, face, row, unfolded, rect)
}

fn expander(ui: &mut Ui, face: &Face, row: Row, unfolded: bool, rect: Rect) -> bool {
    let area = Rect::from_min_size(Pos2::new(face.expander - 4.0, rect.top()), Vec2::new(EXPANDER_WIDTH + 2.0, LINE));
    let response = ui.interact(area, ui.scope_id().with(("expander", row.number)), Sense::CLICK);
    let name = if unfolded { "Fold it".to_owned() } else { format!("Show all {} lines", row.lines) };
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let glyph = if unfolded { Icon::ChevronDown } else { Icon::ChevronRight };
    let color = if response.hovered() { face.tokens.accent } else { face.tokens.muted };
    let font = FontId::proportional(14.0);
    ui.painter().text(area.center(), Align2::CENTER_CENTER, icon::text(glyph), font, color);
    response.on_hover_text(name).clicked()
}

/// The text of a row, with the places of the searched text marked.
fn message(
    ui: &Ui,
    face: &Face,
    reading: &Reading,
    line: &LogLine,
    row: Row,
    unfolded: bool,
    rect: Rect,
) -> Arc<Galley> {
    let tokens = face.tokens;
    let severity = Severity::of(line.priority);
    let main = if severity == Severity::Debug { tokens.muted } else { tokens.text };
    let main = if severity == Severity::Error { tokens.bad } else { main };
    let mut job = LayoutJob::default();
    if unfolded {
        let shown = plain(line.message.trim_end());
        for (place, text) in shown.split_inclusive('\n').enumerate() {
            // Of a traceback, the frames of the application's own code matter more than the rest.
            let color = if place == 0 || !text.starts_with(' ') { main } else { tokens.muted };
            append(&mut job, face, text, reading.index.search(), color);
        }
    } else {
        let folded = fold(&line.message);
        let lead = plain(folded.lead);
        match answered(tokens, line, &lead).filter(|_| reading.index.search().is_empty()) {
            Some((status, color)) => {
                append(&mut job, face, &lead[..status.start], "", main);
                append(&mut job, face, &lead[status.clone()], "", color);
                append(&mut job, face, &lead[status.end..], "", main);
            }
            None => append(&mut job, face, &lead, reading.index.search(), main),
        }
        if row.lines > 1 {
            let more = if folded.rest.is_empty() { String::new() } else { format!("   {}", plain(folded.rest)) };
            append(&mut job, face, &format!("{more}   +{} lines", row.lines - 1), reading.index.search(), tokens.muted);
        }
    }
    let rows = (rect.height() / LINE).round() as usize;
    job.wrap = TextWrapping {
        max_width: face.right - face.text,
        max_rows: rows.max(1),
        break_anywhere: true,
        ..TextWrapping::default()
    };
    if unfolded && !face.wraps {
        job.wrap.max_width = f32::INFINITY;
    }
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// Where the line of a request says its status, and the colour of that.
fn answered(tokens: &Tokens, line: &LogLine, words: &str) -> Option<(Range<usize>, Color32)> {
    let status = field(line, "status").filter(|status| status.len() == 3)?;
    let start = words.find(&format!(" {status} "))? + 1;
    let color = match status.as_bytes().first()? {
        b'5' => tokens.bad,
        b'4' => tokens.caution,
        b'3' => tokens.moving,
        _ => tokens.good,
    };
    Some((start..start + status.len(), color))
}

fn append(job: &mut LayoutJob, face: &Face, text: &str, search: &str, color: Color32) {
    let format = |found: bool| TextFormat {
        font_id: face.font.clone(),
        color: if found { face.tokens.on_accent } else { color },
        background: if found { face.tokens.accent } else { Color32::TRANSPARENT },
        line_height: Some(LINE),
        valign: egui::Align::Center,
        ..TextFormat::default()
    };
    let mut from = 0;
    for found in matches(text, search) {
        job.append(&text[from..found.start], 0.0, format(false));
        job.append(&text[found.clone()], 0.0, format(true));
        from = found.end;
    }
    job.append(&text[from..], 0.0, format(false));
}

/// Where a key leads from a place, by the lines of a page and the last place.
type Steps = fn(usize, usize, usize) -> usize;

/// The keyboard, while the lines have the focus.
fn keys(ui: &mut Ui, list: &egui::Response, reading: &mut Reading, book: &LogBook, height: f32) {
    if !list.has_focus() {
        return;
    }
    let filter = EventFilter { vertical_arrows: true, escape: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(list.id, filter));
    let area = list.rect;
    ui.painter().rect_stroke(
        area,
        4.0,
        egui::Stroke::new(1.0, ui.visuals().selection.stroke.color),
        egui::StrokeKind::Inside,
    );
    let last = reading.index.len().saturating_sub(1);
    let place = reading.current.map(|number| reading.index.place(number).min(last));
    let page = ((height / LINE) as usize).saturating_sub(2).max(1);
    let steps: [(Key, Steps); 6] = [
        (Key::ArrowUp, |place, _, _| place.saturating_sub(1)),
        (Key::ArrowDown, |place, _, last| (place + 1).min(last)),
        (Key::PageUp, |place, page, _| place.saturating_sub(page)),
        (Key::PageDown, |place, page, last| (place + page).min(last)),
        (Key::Home, |_, _, _| 0),
        (Key::End, |_, _, last| last),
    ];
    for (key, step) in steps {
        for (modifiers, extend) in [(Modifiers::SHIFT, true), (Modifiers::NONE, false)] {
            if !ui.input_mut(|input| input.consume_key(modifiers, key)) {
                continue;
            }
            if key == Key::End && !extend {
                reading.go_to_end();
            }
            let follows = reading.follows;
            if let Some(row) = reading.index.row(place.map_or(last, |place| step(place, page, last))) {
                reading.choose(row.number, extend);
                reading.follows = follows && key == Key::End;
            }
        }
    }
    if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter)) {
        reading.detail = !reading.detail && reading.current.is_some();
    }
    if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
        if reading.detail {
            reading.detail = false;
        } else {
            (reading.current, reading.anchor) = (None, None);
        }
    }
    if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::A)) {
        reading.anchor = reading.index.row(0).map(|row| row.number);
        reading.current = reading.index.row(last).map(|row| row.number);
        reading.let_go();
    }
    if ui.input(|input| input.events.iter().any(|event| matches!(event, egui::Event::Copy))) {
        ui.ctx().copy_text(copied(reading, book));
    }
}

/// The chosen lines as text.
pub(super) fn copied(reading: &Reading, book: &LogBook) -> String {
    let Some(chosen) = reading.chosen() else { return String::new() };
    let places = reading.index.place(*chosen.start())..reading.index.place(chosen.end() + 1);
    let rows = places.clone().take(COPY_LIMIT).filter_map(|place| book.line(reading.index.row(place)?.number));
    let mut text = rows.map(as_text).collect::<Vec<_>>().join("\n");
    if places.len() > COPY_LIMIT {
        text.push_str(&format!("\n… {} more: save them to a file", places.len() - COPY_LIMIT));
    }
    text
}

/// What came while the end is not in sight.
fn new_lines(ui: &mut Ui, tokens: &Tokens, area: Rect, reading: &mut Reading, book: Option<&LogBook>) {
    let count = book.map_or(0, |book| reading.new_lines(book));
    if reading.follows && reading.paused_at.is_none() {
        return;
    }
    let words = match (count, reading.paused_at.is_some()) {
        (0, true) => return,
        (0, false) if reading.scroll.offset >= reading.scroll.end - 1.0 => return,
        (0, false) => "Go to the end".to_owned(),
        (count, _) => format!("{} new", figures::count(count as u64)),
    };
    let label = egui::RichText::new(format!("{}  {words}", icon::text(Icon::ArrowDown))).color(tokens.on_accent);
    let button = egui::Button::new(label).fill(tokens.accent).corner_radius(egui::CornerRadius::same(14));
    let size = Vec2::new(if count == 0 { 130.0 } else { 110.0 }, 28.0);
    let position = Pos2::new(area.center().x - size.x / 2.0, area.bottom() - size.y - 12.0);
    let response = ui.put(Rect::from_min_size(position, size), button);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
    if response.clicked() {
        reading.go_to_end();
    }
}
