//! The index of groups at the side: where one is, where changes are, and where something is wrong.

use egui::{Align2, ComboBox, Role, ScrollArea, Sense, TextStyle, Ui, Vec2, WidgetInfo};

use super::{Editing, Form};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// The titles of the groups, in the order of the schema.
pub(super) fn titles<'a>(form: &Form<'a>) -> Vec<&'a str> {
    let mut titles: Vec<&str> = Vec::new();
    for info in form.schema {
        if titles.last() != Some(&info.group.as_str()) && !titles.contains(&info.group.as_str()) {
            titles.push(&info.group);
        }
    }
    titles
}

/// Draws it.
pub(super) fn show(ui: &mut Ui, tokens: &Tokens, editing: &mut Editing, form: &Form<'_>) {
    ScrollArea::vertical().id_salt("setting groups").show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        for title in titles(form) {
            let of_group = || form.schema.iter().filter(|info| info.group == title);
            let edited = of_group().filter(|info| editing.draft.is_edited(&info.key)).count();
            let wrong = of_group()
                .any(|info| form.problems_of(&info.key).next().is_some() || editing.draft.clash(&info.key).is_some());
            let here = editing.at_group == title;
            if entry(ui, tokens, title, edited, wrong, here) {
                editing.jump = Some(title.to_owned());
            }
        }
    });
}

/// Draws it as a menu, where there is no room at the side.
pub(super) fn menu(ui: &mut Ui, editing: &mut Editing, form: &Form<'_>) {
    // Before the form was drawn once, nobody has scrolled.
    let first = || titles(form).first().copied().unwrap_or_default().to_owned();
    let at_group = if editing.at_group.is_empty() { first() } else { editing.at_group.clone() };
    let combo = ComboBox::from_id_salt("setting groups").selected_text(&at_group).width(120.0).show_ui(ui, |ui| {
        for title in titles(form) {
            if ui.selectable_label(at_group == title, title).clicked() {
                editing.jump = Some(title.to_owned());
            }
        }
    });
    combo.response.widget_info(|| {
        let mut told = WidgetInfo::labeled(Role::ComboBox, true, "Group of settings");
        told.current_text_value = Some(at_group.clone());
        told
    });
}

fn entry(ui: &mut Ui, tokens: &Tokens, title: &str, edited: usize, wrong: bool, here: bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 28.0), Sense::click());
    let told = match (edited, wrong) {
        (0, false) => title.to_owned(),
        (edited, false) => format!("{title}, {edited} changed"),
        (edited, true) => format!("{title}, {edited} changed, with problems"),
    };
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, here, &told));
    let painter = ui.painter();
    let fill = match (here, response.hovered() || response.has_focus()) {
        (true, _) => tokens.selected,
        (false, true) => tokens.hovered,
        (false, false) => egui::Color32::TRANSPARENT,
    };
    painter.rect_filled(rect, Size::CORNER, fill);
    let font = TextStyle::Body.resolve(ui.style());
    let color = if here { tokens.text } else { tokens.muted };
    let mut right = rect.right() - 10.0;
    if wrong {
        let at = egui::pos2(right, rect.center().y);
        painter.text(at, Align2::RIGHT_CENTER, icon::text(Icon::CircleAlert), font.clone(), tokens.bad);
        right -= 20.0;
    }
    if edited > 0 {
        let at = egui::pos2(right, rect.center().y);
        painter.text(at, Align2::RIGHT_CENTER, edited.to_string(), font.clone(), tokens.accent);
        right -= 18.0;
    }
    let width = right - rect.left() - 10.0;
    let mut job = egui::text::LayoutJob::simple_singleline(title.to_owned(), font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
    painter.galley(egui::pos2(rect.left() + 10.0, rect.center().y - galley.size().y / 2.0), galley, color);
    response.clicked()
}
