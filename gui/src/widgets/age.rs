//! How long a request is under way: the older, the louder.

use egui::{Color32, RichText, Ui};

use super::figures;
use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};

/// From here on a request is slow, in microseconds.
const SLOW_US: u64 = 2_000_000;
/// From here on something is wrong with it.
const STUCK_US: u64 = 10_000_000;

/// The icon and the colour of an age; young ones have no icon.
#[must_use]
pub fn signs(tokens: &Tokens, age_us: u64) -> (Option<Icon>, Color32) {
    match age_us {
        0..SLOW_US => (None, tokens.text),
        SLOW_US..STUCK_US => (Some(Icon::Hourglass), tokens.caution),
        _ => (Some(Icon::TriangleAlert), tokens.bad),
    }
}

/// Draws an age; to be used in a layout from the right.
pub fn show(ui: &mut Ui, tokens: &Tokens, age_us: u64) {
    let (sign, color) = signs(tokens, age_us);
    ui.label(RichText::new(figures::duration(age_us)).color(color));
    if let Some(sign) = sign {
        let word = if age_us < STUCK_US { "slow" } else { "very slow" };
        ui.label(RichText::new(icon::text(sign)).color(color).size(13.0)).on_hover_text(word);
    }
}
