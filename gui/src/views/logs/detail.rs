//! One line with all its fields.

use egui::{Align, Label, Layout, RichText, ScrollArea, TextStyle, Ui, Vec2};

use super::reading::Reading;
use super::{Stage, chips, lines, toolbar};
use crate::model::logs::{as_json, as_text, fields, plain};
use crate::model::{InstanceKey, Severity};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::widgets::{badge, button, figures, text};

/// How much of a message is drawn; the rest is copied or saved.
const SHOWN_LIMIT: usize = 64 << 10;

/// The height of a field, and the width of its name.
const ROW: f32 = 26.0;
const NAME: f32 = 116.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, key: &InstanceKey, reading: &mut Reading) {
    let Some(number) = reading.detail_of() else { return };
    let Some(book) = stage.world.instance(key).map(|instance| &instance.log) else { return };
    let Some(line) = book.line(number) else { return };
    let tokens = stage.tokens;
    let severity = Severity::of(line.priority);
    ui.horizontal(|ui| {
        badge::pill(ui, tokens, toolbar::color(tokens, severity), severity.letter(), severity.word());
        ui.label(text::muted(tokens, figures::local(line.time_us, "%a %F %H:%M:%S.%6f")));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            if button::icon_only(ui, Icon::X, "Close (Esc)").clicked() {
                reading.detail = false;
            }
            if button::icon_only(ui, Icon::Braces, "Copy as JSON").clicked() {
                ui.ctx().copy_text(as_json(line));
            }
            if button::icon_only(ui, Icon::Copy, "Copy as text").clicked() {
                let several = reading.chosen().is_some_and(|chosen| chosen.start() != chosen.end());
                ui.ctx().copy_text(if several { lines::copied(reading, book) } else { as_text(line) });
            }
        });
    });
    let mut only = None;
    let mut context = false;
    ScrollArea::vertical().auto_shrink(false).id_salt("log detail").show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add_space(Size::TIGHT);
        let shown = plain(line.message.trim_end());
        let end = shown.floor_char_boundary(SHOWN_LIMIT);
        ui.add(Label::new(RichText::new(&shown[..end]).text_style(TextStyle::Monospace)).wrap());
        if end < shown.len() {
            ui.label(text::small(
                tokens,
                format!("{} more: copy it to see all", figures::bytes((shown.len() - end) as u64)),
            ));
        }
        ui.add_space(Size::GAP);
        ui.separator();
        for (name, value) in fields(line) {
            if fact(ui, tokens, &name, &value) {
                only = Some((name, value));
            }
        }
        if !reading.index.criteria().is_open() {
            ui.add_space(Size::TIGHT);
            let words = format!("{}  Show it among all lines", icon::text(Icon::ListEnd));
            context = ui.link(words).clicked();
        }
    });
    if let Some((name, value)) = only {
        reading.let_go();
        reading.change(|criteria| {
            criteria.fields.insert(name, value);
        });
    }
    if context {
        reading.let_go();
        reading.show_all();
        reading.reveal = Some(number);
    }
}

/// A field with its value; answers whether lines are to be shown that have it alone.
fn fact(ui: &mut Ui, tokens: &Tokens, name: &str, value: &str) -> bool {
    ui.horizontal(|ui| {
        ui.set_height(ROW);
        ui.allocate_ui_with_layout(Vec2::new(NAME, ROW), Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(Vec2::new(NAME, ROW));
            ui.add(Label::new(text::muted(tokens, name)).truncate());
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let words = format!("Show only {} {value}", chips::in_words(name));
            // A severity is chosen as a least one, above the log.
            let only = name != "priority" && button::icon_only(ui, Icon::Funnel, &words).clicked();
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let value = RichText::new(plain(value)).text_style(TextStyle::Monospace);
                ui.add(Label::new(value).truncate());
            });
            only
        })
        .inner
    })
    .inner
}
