//! Shows what an action on several will be done to, and to what not, before it is.

use egui::{Context, ScrollArea};

use super::{Outcome, answers, window};
use crate::commands::{self, Command};
use crate::theme::icon;
use crate::views::Stage;
use crate::widgets::{glyph, text};

pub(super) fn show(context: &Context, stage: &mut Stage<'_>, command: Command) -> Outcome {
    let tokens = stage.tokens;
    let (able, not) = commands::able_and_not(command, stage.world, stage.state);
    let verb = match command {
        Command::StopMarked => "Stop",
        _ => "Restart",
    };
    let count = able.len();
    let what = if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") };
    let words = match command {
        Command::StopMarked => "They finish what they run, and nobody is answered any more.",
        _ => "They finish what they run. Whoever connects meanwhile waits.",
    };
    let outcome = window(context, tokens, &format!("{verb} {what}?"), 420.0, |ui| {
        ui.label(text::muted(tokens, words));
        ui.add_space(8.0);
        ScrollArea::vertical().max_height(260.0).auto_shrink([false, true]).show(ui, |ui| {
            for key in &able {
                let Some(instance) = stage.world.instance(key) else { continue };
                ui.horizontal(|ui| {
                    let state = instance.state();
                    glyph::show(ui, icon::state(state), 14.0, tokens.state(state));
                    ui.label(text::strong(&key.name));
                    ui.label(text::small(tokens, state.as_str()));
                });
            }
            if !not.is_empty() {
                ui.add_space(8.0);
                ui.label(text::muted(tokens, "Left as they are:"));
                for (key, reason) in &not {
                    ui.horizontal(|ui| {
                        ui.label(&key.name);
                        ui.label(text::small(tokens, reason));
                    });
                }
            }
        });
        answers(ui, tokens, &format!("{verb} {what}"), command == Command::StopMarked, count > 0)
    });
    if outcome == Outcome::Does {
        commands::act_on_marked(command, stage);
    }
    outcome
}
