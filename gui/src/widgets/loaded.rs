//! What came over the bus, or is awaited, or did not come: one form for all of it.

use egui::{Role, Sense, Ui, UiBuilder, Vec2};

use super::{button, empty, spinner, text};
use crate::model::{Failure, FailureKind, Loaded};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// What has the desktop ask for a password.
pub const UNLOCK: &str = "Unlock…";

/// Draws the value; before it is here a quiet form of it, and where it does not come, why. What was here before stays
/// below the reason. `what` is what is awaited, in a word or two: `the workers`. Answers whether it is to be asked for again,
/// with a password if that is what it takes.
#[must_use]
pub fn show<T>(
    ui: &mut Ui,
    tokens: &Tokens,
    what: &str,
    loaded: &Loaded<T>,
    content: impl FnOnce(&mut Ui, &T),
) -> bool {
    let mut again = false;
    if let Some(failure) = loaded.failure() {
        match loaded.value() {
            Some(_) => again = stale(ui, tokens, failure),
            None => return failed(ui, tokens, what, failure),
        }
    }
    match loaded.value() {
        Some(value) => content(ui, value),
        None => awaited(ui, tokens, what),
    }
    again
}

/// That polkit's dialog waits for the person before something can be seen.
pub fn authorizing(ui: &mut Ui, tokens: &Tokens, what: &str) {
    let name = format!("Waiting for authorisation to see {what}");
    let builder = UiBuilder::new().accessibility_role(Role::Status).accessibility_label(&name);
    ui.scope_builder(builder, |ui| {
        ui.horizontal(|ui| {
            spinner::show(ui, 15.0, tokens.caution);
            ui.label(egui::RichText::new(format!("{name}…")).color(tokens.caution));
        });
        ui.label(text::small(tokens, "The desktop asks for a password in a window of its own."));
        ui.add_space(Size::GAP);
    });
}

/// A few pale lines where the value will be.
pub fn awaited(ui: &mut Ui, tokens: &Tokens, what: &str) {
    let name = format!("Waiting for {what}");
    let builder = UiBuilder::new().accessibility_role(Role::Status).accessibility_label(&name);
    ui.scope_builder(builder, |ui| {
        ui.label(text::muted(tokens, format!("{name}…")));
        ui.add_space(Size::TIGHT);
        for part in [0.92, 0.78, 0.86, 0.6] {
            let size = Vec2::new(ui.available_width() * part, 12.0);
            let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
            ui.painter().rect_filled(rect, Size::CORNER, tokens.line.gamma_multiply(0.5));
            ui.add_space(Size::GAP);
        }
    });
}

/// Why it did not come, in the middle of its place; answers whether it is to be asked for again.
#[must_use]
pub fn failed(ui: &mut Ui, tokens: &Tokens, what: &str, failure: &Failure) -> bool {
    let (icon, title) = match failure.kind {
        FailureKind::Locked => (Icon::Lock, format!("Authentication is needed to see {what}")),
        FailureKind::Dismissed => (Icon::Lock, format!("{} stayed closed", capital(what))),
        FailureKind::NotPermitted => (Icon::ShieldAlert, format!("You may not see {what}")),
        FailureKind::Lost => (Icon::Unplug, format!("The connection was lost before {what} came")),
        _ => (Icon::TriangleAlert, format!("{} did not come", capital(what))),
    };
    let words = match failure.kind {
        FailureKind::Locked => "Unlock it, and the desktop asks for a password.".to_owned(),
        _ => text::sentence(failure.reason()),
    };
    empty::show(ui, tokens, icon, &title, &words, |ui| {
        if failure.kind == FailureKind::NotPermitted {
            ui.label(text::small(tokens, "Ask an administrator to permit it, or open it as somebody who may."));
            ui.add_space(Size::GAP);
        }
        if failure.kind == FailureKind::Locked {
            return button::primary(ui, tokens, Some(Icon::LockOpen), UNLOCK).clicked();
        }
        button::plain(ui, Icon::RefreshCw, "Try again").clicked()
    })
}

/// Why it did not come again, above what there was; answers whether it is to be asked for again.
fn stale(ui: &mut Ui, tokens: &Tokens, failure: &Failure) -> bool {
    let (icon, color, words, offer) = match failure.kind {
        FailureKind::Locked => {
            let words = "As it was before: it takes authentication to see it as it is now.".to_owned();
            (Icon::Lock, tokens.muted, words, UNLOCK)
        }
        _ => {
            let words = format!("As it was before; asking again failed: {}", failure.reason());
            (Icon::TriangleAlert, tokens.caution, words, "Try again")
        }
    };
    let edge = egui::Stroke::new(1.0, tokens.edge(color));
    let frame = egui::Frame::new().fill(tokens.tint(color)).stroke(edge).corner_radius(Size::CORNER);
    let again = frame.inner_margin(Size::GAP).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label(egui::RichText::new(icon::text(icon)).color(color));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let again = ui.button(offer).clicked();
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    ui.add(egui::Label::new(words).wrap());
                });
                again
            })
            .inner
        })
        .inner
    });
    ui.add_space(Size::TIGHT);
    again.inner
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable;

    use super::*;

    fn harness(loaded: Loaded<u32>) -> egui_kittest::Harness<'static> {
        let mut harness =
            egui_kittest::Harness::builder().with_context_setup(crate::theme::install).build_ui(move |ui| {
                let tokens = crate::theme::tokens(ui);
                let again = show(ui, tokens, "the workers", &loaded, |ui, value| {
                    ui.label(format!("{value} workers"));
                });
                assert!(!again, "nobody clicked");
            });
        harness.run();
        harness
    }

    #[test]
    fn each_state_has_its_form() {
        let failure = Failure { message: "it went away".to_owned(), ..Failure::default() };
        harness(Loaded::Never).get_by_label("Waiting for the workers");
        harness(Loaded::Here(4)).get_by_label("4 workers");
        let lost = harness(Loaded::Failed(failure.clone(), None));
        lost.get_by_label("The workers did not come");
        lost.get_by_label("It went away");
        let stale = harness(Loaded::Failed(failure, Some(4)));
        stale.get_by_label("4 workers");
        stale.get_by_label_contains("asking again failed: it went away");
        let refused = Failure { kind: FailureKind::NotPermitted, ..Failure::default() };
        harness(Loaded::Failed(refused, None)).get_by_label("You may not see the workers");
        let locked = Failure { kind: FailureKind::Locked, ..Failure::default() };
        let nothing = harness(Loaded::Failed(locked.clone(), None));
        nothing.get_by_label("Authentication is needed to see the workers");
        nothing.get_by_label(UNLOCK);
        let before = harness(Loaded::Failed(locked, Some(4)));
        before.get_by_label("4 workers");
        before.get_by_label(UNLOCK);
    }
}
