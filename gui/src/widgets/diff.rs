//! A unified difference: what was taken out and what was put in, by sign, colour and line.

use egui::{FontId, RichText, Sense, TextStyle, Ui, Vec2};

use super::{reveal, text};
use crate::secrets;
use crate::theme::{Size, Tokens};

/// What a line of a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// It was put in.
    Added,
    /// It was taken out.
    Removed,
    /// It is as it was.
    Same,
    /// It says where what follows is.
    Place,
}

/// The lines of a unified difference with what they say; the names of the files are left out.
pub fn lines(difference: &str) -> impl Iterator<Item = (LineKind, &str)> {
    difference.lines().filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ ")).map(|line| {
        let kind = match line.as_bytes().first() {
            Some(b'+') => LineKind::Added,
            Some(b'-') => LineKind::Removed,
            Some(b'@') => LineKind::Place,
            _ => LineKind::Same,
        };
        (kind, line)
    })
}

/// Where the lines after a line as `@@ -4,8 +4,9 @@` are, in words; the line itself where it is another one.
fn place(line: &str) -> String {
    let after = line.split(" +").nth(1).and_then(|rest| rest.split(" @@").next()).unwrap_or_default();
    let (first, count) = after.split_once(',').unwrap_or((after, "1"));
    match (first.parse::<u64>(), count.parse::<u64>()) {
        (Ok(first), Ok(0 | 1)) => format!("Line {first}"),
        (Ok(first), Ok(count)) => format!("Lines {first} to {}", first + count - 1),
        _ => line.to_owned(),
    }
}

/// How many lines were put in and taken out.
#[must_use]
pub fn counts(difference: &str) -> (usize, usize) {
    lines(difference).fold((0, 0), |(added, removed), (kind, _)| match kind {
        LineKind::Added => (added + 1, removed),
        LineKind::Removed => (added, removed + 1),
        _ => (added, removed),
    })
}

/// Draws the counts: `+3 −1`.
pub fn show_counts(ui: &mut Ui, tokens: &Tokens, difference: &str) {
    let (added, removed) = counts(difference);
    let font = FontId::monospace(Size::SMALL);
    if added > 0 {
        ui.label(RichText::new(format!("+{added}")).font(font.clone()).color(tokens.good));
    }
    if removed > 0 {
        ui.label(RichText::new(format!("\u{2212}{removed}")).font(font).color(tokens.bad));
    }
}

/// Draws it whole; its secrets where one asks.
pub fn show(ui: &mut Ui, tokens: &Tokens, difference: &str) {
    let Some(masked) = secrets::masked(difference) else { return draw(ui, tokens, difference) };
    let what = ("difference", difference);
    ui.horizontal(|ui| {
        reveal::button(ui, what, "the secrets of this difference");
        let words = if reveal::is_shown(ui, what) { "Secrets are shown." } else { "Secrets are hidden." };
        ui.label(text::small(tokens, words));
    });
    draw(ui, tokens, if reveal::is_shown(ui, what) { difference } else { &masked });
}

fn draw(ui: &mut Ui, tokens: &Tokens, difference: &str) {
    egui::Frame::new().fill(tokens.sunken).corner_radius(Size::CORNER).inner_margin(Size::TIGHT).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 0.0;
        for (kind, line) in lines(difference) {
            let (color, fill) = match kind {
                LineKind::Added => (tokens.good, Some(tokens.tint(tokens.good))),
                LineKind::Removed => (tokens.bad, Some(tokens.tint(tokens.bad))),
                LineKind::Same => (tokens.muted, None),
                LineKind::Place => (tokens.muted, None),
            };
            let line = if kind == LineKind::Place { &place(line) } else { line };
            let text = RichText::new(line).text_style(TextStyle::Monospace).color(color);
            let height = ui.text_style_height(&TextStyle::Monospace) + 4.0;
            let (rect, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), height), Sense::hover());
            if let Some(fill) = fill {
                ui.painter().rect_filled(rect, 2, fill);
            }
            let inner = rect.shrink2(Vec2::new(Size::TIGHT, 0.0));
            let layout = egui::Layout::left_to_right(egui::Align::Center);
            ui.scope_builder(egui::UiBuilder::new().max_rect(inner).layout(layout), |ui| {
                ui.add(egui::Label::new(text).truncate());
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let difference = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n threads = 4\n-workers = 2\n+workers = 4\n+queue = 9\n";
        let kinds: Vec<LineKind> = lines(difference).map(|(kind, _)| kind).collect();
        use LineKind::{Added, Place, Removed, Same};
        assert_eq!(kinds, [Place, Same, Removed, Added, Added]);
        assert_eq!(counts(difference), (2, 1));
        assert_eq!(counts(""), (0, 0));
        assert_eq!(place("@@ -4,8 +4,9 @@"), "Lines 4 to 12");
        assert_eq!(place("@@ -7,0 +8,1 @@"), "Line 8");
        assert_eq!(place("@@ -7 +8 @@ def x():"), "Line 8");
        assert_eq!(place("@@ else"), "@@ else");
    }
}
