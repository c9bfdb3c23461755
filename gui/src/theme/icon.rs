//! Icons: which of Lucide's stands for what, and the window's own.

use egui::IconData;
use hostler_bus::daemon::InstanceState;
pub use lucide_icons::Icon;

/// What an instance does.
#[must_use]
pub fn state(state: InstanceState) -> Icon {
    match state {
        InstanceState::Serving => Icon::CircleCheck,
        InstanceState::Asleep => Icon::Moon,
        InstanceState::Starting => Icon::Loader,
        InstanceState::Reloading => Icon::RefreshCw,
        InstanceState::Stopping => Icon::CircleStop,
        InstanceState::Broken => Icon::CircleAlert,
        InstanceState::Failed => Icon::CircleX,
        InstanceState::Stopped => Icon::Square,
        InstanceState::Configured => Icon::FileText,
        InstanceState::Unknown => Icon::CircleQuestionMark,
    }
}

/// An icon as text.
#[must_use]
pub fn text(icon: Icon) -> String {
    char::from(icon).to_string()
}

/// The icon of the window where the desktop does not take it from the desktop file: a horseshoe, drawn from
/// `data/icons/org.hostler.Manager.svg`.
#[must_use]
pub fn window() -> IconData {
    // A test reads it, so the default, with which eframe shows its own, is never shown.
    eframe::icon_data::from_png_bytes(include_bytes!("../../data/icons/org.hostler.Manager.png")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_of_the_window_is_there() {
        assert_eq!((window().width, window().height), (256, 256));
    }
}
