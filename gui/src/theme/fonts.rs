//! The fonts: Inter for text, JetBrains Mono for logs and code, Lucide for icons; egui's own behind them.
//!
//! Inter and JetBrains Mono were made smaller by what they have in Unicode's private use area: Lucide's icons are there,
//! and a font that is asked first would draw its own signs in their place. Inter's digits are its tabular ones (its feature
//! `tnum`, made the usual form), so that figures below each other stand column by column and do not tremble when they
//! change.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

/// The family of titles and of what is stressed.
pub const STRONG: &str = "strong";

/// How far icons are moved down, by the size of the font. The middle of Lucide's is half a size above the base line, that of
/// Inter's capitals 0.364 of it; a third of the difference goes into the rounding of rows to whole points.
const ICON_DOWN: f32 = 0.09;

/// The fonts of the application.
#[must_use]
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let files: [(&str, &'static [u8]); 4] = [
        ("Inter", include_bytes!("../../fonts/Inter-Regular.ttf")),
        ("Inter SemiBold", include_bytes!("../../fonts/Inter-SemiBold.ttf")),
        ("JetBrains Mono", include_bytes!("../../fonts/JetBrainsMono-Regular.ttf")),
        ("Lucide", lucide_icons::LUCIDE_FONT_BYTES),
    ];
    for (name, bytes) in files {
        let mut data = FontData::from_static(bytes);
        if name == "Lucide" {
            data.tweak.y_offset_factor = ICON_DOWN;
        }
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
    }
    for (family, first) in [
        (FontFamily::Proportional, "Inter"),
        (FontFamily::Monospace, "JetBrains Mono"),
        (FontFamily::Name(STRONG.into()), "Inter SemiBold"),
    ] {
        let list = fonts.families.entry(family).or_default();
        list.insert(0, first.to_owned());
        list.insert(1, "Lucide".to_owned());
        if !list.iter().any(|name| name == "Inter") {
            list.push("Inter".to_owned());
        }
    }
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_of_one_width() {
        let context = egui::Context::default();
        context.set_fonts(definitions());
        let mut output = context.run_ui(egui::RawInput::default(), |ui| {
            for family in [FontFamily::Proportional, FontFamily::Monospace, FontFamily::Name(STRONG.into())] {
                let font = egui::FontId::new(64.0, family.clone());
                let width = |text: &str| {
                    ui.painter().layout_no_wrap(text.to_owned(), font.clone(), egui::Color32::WHITE).size().x
                };
                let zeros = width("0000");
                for digit in '1'..='9' {
                    let digits = width(&digit.to_string().repeat(4));
                    assert!((digits - zeros).abs() < 1.0, "{family:?}: {digit} is {digits} wide, 0 is {zeros}");
                }
            }
        });
        output.textures_delta.clear();
    }

    #[test]
    fn no_font_of_text_has_signs_where_the_icons_are() {
        let mut fonts = definitions();
        let names = ["Inter", "Inter SemiBold", "JetBrains Mono"];
        for name in names {
            fonts.families.insert(FontFamily::Name(name.into()), vec![name.to_owned()]);
        }
        let context = egui::Context::default();
        context.set_fonts(fonts);
        let mut output = context.run_ui(egui::RawInput::default(), |ui| {
            ui.fonts_mut(|fonts| {
                for name in names {
                    let font = egui::FontId::new(13.0, FontFamily::Name(name.into()));
                    assert!(fonts.has_glyph(&font, 'A'), "{name}");
                    let sign = ('\u{e000}'..='\u{f8ff}').find(|sign| fonts.has_glyph(&font, *sign));
                    assert_eq!(sign, None, "{name}");
                }
            });
        });
        output.textures_delta.clear();
    }
}
