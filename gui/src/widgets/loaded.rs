//! What came over the bus, or is awaited, or did not come: one form for all of it.

use egui::{Role, Sense, Ui, UiBuilder, Vec2};

use super::{empty, spinner, text};
use crate::model::{Failure, FailureKind, Loaded};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};

/// Draws the value; before it is here a quiet form of it, and where it does not come, why. What was here before stays
/// below the reason. `what` is what is awaited, in a word or two: `the workers`.
pub fn show<T>(ui: &mut Ui, tokens: &Tokens, what: &str, loaded: &Loaded<T>, content: impl FnOnce(&mut Ui, &T)) {
    if let Some(failure) = loaded.failure() {
        match loaded.value() {
            Some(_) => stale(ui, tokens, failure),
            None => return failed(ui, tokens, what, failure),
        }
    }
    match loaded.value() {
        Some(value) => content(ui, value),
        None => awaited(ui, tokens, what),
    }
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

/// Why it did not come, in the middle of its place.
fn failed(ui: &mut Ui, tokens: &Tokens, what: &str, failure: &Failure) {
    let (icon, title) = match failure.kind {
        FailureKind::NotPermitted => (Icon::Lock, format!("You may not see {what}")),
        FailureKind::Lost => (Icon::Unplug, format!("The connection was lost before {what} came")),
        _ => (Icon::TriangleAlert, format!("{} did not come", capital(what))),
    };
    empty::show(ui, tokens, icon, &title, &text::sentence(&failure.message), |ui| {
        if failure.kind == FailureKind::NotPermitted {
            ui.label(text::small(tokens, "Ask an administrator to permit it, or open it as somebody who may."));
        }
    });
}

/// Why it did not come again, above what there was.
fn stale(ui: &mut Ui, tokens: &Tokens, failure: &Failure) {
    egui::Frame::new().fill(tokens.tint(tokens.caution)).corner_radius(Size::CORNER).inner_margin(Size::GAP).show(
        ui,
        |ui| {
            ui.set_min_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.label(egui::RichText::new(icon::text(Icon::TriangleAlert)).color(tokens.caution));
                ui.label(format!("As it was before; asking again failed: {}", failure.message));
            });
        },
    );
    ui.add_space(Size::TIGHT);
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
                show(ui, tokens, "the workers", &loaded, |ui, value| {
                    ui.label(format!("{value} workers"));
                });
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
    }
}
