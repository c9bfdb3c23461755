//! What happened lately.

use egui::{RichText, Ui};

use crate::state::{State, Tab};
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::views::shown::Shown;
use crate::widgets::{button, card, figures, happening, text};

/// How many are shown here; the history has all.
const LIMIT: usize = 6;

/// Draws it; its content is at least so high.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, state: &mut State, least: f32) {
    let tokens = shown.tokens;
    let happenings = &shown.instance.happenings;
    let healed = shown.instance.detail.value().map_or(&[][..], |detail| &detail.healed);
    card::titled_of(ui, tokens, "Lately", least, |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        if happenings.is_empty() && healed.is_empty() {
            ui.label(text::muted(tokens, "No reload, restart or other event while this window was open."));
            return;
        }
        for each in happenings.iter().rev().take(LIMIT) {
            let color = happening::color(tokens, each.kind);
            ui.horizontal_top(|ui| {
                ui.spacing_mut().interact_size.y = 18.0;
                ui.label(RichText::new(icon::text(happening::icon(each.kind))).color(color).size(14.0));
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    ui.horizontal(|ui| {
                        ui.label(text::strong(happening::word(each.kind)));
                        let ago = figures::ago(shown.now, each.at_us);
                        ui.label(text::small(tokens, ago)).on_hover_text(figures::date_time(each.at_us));
                    });
                    ui.add(egui::Label::new(text::muted(tokens, &each.message)).wrap());
                });
            });
        }
        for words in healed.iter().rev().take(LIMIT) {
            ui.horizontal_top(|ui| {
                ui.label(RichText::new(icon::text(Icon::Wrench)).color(tokens.caution).size(14.0));
                ui.add(egui::Label::new(text::muted(tokens, words)).wrap());
            });
        }
        ui.add_space(Size::TIGHT);
        ui.horizontal(|ui| {
            if button::plain(ui, Icon::History, "All of its history").clicked() {
                state.tab = Tab::History;
            }
        });
    });
}
