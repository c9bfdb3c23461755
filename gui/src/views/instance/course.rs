//! The course of a reload while it goes on: the next generation is imported, is ready, the former one finishes what it
//! runs.

use egui::{CornerRadius, Frame, Margin, RichText, Stroke, Ui};
use hostler_bus::daemon::InstanceState;
use hostler_bus::{Worker, WorkerState};

use crate::bus::Action;
use crate::model::Instance;
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::Stage;
use crate::widgets::{spinner, text};

/// How far one step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Done,
    Now,
    Later,
}

/// One step.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    mark: Mark,
    title: String,
    detail: String,
}

/// Draws it while a generation is made or finished.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some((_, instance)) = stage.selected() else { return };
    let steps = steps(instance);
    if steps.is_empty() {
        return;
    }
    let tokens = stage.tokens;
    ui.add_space(Size::GAP);
    Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(14, 9))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = egui::vec2(7.0, 4.0);
                for (index, step) in steps.iter().enumerate() {
                    if index > 0 {
                        ui.label(RichText::new(icon::text(Icon::ChevronRight)).color(tokens.muted));
                    }
                    draw(ui, tokens, step);
                }
            });
        });
}

fn draw(ui: &mut Ui, tokens: &Tokens, step: &Step) {
    match step.mark {
        Mark::Done => {
            ui.label(RichText::new(icon::text(Icon::CircleCheck)).color(tokens.good));
            ui.label(RichText::new(&step.title).color(tokens.text));
        }
        Mark::Now => {
            spinner::show(ui, 15.0, tokens.moving);
            ui.label(text::strong(&step.title));
        }
        Mark::Later => {
            ui.label(RichText::new(icon::text(Icon::CircleDashed)).color(tokens.muted));
            ui.label(text::muted(tokens, &step.title));
        }
    }
    if !step.detail.is_empty() {
        ui.label(text::small(tokens, &step.detail));
    }
}

/// The steps, by what is known of workers of both generations; none while nothing is made.
fn steps(instance: &Instance) -> Vec<Step> {
    let is_ours = instance
        .running
        .as_ref()
        .is_some_and(|running| !running.authorizing && matches!(running.action, Action::Reload | Action::Rollback));
    let is_making = is_ours || instance.state() == InstanceState::Reloading;
    let serving = instance.overview.generation;
    let workers: &[Worker] = instance.workers.value().map_or(&[], Vec::as_slice);
    let drains = |worker: &&Worker| {
        worker.generation < serving && matches!(worker.state, WorkerState::Retiring | WorkerState::Busy)
    };
    let draining: Vec<&Worker> = workers.iter().filter(drains).collect();
    if serving == 0 || (!is_making && draining.is_empty()) {
        return Vec::new();
    }
    if !is_making {
        return vec![
            Step { mark: Mark::Done, title: format!("Generation {serving} serves"), detail: String::new() },
            finishing(Mark::Now, &draining),
        ];
    }
    let next = serving + 1;
    let of_next: Vec<&Worker> = workers.iter().filter(|worker| worker.generation == next).collect();
    let ready = of_next.iter().filter(|worker| matches!(worker.state, WorkerState::Idle | WorkerState::Busy)).count();
    let all_ready = !of_next.is_empty() && ready == of_next.len();
    let stage = instance.running.as_ref().map(|running| running.progress.stage.clone()).unwrap_or_default();
    let detail = if of_next.is_empty() { stage } else { format!("{ready} of {} workers ready", of_next.len()) };
    let (importing, becoming) = if all_ready { (Mark::Done, Mark::Now) } else { (Mark::Now, Mark::Later) };
    vec![
        Step { mark: importing, title: format!("Generation {next} imports"), detail },
        Step { mark: becoming, title: "is ready".to_owned(), detail: String::new() },
        finishing(Mark::Later, &[]),
        Step { mark: Mark::Later, title: "done".to_owned(), detail: format!("generation {serving} serves until then") },
    ]
}

/// The former generation finishes what it runs.
fn finishing(mark: Mark, draining: &[&Worker]) -> Step {
    let requests = draining.iter().filter(|worker| worker.running.is_some()).count();
    let title = match draining.first() {
        Some(worker) => format!("Generation {} finishes", worker.generation),
        None => "the old one finishes".to_owned(),
    };
    let detail = match requests {
        0 => String::new(),
        1 => "1 request".to_owned(),
        requests => format!("{requests} requests"),
    };
    Step { mark, title, detail }
}
