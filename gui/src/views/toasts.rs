//! Toasts at the edge of the window, and what was told before. They stay while the pointer is over them, and are read out
//! by screen readers.

use std::collections::VecDeque;
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
/// How many are kept after they went.
const KEPT: usize = 200;
/// How long one stays after the pointer left it, in microseconds.
const GRACE_US: u64 = 3_000_000;

/// What was told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// How it sounded.
    pub tone: ToastTone,
    /// What it said.
    pub text: String,
    /// When it was told, in microseconds since 1970 (UTC).
    pub at_us: u64,
}

/// What it remembers while the window is open.
#[derive(Clone, Debug, Default)]
pub struct Passing {
    told: VecDeque<Notice>,
    /// The number of the last toast that is among them.
    last: Option<u64>,
    unread: usize,
}

impl Passing {
    /// What was told, the oldest first.
    pub fn told(&self) -> impl DoubleEndedIterator<Item = &Notice> + ExactSizeIterator {
        self.told.iter()
    }

    /// How much of it nobody looked at since.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// Notes that somebody looked at it.
    pub fn read(&mut self) {
        self.unread = 0;
    }

    fn take(&mut self, toasts: &[Toast], now_us: u64) {
        let last = self.last;
        for toast in toasts.iter().filter(|toast| last.is_none_or(|last| toast.number > last)) {
            self.last = Some(toast.number);
            self.unread += 1;
            self.told.push_back(Notice { tone: toast.tone, text: toast.text.clone(), at_us: now_us });
            if self.told.len() > KEPT {
                self.told.pop_front();
            }
        }
        self.unread = self.unread.min(self.told.len());
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
        ToastTone::Plain => (Icon::Info, tokens.moving),
    }
}

/// Draws them.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    let now = stage.now;
    stage.state.passing.toasts.take(&stage.world.toasts, now);
    let standing: Vec<Toast> =
        stage.world.toasts.iter().filter(|toast| toast.until_us > now).rev().take(SHOWN).cloned().collect();
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
        for toast in stage.world.toasts.iter_mut().filter(|toast| toast.until_us > now) {
            toast.until_us = toast.until_us.max(now + GRACE_US);
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
        node.set_live(if toast.tone == ToastTone::Bad { Live::Assertive } else { Live::Polite });
    });
    answer
}

fn answered(ui: &Ui, stage: &mut Stage<'_>, toast: &Toast, answer: &Answer) {
    for standing in stage.world.toasts.iter_mut().filter(|other| other.number == toast.number) {
        standing.until_us = stage.now;
    }
    match (answer, &toast.about, &toast.undo) {
        (Answer::Undo, Some(key), Some((_, action))) => stage.order(Order::Act(key.clone(), action.clone())),
        (Answer::Log, Some(key), _) => commands::run(Command::Show(Tab::Logs), Some(key), ui.ctx(), stage),
        _ => {}
    }
}
