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
    }
}

/// Its colour.
#[must_use]
pub fn color(tokens: &Tokens, kind: HappeningKind) -> Color32 {
    match kind {
        HappeningKind::Reloaded | HappeningKind::Started => tokens.good,
        HappeningKind::ReloadFailed => tokens.bad,
        HappeningKind::WorkerReplaced => tokens.caution,
        HappeningKind::Configured => tokens.moving,
        HappeningKind::Slept => tokens.rest,
    }
}
