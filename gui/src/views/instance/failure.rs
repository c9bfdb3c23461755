//! The action that failed last, where one looks: what failed and why, the evidence, and what to do.

use egui::{Align, CornerRadius, Frame, Label, Layout, Margin, RichText, Stroke, Ui};
use hostler_bus::daemon::InstanceState;

use crate::bus::{Action, Order};
use crate::commands::{self, Command};
use crate::model::{Failure, FailureKind, ToastTone};
use crate::state::Tab;
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::views::{Stage, toasts};
use crate::widgets::{button, diff, glyph, markdown, text, traceback};

/// The height that a traceback takes at most.
const EVIDENCE: f32 = 132.0;

/// What was pressed.
enum Answer {
    Log,
    Again,
    Dismiss,
}

/// Draws it, if an action failed.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some((key, instance)) = stage.selected() else { return };
    let Some((action, failure)) = instance.last_failure(stage.now) else { return };
    let goes_on = goes_on(&action, instance.state(), instance.overview.generation);
    let tokens = stage.tokens;
    let is_quiet = failure.tone() == ToastTone::Plain;
    let color = if is_quiet { tokens.muted } else { toasts::sign(tokens, failure.tone()).1 };
    let (margin, stroke) = if is_quiet { (5, tokens.line) } else { (10, color.gamma_multiply(0.45)) };
    ui.add_space(Size::GAP);
    let card = Frame::new()
        .fill(if is_quiet { tokens.raised } else { tokens.tint(color) })
        .stroke(Stroke::new(1.0, stroke))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(14, margin));
    let answer = card.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if is_quiet { quiet(ui, tokens, &action, &failure) } else { loud(ui, tokens, &action, &failure, goes_on) }
    });
    match answer.inner {
        Some(Answer::Log) => commands::run(Command::Show(Tab::Logs), Some(&key), ui.ctx(), stage),
        Some(Answer::Again) => stage.order(Order::Act(key, action)),
        Some(Answer::Dismiss) => {
            if let Some(instance) = stage.world.instance_mut(&key) {
                instance.dismiss_failure();
            }
        }
        None => {}
    }
}

/// One calm line: nothing is wrong, somebody chose not to.
fn quiet(ui: &mut Ui, tokens: &Tokens, action: &Action, failure: &Failure) -> Option<Answer> {
    let mut answer = None;
    ui.horizontal(|ui| {
        glyph::show(ui, Icon::ShieldQuestionMark, 16.0, tokens.muted);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if button::icon_only(ui, Icon::X, "Dismiss").clicked() {
                answer = Some(Answer::Dismiss);
            }
            let help = format!("{}; the desktop asks for a password once more", action.verb());
            if button::plain(ui, Icon::RotateCw, "Try again").on_hover_text(help).clicked() {
                answer = Some(Answer::Again);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(format!("Not done: {}", failure.reason())).truncate());
            });
        });
    });
    answer
}

/// What failed and why, with what there is to know about it.
fn loud(ui: &mut Ui, tokens: &Tokens, action: &Action, failure: &Failure, goes_on: Option<String>) -> Option<Answer> {
    let is_refused = failure.tone() == ToastTone::Refused;
    let (icon, color) = toasts::sign(tokens, failure.tone());
    let mut answer = None;
    ui.horizontal(|ui| {
        glyph::show(ui, icon, 16.0, color);
        let words = if is_refused { format!("{}: not authorised", action.verb()) } else { action.failed() };
        ui.label(text::strong(words).color(color));
        if let Some(words) = goes_on {
            glyph::show(ui, Icon::CircleCheck, 14.0, tokens.good);
            ui.label(RichText::new(words).color(tokens.good));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if button::icon_only(ui, Icon::X, "Dismiss").clicked() {
                answer = Some(Answer::Dismiss);
            }
        });
    });
    ui.add(Label::new(markdown::layout(tokens, &text::sentence(&failure.message), Size::BODY, tokens.text)).wrap());
    evidence(ui, tokens, failure);
    ui.add_space(Size::TIGHT);
    ui.horizontal(|ui| {
        if !is_refused && button::plain(ui, Icon::ScrollText, "Show log").clicked() {
            answer = Some(Answer::Log);
        }
        if *action != Action::Remove && button::plain(ui, Icon::RotateCw, "Try again").clicked() {
            answer = Some(Answer::Again);
        }
        let copied = format!("{}\n\n{}", failure.message, failure.detail);
        if button::plain(ui, Icon::Copy, "Copy").clicked() {
            ui.ctx().copy_text(copied.trim().to_owned());
        }
    });
    answer
}

/// What a failure leaves untouched.
fn goes_on(action: &Action, state: InstanceState, generation: u64) -> Option<String> {
    let renews = matches!(action, Action::Reload | Action::Rollback) || action.changes_settings();
    (renews && state == InstanceState::Serving && generation > 0)
        .then(|| format!("generation {generation} goes on serving"))
}

/// The traceback or the difference, with the line that is to blame above it.
fn evidence(ui: &mut Ui, tokens: &Tokens, failure: &Failure) {
    for problem in failure.problems.iter().take(5) {
        ui.label(text::muted(tokens, format!("{}, line {}: {}", problem.key, problem.line, problem.message)));
    }
    if failure.detail.is_empty() {
        return;
    }
    if let Some(place) = last_place(&failure.detail).filter(|place| !failure.message.contains(place)) {
        ui.horizontal(|ui| {
            glyph::show(ui, Icon::FileCodeCorner, 14.0, tokens.muted);
            ui.label(RichText::new(place).monospace().color(tokens.text));
        });
    }
    if failure.kind == FailureKind::Conflict {
        // What somebody else made of the settings file.
        diff::show(ui, tokens, &failure.detail);
        return;
    }
    traceback::show(ui, tokens, "evidence", &failure.detail, EVIDENCE);
}

/// The last file and line that a traceback names, as `shop/views.py, line 31`.
fn last_place(traceback: &str) -> Option<String> {
    let line = traceback.lines().rev().find(|line| line.trim_start().starts_with("File \""))?;
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once('"')?;
    let number: String = rest.trim_start_matches(", line ").chars().take_while(char::is_ascii_digit).collect();
    Some(if number.is_empty() { file.to_owned() } else { format!("{file}, line {number}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_of_a_traceback_is_the_one_to_blame() {
        let traceback = "Traceback (most recent call last):\n  File \"/srv/shop/wsgi.py\", line 3, in <module>\n    \
                         import views\n  File \"/srv/shop/views.py\", line 31\n    def\n       ^\nSyntaxError: invalid syntax\n";
        assert_eq!(last_place(traceback).as_deref(), Some("/srv/shop/views.py, line 31"));
        assert_eq!(last_place("no traceback at all"), None);
        assert_eq!(last_place("File \"without end"), None);
    }
}
