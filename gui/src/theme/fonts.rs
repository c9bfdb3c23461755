//! The fonts: Inter for text, JetBrains Mono for logs and code, Lucide for icons; egui's own behind them.

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
