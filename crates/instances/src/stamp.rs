//! The line that a written file begins with. It holds a fingerprint of the rest, so that what a person changed later is told
//! from what was written; it is no proof of anything against who wants to deceive.

use sha1::{Digest, Sha1};

/// How the line begins, up to the fingerprint.
const BEGIN: &str = "# Written by `hostler new` (fingerprint ";
/// The same once settings were changed by command.
const BEGIN_CHANGED: &str = "# Written by `hostler new`, changed with `hostler set` (fingerprint ";
/// How it ends.
const END: &str = "). Change the file as you like: then it is yours, and stays.";
/// Hexadecimal digits of the fingerprint.
const DIGITS: usize = 16;

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Written here, and not changed since.
    Ours,
    /// Written here, and since then changed here by command: nobody typed anything into it.
    ChangedHere,
    /// Written here, and changed since by a person.
    Changed,
    /// Never written here.
    Foreign,
}

/// The text with its line before it.
#[must_use]
pub fn stamped(text: &str) -> String {
    line_before(BEGIN, text)
}

fn line_before(begin: &str, text: &str) -> String {
    format!("{begin}{}{END}\n{text}", fingerprint(text))
}

/// The text after a change by command, with a line that says so, where the text before it was written here; else as it is.
#[must_use]
pub fn changed_here(before: &str, after: &str) -> String {
    match (owner(before), parted(before), parted(after)) {
        // What stands in the first line is not touched by a change of settings.
        (Owner::Ours | Owner::ChangedHere, Some((line, _)), Some((same, rest))) if line == same && before != after => {
            line_before(BEGIN_CHANGED, rest)
        }
        _ => after.to_owned(),
    }
}

/// Whose a file with this text is.
#[must_use]
pub fn owner(text: &str) -> Owner {
    let Some((line, rest)) = parted(text) else { return Owner::Foreign };
    let (begin, owner) = match line.starts_with(BEGIN_CHANGED) {
        true => (BEGIN_CHANGED, Owner::ChangedHere),
        false => (BEGIN, Owner::Ours),
    };
    match line.strip_prefix(begin).and_then(|end| end.strip_suffix(END)) {
        Some(written) if written == fingerprint(rest) => owner,
        _ => Owner::Changed,
    }
}

/// The line, and the rest; `None` for a text that has no such line.
fn parted(text: &str) -> Option<(&str, &str)> {
    text.split_once('\n').filter(|(line, _)| line.starts_with(BEGIN) || line.starts_with(BEGIN_CHANGED))
}

/// So many hexadecimal digits of its digest.
pub(crate) fn fingerprint(text: &str) -> String {
    let digest = Sha1::digest(text.as_bytes());
    let mut hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.truncate(DIGITS);
    hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_by_command_is_told_from_one_by_hand() {
        let before = stamped("workers = 2\n");
        let once = changed_here(&before, &before.replace("= 2", "= 3"));
        assert_eq!(owner(&once), Owner::ChangedHere);
        assert!(once.ends_with("\nworkers = 3\n"), "{once}");
        let twice = changed_here(&once, &once.replace("= 3", "= 4"));
        assert_eq!(owner(&twice), Owner::ChangedHere);
        let by_hand = twice.replace("= 4", "= 5");
        assert_eq!(owner(&by_hand), Owner::Changed);
        // It stays the person's.
        assert_eq!(owner(&changed_here(&by_hand, &by_hand.replace("= 5", "= 6"))), Owner::Changed);
        assert_eq!(changed_here("workers = 1\n", "workers = 2\n"), "workers = 2\n");
    }

    #[test]
    fn a_change_shows() {
        let text = stamped("workers = 2\n");
        assert_eq!(owner(&text), Owner::Ours);
        assert_eq!(owner(&text.replace('2', "3")), Owner::Changed);
        assert_eq!(owner(&format!("{text}\n")), Owner::Changed);
        assert_eq!(owner(&text.replace("is yours", "is mine")), Owner::Changed);
        for foreign in ["", "workers = 2\n", "# Written by hand\nworkers = 2\n"] {
            assert_eq!(owner(foreign), Owner::Foreign, "{foreign:?}");
        }
    }
}
