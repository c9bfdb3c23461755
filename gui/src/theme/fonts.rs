//! The fonts: Inter for text, JetBrains Mono for logs and code, Lucide for icons; egui's own behind them.
//!
//! Inter and JetBrains Mono were made smaller by what they have in Unicode's private use area: Lucide's icons are there,
//! and a font that is asked first would draw its own signs in their place.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

/// The family of titles and of what is stressed.
pub const STRONG: &str = "strong";

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
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
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
