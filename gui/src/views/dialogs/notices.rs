//! Shows what was told lately, the latest first.

use egui::{Align, Context, Label, Layout, ScrollArea};

use super::{Outcome, closes, window};
use crate::commands;
use crate::views::{Stage, toasts};
use crate::widgets::{glyph, text};

pub(super) fn show(context: &Context, stage: &mut Stage<'_>) -> Outcome {
    let tokens = stage.tokens;
    stage.state.passing.toasts.look(&stage.world.toasts);
    let mut goes_to = None;
    let outcome = window(context, tokens, "Notices", 480.0, |ui| {
        if stage.world.toasts.is_empty() {
            ui.label(text::muted(tokens, "Nothing yet. What you do, and what comes of it, is kept here."));
        }
        ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
            for toast in stage.world.toasts.iter().rev() {
                ui.horizontal(|ui| {
                    let (icon, color) = toasts::sign(tokens, toast.tone);
                    glyph::show(ui, icon, 15.0, color);
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        if let Some(key) = toast.about.as_ref().filter(|key| stage.world.instance(key).is_some())
                            && ui.link(format!("Show {}", key.name)).clicked()
                        {
                            goes_to = Some(key.clone());
                        }
                        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                            ui.add(Label::new(&toast.text).wrap());
                        });
                    });
                });
            }
        });
        if closes(ui) || goes_to.is_some() { Outcome::Closes } else { Outcome::Stays }
    });
    if let Some(key) = goes_to {
        commands::go_to(stage.state, key);
    }
    outcome
}
