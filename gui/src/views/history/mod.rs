//! What happened to an instance, as one line of time: deploys and reloads, changes of its settings, restarts.

mod entry;
mod revision;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use egui::{RichText, Ui};
use hostler_bus::daemon::RevisionInfo;

use self::entry::{Entry, Kind};
use super::Stage;
use super::shown::Shown;
use crate::bus::{Order, Part};
use crate::model::{Failure, FailureKind, Loaded};
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::widgets::{button, empty, figures, happening, loaded, page, segments, text};

/// How wide the times at the left are.
const TIMES: f32 = 62.0;
/// How wide the line of time is.
const LINE: f32 = 28.0;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// What is shown; all without it.
    kind: Option<Kind>,
    /// The revisions whose difference is folded, or is not where that is usual.
    turned: BTreeSet<String>,
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    stage.with_shown(|shown, state, orders| {
        filter(ui, shown, state);
        ui.add_space(Size::GAP);
        let asks = shown.instance.asks_for(Part::History);
        if asks {
            loaded::authorizing(ui, shown.tokens, "the changes of its settings");
        }
        // What is known of reloads and restarts needs no answer.
        match &shown.instance.history {
            Loaded::Never | Loaded::Awaited if shown.instance.happenings.is_empty() => {
                if !asks {
                    loaded::awaited(ui, shown.tokens, "the history");
                }
            }
            Loaded::Never | Loaded::Awaited if !asks => {
                ui.label(text::muted(shown.tokens, "Waiting for the changes of its settings…"));
                list(ui, shown, &[], state, orders);
            }
            Loaded::Failed(_, None) if shown.instance.happenings.is_empty() => {
                if loaded::show(ui, shown.tokens, "the history", &shown.instance.history, |_, _| {}) {
                    orders.push(Order::Refresh(shown.key.clone()));
                }
            }
            history => {
                if let Some(failure) = history.failure()
                    && without_changes(ui, shown, failure)
                {
                    orders.push(Order::Refresh(shown.key.clone()));
                }
                let revisions = history.value().map_or(&[][..], Vec::as_slice);
                list(ui, shown, revisions, state, orders);
            }
        }
    });
}

/// Why the changes of its settings are not among what happened; answers whether they are to be asked for again.
fn without_changes(ui: &mut Ui, shown: Shown<'_>, failure: &Failure) -> bool {
    ui.horizontal(|ui| {
        let (words, color, offer) = if failure.kind == FailureKind::Locked {
            let words = "It takes authentication to see the changes of its settings.".to_owned();
            (words, shown.tokens.muted, loaded::UNLOCK)
        } else {
            let words = format!("The changes of its settings do not come: {}", failure.reason());
            (words, shown.tokens.caution, "Try again")
        };
        ui.label(RichText::new(words).color(color));
        ui.button(offer).clicked()
    })
    .inner
}

fn filter(ui: &mut Ui, shown: Shown<'_>, state: &mut State) {
    let kind = &mut state.passing.history.kind;
    let kinds = |ui: &mut Ui| {
        for (each, words, hint) in [
            (None, "All", "All that is known to have happened"),
            (
                Some(Kind::Deploy),
                "Deploys and reloads",
                "New code: reloads, also failed ones, roll-backs, and upgrades of the server",
            ),
            (Some(Kind::Settings), "Settings", "Changes of its settings"),
            (
                Some(Kind::Process),
                "Starts and restarts",
                "Processes that began, ended or were replaced, sleep and waking",
            ),
        ] {
            if ui.selectable_label(*kind == each, words).on_hover_text(hint).clicked() {
                *kind = each;
            }
        }
    };
    ui.horizontal(|ui| {
        segments::tray(ui, shown.tokens, kinds);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(text::small(shown.tokens, "Local time"));
        });
    });
}

fn list(ui: &mut Ui, shown: Shown<'_>, revisions: &[RevisionInfo], state: &mut State, orders: &mut Vec<Order>) {
    let entries = entry::entries(revisions, &shown.instance.happenings, state.passing.history.kind);
    if entries.is_empty() {
        nothing(ui, shown, state);
        return;
    }
    page::show(ui, "history", |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for day in entries.chunk_by(|one, other| figures::date(one.at_us()) == figures::date(other.at_us())) {
            if let Some(first) = day.first() {
                ui.add_space(Size::GAP);
                ui.label(text::strong(figures::date(first.at_us())));
                ui.add_space(Size::TIGHT);
            }
            for entry in day {
                row(ui, shown, entry, state, orders);
            }
        }
        ui.add_space(Size::PAD);
    });
}

fn row(ui: &mut Ui, shown: Shown<'_>, entry: &Entry<'_>, state: &mut State, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    let (sign, color) = match entry {
        Entry::Revision(_) => (Icon::Settings2, tokens.moving),
        Entry::Happening(each) => (happening::icon(each.kind), happening::color(tokens, each.kind)),
    };
    let response = ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let column = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(egui::Vec2::new(TIMES, 20.0), column, |ui| {
            ui.set_width(TIMES);
            ui.add_space(10.0);
            let time = text::small(tokens, figures::time(entry.at_us()));
            ui.label(time).on_hover_text(figures::ago(shown.now, entry.at_us()));
        });
        ui.add_space(LINE);
        ui.vertical(|ui| {
            ui.add_space(6.0);
            match entry {
                Entry::Revision(info) => revision::show(ui, shown, info, state, orders),
                Entry::Happening(each) => {
                    ui.spacing_mut().interact_size.y = 22.0;
                    ui.horizontal_wrapped(|ui| {
                        ui.spacing_mut().item_spacing.x = Size::GAP;
                        ui.label(text::strong(happening::word(each.kind)));
                        ui.label(text::muted(tokens, &each.message));
                    });
                }
            }
            ui.add_space(6.0);
        });
    });
    let rect = response.response.rect;
    let x = rect.left() + TIMES + 8.0;
    let painter = ui.painter();
    painter.vline(x, rect.y_range(), (1.0, tokens.line));
    let place = egui::Pos2::new(x, rect.top() + 16.0);
    painter.circle_filled(place, 10.0, tokens.ground);
    painter.text(place, egui::Align2::CENTER_CENTER, icon::text(sign), egui::FontId::proportional(14.0), color);
}

fn nothing(ui: &mut Ui, shown: Shown<'_>, state: &mut State) {
    let tokens = shown.tokens;
    if state.passing.history.kind.is_some() {
        empty::show(ui, tokens, Icon::ListFilter, "Nothing of this kind", "There may be others.", |ui| {
            if button::plain(ui, Icon::X, "Show all").clicked() {
                state.passing.history.kind = None;
            }
        });
    } else {
        let words = "Deploys, restarts and changes of its settings will be told here.";
        empty::show(ui, tokens, Icon::History, "Nothing has happened yet", words, |_| {});
    }
}
