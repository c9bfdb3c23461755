//! The filters that hold, each with a button that ends it.

use egui::{Button, CornerRadius, RichText, Role, Ui, WidgetInfo};

use super::Stage;
use super::reading::Reading;
use crate::model::{LogCriteria, Severity};
use crate::theme::icon::{self, Icon};
use crate::widgets::figures;

/// Draws them; nothing where nothing is filtered.
pub(super) fn show(ui: &mut Ui, stage: &Stage<'_>, reading: &mut Reading) {
    let criteria = reading.index.criteria().clone();
    if criteria.is_open() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        if criteria.severity != Severity::Debug && chip(ui, stage, &format!("{} and above", criteria.severity.word())) {
            reading.change(|criteria| criteria.severity = Severity::Debug);
        }
        if !criteria.text.is_empty() && chip(ui, stage, &format!("contains “{}”", criteria.text)) {
            reading.only_found = false;
            reading.change(|criteria| criteria.text.clear());
        }
        for (name, value) in &criteria.fields {
            if chip(ui, stage, &format!("{} {value}", in_words(name))) {
                reading.change(|criteria| {
                    criteria.fields.remove(name);
                });
            }
        }
        if let Some(words) = time_in_words(&criteria, stage.now)
            && chip(ui, stage, &words)
        {
            reading.change(|criteria| criteria.time_us = None);
        }
        if ui.link("Show all lines").clicked() {
            reading.show_all();
        }
    });
}

/// How a field is called where there is little room.
pub(super) fn in_words(name: &str) -> String {
    match name {
        "request_id" => "request".to_owned(),
        other => other.replace('_', " "),
    }
}

/// The chosen time: `15:02:07 to 15:03:40`.
fn time_in_words(criteria: &LogCriteria, now_us: u64) -> Option<String> {
    let time_us = criteria.time_us.as_ref()?;
    let day = |at_us: u64| figures::local(at_us, "%Y-%m-%d");
    let moment = |at_us: u64| if day(at_us) == day(now_us) { figures::time(at_us) } else { figures::date_time(at_us) };
    Some(match time_us.end {
        u64::MAX => format!("since {}", moment(time_us.start)),
        end => format!("{} to {}", moment(time_us.start), moment(end)),
    })
}

fn chip(ui: &mut Ui, stage: &Stage<'_>, words: &str) -> bool {
    let tokens = stage.tokens;
    let text = RichText::new(format!("{words}  {}", icon::text(Icon::X))).size(12.5).color(tokens.accent);
    let button =
        Button::new(text).fill(tokens.selected).stroke(egui::Stroke::NONE).corner_radius(CornerRadius::same(10));
    let response = ui.add(button.min_size(egui::Vec2::new(0.0, 22.0)).small());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Filter: {words}. Take it away")));
    response.on_hover_text("Take this filter away").clicked()
}
