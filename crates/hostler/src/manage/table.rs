//! Tables for people: columns aligned by spaces, no borders.

use super::line::{Line, Piece, Tone};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// What stands between two columns.
const GAP: &str = "  ";

/// The lines of a table: the heading, then a line for each row, in which each column has its cell.
pub(super) fn lines(columns: &[(&str, Side)], rows: Vec<Vec<Piece>>) -> Vec<Line> {
    let length = |text: &str| text.chars().count();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            rows.iter().filter_map(|row| row.get(index)).map(|cell| length(&cell.text)).fold(length(name), usize::max)
        })
        .collect();
    let heading = columns.iter().map(|(name, _)| Piece::new(Tone::Faint, name)).collect();
    std::iter::once(heading)
        .chain(rows)
        .map(|cells: Vec<Piece>| {
            let mut line = Line::default();
            for ((cell, (_, side)), width) in cells.into_iter().zip(columns).zip(&widths) {
                if !line.0.is_empty() {
                    line = line.and(Tone::Plain, GAP);
                }
                let missing = " ".repeat(width - length(&cell.text));
                let (before, after) =
                    if *side == Side::Right { (missing, String::new()) } else { (String::new(), missing) };
                line = line.and(Tone::Plain, &before).and(cell.tone, &cell.text).and(Tone::Plain, &after);
            }
            line
        })
        .collect()
}
