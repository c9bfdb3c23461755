//! Buttons: the main one of a group, and those that are an icon alone.

use egui::{Button, Color32, Response, RichText, Role, Stroke, Ui, Vec2, WidgetInfo};

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

/// A button with a frame that is an icon alone, where there is no room for its word.
pub fn framed_icon(ui: &mut Ui, icon: Icon, name: &str) -> Response {
    let button = Button::new(RichText::new(icon::text(icon)).size(15.0)).min_size(Vec2::splat(28.0));
    named(ui.add(button), name)
}

/// A button that is an icon alone, and shows whether what it stands for is as usual or not.
pub fn toggle(ui: &mut Ui, tokens: &Tokens, icon: Icon, name: &str, is_on: bool) -> Response {
    let (color, fill) = if is_on { (tokens.accent, tokens.selected) } else { (tokens.text, Color32::TRANSPARENT) };
    let button = Button::new(RichText::new(icon::text(icon)).size(15.0).color(color))
        .fill(fill)
        .stroke(Stroke::NONE)
        .min_size(Vec2::splat(28.0));
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding = Vec2::splat(4.0);
            ui.add(button)
        })
        .inner;
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_on, name));
    response.on_hover_text(name)
}

fn named(response: Response, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response
}
