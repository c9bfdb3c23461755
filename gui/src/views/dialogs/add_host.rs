//! Asks for another machine to show.

use egui::{Align2, Context, TextEdit, Vec2};
use hostler_bus::daemon::Reach;

use super::{Outcome, answers, window};
use crate::commands;
use crate::views::Stage;
use crate::widgets::{command_line, text, tick};

pub(super) fn show(context: &Context, stage: &mut Stage<'_>, host: &mut String, user: &mut bool) -> Outcome {
    let tokens = stage.tokens;
    let outcome = window(context, tokens, "Add a host", 420.0, |ui| {
        ui.label(text::muted(tokens, "Its instances are shown here beside your own. Nothing is installed on it."));
        ui.add_space(10.0);
        let label = ui.label("Host, as ssh takes it");
        let field = TextEdit::singleline(host)
            .hint_text("web1.example.net or admin@web1")
            .align(Align2::LEFT_CENTER)
            .desired_width(f32::INFINITY);
        let response = ui.add_sized(Vec2::new(ui.available_width(), 30.0), field).labelled_by(label.id);
        if host.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        ui.add_space(8.0);
        tick::radio(ui, tokens, user, false, "The computer's instances");
        tick::radio(ui, tokens, user, true, "Your own instances there");
        ui.add_space(8.0);
        ui.label(text::small(tokens, "This has to work without a password:"));
        let shown = if host.trim().is_empty() { "HOST" } else { host.trim() };
        command_line::show(ui, tokens, "", &format!("ssh {shown} systemd-stdio-bridge"));
        let problem = problem(host, *user, stage);
        if let Some(problem) = problem.filter(|_| !host.trim().is_empty()) {
            ui.colored_label(tokens.bad, problem);
        }
        answers(ui, tokens, "Add host", false, problem.is_none())
    });
    if outcome == Outcome::Does {
        commands::add_host(stage, Reach { user: *user, host: Some(host.trim().to_owned()) });
    }
    outcome
}

/// What is wrong with a host.
fn problem(host: &str, user: bool, stage: &Stage<'_>) -> Option<&'static str> {
    let host = host.trim();
    let reach = Reach { user, host: Some(host.to_owned()) };
    if host.is_empty() {
        Some("a host is needed")
    } else if host.starts_with('-') || host.chars().any(|character| character.is_whitespace() || character.is_control())
    {
        Some("A host has no spaces, and does not begin with a dash.")
    } else if stage.world.machine(&reach).is_some() {
        Some("It is shown already.")
    } else {
        None
    }
}
