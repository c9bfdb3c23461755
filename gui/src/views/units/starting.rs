//! How it starts by itself, and how it sleeps.

use egui::Ui;
use hostler_bus::daemon::InstanceState;

use crate::bus::{Action, Order};
use crate::theme::icon::Icon;
use crate::views::shown::Shown;
use crate::widgets::{button, card, facts, spinner, text};

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    let overview = &shown.instance.overview;
    card::titled(ui, tokens, "How it starts", |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        let words = match overview.enabled.as_str() {
            "enabled" => "at boot: its service is enabled",
            "socket" => "with the first request: its socket is enabled",
            _ => "only when it is told to: neither unit is enabled",
        };
        facts::text(ui, tokens, "By itself", words);
        facts::text(ui, tokens, "Sleep", sleep_words(shown));
        ui.horizontal(|ui| buttons(ui, shown, orders));
    });
}

fn sleep_words(shown: Shown<'_>) -> &'static str {
    let may = shown.instance.status().is_none_or(|status| status.configured.workers_min == 0);
    match shown.instance.state() {
        InstanceState::Asleep => "it sleeps: the next request starts it",
        _ if may => "when nobody asked anything for a while, its workers are let go",
        _ => "only when it is told to: its settings want at least one worker",
    }
}

fn buttons(ui: &mut Ui, shown: Shown<'_>, orders: &mut Vec<Order>) {
    let instance = shown.instance;
    if let Some(running) = &instance.running
        && matches!(running.action, Action::Enable(_) | Action::Sleep | Action::Wake)
    {
        spinner::show(ui, 15.0, shown.tokens.moving);
        let words = if running.authorizing { "Waiting for authorisation…" } else { "Under way…" };
        ui.label(text::muted(shown.tokens, words));
        return;
    }
    ui.add_enabled_ui(!instance.is_busy(), |ui| {
        let enabled = matches!(instance.overview.enabled.as_str(), "enabled" | "socket");
        let (icon, words) = if enabled { (Icon::PowerOff, "Disable") } else { (Icon::Power, "Enable") };
        let hint = if enabled { "Do not start it by itself any more" } else { "Start it by itself from now on" };
        if button::plain(ui, icon, words).on_hover_text(hint).clicked() {
            orders.push(shown.act(Action::Enable(!enabled)));
        }
        let other = match instance.state() {
            InstanceState::Asleep => Some((Icon::Sunrise, "Wake it", "Start its service now", Action::Wake)),
            InstanceState::Serving => {
                let hint = "Stop the service, leave the socket: the next request starts it";
                Some((Icon::Moon, "Let it sleep", hint, Action::Sleep))
            }
            _ => None,
        };
        if let Some((icon, words, hint, action)) = other
            && button::plain(ui, icon, words).on_hover_text(hint).clicked()
        {
            orders.push(shown.act(action));
        }
    });
}
