//! Lines of text with tones, and how they become what a terminal takes.

use std::borrow::Cow;

/// What a piece of text means; only [`Paint`] knows its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Faint,
    Strong,
    Good,
    Wary,
    Bad,
    Chosen,
}

/// A piece of text in one tone. What came from outside is [`harmless`] in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) tone: Tone,
    pub(super) text: String,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(pub(super) Vec<Piece>);

/// Whether tones are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paint(bool);

impl Paint {
    /// Colours are for terminals, unless `NO_COLOR` is set (no-color.org). `is_set` tells of a variable whether it is
    /// set and not empty.
    pub(super) fn of(is_set: impl Fn(&str) -> bool, terminal: bool) -> Self {
        Self(terminal && !is_set("NO_COLOR"))
    }

    fn codes(self, tone: Tone) -> Option<&'static str> {
        match tone {
            // What is chosen has to be seen without colours too.
            Tone::Chosen => Some("7"),
            _ if !self.0 => None,
            Tone::Plain => None,
            Tone::Faint => Some("2"),
            Tone::Strong => Some("1"),
            Tone::Good => Some("32"),
            Tone::Wary => Some("33"),
            Tone::Bad => Some("31"),
        }
    }
}

impl Piece {
    pub(super) fn new(tone: Tone, text: &str) -> Self {
        Self { tone, text: harmless(text).replace('\n', " ") }
    }
}

impl Line {
    pub(super) fn plain(text: &str) -> Self {
        Self::toned(Tone::Plain, text)
    }

    pub(super) fn toned(tone: Tone, text: &str) -> Self {
        Self(vec![Piece::new(tone, text)])
    }

    pub(super) fn and(mut self, tone: Tone, text: &str) -> Self {
        self.0.push(Piece::new(tone, text));
        self
    }

    /// All of it in one tone.
    pub(super) fn all(self, tone: Tone) -> Self {
        Self(vec![Piece { tone, text: self.0.into_iter().map(|piece| piece.text).collect() }])
    }

    /// Cut to `width` characters, with a mark where something is missing.
    pub(super) fn cut(mut self, width: usize) -> Self {
        let long = self.0.iter().map(|piece| piece.text.chars().count()).sum::<usize>() > width;
        let mut room = if long { width.saturating_sub(1) } else { width };
        for piece in &mut self.0 {
            let end = piece.text.char_indices().nth(room).map_or(piece.text.len(), |(at, _)| at);
            piece.text.truncate(end);
            room -= piece.text.chars().count();
        }
        if long && width > 0 { self.and(Tone::Faint, "…") } else { self }
    }

    /// As it is written to a terminal, or to a file when nothing is painted. Nothing stands behind its last word.
    pub(super) fn painted(&self, paint: Paint) -> String {
        let pieces = self.0.iter().filter(|piece| !piece.text.is_empty());
        let text: String = pieces
            .map(|piece| match paint.codes(piece.tone) {
                Some(codes) => Cow::Owned(format!("\x1b[{codes}m{}\x1b[0m", piece.text)),
                None => Cow::Borrowed(piece.text.as_str()),
            })
            .collect();
        text.trim_end().to_owned()
    }
}

/// Text that came from outside, such as a request's target, without what a terminal would obey: control characters but
/// line breaks and tabs, and those that turn the direction of writing, are shown as escapes.
pub(super) fn harmless(text: &str) -> String {
    let obeyed = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if obeyed(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: Paint = Paint(true);
    const NONE: Paint = Paint(false);

    #[test]
    fn colours_are_for_terminals_and_not_against_a_wish() {
        assert_eq!(Paint::of(|_| false, true), COLOURS);
        assert_eq!(Paint::of(|_| false, false), NONE);
        assert_eq!(Paint::of(|name| name == "NO_COLOR", true), NONE);
        let line = Line::toned(Tone::Good, "ok").and(Tone::Plain, " now  ");
        assert_eq!(line.painted(COLOURS), "\x1b[32mok\x1b[0m now");
        assert_eq!(line.painted(NONE), "ok now");
        assert_eq!(line.all(Tone::Chosen).painted(NONE), "\x1b[7mok now  \x1b[0m");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let line = || Line::plain("grün ").and(Tone::Bad, "und gelb");
        assert_eq!(line().cut(13).painted(NONE), "grün und gelb");
        assert_eq!(line().cut(7).painted(NONE), "grün u…");
        assert_eq!(line().cut(3).painted(NONE), "gr…");
        assert_eq!(line().cut(0).painted(NONE), "");
    }

    #[test]
    fn nothing_from_outside_reaches_the_terminal_as_a_command() {
        assert_eq!(harmless("/\x1b[2J\u{9b}\r\u{202e}ü\n\t"), "/\\u{1b}[2J\\u{9b}\\r\\u{202e}ü\n\t");
        assert_eq!(Line::plain("a\nb").painted(NONE), "a b");
    }
}
