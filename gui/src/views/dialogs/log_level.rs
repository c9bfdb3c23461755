//! Asks for the least severity that an instance logs.

use egui::{Context, Grid, Label};
use hostler_bus::LogLevel;

use super::{Outcome, answers, window};
use crate::bus::{Action, Order};
use crate::model::{InstanceKey, Loaded};
use crate::theme::Size;
use crate::views::Stage;
use crate::widgets::{text, tick};

/// All, the most talkative first, with what each of them logs.
const LEVELS: [(LogLevel, &str, &str); 4] = [
    (LogLevel::Debug, "Debug", "all that helps to understand one worker"),
    (LogLevel::Info, "Info", "what an operator wants to know"),
    (LogLevel::Warning, "Warning", "what went wrong and was mended"),
    (LogLevel::Error, "Error", "what was lost, alone"),
];

pub(super) fn show(
    context: &Context,
    stage: &mut Stage<'_>,
    key: &InstanceKey,
    level: &mut Option<LogLevel>,
) -> Outcome {
    let tokens = stage.tokens;
    let Some(instance) = stage.world.instance(key) else { return Outcome::Closes };
    let now = instance.log_level.clone();
    let outcome = window(context, tokens, &format!("Log level of {}", key.name), 420.0, |ui| {
        ui.label(text::muted(tokens, "What is less severe does not go to its log."));
        ui.add_space(Size::GAP);
        let known = now.value().copied();
        Grid::new("log levels").num_columns(2).spacing([Size::PAD, Size::TIGHT]).show(ui, |ui| {
            for (each, word, words) in LEVELS {
                let chosen = level.or(known) == Some(each);
                if tick::choice(ui, tokens, chosen, word, &format!("{word}: {words}")).clicked() {
                    *level = Some(each);
                }
                let is_now = if known == Some(each) { " · now" } else { "" };
                ui.label(text::small(tokens, format!("{words}{is_now}")));
                ui.end_row();
            }
        });
        ui.add_space(Size::GAP);
        match &now {
            Loaded::Never | Loaded::Awaited => {
                ui.label(text::small(tokens, "Waiting for its level of now…"));
            }
            Loaded::Failed(failure, _) => {
                let words = format!("Its level of now is not known: {}.", failure.message.trim_end_matches('.'));
                ui.add(Label::new(text::muted(tokens, words)).wrap());
            }
            Loaded::Here(_) => {}
        }
        ui.label(text::small(tokens, "Holds until the next reload. To keep it, change the setting `log_level`."));
        answers(ui, tokens, "Set log level", false, level.is_some() && *level != known)
    });
    if let (Outcome::Does, Some(level)) = (outcome, *level) {
        stage.order(Order::Act(key.clone(), Action::SetLogLevel(level)));
    }
    outcome
}
