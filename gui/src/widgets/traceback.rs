//! Python's tracebacks and stacks: monospaced, with file and line stressed, and the words of the exception.

use egui::text::{LayoutJob, TextFormat};
use egui::{FontId, ScrollArea, Ui};

use crate::theme::{Size, Tokens};

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Words around the rest.
    Plain,
    /// A file or a line's number.
    Place,
    /// The name of a function.
    Function,
    /// Code as the file has it.
    Code,
    /// What went wrong.
    Error,
    /// The head of a thread's stack.
    Head,
}

/// Cuts a line into pieces, as CPython's `traceback` and `faulthandler` write them.
fn pieces(line: &str) -> Vec<(Piece, &str)> {
    let rest = line.trim_start();
    let indent = &line[..line.len() - rest.len()];
    if let Some(cut) = rest.strip_prefix("File \"").and_then(|cut| cut.split_once("\", line ")) {
        let (file, after) = cut;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at(digits);
        let start = line.len() - rest.len() + "File \"".len();
        let mut pieces = vec![
            (Piece::Plain, &line[..start]),
            (Piece::Place, file),
            (Piece::Plain, "\", line "),
            (Piece::Place, number),
        ];
        let word = if after.starts_with(", in ") { ", in " } else { " in " };
        match after.strip_prefix(word) {
            Some(function) => pieces.extend([(Piece::Plain, word), (Piece::Function, function)]),
            None => pieces.push((Piece::Plain, after)),
        }
        return pieces;
    }
    if !indent.is_empty() {
        return vec![(Piece::Code, line)];
    }
    let is_head = ["Traceback ", "Thread ", "Current thread ", "During handling", "The above exception", "Stack "]
        .iter()
        .any(|start| rest.starts_with(start));
    let names_error = rest.split(':').next().is_some_and(|name| {
        let last = name.rsplit('.').next().unwrap_or_default();
        !last.contains(' ') && (last.ends_with("Error") || last.ends_with("Exception") || last.ends_with("Exit"))
    });
    match (is_head, names_error) {
        (true, _) => vec![(Piece::Head, line)],
        (_, true) => vec![(Piece::Error, line)],
        _ => vec![(Piece::Plain, line)],
    }
}

/// The text with its colours, to be put into a label.
#[must_use]
pub fn layout(tokens: &Tokens, traceback: &str) -> LayoutJob {
    let mut job = LayoutJob::default();
    for (number, line) in traceback.trim_end().lines().enumerate() {
        if number > 0 {
            job.append("\n", 0.0, TextFormat::default());
        }
        for (piece, words) in pieces(line) {
            let color = match piece {
                Piece::Plain => tokens.muted,
                Piece::Place => tokens.accent,
                Piece::Function => tokens.text,
                Piece::Code => tokens.text,
                Piece::Error => tokens.bad,
                Piece::Head => tokens.moving,
            };
            job.append(words, 0.0, TextFormat::simple(FontId::monospace(Size::BODY - 1.0), color));
        }
    }
    job.wrap.max_width = f32::INFINITY;
    job
}

/// Draws it in a sunken frame that scrolls both ways within a height.
pub fn show(ui: &mut Ui, tokens: &Tokens, id: &str, traceback: &str, max_height: f32) {
    egui::Frame::new().fill(tokens.sunken).corner_radius(Size::CORNER).inner_margin(Size::GAP).show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ScrollArea::both().id_salt(id).max_height(max_height).auto_shrink([false, true]).show(ui, |ui| {
            ui.add(egui::Label::new(layout(tokens, traceback)).extend());
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_functions_and_errors_are_found() {
        use Piece::{Code, Error, Function, Head, Place, Plain};
        assert_eq!(pieces("Traceback (most recent call last):")[0].0, Head);
        assert_eq!(
            pieces("  File \"/srv/shop/app.py\", line 12, in view"),
            [
                (Plain, "  File \""),
                (Place, "/srv/shop/app.py"),
                (Plain, "\", line "),
                (Place, "12"),
                (Plain, ", in "),
                (Function, "view")
            ]
        );
        let stack = pieces("  File \"/usr/lib/python3.11/threading.py\", line 982 in run");
        assert_eq!(stack.last(), Some(&(Function, "run")));
        assert_eq!(pieces("    return total / 0"), [(Code, "    return total / 0")]);
        assert_eq!(pieces("ZeroDivisionError: division by zero")[0].0, Error);
        assert_eq!(pieces("django.core.exceptions.ImproperlyConfigured: x")[0].0, Plain);
        assert_eq!(pieces("sqlalchemy.exc.OperationalError: no such table")[0].0, Error);
        assert_eq!(pieces("Thread 0x00007f (most recent call first):")[0].0, Head);
    }

    #[test]
    fn the_text_is_kept_whole() {
        let text =
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    import b\nImportError: b\n";
        let job = layout(crate::theme::tokens_of(egui::Theme::Dark), text);
        assert_eq!(job.text, text.trim_end());
    }
}
