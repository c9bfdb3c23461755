//! The course of a reload while it goes on, and for a moment after: the next generation starts, serves, and the former
//! one finishes what it runs. One that failed is shown by `failure`, with its traceback.

use egui::{CornerRadius, Frame, Label, Margin, RichText, Sense, Stroke, Ui, Vec2};

use crate::model::{Step, StepState};
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::views::Stage;
use crate::widgets::{figures, glyph, spinner, text};

/// How wide a step is at least beside the others.
const STEP: f32 = 190.0;
/// How high the line above a step is.
const LINE: f32 = 3.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let Some((_, instance)) = stage.selected() else { return };
    let Some(course) = instance.course(stage.now).filter(|course| course.failure.is_none()) else { return };
    let tokens = stage.tokens;
    ui.add_space(Size::GAP);
    Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.line))
        .corner_radius(CornerRadius::same(8))
        .inner_margin(Margin::symmetric(14, 12))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.x = Size::PAD;
            let columns = if ui.available_width() < STEP * course.steps.len() as f32 { 1 } else { course.steps.len() };
            for row in course.steps.chunks(columns) {
                ui.columns(columns, |ui| {
                    for (ui, step) in ui.iter_mut().zip(row) {
                        draw(ui, tokens, step);
                    }
                });
            }
            ui.add_space(Size::TIGHT);
            let words = if course.is_over() {
                ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
                format!("Done. It began {}.", figures::ago(stage.now, course.since_us))
            } else {
                format!("Generation {} answers until generation {} is ready.", course.former, course.generation)
            };
            ui.label(text::small(tokens, words));
        });
}

/// A step below its piece of the line: what it is, and how it goes.
fn draw(ui: &mut Ui, tokens: &Tokens, step: &Step) {
    let color = match step.state {
        StepState::Done => tokens.good,
        StepState::Underway => tokens.moving,
        StepState::Waiting => tokens.line,
        StepState::Failed => tokens.bad,
    };
    ui.spacing_mut().item_spacing.y = Size::TIGHT;
    ui.spacing_mut().interact_size.y = 18.0;
    let (line, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), LINE), Sense::hover());
    ui.painter().rect_filled(line, LINE / 2.0, color);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 7.0;
        match step.state {
            StepState::Done => glyph::show(ui, Icon::CircleCheck, 15.0, color),
            StepState::Underway => spinner::show(ui, 15.0, color),
            StepState::Waiting => glyph::show(ui, Icon::CircleDashed, 15.0, tokens.muted),
            StepState::Failed => glyph::show(ui, Icon::CircleX, 15.0, color),
        };
        let title = match step.state {
            StepState::Underway => text::strong(&step.title),
            StepState::Waiting => text::muted(tokens, &step.title),
            StepState::Done | StepState::Failed => RichText::new(&step.title).color(tokens.text),
        };
        ui.add(Label::new(title).truncate());
    });
    if !step.detail.is_empty() {
        ui.horizontal(|ui| {
            // Below the title, which stands behind the sign.
            ui.add_space(22.0);
            ui.add(Label::new(text::small(tokens, &step.detail)).truncate());
        });
    }
}
