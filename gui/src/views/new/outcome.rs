//! The last step: how far it is, what came of it, and what to do next.

use egui::{OpenUrl, RichText, ScrollArea, Ui};

use super::{Dialog, Stage};
use crate::model::FailureKind;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::views::toasts;
use crate::widgets::{button, text};

/// Draws it; whether the dialog is to be closed.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>, dialog: &mut Dialog) -> bool {
    let Some(making) = stage.world.making.clone() else {
        // The order is taken up after this frame.
        return false;
    };
    match &making.ended {
        None => {
            ui.horizontal(|ui| {
                ui.spinner();
                let stage_of = &making.running.progress.stage;
                ui.label(match (making.running.authorizing, stage_of.is_empty()) {
                    (true, _) => "Waiting for authorisation…".to_owned(),
                    (false, true) => format!("Making {}…", making.key.name),
                    (false, false) => format!("Making {}: {stage_of}…", making.key.name),
                });
            });
            false
        }
        Some(Err(failure)) => {
            let title = match failure.kind {
                FailureKind::NotPermitted => "You may not make instances here",
                FailureKind::Dismissed => "It was not made: the question for authorisation was dismissed",
                _ => "It was not made",
            };
            let (icon, color) = toasts::sign(stage.tokens, failure.tone());
            line(ui, icon, color, title);
            ScrollArea::vertical().max_height(240.0).show(ui, |ui| {
                if failure.kind != FailureKind::Dismissed {
                    ui.label(&failure.message);
                }
                for problem in &failure.problems {
                    ui.label(format!("{}: {}", problem.key, problem.message));
                }
            });
            ui.add_space(Size::WIDE);
            let mut close = false;
            super::buttons(ui, |ui| {
                if button::primary(ui, stage.tokens, None, "Back").clicked() {
                    dialog.ordered = false;
                    stage.world.making = None;
                }
                close = ui.button("Close").clicked();
            });
            close
        }
        Some(Ok(outcome)) => {
            line(ui, Icon::CircleCheck, stage.tokens.good, &outcome.message);
            let draft = dialog.found.as_ref().map(|found| found.draft.clone()).unwrap_or_default();
            ui.label(text::muted(
                stage.tokens,
                if draft.start {
                    "It listens. The first request starts it."
                } else {
                    "It does not listen yet. Start it when you like."
                },
            ));
            ui.add_space(Size::WIDE);
            let mut close = false;
            super::buttons(ui, |ui| {
                if button::primary(ui, stage.tokens, Some(Icon::ArrowRight), "Show it").clicked() {
                    stage.state.selected = Some(making.key.clone());
                    close = true;
                }
                if let Some(url) = draft.url().filter(|_| draft.start)
                    && button::plain(ui, Icon::ExternalLink, "Open in browser").clicked()
                {
                    ui.ctx().open_url(OpenUrl::new_tab(url));
                }
                close |= ui.button("Close").clicked();
            });
            close
        }
    }
}

fn line(ui: &mut Ui, icon: Icon, color: egui::Color32, words: &str) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(icon::text(icon)).color(color).size(18.0));
        ui.label(text::strong(words));
    });
}
