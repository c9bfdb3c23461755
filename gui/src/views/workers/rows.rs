//! The table of workers.

use egui::{Color32, RichText, Ui, Vec2};
use hostler_bus::{Worker, WorkerState};

use crate::bus::{Action, Order};
use crate::state::State;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::shown::Shown;
use crate::widgets::table::{Column, Row, Table};
use crate::widgets::{age, button, figures, spinner, text};

/// What the workers are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Their places.
    #[default]
    Place,
    /// Requests that they answered.
    Requests,
    /// How long their request runs.
    Age,
    /// Their memory.
    Memory,
    /// Their processor time.
    Cpu,
}

const COLUMNS: [Column; 12] = [
    Column::exact("Worker", 68.0).sorts(),
    Column::exact("Process", 72.0).from(740.0),
    Column::exact("State", 112.0),
    Column::exact("Requests", 84.0).right().sorts().from(640.0),
    Column::wide("Current request", 96.0),
    Column::exact("Age", 108.0).right().sorts().from(440.0),
    Column::exact("Memory", 84.0).right().sorts().from(560.0).below(740.0),
    Column::exact("Memory", 132.0).right().sorts().from(740.0),
    Column::exact("CPU time", 98.0).right().sorts().from(820.0),
    Column::exact("Running for", 104.0).right().from(980.0),
    Column::exact("Replaced", 134.0).from(1_120.0),
    Column::exact("", 76.0).right(),
];

/// Which columns sort, by what.
const SORTS: [(usize, Sort); 6] =
    [(0, Sort::Place), (3, Sort::Requests), (5, Sort::Age), (6, Sort::Memory), (7, Sort::Memory), (8, Sort::Cpu)];

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line<'a> {
    Generation(u64, &'a [&'a Worker]),
    Worker(&'a Worker),
}

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, workers: &[Worker], state: &mut State, orders: &mut Vec<Order>) {
    let (sort, descending) = state.passing.workers.sort;
    let sorted = sorted(workers, sort, descending);
    let lines = lines(&sorted);
    let most = workers.iter().map(|worker| worker.memory_bytes).max().unwrap_or_default();
    let by: Vec<usize> = SORTS.iter().filter(|(_, by)| *by == sort).map(|(column, _)| *column).collect();
    let table = Table::new("Workers", &COLUMNS).row_height(30.0).sorted(&by, descending).clicks();
    let mut chosen = None;
    let outcome = table.show(ui, shown.tokens, lines.len(), |row| match lines[row.index()] {
        Line::Generation(generation, workers) => heading(row, shown, generation, workers),
        Line::Worker(worker) => {
            if state.passing.workers.stacks_of == Some(worker.place) {
                row.select();
            }
            cells(row, shown, worker, most, orders, &mut chosen);
        }
    });
    if let Some((_, by)) = outcome.sort_by.and_then(|column| SORTS.iter().find(|(sorts, _)| *sorts == column)) {
        state.passing.workers.sort = (*by, if *by == sort { !descending } else { *by != Sort::Place });
    }
    if let Some(Line::Worker(worker)) = outcome.row.and_then(|row| lines.get(row)) {
        chosen = Some(worker.place);
    }
    if let Some(place) = chosen {
        super::show_stacks(state, orders, shown, place);
    }
}

/// The workers in the order of the table: newest generation first, within each as they are sorted.
fn sorted(workers: &[Worker], sort: Sort, descending: bool) -> Vec<&Worker> {
    let mut sorted: Vec<&Worker> = workers.iter().collect();
    sorted.sort_by(|one, other| {
        let order = match sort {
            Sort::Place => one.place.cmp(&other.place),
            Sort::Requests => one.requests.cmp(&other.requests),
            Sort::Age => age_of(one).cmp(&age_of(other)),
            Sort::Memory => one.memory_bytes.cmp(&other.memory_bytes),
            Sort::Cpu => one.cpu_seconds.total_cmp(&other.cpu_seconds),
        };
        let order = if descending { order.reverse() } else { order };
        other.generation.cmp(&one.generation).then(order).then(one.place.cmp(&other.place))
    });
    sorted
}

fn age_of(worker: &Worker) -> u64 {
    worker.running.as_ref().map_or(0, |running| running.age_us)
}

/// The rows: with a heading for each generation where there are several.
fn lines<'a>(sorted: &'a [&'a Worker]) -> Vec<Line<'a>> {
    let groups: Vec<&[&Worker]> = sorted.chunk_by(|one, other| one.generation == other.generation).collect();
    let several = groups.len() > 1;
    let mut lines = Vec::new();
    for group in groups {
        if let Some(first) = group.first().filter(|_| several) {
            lines.push(Line::Generation(first.generation, group));
        }
        lines.extend(group.iter().map(|worker| Line::Worker(worker)));
    }
    lines
}

fn heading(row: &mut Row<'_>, shown: Shown<'_>, generation: u64, workers: &[&Worker]) {
    let tokens = shown.tokens;
    let serves =
        shown.instance.status().map_or(shown.instance.overview.generation, |status| status.observed.generation);
    let busy = workers.iter().filter(|worker| worker.running.is_some()).count();
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let words = match generation.cmp(&serves) {
        std::cmp::Ordering::Equal => format!("serves · {}", plural(workers.len(), "worker")),
        std::cmp::Ordering::Less => {
            format!("drains · {} still under way in {}", plural(busy, "request"), plural(workers.len(), "worker"))
        }
        std::cmp::Ordering::Greater => format!("is being made · {}", plural(workers.len(), "worker")),
    };
    row.name(&format!("Generation {generation} {words}"));
    row.heading(|ui| {
        ui.label(text::strong(format!("Generation {generation}")));
        ui.label(text::small(tokens, words));
    });
}

fn cells(
    row: &mut Row<'_>,
    shown: Shown<'_>,
    worker: &Worker,
    most: u64,
    orders: &mut Vec<Order>,
    chosen: &mut Option<u32>,
) {
    let tokens = shown.tokens;
    let (sign, word, color) = state_signs(tokens, worker.state);
    row.name(&format!("Worker {}, {word}", worker.place));
    row.text(text::strong(worker.place.to_string()));
    row.text(text::muted(tokens, if worker.pid == 0 { "–".to_owned() } else { worker.pid.to_string() }));
    row.cell(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(RichText::new(icon::text(sign)).color(color));
        ui.label(RichText::new(word).color(color));
    });
    row.text(figures::count(worker.requests));
    row.cell(|ui| match &worker.running {
        Some(running) => {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(text::strong(&running.method));
            let target = RichText::new(&running.target).text_style(egui::TextStyle::Monospace).size(12.0);
            ui.add(egui::Label::new(target).truncate().selectable(false));
        }
        None => {
            ui.label(text::muted(tokens, "–"));
        }
    });
    row.cell(|ui| {
        if let Some(running) = &worker.running {
            age::show(ui, tokens, running.age_us);
        }
    });
    row.text(figures::bytes(worker.memory_bytes));
    row.cell(|ui| memory(ui, tokens, worker.memory_bytes, most));
    row.text(cpu(worker.cpu_seconds));
    let runs =
        if worker.since_us == 0 { String::new() } else { figures::age(shown.now.saturating_sub(worker.since_us)) };
    row.text(text::muted(tokens, runs));
    let replaced = worker.restarts.iter().map(|(cause, count)| format!("{count} × {}", cause.replace('_', " ")));
    row.text(text::muted(tokens, replaced.collect::<Vec<_>>().join(", ")));
    row.cell(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        buttons(ui, shown, worker, orders, chosen);
    });
}

fn buttons(ui: &mut Ui, shown: Shown<'_>, worker: &Worker, orders: &mut Vec<Order>, chosen: &mut Option<u32>) {
    let recycles =
        |place| shown.instance.running.as_ref().is_some_and(|running| running.action == Action::Recycle(place));
    if recycles(worker.place) {
        ui.add_space(6.0);
        let response = spinner::show(ui, 14.0, shown.tokens.moving);
        response.on_hover_text("Its successor is being started; it finishes what it runs");
        ui.add_space(6.0);
    } else {
        let may = !shown.instance.is_busy() && matches!(worker.state, WorkerState::Idle | WorkerState::Busy);
        ui.add_enabled_ui(may, |ui| {
            if button::icon_only(ui, Icon::Recycle, &format!("Recycle worker {}", worker.place)).clicked() {
                orders.push(shown.act(Action::Recycle(worker.place)));
            }
        });
    }
    ui.add_enabled_ui(worker.pid != 0 && !shown.instance.is_busy(), |ui| {
        if button::icon_only(ui, Icon::Layers, &format!("Python stacks of worker {}", worker.place)).clicked() {
            *chosen = Some(worker.place);
        }
    });
}

/// Icon, word and colour of what a worker does.
fn state_signs(tokens: &Tokens, state: WorkerState) -> (Icon, &'static str, Color32) {
    match state {
        WorkerState::Starting => (Icon::LoaderCircle, "starting", tokens.moving),
        WorkerState::Idle => (Icon::CircleCheck, "idle", tokens.good),
        WorkerState::Busy => (Icon::Zap, "busy", tokens.accent),
        WorkerState::Retiring => (Icon::Hourglass, "retiring", tokens.rest),
        WorkerState::Stopping => (Icon::CircleStop, "stopping", tokens.muted),
        WorkerState::Waiting => (Icon::RotateCcw, "waiting", tokens.bad),
        WorkerState::Unknown => (Icon::CircleQuestionMark, "unknown", tokens.muted),
    }
}

/// The memory of a worker, with a bar of its part of the greatest; from the right.
fn memory(ui: &mut Ui, tokens: &Tokens, bytes: u64, most: u64) {
    ui.allocate_ui_with_layout(Vec2::new(62.0, Size::ROW), egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.set_min_width(62.0);
        ui.label(figures::bytes(bytes));
    });
    let (rect, _) = ui.allocate_exact_size(Vec2::new(44.0, 6.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 3, tokens.line);
    if most > 0 {
        let part = (bytes as f64 / most as f64) as f32;
        let filled = egui::Rect::from_min_size(rect.min, Vec2::new(rect.width() * part, rect.height()));
        ui.painter().rect_filled(filled, 3, tokens.series[4]);
    }
}

fn cpu(seconds: f64) -> String {
    figures::duration((seconds.max(0.0) * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(place: u32, generation: u64, requests: u64) -> Worker {
        Worker { place, generation, requests, ..Worker::default() }
    }

    #[test]
    fn generations_stay_together_whatever_the_order() {
        let workers = [worker(0, 6, 9), worker(1, 7, 1), worker(2, 7, 5)];
        let by_requests = sorted(&workers, Sort::Requests, true);
        let places: Vec<u32> = by_requests.iter().map(|worker| worker.place).collect();
        assert_eq!(places, [2, 1, 0]);
        let lines = lines(&by_requests);
        assert!(matches!(lines[0], Line::Generation(7, group) if group.len() == 2));
        assert!(matches!(lines[3], Line::Generation(6, group) if group.len() == 1));
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn one_generation_needs_no_heading() {
        let workers = [worker(1, 7, 0), worker(0, 7, 0)];
        let sorted = sorted(&workers, Sort::Place, false);
        assert_eq!(lines(&sorted), [Line::Worker(&workers[1]), Line::Worker(&workers[0])]);
    }
}
