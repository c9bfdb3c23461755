//! Buttons: the main one of a group, and those that are an icon alone.

use egui::{Button, Response, RichText, Role, Ui, Vec2, WidgetInfo};

use super::text::with_icon;
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};

/// The button that is meant to be pressed.
pub fn primary(ui: &mut Ui, tokens: &Tokens, icon: Option<Icon>, text: &str) -> Response {
    let label = icon.map_or_else(|| RichText::new(text), |icon| with_icon(icon, text)).color(tokens.on_accent);
    named(ui.add(Button::new(label).fill(tokens.accent)), text)
}

/// A button with an icon and a word.
pub fn plain(ui: &mut Ui, icon: Icon, text: &str) -> Response {
    named(ui.add(Button::new(with_icon(icon, text))), text)
}

/// A button that is an icon alone; `name` is what a screen reader says and the pointer's tooltip.
pub fn icon_only(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    let button = Button::new(RichText::new(icon::text(icon)).size(15.0)).frame(false).min_size(Vec2::splat(26.0));
    named(ui.add(button), name).on_hover_text(name)
}

fn named(response: Response, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response
}
