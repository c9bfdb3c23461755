//! Machines and scopes with how they are reached, and their instances: searched, filtered, sorted, favourites on top, marked
//! for actions on several.

mod machine;
mod row;
mod tools;

use std::collections::BTreeSet;

use egui::{EventFilter, Frame, Id, Key, Margin, Modifiers, Rect, Response, Role, ScrollArea, Ui, Vec2};
use hostler_bus::daemon::Reach;

use super::shell::Pane;
use super::{Stage, filter};
use crate::commands::{self, Command, Scene};
use crate::model::InstanceKey;
use crate::theme::icon::Icon;
use crate::widgets::button;

/// The height of a row.
const ROW: f32 = 46.0;

/// What it keeps between runs.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Whether it is hidden.
    pub hidden: bool,
    /// The machines whose instances are folded away.
    pub folded: BTreeSet<Reach>,
}

/// The width of both buttons at the foot, with their words.
const FOOT: f32 = 252.0;

/// A row that can have the keys, with its place.
struct Stop {
    id: Id,
    rect: Rect,
}

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| {
        node.set_role(Role::Navigation);
        node.set_label("Machines and instances");
    });
    let bottom = Frame::new().inner_margin(Margin::symmetric(10, 8));
    egui::Panel::bottom("sidebar foot").frame(bottom).show_separator_line(true).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let is_narrow = ui.available_width() < FOOT;
        ui.horizontal(|ui| {
            for (icon, words, command) in
                [(Icon::FilePlus, "New instance…", Command::New), (Icon::Server, "Add host…", Command::AddHost)]
            {
                let availability = command.availability(&Scene::new(stage.world, stage.state));
                let draw = |ui: &mut Ui| match command {
                    Command::AddHost if is_narrow => button::framed_icon(ui, icon, words),
                    _ => button::plain(ui, icon, words),
                };
                let response = ui.add_enabled_ui(availability.is_available(), draw).inner;
                let response = response.on_hover_text(command.words().help);
                if response.on_disabled_hover_text(availability.reason()).clicked() {
                    commands::run(command, None, ui.ctx(), stage);
                }
            }
        });
    });
    let top = Frame::new().inner_margin(Margin { left: 10, right: 8, top: 10, bottom: 6 });
    egui::Panel::top("sidebar head").frame(top).show_separator_line(false).show(ui, |ui| tools::show(ui, stage));
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing = Vec2::ZERO;
        let mut stops = Vec::new();
        let reaches: Vec<Reach> = stage.world.machines.iter().map(|machine| machine.reach.clone()).collect();
        for reach in reaches {
            machine::show(ui, stage, &reach, &mut stops);
            if stage.state.views.sidebar.folded.contains(&reach) {
                continue;
            }
            rows(ui, stage, &reach, &mut stops);
        }
        ui.add_space(8.0);
        move_between(ui, &stops);
        if stage.state.passing.shell.takes_keys(Pane::Sidebar) {
            let chosen = stage.state.selected.as_ref().map(row_id);
            let stop = stops.iter().find(|stop| Some(stop.id) == chosen).or(stops.first());
            if let Some(stop) = stop {
                go_to(ui, stop);
            }
        }
    });
}

/// The rows of one machine: those that can be seen, and the one that has the keys.
fn rows(ui: &mut Ui, stage: &mut Stage<'_>, reach: &Reach, stops: &mut Vec<Stop>) {
    let Some(machine) = stage.world.machine(reach) else { return };
    let is_reached = machine.is_ready();
    let total = machine.instances.len();
    let rows: Vec<row::Row> = filter::of_machine(machine, stage.state)
        .into_iter()
        .map(|(key, instance)| row::Row::new(key, instance, stage.state, is_reached))
        .collect();
    if rows.is_empty() {
        if total > 0 {
            machine::nothing_found(ui, stage, total);
        }
        return;
    }
    let (_, area) = ui.allocate_space(Vec2::new(ui.available_width(), ROW * rows.len() as f32));
    let focused = ui.memory(|memory| memory.focused());
    for (index, row) in rows.into_iter().enumerate() {
        let top = area.top() + ROW * index as f32;
        let rect = Rect::from_min_size(egui::pos2(area.left(), top), Vec2::new(area.width(), ROW));
        let id = row_id(&row.key);
        stops.push(Stop { id, rect });
        if ui.is_rect_visible(rect) || focused == Some(id) {
            row::show(ui, stage, row, id, rect);
        }
    }
}

/// Moves the keys between rows with the arrow keys, Home and End.
fn move_between(ui: &Ui, stops: &[Stop]) {
    let focused = ui.memory(|memory| memory.focused());
    let Some(here) = stops.iter().position(|stop| Some(stop.id) == focused) else { return };
    let last = stops.len() - 1;
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    let next = if pressed(Key::ArrowDown) {
        (here + 1).min(last)
    } else if pressed(Key::ArrowUp) {
        here.saturating_sub(1)
    } else if pressed(Key::Home) {
        0
    } else if pressed(Key::End) {
        last
    } else {
        return;
    };
    go_to(ui, &stops[next]);
}

fn go_to(ui: &Ui, stop: &Stop) {
    ui.memory_mut(|memory| memory.request_focus(stop.id));
    ui.scroll_to_rect(stop.rect, None);
}

/// Keeps the arrow keys for [`move_between`] while a row has the keys.
fn hold_arrows(ui: &Ui, response: &Response) {
    if response.has_focus() {
        let filter = EventFilter { vertical_arrows: true, horizontal_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    }
}

fn row_id(key: &InstanceKey) -> Id {
    Id::unique(("sidebar row", &key.reach.user, &key.reach.host, &key.name))
}

fn machine_id(reach: &Reach) -> Id {
    Id::unique(("sidebar machine", &reach.user, &reach.host))
}
