//! egui's style from the tokens.

use std::collections::BTreeMap;

use egui::style::{Selection, WidgetVisuals};
use egui::{CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2, Visuals};

use super::{Size, Tokens, fonts};

pub(super) fn of(theme: Theme, tokens: &Tokens) -> Style {
    let mut style = Style { visuals: visuals(theme, tokens), text_styles: text_styles(), ..Style::default() };
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::new(Size::GAP, 6.0);
    spacing.button_padding = Vec2::new(10.0, 4.0);
    spacing.interact_size = Vec2::new(32.0, 28.0);
    spacing.menu_margin = Margin::same(6);
    spacing.window_margin = Margin::same(16);
    spacing.tooltip_width = 420.0;
    spacing.scroll = egui::style::ScrollStyle::thin();
    style.animation_time = 0.1;
    style
}

fn text_styles() -> BTreeMap<TextStyle, FontId> {
    let strong = || FontFamily::Name(fonts::STRONG.into());
    [
        (TextStyle::Small, FontId::new(Size::SMALL, FontFamily::Proportional)),
        (TextStyle::Body, FontId::new(Size::BODY, FontFamily::Proportional)),
        (TextStyle::Button, FontId::new(Size::BODY, FontFamily::Proportional)),
        (TextStyle::Monospace, FontId::new(Size::BODY - 1.0, FontFamily::Monospace)),
        (TextStyle::Heading, FontId::new(Size::HEADING, strong())),
        (TextStyle::Name("title".into()), FontId::new(Size::TITLE, strong())),
        (TextStyle::Name("strong".into()), FontId::new(Size::BODY, strong())),
        (TextStyle::Name("figure".into()), FontId::new(Size::FIGURE, strong())),
    ]
    .into()
}

fn visuals(theme: Theme, tokens: &Tokens) -> Visuals {
    let mut visuals = theme.default_visuals();
    visuals.override_text_color = None;
    // Fields that cannot be changed here are still read.
    visuals.disabled_alpha = 0.62;
    visuals.weak_text_color = Some(tokens.muted);
    visuals.hyperlink_color = tokens.accent;
    visuals.faint_bg_color = tokens.panel;
    visuals.extreme_bg_color = tokens.sunken;
    visuals.code_bg_color = tokens.sunken;
    visuals.warn_fg_color = tokens.caution;
    visuals.error_fg_color = tokens.bad;
    visuals.window_fill = tokens.raised;
    visuals.window_stroke = Stroke::new(1.0, tokens.line);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.panel_fill = tokens.ground;
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: egui::Color32::from_black_alpha(60) };
    visuals.selection = Selection { bg_fill: tokens.selected, stroke: Stroke::new(1.5, tokens.accent) };
    let widget = |fill, line, text| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, line),
        corner_radius: CornerRadius::same(Size::CORNER),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    visuals.widgets.noninteractive = widget(tokens.raised, tokens.line, tokens.text);
    visuals.widgets.inactive = widget(tokens.raised, tokens.line, tokens.text);
    visuals.widgets.hovered = widget(tokens.hovered, tokens.muted, tokens.text);
    visuals.widgets.active = widget(tokens.selected, tokens.accent, tokens.text);
    visuals.widgets.open = widget(tokens.hovered, tokens.line, tokens.text);
    visuals
}
