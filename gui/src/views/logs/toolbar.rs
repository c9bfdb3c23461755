//! What is searched and filtered, what is done with the log, and the line below it that says how much is shown.

use egui::{Align, Button, ComboBox, Key, Layout, RichText, Role, TextEdit, Ui, Vec2, WidgetInfo};

use super::reading::Reading;
use super::{LINES, MORE_LINES, Stage, chips};
use crate::bus::Order;
use crate::model::logs::{Found, OFFERED};
use crate::model::{FailureKind, InstanceKey, Severity};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::toasts;
use crate::widgets::{button, figures, loaded, text};

/// What stands to the right of the search field, about.
const REST_WIDTH: f32 = 436.0;
/// What the count of found lines takes.
const COUNT_WIDTH: f32 = 84.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        search(ui, stage, reading);
        severity(ui, stage.tokens, reading);
        filters(ui, stage, reading);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            deeds(ui, stage, key, reading);
        });
    });
}

fn search(ui: &mut Ui, stage: &mut Stage<'_>, reading: &mut Reading) {
    let width = (ui.available_width() - REST_WIDTH).clamp(130.0, 380.0);
    let glyph = RichText::new(icon::text(Icon::Search)).color(stage.tokens.muted);
    let searches = !reading.index.search().is_empty();
    // How many were found stands at the end of the field.
    let right = if searches { COUNT_WIDTH } else { 8.0 };
    let field = TextEdit::singleline(&mut reading.typed)
        .hint_text("Search the log")
        .prefix(glyph)
        .desired_width(width)
        .margin(egui::Margin { left: 8, right: right as i8, top: 5, bottom: 5 });
    let response = ui.add(field).accessible_name("Search the log");
    if std::mem::take(&mut stage.state.passing.logs.wants_search) {
        response.request_focus();
    }
    if response.changed() {
        reading.search_typed();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
        let back = ui.input(|input| input.modifiers.shift);
        reading.go_to_found(!back);
        response.request_focus();
    }
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape)) {
        reading.typed.clear();
        reading.search_typed();
    }
    let searches = !reading.index.search().is_empty();
    let found = reading.index.found(reading.current);
    if searches {
        count(ui, stage.tokens, found, response.rect);
    }
    ui.add_enabled_ui(searches && found.count > 0, |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        if button::icon_only(ui, Icon::ChevronUp, "Go to the one before (Shift+N)").clicked() {
            reading.go_to_found(false);
        }
        if button::icon_only(ui, Icon::ChevronDown, "Go to the next one (N)").clicked() {
            reading.go_to_found(true);
        }
    });
    let only = reading.only_found;
    if button::toggle(ui, stage.tokens, Icon::ListFilter, "Show only lines with this text", only).clicked() {
        reading.only_found = !only;
        reading.search_typed();
    }
}

/// How many lines were found, at the end of the field.
fn count(ui: &Ui, tokens: &Tokens, found: Found, field: egui::Rect) {
    let words = match (found.count, found.position) {
        (0, _) => "none".to_owned(),
        (count, 0) => figures::count(count as u64),
        (count, position) => format!("{position} of {}", figures::count(count as u64)),
    };
    let rect = field.with_min_x(field.right() - COUNT_WIDTH);
    let color = if found.count == 0 { tokens.caution } else { tokens.muted };
    let font = egui::TextStyle::Small.resolve(ui.style());
    let end = rect.right_center() - Vec2::new(8.0, 0.0);
    ui.painter().text(end, egui::Align2::RIGHT_CENTER, &words, font, color);
    let counted = ui.interact(rect, ui.scope_id().with("lines found"), egui::Sense::hover());
    counted.widget_info(|| WidgetInfo::labeled(Role::Status, true, format!("Lines found: {words}")));
}

fn severity(ui: &mut Ui, tokens: &Tokens, reading: &mut Reading) {
    let current = reading.index.criteria().severity;
    let words = |severity: Severity| match severity {
        Severity::Debug => "All levels".to_owned(),
        Severity::Error => "Errors".to_owned(),
        Severity::Warning => "Warnings and above".to_owned(),
        Severity::Info => "Info and above".to_owned(),
    };
    let short = match current {
        Severity::Debug => "All levels",
        Severity::Info => "≥ info",
        Severity::Warning => "≥ warning",
        Severity::Error => "Errors",
    };
    let mut chosen = current;
    let response = ComboBox::from_id_salt("log severity")
        .selected_text(short)
        .width(96.0)
        .show_ui(ui, |ui| {
            for severity in Severity::ALL {
                let label = RichText::new(words(severity)).color(color(tokens, severity));
                ui.selectable_value(&mut chosen, severity, label);
            }
        })
        .response;
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::ComboBox, true, "Severity");
        info.current_text_value = Some(short.to_owned());
        info
    });
    reading.change(|criteria| criteria.severity = chosen);
}

/// The values of fields that were seen, to choose from.
fn filters(ui: &mut Ui, stage: &Stage<'_>, reading: &mut Reading) {
    let label = text::with_icon(Icon::Funnel, "Filter");
    let tokens = stage.tokens;
    let menu = ui.menu_button(label, |ui| {
        ui.spacing_mut().item_spacing = Vec2::new(Size::TIGHT, Size::TIGHT);
        let mut chosen = None;
        for name in OFFERED {
            let mut values: Vec<String> = reading.index.values(name).map(str::to_owned).collect();
            values.sort_by_key(|value| (value.parse::<u64>().unwrap_or(u64::MAX), value.clone()));
            if values.is_empty() {
                continue;
            }
            ui.label(text::small(tokens, text::sentence(&chips::in_words(name))));
            ui.horizontal_wrapped(|ui| {
                ui.set_max_width(220.0);
                for value in values {
                    let current = reading.index.criteria().fields.get(name) == Some(&value);
                    let response = choice(ui, tokens, current, &value);
                    response.widget_info(|| {
                        let words = format!("Only {} {value}", chips::in_words(name));
                        WidgetInfo::selected(Role::Button, true, current, words)
                    });
                    if response.clicked() {
                        chosen = Some((name, value, current));
                    }
                }
            });
        }
        ui.label(text::small(tokens, "In the last"));
        ui.horizontal(|ui| {
            for (minutes, words) in [(5, "5 min"), (15, "15 min"), (60, "1 h"), (1_440, "1 day")] {
                if choice(ui, tokens, false, words).clicked() {
                    let since_us = stage.now.saturating_sub(minutes * 60_000_000);
                    reading.change(|criteria| criteria.time_us = Some(since_us..u64::MAX));
                    ui.close();
                }
            }
        });
        if let Some((name, value, current)) = chosen {
            reading.change(|criteria| {
                criteria.fields.remove(name);
                if !current {
                    criteria.fields.insert(name.to_owned(), value);
                }
            });
            ui.close();
        }
    });
    menu.response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Filter by worker, generation or time"));
}

/// One value of several, with an outline, which a menu takes from its buttons.
fn choice(ui: &mut Ui, tokens: &Tokens, is_on: bool, words: &str) -> egui::Response {
    let (fill, line) = if is_on { (tokens.selected, tokens.accent) } else { (tokens.raised, tokens.line) };
    let face = Button::new(words).fill(fill).stroke(egui::Stroke::new(1.0, line)).frame_when_inactive(true);
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = Vec2::new(8.0, 2.0);
        ui.add(face.min_size(Vec2::new(30.0, 24.0)))
    })
    .inner
}

/// From right to left: what is done with the log.
fn deeds(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let tokens = stage.tokens;
    if button::icon_only(ui, Icon::Download, "Save to a file").clicked() {
        reading.export.open(&key.name, stage.now);
    }
    if button::icon_only(ui, Icon::Eraser, "Clear what is shown").clicked()
        && let Some(instance) = stage.world.instance_mut(key)
    {
        instance.log.clear();
        reading.go_to_end();
    }
    if button::toggle(ui, tokens, Icon::ChartNoAxesColumn, "Show how many lines when", stage.state.views.logs.timeline)
        .clicked()
    {
        stage.state.views.logs.timeline ^= true;
    }
    if button::toggle(ui, tokens, Icon::WrapText, "Wrap long lines", stage.state.views.logs.wrap).clicked() {
        stage.state.views.logs.wrap ^= true;
    }
    let paused = reading.paused_at.is_some();
    let (glyph, name) = if paused { (Icon::Play, "Go on") } else { (Icon::Pause, "Pause") };
    if button::toggle(ui, tokens, glyph, name, paused).clicked() {
        reading.set_paused(!paused);
    }
}

/// How a severity is drawn.
pub(super) fn color(tokens: &Tokens, severity: Severity) -> egui::Color32 {
    match severity {
        Severity::Debug => tokens.muted,
        Severity::Info => tokens.text,
        Severity::Warning => tokens.caution,
        Severity::Error => tokens.bad,
    }
}

/// The line below the log.
pub(super) fn foot(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let tokens = stage.tokens;
    let Some(instance) = stage.world.instance(key) else { return };
    let log = &instance.log;
    let numbers = log.numbers();
    let all = numbers.end - numbers.start;
    let (following, ended) = (log.following, log.ended.clone());
    let may_read_more = following && all >= u64::from(LINES) && !reading.has_read_more;
    ui.horizontal(|ui| {
        let shown = reading.index.len() as u64;
        let words = if reading.index.criteria().is_open() {
            format!("{} lines", figures::count(all))
        } else {
            format!("{} of {} lines", figures::count(shown), figures::count(all))
        };
        ui.label(text::small(tokens, words));
        let behind = numbers.end.saturating_sub(reading.index.next());
        if behind > 0 && reading.paused_at.is_none() {
            ui.label(text::small(tokens, format!("looking through {} more", figures::count(behind))));
        }
        if may_read_more && ui.link(RichText::new("Read what was logged before").small()).clicked() {
            reading.has_read_more = true;
            let filter = hostler_bus::daemon::LogFilter { lines: Some(MORE_LINES), ..super::from_there("") };
            stage.order(Order::FollowLogs(key.clone(), filter));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(failure) = ended {
                let is_locked = failure.kind == FailureKind::Locked;
                let offer = if is_locked { loaded::UNLOCK } else { "Try again" };
                if ui.link(RichText::new(offer).small()).clicked() {
                    let filter =
                        super::from_there(stage.world.instance(key).map_or("", |instance| instance.log.cursor()));
                    stage.order(Order::FollowLogs(key.clone(), filter));
                }
                let (glyph, color) =
                    if is_locked { (Icon::Lock, tokens.muted) } else { toasts::sign(tokens, failure.tone()) };
                let words = format!("{}  {}", icon::text(glyph), failure.reason());
                ui.add(egui::Label::new(RichText::new(words).small().color(color)).truncate());
                return;
            }
            let (glyph, words, color) = match (reading.paused_at.is_some(), following, reading.follows) {
                (true, ..) => (Icon::Pause, "paused", tokens.caution),
                (false, false, _) => (Icon::CircleStop, "not followed", tokens.muted),
                (false, true, true) => (Icon::Radio, "following", tokens.good),
                (false, true, false) => (Icon::Radio, "live, scrolled up", tokens.muted),
            };
            let words = format!("{}  {words}", icon::text(glyph));
            ui.label(RichText::new(words).text_style(egui::TextStyle::Small).color(color));
        });
    });
}
