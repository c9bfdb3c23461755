//! The little Markdown of documentation: `code` between backticks, and paragraphs.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId};

use crate::theme::Tokens;

/// Text with its code set in the fixed font.
#[must_use]
pub fn layout(tokens: &Tokens, text: &str, size: f32, color: Color32) -> LayoutJob {
    let mut job = LayoutJob::default();
    for (place, piece) in text.split('`').enumerate() {
        let format = if place % 2 == 0 {
            TextFormat::simple(FontId::proportional(size), color)
        } else {
            let mut format = TextFormat::simple(FontId::monospace(size - 0.5), color);
            format.background = tokens.hovered;
            format
        };
        job.append(piece, 0.0, format);
    }
    job
}

/// The first line, which is a sentence of its own, and the rest as paragraphs with a line each; empty where there is none.
#[must_use]
pub fn parts(text: &str) -> (String, String) {
    let (first, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
    let paragraphs = rest.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let rest = paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("\n");
    (first.trim().to_owned(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_stands_alone() {
        assert_eq!(parts("One.\nTwo\nthree.\n\nFour."), ("One.".to_owned(), "Two three.\nFour.".to_owned()));
        assert_eq!(parts("One."), ("One.".to_owned(), String::new()));
        assert_eq!(parts("One.\n\nTwo."), ("One.".to_owned(), "Two.".to_owned()));
    }

    #[test]
    fn code_is_set_apart() {
        let job = layout(crate::theme::tokens_of(egui::Theme::Dark), "As `a` or `b`.", 13.0, Color32::WHITE);
        assert_eq!(job.text, "As a or b.");
        assert_eq!(job.sections.len(), 5);
    }
}
