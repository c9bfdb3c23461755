//! What was known of an instance when it last ran, for the list.

use std::path::Path;

use hostler_bus::daemon::Overview;
use serde::{Deserialize, Serialize};

use crate::remembered::Remembered;

/// What is remembered of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Facts {
    pub(crate) framework: String,
    pub(crate) python: String,
}

/// What is remembered of all.
pub(crate) struct Known(Remembered<Facts>);

impl Known {
    /// What stands in the daemon's directory.
    pub(crate) fn of(state: &Path) -> Self {
        Self(Remembered::of(state.join("known")))
    }

    /// What was known of it.
    pub(crate) fn get(&self, name: &str) -> Facts {
        self.0.get(name)
    }

    /// Whether that is to be remembered, and is not.
    pub(crate) fn is_news(&self, name: &str, facts: &Facts) -> bool {
        // No worker was ever ready: what was known is still the best.
        !facts.python.is_empty() && self.get(name) != *facts
    }

    /// Remembers it, if it is news.
    pub(crate) fn note(&self, name: &str, facts: &Facts) {
        if self.is_news(name, facts) {
            self.0.put(name, facts);
        }
    }

    /// Forgets all instances but these.
    pub(crate) fn keep_only(&self, instances: &[Overview]) {
        self.0.keep_only(instances);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_outlives_the_daemon_and_not_the_instance() {
        let state = tempfile::tempdir().unwrap();
        let facts = Facts { framework: "Django".to_owned(), python: "3.11.2".to_owned() };
        Known::of(state.path()).note("shop", &facts);
        let later = Known::of(state.path());
        assert_eq!(later.get("shop"), facts);
        assert_eq!(later.get("blog"), Facts::default());
        later.note("shop", &Facts::default());
        assert_eq!(later.get("shop"), facts, "nothing was learned");
        later.keep_only(&[Overview { name: "blog".to_owned(), ..Overview::default() }]);
        assert_eq!((later.get("shop"), Known::of(state.path()).get("shop")), Default::default());
        std::fs::write(state.path().join("known/shop.json"), "{").unwrap();
        assert_eq!(Known::of(state.path()).get("shop"), Facts::default(), "a damaged file says nothing");
    }
}
