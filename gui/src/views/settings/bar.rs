//! The bar at the bottom while there are changes: how many, what they take, and what is done with them.

use egui::{Align, Frame, Layout, Margin, Panel, RichText, Ui};
use hostler_bus::daemon::Applied;

use super::{Editing, Form};
use crate::bus::{Action, Order};
use crate::draft::Changed;
use crate::model::{Failure, FailureKind, Instance, InstanceKey};
use crate::theme::icon::{self, Icon};
use crate::theme::{Size, Tokens};
use crate::views::toasts;
use crate::widgets::{button, text, traceback};

/// Draws it, if there is anything to say.
pub(super) fn show(
    ui: &mut Ui,
    tokens: &Tokens,
    key: &InstanceKey,
    instance: &Instance,
    form: &Form<'_>,
    editing: &mut Editing,
    orders: &mut Vec<Order>,
) {
    let changes = editing.draft.changes(form.schema);
    let waits = !form.awaits_restart.is_empty();
    let is_idle = editing.draft.is_idle();
    if is_idle && !waits {
        return;
    }
    let frame = Frame::new().fill(tokens.panel).inner_margin(Margin::symmetric(12, 8)).corner_radius(8);
    Panel::bottom("setting changes").frame(frame).show_separator_line(false).show(ui, |ui| {
        if let Some((Action::Apply { .. }, failure)) = &instance.failed
            && !editing.draft.is_sent()
            && !changes.is_empty()
        {
            // Why stands above all views of the instance.
            let (icon, color) = toasts::sign(tokens, failure.tone());
            ui.label(text::with_icon(icon, title_of(failure)).color(color));
        }
        ui.horizontal(|ui| {
            if editing.draft.is_sent() {
                under_way(ui, tokens, key, instance, orders);
            } else if is_idle {
                let words = format!("Wait for a restart: {}", form.awaits_restart.join(", "));
                ui.label(text::with_icon(Icon::Power, &words).color(tokens.caution));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let restart = ui.add_enabled_ui(!instance.is_busy(), |ui| {
                        button::plain(ui, Icon::RotateCw, "Restart now").clicked()
                    });
                    if restart.inner {
                        orders.push(Order::Act(key.clone(), Action::Restart));
                    }
                });
            } else {
                pending(ui, tokens, form, editing, &changes);
            }
        });
    });
}

fn pending(ui: &mut Ui, tokens: &Tokens, form: &Form<'_>, editing: &mut Editing, changes: &[Changed]) {
    match changes.len() {
        0 => ui.label(text::muted(tokens, "Nothing changed: what was typed means what is set")),
        count => ui.label(text::strong(counted(count, "change", "changes"))),
    };
    for (applied, glyph, one, many) in [
        (Applied::Reload, Icon::RefreshCw, "takes a reload", "take a reload"),
        (Applied::Restart, Icon::Power, "takes a restart", "take a restart"),
    ] {
        let count = changes.iter().filter(|changed| changed.applied == applied).count();
        if count > 0 {
            let words = format!("{count} {}", if count == 1 { one } else { many });
            ui.label(text::muted(tokens, format!("{}  {words}", icon::text(glyph))));
        }
    }
    let problems = form.problems.len();
    if problems > 0 {
        let words = counted(problems, "problem", "problems");
        ui.label(text::with_icon(Icon::CircleAlert, &words).color(tokens.bad));
    }
    let clashes = editing.draft.clashes();
    if clashes > 0 {
        let words = format!("{clashes} to decide");
        ui.label(text::with_icon(Icon::GitMerge, &words).color(tokens.caution));
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let why_not = match (problems, clashes, changes.is_empty()) {
            (_, _, true) => Some("What was typed means what is set already"),
            (_, 1.., _) => Some("Decide first which of the values to keep"),
            (1.., _, _) => Some("Mend the problems first"),
            _ if !form.may_edit => Some("The connection is gone"),
            _ => None,
        };
        let review =
            ui.add_enabled_ui(why_not.is_none(), |ui| button::primary(ui, tokens, Some(Icon::FileDiff), "Review…"));
        let response = review.inner;
        let clicked = response.clicked();
        if let Some(why_not) = why_not {
            response.on_disabled_hover_text(why_not);
        }
        if clicked {
            editing.reviewing = true;
        }
        if ui.button("Discard").on_hover_text("Let go of all changes; Ctrl+Z brings them back").clicked() {
            editing.discard();
        }
        ui.spacing_mut().item_spacing.x = 0.0;
        let redo =
            ui.add_enabled_ui(editing.can_redo(), |ui| button::icon_only(ui, Icon::Redo2, "Redo (Ctrl+Shift+Z)"));
        if redo.inner.clicked() {
            editing.redo();
        }
        let undo = ui.add_enabled_ui(editing.can_undo(), |ui| button::icon_only(ui, Icon::Undo2, "Undo (Ctrl+Z)"));
        if undo.inner.clicked() {
            editing.undo();
        }
    });
}

/// `1 change`, `3 changes`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How far applying is.
pub(super) fn under_way(ui: &mut Ui, tokens: &Tokens, key: &InstanceKey, instance: &Instance, orders: &mut Vec<Order>) {
    crate::widgets::spinner::show(ui, 16.0, tokens.accent);
    let running = instance.running.as_ref();
    let words = match running {
        Some(running) if running.authorizing => "Waiting for authorisation…".to_owned(),
        Some(running) if !running.progress.stage.is_empty() => running.progress.stage.clone(),
        _ => "Applying…".to_owned(),
    };
    ui.label(&words);
    if let Some(fraction) = running.map(|running| running.progress.fraction).filter(|fraction| *fraction > 0.0) {
        let bar = egui::ProgressBar::new(fraction as f32).desired_width(160.0).desired_height(6.0).fill(tokens.accent);
        ui.add(bar);
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if ui.button("Cancel").clicked() {
            orders.push(Order::Cancel(key.clone()));
        }
    });
}

fn title_of(failure: &Failure) -> &'static str {
    match failure.kind {
        FailureKind::Conflict => "Not applied: somebody else changed the settings meanwhile",
        FailureKind::NotPermitted => "Not applied: you may not change these settings",
        FailureKind::Locked => "Not applied: it takes authentication",
        FailureKind::Dismissed => "Not applied: the question for authorisation was dismissed",
        FailureKind::Cancelled => "Cancelled: nothing was changed",
        FailureKind::Invalid => "Not applied: the settings have mistakes",
        _ => "Not applied: the settings are as before",
    }
}

/// Why it was not applied.
pub(super) fn failed(ui: &mut Ui, tokens: &Tokens, failure: &Failure) {
    let (icon, color) = toasts::sign(tokens, failure.tone());
    ui.label(text::with_icon(icon, title_of(failure)).color(color));
    if !matches!(failure.kind, FailureKind::Cancelled | FailureKind::Invalid | FailureKind::Dismissed) {
        ui.add(egui::Label::new(RichText::new(&failure.message).color(tokens.text)).wrap());
    }
    if !failure.detail.is_empty() && failure.kind != FailureKind::Conflict {
        egui::CollapsingHeader::new("Traceback").id_salt("apply traceback").show(ui, |ui| {
            traceback::show(ui, tokens, "apply traceback text", &failure.detail, 160.0);
        });
    }
    ui.add_space(Size::TIGHT);
}
