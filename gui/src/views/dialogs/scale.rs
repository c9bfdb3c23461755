//! Asks for the number of workers.

use egui::{Context, DragValue};

use super::{Outcome, answers, window};
use crate::bus::{Action, Order};
use crate::model::InstanceKey;
use crate::theme::icon::Icon;
use crate::views::Stage;
use crate::widgets::{button, text};

/// As many as the setting `workers` takes.
const MOST: u32 = 512;

pub(super) fn show(context: &Context, stage: &mut Stage<'_>, key: &InstanceKey, workers: &mut u32) -> Outcome {
    let tokens = stage.tokens;
    let Some(instance) = stage.world.instance(key) else { return Outcome::Closes };
    let status = instance.status().cloned();
    let outcome = window(context, tokens, &format!("Workers of {}", key.name), 400.0, |ui| {
        if let Some(status) = &status {
            let (least, most) = (status.configured.workers_min, status.configured.workers_max);
            let bounds = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let ready = status.observed.workers_ready;
            ui.label(text::muted(tokens, format!("{ready} are ready. Its settings say {bounds}.")));
            if !status.observed.workers_reason.is_empty() {
                ui.label(text::small(tokens, format!("Why so many: {}.", status.observed.workers_reason)));
            }
        }
        ui.add_space(12.0);
        ui.horizontal(|ui| {
            let label = ui.label("Workers");
            ui.add_space(8.0);
            if button::icon_only(ui, Icon::Minus, "One worker fewer").clicked() {
                *workers = workers.saturating_sub(1);
            }
            let value = DragValue::new(workers).range(0..=MOST).speed(0.1);
            ui.add_sized([64.0, 30.0], value).labelled_by(label.id);
            if button::icon_only(ui, Icon::Plus, "One worker more").clicked() {
                *workers = (*workers + 1).min(MOST);
            }
        });
        ui.add_space(8.0);
        ui.label(text::small(tokens, "Holds until the next reload. To keep it, change the setting `workers`."));
        answers(ui, tokens, "Set workers", false, true)
    });
    if outcome == Outcome::Does {
        stage.order(Order::Act(key.clone(), Action::Scale(*workers)));
    }
    outcome
}
