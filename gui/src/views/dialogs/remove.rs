//! Asks for the name of an instance before it is taken away.

use egui::{Align2, Context, TextEdit, Vec2};

use super::{Outcome, answers, window};
use crate::bus::{Action, Order};
use crate::model::InstanceKey;
use crate::views::Stage;
use crate::widgets::text;

pub(super) fn show(context: &Context, stage: &mut Stage<'_>, key: &InstanceKey, typed: &mut String) -> Outcome {
    let tokens = stage.tokens;
    // Somebody else was faster.
    if stage.world.instance(key).is_none() {
        return Outcome::Closes;
    }
    let outcome = window(context, tokens, &format!("Remove {}?", key.name), 440.0, |ui| {
        ui.label(
            "It is stopped for good, and its settings file and the drop-ins that Hostler wrote are taken away. Its \
             history keeps the settings; its data stay where they are.",
        );
        ui.add_space(10.0);
        let label = ui.label(format!("Type {} to confirm", key.name));
        let field = TextEdit::singleline(typed).align(Align2::LEFT_CENTER).desired_width(f32::INFINITY);
        let response = ui.add_sized(Vec2::new(ui.available_width(), 30.0), field).labelled_by(label.id);
        if typed.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        ui.add_space(4.0);
        ui.label(text::small(tokens, "This cannot be undone here."));
        answers(ui, tokens, &format!("Remove {}", key.name), true, typed.as_str() == key.name)
    });
    if outcome == Outcome::Does {
        stage.order(Order::Act(key.clone(), Action::Remove));
    }
    outcome
}
