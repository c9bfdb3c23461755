//! The units: socket and service as systemd has them, how it starts, its hardening, and the commands for all of it.

mod commands;
mod hardening;
mod starting;
#[cfg(test)]
mod tests;
mod unit;

use egui::Ui;
use hostler_bus::daemon::Detail;

use super::Stage;
use super::shown::Shown;
use crate::bus::Order;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::widgets::{card, command_line, empty, loaded, page};

/// From this width on, things stand beside each other.
const WIDE: f32 = 660.0;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    stage.with_shown(|shown, _, orders| {
        let again = loaded::show(ui, shown.tokens, "the units", &shown.instance.detail, |ui, detail| {
            if detail.service.is_none() && detail.socket.is_none() {
                by_hand(ui, shown);
                return;
            }
            page::show(ui, "units", |ui| {
                ui.spacing_mut().item_spacing.y = Size::PAD;
                parts(ui, shown, detail, orders);
                ui.add_space(Size::GAP);
            });
        });
        if again {
            orders.push(Order::Refresh(shown.key.clone()));
        }
    });
}

fn parts(ui: &mut Ui, shown: Shown<'_>, detail: &Detail, orders: &mut Vec<Order>) {
    let needs_reload = detail.service.as_ref().is_some_and(|service| service.needs_daemon_reload);
    if needs_reload {
        warn_of_reload(ui, shown);
    }
    if ui.available_width() < WIDE {
        unit::service(ui, shown, detail, 0.0);
        unit::socket(ui, shown, detail);
        starting::show(ui, shown, orders);
    } else {
        let service = |ui: &mut Ui, least: f32| unit::service(ui, shown, detail, least);
        card::level(ui, "service and socket", service, |ui| {
            ui.spacing_mut().item_spacing.y = Size::PAD;
            unit::socket(ui, shown, detail);
            starting::show(ui, shown, orders);
        });
    }
    hardening::show(ui, shown, detail);
    commands::show(ui, shown);
}

fn by_hand(ui: &mut Ui, shown: Shown<'_>) {
    let words = "It was started by hand: systemd has neither a socket nor a service of it. Make an instance of its \
                 settings file, and it starts at boot, sleeps when idle and is kept alive.";
    empty::show(ui, shown.tokens, Icon::FileCog, "systemd does not manage it", words, |_| {});
}

fn warn_of_reload(ui: &mut Ui, shown: Shown<'_>) {
    let tokens = shown.tokens;
    let frame = egui::Frame::new().fill(tokens.raised.lerp_to_gamma(tokens.caution, 0.1));
    frame.corner_radius(8).stroke((1.0, tokens.line)).inner_margin(Size::PAD).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = Size::GAP;
        ui.horizontal_wrapped(|ui| {
            ui.label(egui::RichText::new(icon::text(Icon::TriangleAlert)).color(tokens.caution));
            ui.label("Its unit files changed on disk since systemd read them. Until systemd reads them anew, a restart uses the former ones.");
        });
        command_line::show(ui, tokens, "", &commands::systemctl(shown, "daemon-reload"));
    });
}
