//! The groups with their settings, one below the other.

use egui::{Align, Stroke, Ui};
use hostler_bus::daemon::{Origin, SettingInfo, SettingValue};

use super::{Editing, Form, groups, setting};
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::widgets::{button, card, empty, page, text};

/// Draws them.
pub(super) fn show(ui: &mut Ui, tokens: &'static Tokens, editing: &mut Editing, form: &Form<'_>) {
    let shown: Vec<(&SettingInfo, &SettingValue)> = form
        .schema
        .iter()
        .filter_map(|info| Some((info, form.settings.values.iter().find(|value| value.key == info.key)?)))
        .filter(|(info, value)| is_shown(editing, info, value))
        .collect();
    if shown.is_empty() {
        nothing(ui, tokens, editing);
        return;
    }
    let jump = editing.jump.take();
    page::show(ui, "settings", |ui| {
        ui.spacing_mut().item_spacing.y = Size::GAP;
        let top = ui.clip_rect().top();
        let mut at_group = None;
        for title in groups::titles(form) {
            let of_group: Vec<_> = shown.iter().filter(|(info, _)| info.group == title).collect();
            if of_group.is_empty() {
                continue;
            }
            let response = card::frame(tokens).show(ui, |ui| {
                ui.set_min_width(ui.available_width());
                let heading = ui.label(text::title(title));
                if jump.as_deref() == Some(title) {
                    let margin = egui::vec2(0.0, Size::PAD);
                    ui.scroll_to_rect(heading.rect.expand2(margin), Some(Align::TOP));
                }
                for (info, value) in of_group {
                    let line = ui.available_rect_before_wrap();
                    ui.painter().hline(line.x_range(), line.top(), Stroke::new(1.0, tokens.line));
                    ui.add_space(Size::GAP);
                    let response = ui.scope(|ui| setting::show(ui, tokens, editing, form, info, value)).response;
                    if jump.as_deref() == Some(info.key.as_str()) {
                        ui.scroll_to_rect(response.rect, Some(Align::Center));
                    }
                }
            });
            if at_group.is_none() && response.response.rect.bottom() > top + 40.0 {
                at_group = Some(title.to_owned());
            }
        }
        ui.add_space(Size::PAD);
        editing.at_group = at_group.unwrap_or_default();
    });
}

fn is_shown(editing: &Editing, info: &SettingInfo, value: &SettingValue) -> bool {
    let words = editing.search.trim().to_lowercase();
    let key = info.key.to_lowercase();
    let found = words.split_whitespace().all(|word| {
        key.contains(word)
            || key.replace('_', " ").contains(word)
            || info.doc.to_lowercase().contains(word)
            || info.group.to_lowercase().contains(word)
    });
    let differs = value.origin != Origin::Default || editing.draft.is_edited(&info.key);
    found && (differs || !editing.only_changed)
}

fn nothing(ui: &mut Ui, tokens: &Tokens, editing: &mut Editing) {
    let words = match (editing.search.trim(), editing.only_changed) {
        ("", _) => "All settings are as they are by default.".to_owned(),
        (search, true) => format!("Nothing that was changed has to do with “{search}”."),
        (search, false) => format!("Nothing has to do with “{search}”: neither a name nor a description."),
    };
    let all = empty::show(ui, tokens, Icon::Search, "No such setting", &words, |ui| {
        button::plain(ui, Icon::X, "Show all settings").clicked()
    });
    if all {
        editing.search.clear();
        editing.only_changed = false;
    }
}
