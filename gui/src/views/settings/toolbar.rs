//! What is searched, and what is shown.

use egui::{Align, Layout, RichText, Role, TextEdit, Ui, WidgetInfo};

use super::{Editing, Form, GROUPS_WIDTH, groups};
use crate::model::{Instance, Loaded};
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::widgets::{segments, text, tick};

/// Below this width the choice between form and file is icons.
const NARROW: f32 = 620.0;

/// Draws it.
pub(super) fn show(
    ui: &mut Ui,
    tokens: &Tokens,
    editing: &mut Editing,
    form: &Form<'_>,
    instance: &Instance,
    wants_search: bool,
) {
    let has_room_at_side = ui.available_width() >= GROUPS_WIDTH;
    let is_narrow = ui.available_width() < NARROW;
    // What stands to the right of the search field.
    let rest = if is_narrow { 376.0 } else { 300.0 + if has_room_at_side { 0.0 } else { 140.0 } };
    ui.horizontal(|ui| {
        let glyph = RichText::new(icon::text(Icon::Search)).color(tokens.muted);
        let field = TextEdit::singleline(&mut editing.search)
            .hint_text("Search settings")
            .prefix(glyph)
            .desired_width((ui.available_width() - rest).clamp(72.0, 240.0))
            .margin(egui::Margin::symmetric(8, 5));
        let response = ui.add_enabled(!editing.raw, field).accessible_name("Search settings");
        if wants_search {
            response.request_focus();
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Escape)) {
            editing.search.clear();
        }
        let only = ui.add_enabled_ui(!editing.raw, |ui| {
            tick::check(ui, tokens, &mut editing.only_changed, "Changed only", "Changed only")
        });
        only.inner.on_hover_text("Only settings that differ from their defaults");
        if !has_room_at_side && !editing.raw && ui.available_width() > 210.0 {
            groups::menu(ui, editing, form);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            segments::tray(ui, tokens, |ui| {
                for (raw, glyph, word) in [(true, Icon::FileCode, "File"), (false, Icon::SlidersHorizontal, "Form")] {
                    let words = if is_narrow { RichText::new(icon::text(glyph)) } else { text::with_icon(glyph, word) };
                    let response = ui.selectable_label(editing.raw == raw, words);
                    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, editing.raw == raw, word));
                    if response.clicked() {
                        editing.raw = raw;
                    }
                    if is_narrow {
                        response.on_hover_text(word);
                    }
                }
            });
            if let Loaded::Failed(failure, Some(_)) = &instance.settings {
                let words = format!("{}  as last read", icon::text(Icon::CircleAlert));
                ui.label(RichText::new(words).color(tokens.caution)).on_hover_text(&failure.message);
            } else if !form.may_edit && !editing.draft.is_sent() {
                ui.label(text::with_icon(Icon::Unplug, "not connected").color(tokens.caution));
            }
        });
    });
}
