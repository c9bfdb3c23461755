//! Many changes at a time become one: a checkout of another branch is told when it is over, a single save soon.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::Changed;

/// Changes are told when there was none for so long. Editors write a file in several steps, a few milliseconds apart.
const QUIET: Duration = Duration::from_millis(50);
/// Changes that do not end are told after so long nevertheless.
const LONGEST: Duration = Duration::from_secs(2);

/// Changes that were not told yet.
#[derive(Debug, Default)]
pub(crate) struct Debounce {
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    /// The one that was seen first.
    path: PathBuf,
    /// Each file once, though it was written in several steps.
    files: HashSet<PathBuf>,
    first: Instant,
    last: Instant,
}

impl Debounce {
    /// Takes in a change that was seen at `now`.
    pub(crate) fn note(&mut self, path: PathBuf, now: Instant) {
        let pending = self.pending.get_or_insert_with(|| Pending {
            path: path.clone(),
            files: HashSet::new(),
            first: now,
            last: now,
        });
        pending.files.insert(path);
        pending.last = now;
    }

    /// When there will be something to tell, if nothing happens until then.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| (pending.last + QUIET).min(pending.first + LONGEST))
    }

    /// What is to be told at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Changed> {
        let due = self.due()?;
        if now < due {
            return None;
        }
        self.pending.take().map(|Pending { path, files, .. }| Changed { path, files: files.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn one_save_is_told_after_a_moment_of_quiet() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        assert_eq!(debounce.due(), None);
        debounce.note("a.py".into(), start);
        debounce.note("a.py".into(), start);
        assert_eq!(debounce.take(start + QUIET - ms(1)), None);
        let told = Changed { path: "a.py".into(), files: 1 };
        assert_eq!(debounce.take(start + QUIET), Some(told));
        assert_eq!((debounce.due(), debounce.take(start + LONGEST)), (None, None), "once");
    }

    #[test]
    fn a_checkout_is_told_once_when_it_is_over() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        for number in 0..500 {
            let now = start + ms(number);
            assert_eq!(debounce.take(now), None);
            debounce.note(format!("{number}.py").into(), now);
        }
        let told = Changed { path: "0.py".into(), files: 500 };
        assert_eq!(debounce.take(start + ms(499) + QUIET), Some(told));
    }

    #[test]
    fn changes_without_end_are_told_at_last() {
        let mut debounce = Debounce::default();
        let start = Instant::now();
        let mut now = start;
        while now < start + LONGEST {
            assert_eq!(debounce.take(now), None);
            debounce.note("a.py".into(), now);
            now += ms(20);
        }
        assert!(debounce.take(now).is_some());
    }
}
