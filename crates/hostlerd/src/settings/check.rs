//! What is wrong with a text, as the bus tells it.

use std::path::Path;

use hostler_bus::daemon::{Problem, ProblemKind};
use hostler_settings::{Mistake, Mistakes, Place, Reading, Wrong, metas};

/// All mistakes of a text, by line; empty when it could be served as far as its text tells.
#[must_use]
pub fn problems(text: &str) -> Vec<Problem> {
    let mut reading = Reading::new();
    reading.file(Path::new(""), text);
    reading.finish().err().map(|mistakes| told(&mistakes)).unwrap_or_default()
}

/// Mistakes as the bus tells them.
pub(crate) fn told(mistakes: &Mistakes) -> Vec<Problem> {
    mistakes.0.iter().map(problem).collect()
}

fn problem(mistake: &Mistake) -> Problem {
    let line = match mistake.place {
        Place::File { line, .. } => u32::try_from(line).unwrap_or(u32::MAX),
        Place::CommandLine | Place::Environment { .. } => 0,
    };
    let (kind, key, hint) = match &mistake.what {
        Wrong::Syntax => (ProblemKind::NotToml, String::new(), String::new()),
        Wrong::Key { key, nearest } => (ProblemKind::UnknownKey, key.clone(), nearest.unwrap_or_default().to_owned()),
        Wrong::Value { key } => {
            let meta = metas().iter().find(|meta| meta.key == *key);
            let wanted = meta.map(|meta| meta.range_in_words().unwrap_or_else(|| meta.kind.wanted()));
            (ProblemKind::WrongValue, (*key).to_owned(), wanted.unwrap_or_default())
        }
    };
    Problem { kind, key, line, message: mistake.message.clone(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_with_key_and_hint() {
        assert_eq!(problems("workers = 2\n"), []);
        let told = problems("worker = 2\nthreads = 900\n\ntimeout = true\n");
        let short: Vec<_> = told.iter().map(|one| (one.line, one.kind, one.key.as_str(), one.hint.as_str())).collect();
        assert_eq!(
            short,
            [
                (1, ProblemKind::UnknownKey, "worker", "workers"),
                (2, ProblemKind::WrongValue, "threads", "between 1 and 64"),
                (4, ProblemKind::WrongValue, "timeout", "between 0 and 86400"),
            ]
        );
        assert!(told[1].message.contains("`threads` wants between 1 and 64, found the number 900"), "{told:?}");
        let told = problems("a = = 1");
        assert_eq!((told.len(), told[0].kind), (1, ProblemKind::NotToml));
    }
}
