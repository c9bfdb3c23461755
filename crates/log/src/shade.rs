//! Tracebacks on a terminal: frames of what is installed stand back, what was raised stands out.

/// How the lines of a traceback look; told each of them in turn.
#[derive(Debug, Default)]
pub(crate) struct Shade {
    /// In a frame that stands back.
    back: bool,
    /// In a traceback, and not only in what somebody wrote.
    traceback: bool,
}

impl Shade {
    /// The escape sequence before a line of it.
    pub(crate) fn of(&mut self, text: &str) -> Option<&'static str> {
        let inner = text.trim_start_matches([' ', '|']);
        if let Some(frame) = inner.strip_prefix("File \"") {
            self.traceback = true;
            self.back = ["<", "/usr/lib/python"].iter().any(|start| frame.starts_with(start))
                || ["/site-packages/", "/dist-packages/", "/lib/python3"].iter().any(|part| frame.contains(part));
        } else if !text.starts_with([' ', '\t']) {
            self.back = false;
            let says_what = self.traceback && !inner.is_empty() && !inner.ends_with(':');
            return says_what.then_some("\x1b[1;31m");
        }
        self.back.then_some("\x1b[2m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_libraries_stand_back_and_what_was_raised_stands_out() {
        let text = "Traceback (most recent call last):\n  File \"/p/app.py\", line 3, in <module>\n    go()\n  File \
                    \"/v/lib/python3.11/site-packages/x.py\", line 4, in go\n    raise ValueError(1)\nValueError: 1\nat /p/app.py:3";
        let mut shade = Shade::default();
        let shades: Vec<_> = text.lines().map(|line| shade.of(line)).collect();
        let (dim, bold) = (Some("\x1b[2m"), Some("\x1b[1;31m"));
        assert_eq!(shades, [None, None, None, dim, dim, bold, bold]);
    }

    #[test]
    fn what_is_no_traceback_is_left_as_it_is() {
        let mut shade = Shade::default();
        assert!("one\n  two\nthree: four".lines().all(|line| shade.of(line).is_none()));
    }
}
