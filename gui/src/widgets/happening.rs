//! What happened to an instance, as icon, word and colour.

use egui::Color32;

use crate::model::HappeningKind;
use crate::theme::Tokens;
use crate::theme::icon::Icon;

/// Its icon.
#[must_use]
pub fn icon(kind: HappeningKind) -> Icon {
    match kind {
        HappeningKind::Reloaded => Icon::RefreshCw,
        HappeningKind::ReloadFailed => Icon::CircleX,
        HappeningKind::Started => Icon::Play,
        HappeningKind::WorkerReplaced => Icon::RotateCcw,
        HappeningKind::Configured => Icon::Settings2,
        HappeningKind::Slept => Icon::Moon,
        HappeningKind::Woke => Icon::Sunrise,
        HappeningKind::RolledBack => Icon::Undo2,
        HappeningKind::Upgraded => Icon::CircleArrowUp,
        HappeningKind::Recycled => Icon::Recycle,
        HappeningKind::Broken => Icon::CircleAlert,
        HappeningKind::Mended => Icon::CircleCheck,
        HappeningKind::Crashed => Icon::CircleX,
    }
}

/// In a word or two.
#[must_use]
pub fn word(kind: HappeningKind) -> &'static str {
    match kind {
        HappeningKind::Reloaded => "Reloaded",
        HappeningKind::ReloadFailed => "Reload failed",
        HappeningKind::Started => "Started",
        HappeningKind::WorkerReplaced => "Worker replaced",
        HappeningKind::Configured => "Settings changed",
        HappeningKind::Slept => "Fell asleep",
        HappeningKind::Woke => "Woke up",
        HappeningKind::RolledBack => "Rolled back",
        HappeningKind::Upgraded => "Upgraded",
        HappeningKind::Recycled => "Recycled",
        HappeningKind::Broken => "Broken",
        HappeningKind::Mended => "Serves again",
        HappeningKind::Crashed => "Crashed",
    }
}

/// Its colour.
#[must_use]
pub fn color(tokens: &Tokens, kind: HappeningKind) -> Color32 {
    match kind {
        HappeningKind::Reloaded | HappeningKind::Started | HappeningKind::Upgraded | HappeningKind::Mended => {
            tokens.good
        }
        HappeningKind::ReloadFailed | HappeningKind::Broken | HappeningKind::Crashed => tokens.bad,
        HappeningKind::WorkerReplaced | HappeningKind::RolledBack => tokens.caution,
        HappeningKind::Configured | HappeningKind::Recycled | HappeningKind::Woke => tokens.moving,
        HappeningKind::Slept => tokens.rest,
    }
}
