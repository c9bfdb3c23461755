//! The bar on top: the menus, what opens the palette, notices, the theme.

use egui::{Align, Button, CornerRadius, Layout, RichText, Role, Stroke, ThemePreference, Ui, Vec2, WidgetInfo};

use super::{Stage, menu};
use crate::commands::{self, Command, Group, Scene};
use crate::theme::icon::{self, Icon};
use crate::widgets::button;

/// Draws it.
pub fn show(ui: &mut Ui, stage: &mut Stage<'_>) {
    ui.horizontal(|ui| {
        ui.set_height(28.0);
        let room = Vec2::new(430.0_f32.min(ui.available_width()), 28.0);
        ui.allocate_ui_with_layout(room, Layout::left_to_right(Align::Center), |ui| menus(ui, stage));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            theme(ui, stage);
            let told = stage.state.passing.toasts.unread(&stage.world.toasts);
            let name = if told == 0 { "Notices".to_owned() } else { format!("Notices, {told} new") };
            let bell = if told == 0 { Icon::Bell } else { Icon::BellDot };
            if button::icon_only(ui, bell, &name).clicked() {
                commands::run(Command::Notices, None, ui.ctx(), stage);
            }
            ui.add_space(8.0);
            palette(ui, stage);
        });
    });
}

fn menus(ui: &mut Ui, stage: &mut Stage<'_>) {
    let mut chosen = None;
    egui::MenuBar::new().ui(ui, |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.spacing_mut().button_padding.x = 9.0;
        for group in Group::ALL {
            let scene = Scene::new(stage.world, stage.state);
            let tokens = stage.tokens;
            ui.menu_button(RichText::new(group.title()).color(tokens.text), |ui| {
                if let Some(command) = menu::group(ui, tokens, &scene, group) {
                    chosen = Some(command);
                    ui.close();
                }
            });
        }
    });
    if let Some(command) = chosen {
        commands::run(command, None, ui.ctx(), stage);
    }
}

/// What looks like a search field and opens the palette.
fn palette(ui: &mut Ui, stage: &mut Stage<'_>) {
    let tokens = stage.tokens;
    let width = (ui.available_width() - 8.0).clamp(0.0, 300.0);
    // Words and keys need so much.
    if width < 230.0 {
        if button::icon_only(ui, Icon::Search, "Command palette").clicked() {
            commands::run(Command::Palette, None, ui.ctx(), stage);
        }
        return;
    }
    let keys = commands::shown_shortcut(ui.ctx(), Command::Palette).unwrap_or_default();
    let face = Button::new((
        RichText::new(icon::text(Icon::Search)).color(tokens.muted),
        RichText::new("Find or run anything").color(tokens.muted),
    ))
    .shortcut_text(RichText::new(keys).small().color(tokens.muted))
    .fill(tokens.sunken)
    .stroke(Stroke::new(1.0, tokens.line))
    .corner_radius(CornerRadius::same(7))
    .min_size(Vec2::new(width, 28.0));
    let response = ui.add(face);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Command palette"));
    if response.on_hover_text(Command::Palette.words().help).clicked() {
        commands::run(Command::Palette, None, ui.ctx(), stage);
    }
}

/// Goes from the desktop's theme to the other one, and back.
fn theme(ui: &mut Ui, stage: &mut Stage<'_>) {
    let (shown, name, next) = match stage.state.theme {
        ThemePreference::System => {
            let next = if ui.visuals().dark_mode { Command::LightTheme } else { Command::DarkTheme };
            (Icon::SunMoon, "Theme: as the desktop", next)
        }
        ThemePreference::Light => (Icon::Sun, "Theme: light", Command::DarkTheme),
        ThemePreference::Dark => (Icon::Moon, "Theme: dark", Command::SystemTheme),
    };
    if button::icon_only(ui, shown, name).clicked() {
        commands::run(next, None, ui.ctx(), stage);
    }
}
