//! Texts by their weight.

use egui::{RichText, TextStyle};

use crate::theme::Tokens;
use crate::theme::icon::{self, Icon};

/// The title of a group.
pub fn title(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Name("title".into()))
}

/// Stressed text.
pub fn strong(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Name("strong".into()))
}

/// Text of less weight.
pub fn muted(tokens: &Tokens, text: impl Into<String>) -> RichText {
    RichText::new(text).color(tokens.muted)
}

/// Small text of less weight.
pub fn small(tokens: &Tokens, text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Small).color(tokens.muted)
}

/// Words as a sentence of their own: with a capital, unless they begin with a name, a path or code.
pub fn sentence(words: &str) -> String {
    let first = words.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|letter| letter.is_alphabetic() || matches!(letter, '\'' | ',' | ':' | '-'));
    let mut letters = words.chars();
    match letters.next() {
        Some(letter) if is_word => letter.to_uppercase().chain(letters).collect(),
        _ => words.to_owned(),
    }
}

/// A large figure.
pub fn figure(text: impl Into<String>) -> RichText {
    RichText::new(text).text_style(TextStyle::Name("figure".into()))
}

/// An icon with a word behind it.
pub fn with_icon(icon: Icon, text: &str) -> RichText {
    RichText::new(format!("{}  {text}", icon::text(icon)))
}
