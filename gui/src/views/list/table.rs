//! The table: a row an instance, only those that can be seen are drawn.

use egui::{Label, Rect, RichText, Sense, Ui, Vec2};
use hostler_bus::daemon::InstanceState;

use super::columns::{Column, MACHINE_FROM, columns, p95, workers};
use crate::commands::{self, Command};
use crate::model::{Instance, InstanceKey};
use crate::theme::Tokens;
use crate::theme::icon;
use crate::views::shell::Pane;
use crate::views::{Stage, filter, menu, trend};
use crate::widgets::table::{Row, Table};
use crate::widgets::{figures, glyph, sparkline, text, tick};

/// The height of a row.
const ROW: f32 = 38.0;

/// The room that the machine's title needs behind a name.
const MACHINE: f32 = 96.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let keys = ordered(stage);
    let kept = stage.state.views.list.clone();
    let width = ui.available_width();
    let names_machines = stage.world.machines.len() > 1 && stage.state.machine.is_none();
    let columns = columns(width, names_machines);
    let mut table = Table::new("Instances", &columns).row_height(ROW).clicks();
    let by = kept.by.and_then(|by| Column::ALL.iter().position(|column| *column == by)).map(|place| [place + 1]);
    if let Some(columns) = &by {
        table = table.sorted(columns, kept.descending);
    }
    let mut takes_keys = stage.state.passing.shell.takes_keys(Pane::Content);
    let outcome = table.show(ui, tokens, keys.len(), |row| {
        let Some(key) = keys.get(row.index()) else { return };
        if std::mem::take(&mut takes_keys) {
            row.response().request_focus();
        }
        let machine = stage.world.machine(&key.reach).filter(|_| names_machines).map(|machine| machine.title());
        show_row(row, stage, key, machine.as_deref(), width < MACHINE_FROM);
    });
    if let Some(column) = outcome.sort_by.and_then(|place| Column::ALL.get(place.checked_sub(1)?)) {
        stage.state.views.list.choose(*column);
    }
    if let Some(key) = outcome.row.and_then(|row| keys.get(row)) {
        commands::go_to(stage.state, key.clone());
    }
}

fn ordered(stage: &Stage<'_>) -> Vec<InstanceKey> {
    let mut rows = filter::listed(stage.world, stage.state);
    let kept = &stage.state.views.list;
    if let Some(column) = kept.by {
        rows.sort_by(|(one_key, one), (other_key, other)| {
            let order = column.compare((one_key, one), (other_key, other));
            if kept.descending { order.reverse() } else { order }
        });
    }
    rows.into_iter().map(|(key, _)| key).collect()
}

fn show_row(row: &mut Row<'_>, stage: &mut Stage<'_>, key: &InstanceKey, machine: Option<&str>, is_narrow: bool) {
    let tokens = stage.tokens;
    let mut is_marked = stage.state.marked.contains(key);
    if is_marked {
        row.select();
    }
    let response = row.response().clone();
    if let Some(instance) = stage.world.instance(key) {
        row.name(&format!("{}, {}", key.name, instance.state()));
        let mut changed = false;
        row.cell(|ui| changed = mark(ui, tokens, key, &mut is_marked));
        for column in Column::ALL {
            row.cell(|ui| {
                if column.is_figure() {
                    figure(ui, tokens, instance, column, stage.now);
                } else {
                    let machine = machine.filter(|_| is_narrow || column == Column::Machine);
                    word(ui, tokens, key, instance, column, machine);
                }
            });
        }
        if changed {
            commands::run(Command::Mark, Some(key), &response.ctx, stage);
        }
    }
    response.context_menu(|ui| menu::about(ui, stage, key));
}

/// The box that marks an instance; answers whether it was pressed.
fn mark(ui: &mut Ui, tokens: &Tokens, key: &InstanceKey, is_marked: &mut bool) -> bool {
    tick::check(ui, tokens, is_marked, "", &format!("Mark {}", key.name)).changed()
}

/// A cell with words.
fn word(ui: &mut Ui, tokens: &Tokens, key: &InstanceKey, instance: &Instance, column: Column, machine: Option<&str>) {
    let label = |words: RichText| Label::new(words).truncate().selectable(false);
    match column {
        Column::State => {
            let state = instance.state();
            let (words, color) = match &instance.running {
                Some(running) => (running.action.doing().to_lowercase(), tokens.moving),
                None => (state.as_str().to_owned(), tokens.state(state)),
            };
            ui.spacing_mut().item_spacing.x = 7.0;
            glyph::show(ui, icon::state(state), 14.0, color);
            let response = ui.add(label(RichText::new(words).color(color)));
            if !instance.overview.problem.is_empty() {
                response.on_hover_text(&instance.overview.problem);
            }
        }
        Column::Name => {
            let line = |ui: &mut Ui, rect: Rect, content: &dyn Fn(&mut Ui)| {
                let layout = egui::Layout::left_to_right(egui::Align::Center);
                ui.scope_builder(egui::UiBuilder::new().max_rect(rect).layout(layout), content);
            };
            let name = |ui: &mut Ui| {
                ui.add(label(text::strong(&key.name)).sense(Sense::hover())).on_hover_text(&key.name);
                if let Some(machine) = machine.filter(|_| ui.available_width() > MACHINE) {
                    ui.add(label(text::small(tokens, machine)));
                }
            };
            let Some(trouble) = trouble(instance) else { return name(ui) };
            // What is wrong stands below the name: nobody has to open it for that.
            let cell = ui.max_rect();
            let (upper, lower) = cell.with_max_y(cell.bottom() - 4.0).split_top_bottom_at_y(cell.center().y + 1.0);
            line(ui, upper, &name);
            line(ui, lower, &|ui| {
                let words = RichText::new(&trouble).text_style(egui::TextStyle::Small).color(tokens.bad);
                ui.add(label(words));
            });
        }
        Column::Machine => {
            ui.add(label(text::muted(tokens, machine.unwrap_or_default())));
        }
        _ => {
            ui.add(label(RichText::new(&instance.overview.application).color(tokens.muted)));
        }
    }
}

/// Why one has failed or is broken, in one line.
fn trouble(instance: &Instance) -> Option<String> {
    let is_bad = matches!(instance.state(), InstanceState::Failed | InstanceState::Broken);
    let problem = &instance.overview.problem;
    (is_bad && !problem.is_empty()).then(|| text::sentence(&problem.replace('`', "")))
}

/// A cell with a figure, from right to left.
fn figure(ui: &mut Ui, tokens: &Tokens, instance: &Instance, column: Column, now: u64) {
    let last = instance.samples.last().filter(|_| filter::runs(instance.state()));
    let since_us = instance.overview.since_us;
    let words = match column {
        Column::Requests => last.map(|sample| figures::rate(sample.rate())),
        Column::P95 => p95(instance).map(figures::duration),
        Column::Workers => workers(instance)
            .map(|(ready, wanted)| if ready == wanted { ready.to_string() } else { format!("{ready} of {wanted}") }),
        Column::Memory => last.map(|sample| figures::bytes(sample.memory_bytes)),
        _ => (since_us > 0).then(|| figures::age(now.saturating_sub(since_us))),
    };
    let color = if words.is_none() || column == Column::Since { tokens.muted } else { tokens.text };
    let label = Label::new(RichText::new(words.as_deref().unwrap_or("–")).color(color)).selectable(false);
    let response = ui.add(label);
    if column == Column::Since && since_us > 0 {
        response.on_hover_text(figures::date_time(since_us));
        ui.ctx().request_repaint_after(std::time::Duration::from_secs(15));
    }
    if column == Column::Requests && words.is_some() && ui.available_width() > 76.0 {
        let line = trend::rates(&instance.samples, now);
        // From the left edge of the cell, so that the lines stand below each other however wide the figures are.
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            let name = "Requests a second in the last five minutes";
            sparkline::show(ui, Vec2::new(72.0, 18.0), tokens.accent, &line, name);
        });
    }
}
