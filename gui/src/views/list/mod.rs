//! All instances of all machines, or of one, as a table; what is to be said where there are none.

mod bulk;
mod columns;
mod summary;
mod table;

use egui::Ui;

use super::{Stage, absence, filter};
use crate::bus::{Link, Order};
use crate::commands::{self, Command, Scene};
use crate::model::Machine;
use crate::theme::Size;
use crate::theme::icon::Icon;
use crate::widgets::{button, command_line, empty, spinner, text};

pub use columns::{Column, Kept};

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let title = match &stage.state.machine {
        Some(reach) => stage.world.machine(reach).map(Machine::title).unwrap_or_default(),
        None => "All instances".to_owned(),
    };
    ui.horizontal(|ui| {
        ui.heading(title);
        ui.add_space(Size::GAP);
        if stage.state.machine.is_some() && button::plain(ui, Icon::ListTree, "All instances").clicked() {
            commands::run(Command::ShowAll, None, ui.ctx(), stage);
        }
    });
    if nothing(ui, stage) {
        return;
    }
    ui.add_space(Size::TIGHT);
    summary::show(ui, stage);
    ui.add_space(Size::GAP);
    if !stage.state.marked.is_empty() {
        bulk::show(ui, stage);
        ui.add_space(Size::GAP);
    }
    if filter::listed(stage.world, stage.state).is_empty() {
        let words = "No instance has this in its name and one of these states. Search for less, or show all of them.";
        let pressed = empty::show(ui, stage.tokens, Icon::SearchX, "Nothing matches", words, |ui| {
            button::plain(ui, Icon::X, "Show all").clicked()
        });
        if pressed {
            stage.state.search.clear();
            stage.state.states.clear();
        }
        return;
    }
    table::show(ui, stage);
}

/// Where no instance is known: why, and what to do. Answers whether that was so.
fn nothing(ui: &mut Ui, stage: &mut Stage<'_>) -> bool {
    let chosen = |machine: &&Machine| stage.state.machine.as_ref().is_none_or(|reach| *reach == machine.reach);
    let machines: Vec<&Machine> = stage.world.machines.iter().filter(chosen).collect();
    if machines.iter().any(|machine| !machine.instances.is_empty()) {
        return false;
    }
    let tokens = stage.tokens;
    let waits = |machine: &&&Machine| {
        machine.link == Link::Connecting || (matches!(machine.link, Link::Ready(_)) && !machine.listed)
    };
    if machines.iter().any(|machine| waits(&machine)) {
        empty::show(ui, tokens, Icon::PlugZap, "Connecting…", "Asking for the list of instances.", |ui| {
            spinner::show(ui, 22.0, tokens.moving);
        });
        return true;
    }
    if let Some(machine) = machines.iter().find(|machine| machine.is_ready()) {
        let line = format!("hostler new NAME {}", commands::scope(&machine.reach));
        empty_machine(ui, stage, &line);
        return true;
    }
    away(ui, stage);
    true
}

/// Nothing is there yet: what an instance is, and how one is made.
fn empty_machine(ui: &mut Ui, stage: &mut Stage<'_>, line: &str) {
    let tokens = stage.tokens;
    let words = "An instance is one application that Hostler serves. Make one from the folder of a project: its \
                 framework, its Python and its static files are found.";
    let can = Command::New.availability(&Scene::new(stage.world, stage.state)).is_available();
    let mut chosen = None;
    empty::show(ui, tokens, Icon::Box, "No instances yet", words, |ui| {
        if can {
            if button::primary(ui, tokens, Some(Icon::FilePlus), "New instance…").clicked() {
                chosen = Some(Command::New);
            }
            if button::plain(ui, Icon::Import, "Import from gunicorn or uWSGI…").clicked() {
                chosen = Some(Command::Import);
            }
            ui.add_space(Size::PAD);
        }
        ui.scope(|ui| {
            ui.set_max_width(420.0);
            command_line::show(ui, tokens, "Or in a terminal, in the project's folder:", line);
        });
    });
    if let Some(command) = chosen {
        commands::run(command, None, ui.ctx(), stage);
    }
}

/// The first machine that is away, said large.
fn away(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let chosen = stage.state.machine.clone();
    let first = stage.world.machines.iter().find_map(|machine| match &machine.link {
        Link::Absent { why, message, retry_at_us } if chosen.as_ref().is_none_or(|reach| *reach == machine.reach) => {
            Some((machine.reach.clone(), machine.title(), *why, message.clone(), *retry_at_us))
        }
        _ => None,
    });
    let Some((reach, title, why, message, retry_at_us)) = first else { return };
    let advice = absence::advice(why, &reach);
    let now = stage.now;
    let retries = empty::show(ui, tokens, advice.icon, &format!("{title}: {}", advice.title), &message, |ui| {
        ui.label(text::muted(tokens, advice.next));
        if let Some(command) = &advice.command {
            ui.scope(|ui| {
                ui.set_max_width(440.0);
                command_line::show(ui, tokens, "", command);
            });
        }
        ui.add_space(Size::GAP);
        let retries = button::primary(ui, tokens, Some(Icon::RefreshCw), "Retry now").clicked();
        if let Some(at_us) = retry_at_us {
            ui.label(text::small(tokens, absence::until(now, at_us)));
            ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
        }
        retries
    });
    if retries {
        stage.order(Order::Connect(reach));
    }
}
