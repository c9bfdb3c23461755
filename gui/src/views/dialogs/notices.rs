//! Shows what was told lately, the latest first.

use egui::{Context, Label, ScrollArea};

use super::{Outcome, window};
use crate::views::{Stage, toasts};
use crate::widgets::{figures, glyph, text};

pub(super) fn show(context: &Context, stage: &mut Stage<'_>) -> Outcome {
    let tokens = stage.tokens;
    stage.state.passing.toasts.read();
    window(context, tokens, "Notices", 480.0, |ui| {
        let told = stage.state.passing.toasts.told();
        if told.len() == 0 {
            ui.label(text::muted(tokens, "Nothing yet. What you do, and what comes of it, is kept here."));
        }
        ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
            for notice in told.rev() {
                ui.horizontal(|ui| {
                    let (icon, color) = toasts::sign(tokens, notice.tone);
                    glyph::show(ui, icon, 14.0, color);
                    ui.label(text::small(tokens, figures::time(notice.at_us)));
                    ui.add(Label::new(&notice.text).wrap());
                });
            }
        });
        ui.add_space(10.0);
        if ui.button("Close").clicked() { Outcome::Closes } else { Outcome::Stays }
    })
}
