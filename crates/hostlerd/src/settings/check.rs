//! What is wrong with a text, as the bus tells it.

use std::path::Path;

use crate::scope::Kind;
use hostler_bus::daemon::{Problem, ProblemKind};
use hostler_settings::{Mistake, Mistakes, Place, Reading, Wrong, metas};

/// All mistakes of a text, by line; empty when it could be served as far as its text tells.
#[must_use]
pub fn problems(text: &str) -> Vec<Problem> {
    let mut reading = Reading::new();
    reading.file(Path::new(""), text);
    reading.finish().err().map(|mistakes| told(&mistakes)).unwrap_or_default()
}

/// What is wrong with where a text says to listen, if its socket unit listens on `passed` (Listen of org.freedesktop.systemd1(5)): what is passed
/// and nobody takes ends the start.
pub(crate) fn unclaimed(name: &str, kind: Kind, text: &str, passed: &[String]) -> Option<Problem> {
    let mut reading = Reading::new();
    reading.file(Path::new(""), text);
    let binds = reading.finish().ok()?.bind.bind;
    // One that no unit can have is told elsewhere.
    let taken = hostler_instances::listen_streams(&binds).ok()?;
    let left: Vec<&str> =
        passed.iter().map(String::as_str).filter(|one| !taken.iter().any(|stream| is_same(stream, one))).collect();
    let first = left.first()?;
    let user = if kind == Kind::User { " --user" } else { "" };
    let message = format!(
        "`bind` leaves out {first}, where hostler@{name}.socket listens, and it would not start with a socket that nothing takes: change \
         where it listens with `systemctl{user} edit hostler@{name}.socket`, and take `bind` out"
    );
    Some(Problem { kind: ProblemKind::WrongValue, key: "bind".to_owned(), line: 0, message, hint: String::new() })
}

/// Whether systemd tells a `ListenStream=` so: a port alone is one of all addresses.
fn is_same(stream: &str, told: &str) -> bool {
    stream == told || told.strip_prefix("[::]:") == Some(stream)
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
    fn a_bind_that_leaves_out_what_the_socket_unit_passes() {
        let told = |text: &str, passed: &[&str]| {
            let passed: Vec<String> = passed.iter().map(|&one| one.to_owned()).collect();
            unclaimed("shop", Kind::User, text, &passed).map(|problem| problem.message)
        };
        let socket = "/run/hostler/shop.sock";
        assert_eq!(told("bind = [\"unix:/run/hostler/shop.sock\"]", &[socket]), None);
        assert_eq!(told("bind = [\":8000\", \"unix:/run/hostler/shop.sock\"]", &[socket, "[::]:8000"]), None);
        assert_eq!(told("bind = \"127.0.0.1:1\"", &[]), None, "it has no socket unit");
        let message = told("bind = \"127.0.0.1:9000\"", &[socket]).unwrap();
        assert!(
            message.starts_with("`bind` leaves out /run/hostler/shop.sock, where hostler@shop.socket listens"),
            "{message}"
        );
        assert!(message.contains("`systemctl --user edit hostler@shop.socket`"), "{message}");
    }

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
