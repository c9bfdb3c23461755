//! The course of a reload while it goes on, and for a moment after: the next generation starts, serves, and the former
//! one finishes what it runs. One that failed is shown by `failure`, with its traceback.

use egui::{CornerRadius, Frame, Margin, RichText, Stroke, Ui};

use crate::model::{Step, StepState};
use crate::theme::icon::Icon;
use crate::theme::{Size, Tokens};
use crate::views::Stage;
use crate::widgets::{figures, glyph, spinner, text};

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
        .inner_margin(Margin::symmetric(14, 9))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = egui::vec2(7.0, 4.0);
                for (index, step) in course.steps.iter().enumerate() {
                    if index > 0 {
                        glyph::show(ui, Icon::ChevronRight, 14.0, tokens.muted);
                    }
                    draw(ui, tokens, step);
                }
            });
            let words = if course.is_over() {
                ui.ctx().request_repaint_after(std::time::Duration::from_secs(1));
                format!("Done. It began {}.", figures::ago(stage.now, course.since_us))
            } else {
                format!("Generation {} answers until generation {} is ready.", course.former, course.generation)
            };
            ui.label(text::small(tokens, words));
        });
}

fn draw(ui: &mut Ui, tokens: &Tokens, step: &Step) {
    match step.state {
        StepState::Done => {
            glyph::show(ui, Icon::CircleCheck, 15.0, tokens.good);
            ui.label(RichText::new(&step.title).color(tokens.text));
        }
        StepState::Underway => {
            spinner::show(ui, 15.0, tokens.moving);
            ui.label(text::strong(&step.title));
        }
        StepState::Waiting => {
            glyph::show(ui, Icon::CircleDashed, 15.0, tokens.muted);
            ui.label(text::muted(tokens, &step.title));
        }
        StepState::Failed => {
            glyph::show(ui, Icon::CircleX, 15.0, tokens.bad);
            ui.label(RichText::new(&step.title).color(tokens.bad));
        }
    }
    if !step.detail.is_empty() {
        ui.label(text::small(tokens, &step.detail));
    }
}
