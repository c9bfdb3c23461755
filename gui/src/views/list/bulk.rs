//! What is done to the marked instances.

use egui::{CornerRadius, Frame, Margin, Stroke, Ui};

use crate::commands::{self, Command};
use crate::theme::icon::Icon;
use crate::views::Stage;
use crate::widgets::{button, text};

/// Below this width there is no room for words on the buttons.
const NARROW: f32 = 500.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let count = stage.state.marked.len();
    let mut chosen = None;
    Frame::new()
        .fill(tokens.selected)
        .stroke(Stroke::new(1.0, tokens.accent))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(12, 6))
        .show(ui, |ui| {
            let is_narrow = ui.available_width() < NARROW;
            ui.horizontal(|ui| {
                ui.label(text::strong(format!("{count} marked")));
                ui.add_space(8.0);
                let buttons = [
                    (Icon::Play, "Start", Command::StartMarked),
                    (Icon::RefreshCw, "Reload", Command::ReloadMarked),
                    (Icon::RotateCcw, "Restart…", Command::RestartMarked),
                    (Icon::Square, "Stop…", Command::StopMarked),
                ];
                for (icon, word, command) in buttons {
                    let (able, _) = commands::able_and_not(command, stage.world, stage.state);
                    ui.add_enabled_ui(!able.is_empty(), |ui| {
                        let response = match is_narrow {
                            true => button::framed_icon(ui, icon, word).on_hover_text(word),
                            false => button::plain(ui, icon, word),
                        };
                        if response.on_disabled_hover_text("None of them can take this now.").clicked() {
                            chosen = Some(command);
                        }
                    });
                }
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    if button::icon_only(ui, Icon::X, "Clear marks").clicked() {
                        chosen = Some(Command::ClearMarks);
                    }
                });
            });
        });
    if let Some(command) = chosen {
        commands::run(command, None, ui.ctx(), stage);
    }
}
