//! How everything looks: tokens of two themes, the fonts, and egui's style made from them. Views take colours and
//! sizes from here alone.

pub mod fonts;
pub mod icon;
mod style;
mod tokens;

use egui::{Context, Theme, Ui};

pub use tokens::{Size, Tokens};

/// Puts fonts and both themes into a context.
pub fn install(context: &Context) {
    context.set_fonts(fonts::definitions());
    context.set_style_of(Theme::Dark, style::of(Theme::Dark, &tokens::DARK));
    context.set_style_of(Theme::Light, style::of(Theme::Light, &tokens::LIGHT));
}

/// The tokens of the theme that a view is drawn in.
#[must_use]
pub fn tokens(ui: &Ui) -> &'static Tokens {
    tokens_of(if ui.visuals().dark_mode { Theme::Dark } else { Theme::Light })
}

/// The tokens of a theme.
#[must_use]
pub fn tokens_of(theme: Theme) -> &'static Tokens {
    match theme {
        Theme::Dark => &tokens::DARK,
        Theme::Light => &tokens::LIGHT,
    }
}
