//! The tokens: each colour and each size by what it is for. Text on its background has a contrast of at least 4.5
//! (WCAG 2.2, 1.4.3), and what is drawn one of at least 3 (1.4.11), which tests hold.

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
    /// Lines of plots, in the order of their use. The first five stand beside each other in one plot, and those who
    /// see red, green or blue less well tell them apart as well, which a test holds.
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
    series: [hex(0x40_b2ab), hex(0x61_cdfe), hex(0xed_af3e), hex(0xf0_7063), hex(0xa9_89f3), hex(0x9a_a6b4)],
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
    series: [hex(0x0a_7f76), hex(0x2d_5483), hex(0xad_7314), hex(0xae_2223), hex(0x79_43c7), hex(0x52_5f6d)],
};

/// How much of a colour is in the background that hints at it.
const TINT: f32 = 0.12;
/// How much of it is in the line around that.
const EDGE: f32 = 0.35;

impl Tokens {
    /// A background that hints at a colour, to be painted upon any other background; the colour itself can be read on it.
    #[must_use]
    pub fn tint(&self, color: Color32) -> Color32 {
        color.gamma_multiply(TINT)
    }

    /// The edge of something whose background hints at a colour.
    #[must_use]
    pub fn edge(&self, color: Color32) -> Color32 {
        color.gamma_multiply(EDGE)
    }

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

    fn linear(byte: u8) -> f64 {
        let value = f64::from(byte) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    }

    /// WCAG 2.2, "relative luminance".
    fn luminance(color: Color32) -> f64 {
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    fn contrast(one: Color32, other: Color32) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// What is seen where a colour that lets some light through is painted upon another one.
    fn upon(ground: Color32, color: Color32) -> Color32 {
        let part = |one: u8, other: u8| {
            let below = f64::from(one) * f64::from(255 - color.a()) / 255.0;
            (below + f64::from(other)).round().min(255.0) as u8
        };
        Color32::from_rgb(part(ground.r(), color.r()), part(ground.g(), color.g()), part(ground.b(), color.b()))
    }

    /// Linear parts of red, green and blue as somebody sees them.
    type Sight = [[f64; 3]; 3];

    /// Full sight, and none of the long, the middle or the short waves: Machado, Oliveira and Fernandes, "A
    /// Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.0.
    const SIGHTS: [(&str, Sight); 4] = [
        ("all colours", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        ),
        (
            "deuteranopia",
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        ),
        (
            "tritanopia",
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ),
    ];

    fn times(matrix: &Sight, [red, green, blue]: [f64; 3]) -> [f64; 3] {
        matrix.map(|[by_red, by_green, by_blue]| by_red * red + by_green * green + by_blue * blue)
    }

    /// A colour in Oklab, where distances are those that one sees: Björn Ottosson, "A perceptual color space for image
    /// processing", 2020.
    fn oklab(color: Color32, sight: &Sight) -> [f64; 3] {
        const CONES: Sight = [
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ];
        const LAB: Sight = [
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ];
        let [red, green, blue, _] = color.to_array().map(linear);
        let seen = times(sight, [red, green, blue]).map(|part| part.clamp(0.0, 1.0));
        times(&LAB, times(&CONES, seen).map(f64::cbrt))
    }

    fn distance(one: Color32, other: Color32, sight: &Sight) -> f64 {
        let (one, other) = (oklab(one, sight), oklab(other, sight));
        one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
    }

    impl Tokens {
        /// The colours that icons and words have for what they say.
        fn signs(&self) -> [(&'static str, Color32); 7] {
            [
                ("muted", self.muted),
                ("accent", self.accent),
                ("good", self.good),
                ("caution", self.caution),
                ("bad", self.bad),
                ("rest", self.rest),
                ("moving", self.moving),
            ]
        }
    }

    #[test]
    fn lines_of_plots_are_seen_and_told_apart_by_everybody() {
        for (name, theme) in [("dark", &DARK), ("light", &LIGHT)] {
            for (place, color) in theme.series.iter().enumerate() {
                assert!(contrast(*color, theme.raised) >= 3.0, "{name}: line {place} on a card");
            }
            for (sight, matrix) in &SIGHTS {
                for one in 0..5 {
                    for other in one + 1..5 {
                        let apart = distance(theme.series[one], theme.series[other], matrix);
                        assert!(apart >= 0.1, "{name}, {sight}: lines {one} and {other} are {apart:.3} apart");
                    }
                }
            }
        }
    }

    #[test]
    fn hints_of_a_colour_leave_it_readable() {
        for (name, theme) in [("dark", &DARK), ("light", &LIGHT)] {
            for (what, color) in theme.signs() {
                for ground in [theme.ground, theme.panel, theme.raised, theme.sunken] {
                    let tinted = upon(ground, theme.tint(color));
                    for (text_name, text) in [(what, color), ("text", theme.text), ("muted", theme.muted)] {
                        let contrast = contrast(text, tinted);
                        assert!(
                            contrast >= 4.5,
                            "{name}: {text_name} on a hint of {what} on {ground:?}: {contrast:.2}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn text_can_be_read_on_each_background() {
        for (name, theme) in [("dark", &DARK), ("light", &LIGHT)] {
            for (what, text) in theme.signs().into_iter().chain([("text", theme.text)]) {
                for ground in [theme.ground, theme.panel, theme.raised, theme.sunken, theme.hovered, theme.selected] {
                    assert!(contrast(text, ground) >= 4.5, "{name}: {what} on {ground:?}: {}", contrast(text, ground));
                }
            }
            assert!(contrast(theme.on_accent, theme.accent) >= 4.5, "{name}: on_accent");
        }
    }
}
