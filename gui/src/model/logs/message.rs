//! Messages as they are shown: without what a terminal would obey, and folded to one line.

use std::borrow::Cow;

/// A message with several lines, folded to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded<'a> {
    /// What is said first: of a traceback its last line, else the first line.
    pub lead: &'a str,
    /// What is said after it, with less weight; empty where there is nothing to add.
    pub rest: &'a str,
    /// How many lines there are in all.
    pub lines: usize,
}

const TRACEBACK: &str = "Traceback (most recent call last):";

/// Folds a message. A traceback says what happened in its last line, so that one leads.
#[must_use]
pub fn fold(message: &str) -> Folded<'_> {
    let message = message.trim_end();
    let Some((first, behind)) = message.split_once('\n') else {
        return Folded { lead: message, rest: "", lines: 1 };
    };
    let lines = 2 + behind.bytes().filter(|byte| *byte == b'\n').count();
    let last = behind.rsplit('\n').next().unwrap_or_default().trim();
    if first.trim() == TRACEBACK {
        Folded { lead: last, rest: "", lines }
    } else if behind.contains(TRACEBACK) {
        Folded { lead: last, rest: first, lines }
    } else {
        Folded { lead: first, rest: last, lines }
    }
}

/// A text that can be drawn: escape sequences of terminals are taken out (ECMA-48), tabs become spaces, and other
/// control characters are written as `\x07`. Line ends stay.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|character| character != '\n' && character.is_control()) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' => shown.push('\n'),
            '\r' if rest.peek().is_none_or(|next| *next == '\n') => {}
            '\t' => shown.push_str("    "),
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                // Parameters and intermediates, then one final byte.
                while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
                rest.next_if(|next| matches!(next, '@'..='~'));
            }
            other if other.is_control() => shown.push_str(&format!("\\x{:02x}", u32::from(other))),
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_folds_to_its_last_line() {
        let traceback = "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'vat'\n";
        assert_eq!(fold(traceback), Folded { lead: "KeyError: 'vat'", rest: "", lines: 3 });
        let told = format!("GET / failed\n{traceback}");
        assert_eq!(fold(&told), Folded { lead: "KeyError: 'vat'", rest: "GET / failed", lines: 4 });
        assert_eq!(fold("one\ntwo"), Folded { lead: "one", rest: "two", lines: 2 });
        assert_eq!(fold("one\n"), Folded { lead: "one", rest: "", lines: 1 });
        assert_eq!(fold(""), Folded { lead: "", rest: "", lines: 1 });
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_drawn() {
        assert!(matches!(plain("é\nplain"), Cow::Borrowed(_)));
        assert_eq!(plain("\x1b[1;31mred\x1b[0m\tend\x07\r\n"), "red    end\\x07\n");
        assert_eq!(plain("a\x1b"), "a\\x1b");
        assert_eq!(plain("a\x1b["), "a");
    }
}
