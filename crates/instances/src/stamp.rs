//! The line that a written file begins with. It holds a fingerprint of the rest, so that what a person changed later is told
//! from what was written; it is no proof of anything against who wants to deceive.

use sha1::{Digest, Sha1};

/// How the line begins, up to the fingerprint.
const BEGIN: &str = "# Written by `hostler new` (fingerprint ";
/// How it ends.
const END: &str = "). Change the file as you like: then it is yours, and stays.";
/// Hexadecimal digits of the fingerprint.
const DIGITS: usize = 16;

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Written here, and not changed since.
    Ours,
    /// Written here, and changed since.
    Changed,
    /// Never written here.
    Foreign,
}

/// The text with its line before it.
#[must_use]
pub fn stamped(text: &str) -> String {
    format!("{BEGIN}{}{END}\n{text}", fingerprint(text))
}

/// Whose a file with this text is.
#[must_use]
pub fn owner(text: &str) -> Owner {
    let Some((line, rest)) = text.split_once('\n').filter(|(line, _)| line.starts_with(BEGIN)) else {
        return Owner::Foreign;
    };
    match line.strip_prefix(BEGIN).and_then(|end| end.strip_suffix(END)) {
        Some(written) if written == fingerprint(rest) => Owner::Ours,
        _ => Owner::Changed,
    }
}

fn fingerprint(text: &str) -> String {
    let digest = Sha1::digest(text.as_bytes());
    let mut hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.truncate(DIGITS);
    hexadecimal
}

#[cfg(test)]
mod tests {
    use super::*;

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
