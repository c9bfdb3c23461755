//! What is searched, and what is shown.

use egui::{Align, Layout, RichText, TextEdit, Ui};

use super::{Editing, Form, GROUPS_WIDTH, groups};
use crate::model::{Instance, Loaded};
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};
use crate::widgets::text;

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
    ui.horizontal(|ui| {
        let glyph = RichText::new(icon::text(Icon::Search)).color(tokens.muted);
        let field = TextEdit::singleline(&mut editing.search)
            .hint_text("Search settings")
            .prefix(glyph)
            .desired_width(240.0)
            .margin(egui::Margin::symmetric(8, 5));
        let response = ui.add_enabled(!editing.raw, field).accessible_name("Search settings");
        if wants_search {
            response.request_focus();
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Escape)) {
            editing.search.clear();
        }
        let only = ui.add_enabled(!editing.raw, egui::Checkbox::new(&mut editing.only_changed, "Changed only"));
        only.on_hover_text("Only settings that differ from their defaults");
        if !has_room_at_side && !editing.raw {
            groups::menu(ui, editing, form);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for (raw, glyph, word) in [(true, Icon::FileCode, "File"), (false, Icon::SlidersHorizontal, "Form")] {
                if ui.selectable_label(editing.raw == raw, text::with_icon(glyph, word)).clicked() {
                    editing.raw = raw;
                }
            }
            if let Loaded::Failed(failure, Some(_)) = &instance.settings {
                let words = format!("{}  as last read", icon::text(Icon::CircleAlert));
                ui.label(RichText::new(words).color(tokens.caution)).on_hover_text(&failure.message);
            } else if !form.may_edit && !editing.draft.is_sent() {
                ui.label(text::with_icon(Icon::Unplug, "not connected").color(tokens.caution));
            }
        });
    });
}
