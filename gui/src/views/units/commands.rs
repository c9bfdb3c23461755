//! The commands that show and change the units in a terminal.

use egui::Ui;

use crate::theme::Size;
use crate::views::shown::Shown;
use crate::widgets::{card, command_line};

/// Draws them.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>) {
    card::titled(ui, shown.tokens, "In a terminal", |ui| {
        let columns = if ui.available_width() < super::WIDE { 1 } else { 2 };
        for row in commands(shown).chunks(columns) {
            ui.columns(columns, |ui| {
                for (ui, (what, command)) in ui.iter_mut().zip(row) {
                    ui.spacing_mut().item_spacing.y = Size::TIGHT;
                    command_line::show(ui, shown.tokens, what, command);
                }
            });
        }
    });
}

fn commands(shown: Shown<'_>) -> Vec<(&'static str, String)> {
    let name = &shown.key.name;
    vec![
        ("How both units are", systemctl(shown, &format!("status hostler@{name}.socket hostler@{name}.service"))),
        ("The service with its drop-ins", systemctl(shown, &format!("cat hostler@{name}.service"))),
        ("Change the service by a drop-in", systemctl(shown, &format!("edit hostler@{name}.service"))),
        (
            "Allow it to start again after too many failures",
            systemctl(shown, &format!("reset-failed 'hostler@{name}.*'")),
        ),
    ]
}

/// A command of systemctl for the daemon's machine and scope.
pub(super) fn systemctl(shown: Shown<'_>, words: &str) -> String {
    let reach = &shown.key.reach;
    match (&reach.host, reach.user) {
        (None, false) => format!("systemctl {words}"),
        (None, true) => format!("systemctl --user {words}"),
        (Some(host), false) => format!("systemctl --host={host} {words}"),
        (Some(host), true) => format!("ssh {host} systemctl --user {words}"),
    }
}
