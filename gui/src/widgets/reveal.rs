//! Secrets that are not shown before one asks. What was asked for stays shown until the window is closed, and is nowhere
//! written down.

use std::hash::Hash;

use egui::{Id, Role, Ui, WidgetInfo};

use super::button;
use crate::theme::icon::Icon;

/// Whether the secrets of something are shown.
#[must_use]
pub fn is_shown(ui: &Ui, what: impl Hash) -> bool {
    ui.data(|data| data.get_temp(id(what))).unwrap_or_default()
}

/// Shows them, or no longer.
pub fn set(ui: &Ui, what: impl Hash, shown: bool) {
    ui.data_mut(|data| data.insert_temp(id(what), shown));
}

/// The button that shows and hides them; `name` says whose they are: `env 1`.
pub fn button(ui: &mut Ui, what: impl Hash, name: &str) {
    let id = id(what);
    let shown: bool = ui.data(|data| data.get_temp(id)).unwrap_or_default();
    let (icon, words) = if shown { (Icon::EyeOff, "Hide") } else { (Icon::Eye, "Reveal") };
    let response = button::icon_only(ui, icon, &format!("{words} {name}"));
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, shown, format!("{words} {name}")));
    if response.clicked() {
        ui.data_mut(|data| data.insert_temp(id, !shown));
    }
}

fn id(what: impl Hash) -> Id {
    Id::unique(("the secrets of", egui::util::hash(what)))
}
