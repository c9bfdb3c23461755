//! Toasts at the edge of the window, and what was told before. They stay while the pointer is over them, and are read out
//! by screen readers.

use std::time::Duration;

use egui::accesskit::{Live, Role as NodeRole};
use egui::{
    Align, Align2, Area, Color32, CornerRadius, Frame, Id, Label, Layout, Margin, Order as Layer, RichText, Stroke, Ui,
    UiBuilder, Vec2,
};

use super::Stage;
use crate::bus::Order;
use crate::commands::{self, Command};
use crate::model::{Toast, ToastTone};
use crate::state::Tab;
use crate::theme::Tokens;
use crate::theme::icon::Icon;
use crate::widgets::{button, glyph};

/// How many stand over each other at most; the oldest wait.
const SHOWN: usize = 4;
/// How long one stays after the pointer left it, in microseconds.
const GRACE_US: u64 = 3_000_000;

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    /// The number of the last toast that somebody looked at in the history.
    read: u64,
}

impl Passing {
    /// How many toasts nobody has looked at in the history.
    #[must_use]
    pub fn unread(&self, toasts: &[Toast]) -> usize {
        toasts.iter().filter(|toast| toast.number > self.read).count()
    }

    /// Notes that somebody looked at all.
    pub fn look(&mut self, toasts: &[Toast]) {
        self.read = toasts.last().map_or(self.read, |toast| toast.number);
    }
}

/// What was pressed on a toast.
enum Answer {
    Dismiss,
    Undo,
    Log,
}

/// The icon and the colour of a tone.
#[must_use]
pub fn sign(tokens: &Tokens, tone: ToastTone) -> (Icon, Color32) {
    match tone {
        ToastTone::Good => (Icon::CircleCheck, tokens.good),
        ToastTone::Bad => (Icon::CircleX, tokens.bad),
        ToastTone::Refused => (Icon::ShieldAlert, tokens.caution),
        ToastTone::Plain => (Icon::Info, tokens.moving),
    }
}

/// Draws them.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let now = stage.now;
    let standing: Vec<Toast> = stage.world.shown_toasts(now).rev().take(SHOWN).cloned().collect();
    let Some(soonest) = standing.iter().map(|toast| toast.until_us).min() else { return };
    ui.ctx().request_repaint_after(Duration::from_micros(soonest.saturating_sub(now) + 1_000));
    let tokens = stage.tokens;
    let area = Area::new(Id::unique("toasts"))
        .order(Layer::Foreground)
        .anchor(Align2::RIGHT_BOTTOM, Vec2::new(-18.0, -18.0))
        .accessible_name("Notices");
    let mut pressed = None;
    let response = area.show(ui.ctx(), |ui| {
        ui.spacing_mut().item_spacing.y = 8.0;
        for toast in standing.iter().rev() {
            if let Some(answer) = draw(ui, tokens, toast) {
                pressed = Some((toast.clone(), answer));
            }
        }
    });
    if response.response.contains_pointer() {
        for toast in &standing {
            stage.world.hold_toast(toast.number, now, GRACE_US);
        }
    }
    if let Some((toast, answer)) = pressed {
        answered(ui, stage, &toast, &answer);
    }
}

fn draw(ui: &mut Ui, tokens: &Tokens, toast: &Toast) -> Option<Answer> {
    let (icon, color) = sign(tokens, toast.tone);
    let mut answer = None;
    let builder =
        UiBuilder::new().id_salt(toast.number).accessibility_label(&toast.text).accessibility_role(NodeRole::Status);
    let scope = ui.scope_builder(builder, |ui| {
        Frame::new()
            .fill(tokens.raised)
            .stroke(Stroke::new(1.0, tokens.line))
            .shadow(ui.visuals().popup_shadow)
            .corner_radius(CornerRadius::same(9))
            .inner_margin(Margin { left: 12, right: 6, top: 6, bottom: 6 })
            .show(ui, |ui| {
                ui.set_width(360.0);
                ui.horizontal(|ui| {
                    glyph::show(ui, icon, 16.0, color);
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        ui.spacing_mut().item_spacing.x = 2.0;
                        if button::icon_only(ui, Icon::X, "Dismiss notice").clicked() {
                            answer = Some(Answer::Dismiss);
                        }
                        if let Some((word, _)) = &toast.undo {
                            if ui.button(RichText::new(*word).color(tokens.accent)).clicked() {
                                answer = Some(Answer::Undo);
                            }
                        } else if toast.tone == ToastTone::Bad
                            && toast.about.is_some()
                            && ui.button(RichText::new("Show log").color(tokens.accent)).clicked()
                        {
                            answer = Some(Answer::Log);
                        }
                        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                            ui.add(Label::new(&toast.text).wrap());
                        });
                    });
                });
            });
    });
    ui.ctx().accesskit_node_builder(scope.response.id, |node| {
        let is_urgent = matches!(toast.tone, ToastTone::Bad | ToastTone::Refused);
        node.set_live(if is_urgent { Live::Assertive } else { Live::Polite });
    });
    answer
}

fn answered(ui: &Ui, stage: &mut Stage<'_>, toast: &Toast, answer: &Answer) {
    stage.world.dismiss_toast(toast.number);
    match (answer, &toast.about, &toast.undo) {
        (Answer::Undo, Some(key), Some((_, action))) => stage.order(Order::Act(key.clone(), action.clone())),
        (Answer::Log, Some(key), _) => commands::run(Command::Show(Tab::Logs), Some(key), ui.ctx(), stage),
        _ => {}
    }
}
