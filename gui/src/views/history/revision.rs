//! A change of the settings: who, what, the difference, and how to take it back.

use egui::{Align, Layout, Ui};
use hostler_bus::daemon::RevisionInfo;

use crate::bus::{Action, Order};
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::views::shown::Shown;
use crate::widgets::{badge, button, diff, spinner, text};

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, info: &RevisionInfo, state: &mut State, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    let turned = &mut state.passing.history.turned;
    // The one that is in force is what one looks for.
    let open = info.current != turned.contains(&info.revision);
    ui.spacing_mut().interact_size.y = 22.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = Size::GAP;
        ui.label(text::strong(&info.summary));
        ui.label(text::muted(tokens, author(info)));
        if info.current {
            badge::pill(ui, tokens.good, &icon::text(Icon::Check), "in force");
        }
        if !info.difference.is_empty() {
            diff::show_counts(ui, tokens, &info.difference);
            let (icon, name) = if open { (Icon::ChevronDown, "Hide") } else { (Icon::ChevronRight, "Show") };
            let name = format!("{name} the difference of {}", info.summary);
            if button::icon_only(ui, icon, &name).clicked() && !turned.remove(&info.revision) {
                turned.insert(info.revision.clone());
            }
        }
        if info.current && !info.difference.is_empty() {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| undo(ui, shown, info, orders));
        }
    });
    if open && !info.difference.is_empty() {
        ui.add_space(Size::TIGHT);
        diff::show(ui, tokens, &info.difference);
    }
}

fn undo(ui: &mut Ui, shown: Shown<'_>, info: &RevisionInfo, orders: &mut Vec<Order>) {
    let action = Action::Undo { revision: info.revision.clone() };
    if shown.instance.running.as_ref().is_some_and(|running| running.action == action) {
        ui.label(text::muted(shown.tokens, "Taking it back…"));
        spinner::show(ui, 15.0, shown.tokens.moving);
        return;
    }
    ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
        let response = button::plain(ui, Icon::Undo2, "Undo");
        if response.on_hover_text("Bring the settings back as they were before, and apply them").clicked() {
            orders.push(shown.act(action));
        }
    });
}

/// Who made it.
fn author(info: &RevisionInfo) -> String {
    match info.user {
        Some(0) => "by root".to_owned(),
        Some(user) => format!("by user {user}"),
        None => "found in the file".to_owned(),
    }
}
