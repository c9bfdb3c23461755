//! The dialogs: what cannot be undone is asked, with the name typed for what is gone for good; what needs a value takes
//! it. Esc closes each, Enter does what the main button says.

mod add_host;
mod log_level;
mod marked;
mod notices;
mod remove;
mod scale;
mod shortcuts;

use egui::{
    Align, Button, Context, CornerRadius, Frame, Id, Key, Layout, Margin, Modal, RichText, Role, Ui, WidgetInfo,
};
use hostler_bus::LogLevel;

use super::Stage;
use crate::commands::Command;
use crate::model::InstanceKey;
use crate::theme::Tokens;
use crate::widgets::text;

/// A dialog with what was typed into it.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Add a host.
    AddHost {
        /// As ssh takes it.
        host: String,
        /// Whether its user's instances are meant.
        user: bool,
    },
    /// Take an instance away.
    Remove {
        /// Which.
        key: InstanceKey,
        /// What was typed for its name.
        typed: String,
    },
    /// Set the number of workers.
    Scale {
        /// Of which.
        key: InstanceKey,
        /// How many.
        workers: u32,
    },
    /// Set the least severity that is logged.
    LogLevel {
        /// By which.
        key: InstanceKey,
        /// What is chosen; none while the one of now stands.
        level: Option<LogLevel>,
    },
    /// Do something to the marked ones.
    Marked {
        /// What.
        command: Command,
    },
    /// What was told lately.
    Notices,
    /// The shortcuts.
    Shortcuts,
}

/// What becomes of a dialog after a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::views) enum Outcome {
    /// It stays.
    Stays,
    /// It is closed, nothing is done.
    Closes,
    /// What it is about is done, and it is closed.
    Does,
}

/// Draws the dialog that is open.
pub fn show(context: &Context, stage: &mut Stage<'_>) {
    let Some(mut dialog) = stage.state.passing.dialog.take() else { return };
    let outcome = match &mut dialog {
        Dialog::AddHost { host, user } => add_host::show(context, stage, host, user),
        Dialog::Remove { key, typed } => remove::show(context, stage, key, typed),
        Dialog::Scale { key, workers } => scale::show(context, stage, key, workers),
        Dialog::LogLevel { key, level } => log_level::show(context, stage, key, level),
        Dialog::Marked { command } => marked::show(context, stage, *command),
        Dialog::Notices => notices::show(context, stage),
        Dialog::Shortcuts => shortcuts::show(context, stage),
    };
    if outcome == Outcome::Stays {
        stage.state.passing.dialog = Some(dialog);
    }
}

/// The frame of a dialog.
pub(in crate::views) fn frame(context: &Context, tokens: &Tokens) -> Frame {
    Frame::popup(&context.global_style())
        .inner_margin(Margin::same(20))
        .corner_radius(CornerRadius::same(10))
        .fill(tokens.raised)
}

/// The button at the foot of a dialog that only tells; whether it was pressed.
fn closes(ui: &mut Ui) -> bool {
    ui.add_space(10.0);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.button("Close").clicked()).inner
}

/// A dialog with a title; closed by Esc and by a click beside it.
pub(in crate::views) fn window(
    context: &Context,
    tokens: &Tokens,
    title: &str,
    width: f32,
    content: impl FnOnce(&mut Ui) -> Outcome,
) -> Outcome {
    let frame = frame(context, tokens);
    let id = Id::unique(("dialog", title));
    let area = Modal::default_area(id).role(egui::accesskit::Role::Dialog).accessible_name(title);
    let response = Modal::new(id).area(area).frame(frame).show(context, |ui| {
        ui.set_width(width.min(ui.ctx().content_rect().width() - 64.0));
        ui.label(text::title(title).size(17.0));
        ui.add_space(8.0);
        content(ui)
    });
    if response.inner == Outcome::Stays && response.should_close() { Outcome::Closes } else { response.inner }
}

/// The buttons at the foot: the verb on the right, Cancel beside it. Enter is the verb, where that can be done.
fn answers(ui: &mut Ui, tokens: &Tokens, verb: &str, is_grave: bool, is_ready: bool) -> Outcome {
    let mut outcome = Outcome::Stays;
    ui.add_space(14.0);
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let fill = if is_grave { tokens.bad } else { tokens.accent };
        let face = Button::new(RichText::new(verb).color(tokens.on_accent)).fill(fill);
        let response = ui.add_enabled(is_ready, face);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, is_ready, verb));
        if response.clicked() {
            outcome = Outcome::Does;
        }
        if ui.button("Cancel").clicked() {
            outcome = Outcome::Closes;
        }
    });
    if is_ready && outcome == Outcome::Stays && ui.input(|input| input.key_pressed(Key::Enter)) {
        outcome = Outcome::Does;
    }
    outcome
}
