//! What the watching thread is told: by the system's thread, which must never wait, and by whoever holds the [`Watch`](crate::Watch).

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Paths that nobody has looked at yet, at most. Beyond that everything is looked at.
const MOST_PATHS: usize = 8192;

/// A place that something happened at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) path: PathBuf,
    /// What was there is no longer, though something else may be by now.
    pub(crate) gone: bool,
}

/// What was told since the last time.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) hints: Vec<Hint>,
    /// Hints were lost: everything must be looked at.
    pub(crate) lost: bool,
    /// To be watched as well.
    pub(crate) also: Vec<PathBuf>,
    pub(crate) stop: bool,
}

/// Between the threads.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    told: Mutex<Told>,
    news: Condvar,
}

impl Inbox {
    pub(crate) fn hint(&self, hints: impl IntoIterator<Item = Hint>) {
        self.tell(|told| {
            for hint in hints {
                if told.hints.len() < MOST_PATHS {
                    told.hints.push(hint);
                } else {
                    told.lost = true;
                }
            }
        });
    }

    pub(crate) fn lose(&self) {
        self.tell(|told| told.lost = true);
    }

    pub(crate) fn also(&self, paths: Vec<PathBuf>) {
        self.tell(|told| told.also.extend(paths));
    }

    pub(crate) fn stop(&self) {
        self.tell(|told| told.stop = true);
    }

    fn tell(&self, put: impl FnOnce(&mut Told)) {
        put(&mut self.lock());
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        // Lists and flags, each put in whole.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for news until `until`, for ever without it, and takes them; nothing new when it is over.
    pub(crate) fn wait(&self, until: Option<Instant>) -> Told {
        let mut told = self.lock();
        loop {
            if !told.hints.is_empty() || told.lost || !told.also.is_empty() || told.stop {
                return std::mem::take(&mut told);
            }
            match until {
                None => told = self.news.wait(told).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Told::default();
                    }
                    told = self.news.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_hints_are_told_as_lost() {
        let inbox = Inbox::default();
        let hint = Hint { path: "a.py".into(), gone: false };
        inbox.hint(std::iter::repeat_n(hint, MOST_PATHS + 1));
        let told = inbox.wait(None);
        assert_eq!((told.hints.len(), told.lost), (MOST_PATHS, true));
        assert!(!inbox.wait(Some(Instant::now())).lost, "taken");
    }
}
