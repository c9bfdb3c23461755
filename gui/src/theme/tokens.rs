//! The tokens: each colour and each size by what it is for. Text on its background has a contrast of at least 4.5
//! (WCAG 2.2, 1.4.3), which a test holds.

use egui::Color32;
use hostler_bus::daemon::InstanceState;

/// Sizes in points, the same in both themes.
#[derive(Debug)]
pub struct Size;

impl Size {
    /// Between things that belong together.
    pub const TIGHT: f32 = 4.0;
    /// Between things.
    pub const GAP: f32 = 8.0;
    /// Around the content of a card.
    pub const PAD: f32 = 12.0;
    /// Between groups of things.
    pub const WIDE: f32 = 20.0;
    /// The corners of cards and buttons.
    pub const CORNER: u8 = 6;
    /// The height of a row of a table or list.
    pub const ROW: f32 = 26.0;
    /// Small text.
    pub const SMALL: f32 = 11.5;
    /// Text.
    pub const BODY: f32 = 13.5;
    /// Titles of groups.
    pub const TITLE: f32 = 15.0;
    /// The name of what is shown.
    pub const HEADING: f32 = 21.0;
    /// The figure of a card.
    pub const FIGURE: f32 = 24.0;
}

/// The colours of one theme.
#[derive(Debug)]
pub struct Tokens {
    /// Behind everything.
    pub ground: Color32,
    /// The sidebar and bars.
    pub panel: Color32,
    /// Cards, menus, dialogs.
    pub raised: Color32,
    /// Fields that are typed into, and logs.
    pub sunken: Color32,
    /// What the pointer is over.
    pub hovered: Color32,
    /// What is chosen.
    pub selected: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less weight.
    pub muted: Color32,
    /// Links, the main button, the focus.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// All is well.
    pub good: Color32,
    /// Look here some time.
    pub caution: Color32,
    /// Look here now.
    pub bad: Color32,
    /// It rests.
    pub rest: Color32,
    /// It is on its way.
    pub moving: Color32,
    /// Lines of plots, in the order of their use.
    pub series: [Color32; 6],
}

const fn hex(rgb: u32) -> Color32 {
    let [_, red, green, blue] = rgb.to_be_bytes();
    Color32::from_rgb(red, green, blue)
}

pub(super) static DARK: Tokens = Tokens {
    ground: hex(0x0f_1317),
    panel: hex(0x15_1a20),
    raised: hex(0x1b_2129),
    sunken: hex(0x0b_0e12),
    hovered: hex(0x24_2c36),
    selected: hex(0x15_3434),
    line: hex(0x2a_333e),
    text: hex(0xe6_eaef),
    muted: hex(0x9a_a6b4),
    accent: hex(0x3c_c4b4),
    on_accent: hex(0x06_1f1c),
    good: hex(0x4a_c776),
    caution: hex(0xe5_ae3c),
    bad: hex(0xf6_7c7c),
    rest: hex(0x97_a6f5),
    moving: hex(0x58_b6f0),
    series: [hex(0x3c_c4b4), hex(0x58_b6f0), hex(0xe5_ae3c), hex(0xf4_7373), hex(0xb4_93f5), hex(0x9a_a6b4)],
};

pub(super) static LIGHT: Tokens = Tokens {
    ground: hex(0xfa_fbfc),
    panel: hex(0xf0_f3f6),
    raised: hex(0xff_ffff),
    sunken: hex(0xf5_f7f9),
    hovered: hex(0xe6_ebf0),
    selected: hex(0xd3_edea),
    line: hex(0xd5_dce3),
    text: hex(0x17_202a),
    muted: hex(0x52_5f6d),
    accent: hex(0x0a_6b62),
    on_accent: hex(0xff_ffff),
    good: hex(0x14_6c34),
    caution: hex(0x83_5300),
    bad: hex(0xb0_2626),
    rest: hex(0x46_56b8),
    moving: hex(0x0d_5f98),
    series: [hex(0x0b_746a), hex(0x0f_67a3), hex(0xa0_6a00), hex(0xb9_2c2c), hex(0x6b_44b8), hex(0x52_5f6d)],
};

impl Tokens {
    /// The colour of what an instance does.
    #[must_use]
    pub fn state(&self, state: InstanceState) -> Color32 {
        match state {
            InstanceState::Serving => self.good,
            InstanceState::Asleep => self.rest,
            InstanceState::Starting | InstanceState::Reloading | InstanceState::Stopping => self.moving,
            InstanceState::Broken | InstanceState::Failed => self.bad,
            InstanceState::Configured | InstanceState::Stopped | InstanceState::Unknown => self.muted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2, "relative luminance".
    fn luminance(color: Color32) -> f64 {
        let part = |byte: u8| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(color.r()) + 0.7152 * part(color.g()) + 0.0722 * part(color.b())
    }

    fn contrast(one: Color32, other: Color32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_each_background() {
        for (name, theme) in [("dark", &DARK), ("light", &LIGHT)] {
            for (what, text) in [
                ("text", theme.text),
                ("muted", theme.muted),
                ("accent", theme.accent),
                ("good", theme.good),
                ("caution", theme.caution),
                ("bad", theme.bad),
                ("rest", theme.rest),
                ("moving", theme.moving),
            ] {
                for ground in [theme.ground, theme.panel, theme.raised, theme.sunken, theme.hovered, theme.selected] {
                    assert!(contrast(text, ground) >= 4.5, "{name}: {what} on {ground:?}: {}", contrast(text, ground));
                }
            }
            assert!(contrast(theme.on_accent, theme.accent) >= 4.5, "{name}: on_accent");
        }
    }
}
