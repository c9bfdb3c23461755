//! A change of the settings: who, what, the difference, and how to take it back.

use egui::{Align, Label, Layout, Role, Ui, WidgetInfo};
use hostler_bus::daemon::RevisionInfo;

use crate::bus::{Action, Order};
use crate::state::State;
use crate::theme::Size;
use crate::theme::icon::{self, Icon};
use crate::views::shown::Shown;
use crate::widgets::{badge, button, diff, spinner, text};

/// Below this width there is no room for who made it.
const NARROW: f32 = 440.0;

/// Draws it.
pub(super) fn show(ui: &mut Ui, shown: Shown<'_>, info: &RevisionInfo, state: &mut State, orders: &mut Vec<Order>) {
    let tokens = shown.tokens;
    let turned = &mut state.passing.history.turned;
    // The one that is in force is what one looks for.
    let open = info.current != turned.contains(&info.revision);
    ui.spacing_mut().interact_size.y = 22.0;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = Size::GAP;
        let is_narrow = ui.available_width() < NARROW;
        ui.scope(|ui| {
            if is_narrow {
                ui.set_max_width(ui.available_width() * 0.3);
            }
            ui.add(Label::new(text::strong(text::sentence(&info.summary))).truncate()).on_hover_text(author(info));
        });
        if !is_narrow {
            ui.label(text::muted(tokens, author(info)));
        }
        if info.current {
            badge::pill(ui, tokens, tokens.good, &icon::text(Icon::Check), "in force");
        }
        if !info.difference.is_empty() {
            diff::show_counts(ui, tokens, &info.difference);
            let (icon, name) = if open { (Icon::ChevronDown, "Hide") } else { (Icon::ChevronRight, "Show") };
            let name = format!("{name} the difference of {}", info.summary);
            if button::icon_only(ui, icon, &name).clicked() && !turned.remove(&info.revision) {
                turned.insert(info.revision.clone());
            }
        }
        if let Some(way) = Way::of(shown, info) {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| way.show(ui, shown, orders));
        }
    });
    if !info.refused.is_empty() {
        ui.label(text::muted(tokens, format!("The instance did not take it: {}", info.refused)));
    }
    if open && !info.difference.is_empty() {
        ui.add_space(Size::TIGHT);
        diff::show(ui, tokens, &info.difference);
    }
}

/// How settings go back from here.
struct Way {
    action: Action,
    icon: Icon,
    word: &'static str,
    /// What is accessible and tells it from those of other revisions.
    name: String,
    hint: &'static str,
}

impl Way {
    fn of(shown: Shown<'_>, info: &RevisionInfo) -> Option<Self> {
        if info.current {
            return (!info.difference.is_empty()).then(|| Self {
                action: Action::Undo { revision: info.revision.clone() },
                icon: Icon::Undo2,
                word: "Undo",
                name: "Undo".to_owned(),
                hint: "Bring the settings back as they were before, and apply them",
            });
        }
        // A file that was edited by hand is at none that is listed.
        let now = &shown.instance.detail.value()?.revision;
        (info.revision != *now && info.refused.is_empty()).then(|| Self {
            action: Action::Restore { revision: now.clone(), to: info.revision.clone() },
            icon: Icon::History,
            word: "Bring back",
            name: format!("Bring back the settings as of {}", info.summary),
            hint: "Bring the settings back as they were then, and apply them",
        })
    }

    fn show(self, ui: &mut Ui, shown: Shown<'_>, orders: &mut Vec<Order>) {
        if shown.instance.running.as_ref().is_some_and(|running| running.action == self.action) {
            ui.label(text::muted(shown.tokens, self.action.doing()));
            spinner::show(ui, 15.0, shown.tokens.moving);
            return;
        }
        ui.add_enabled_ui(!shown.instance.is_busy(), |ui| {
            // As high as the line it stands in.
            ui.spacing_mut().button_padding.y = 1.0;
            let response = button::plain(ui, self.icon, self.word).on_hover_text(self.hint);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), &self.name));
            if response.clicked() {
                orders.push(shown.act(self.action));
            }
        });
    }
}

/// Who made it.
fn author(info: &RevisionInfo) -> String {
    match info.user {
        Some(0) => "by root".to_owned(),
        Some(user) => format!("by user {user}"),
        None => "found in the file".to_owned(),
    }
}
