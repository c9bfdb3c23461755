//! Who read an instance's log or settings a moment ago, and was allowed to.
//!
//! One command or one view reads several things of an instance, and where polkit keeps no authorization (over ssh, for one) a person
//! would type the password for each. Nothing but reading is remembered, for the same connection and the same instance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long who was allowed to read is not asked again.
const REMEMBERED: Duration = Duration::from_secs(30);

/// Who was allowed to read which instance, a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<HashMap<Reading, Allowed>>);

/// A connection, by the unique name that no bus gives twice, and the instance that it reads.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Reading {
    sender: String,
    instance: String,
}

/// The user of the connection, and when polkit said yes.
#[derive(Debug, Clone, Copy)]
struct Allowed {
    user: Option<u32>,
    at: Instant,
}

impl Readers {
    /// The user who was allowed a moment ago; `None` when nobody was.
    pub(crate) fn allowed(&self, sender: &str, instance: &str, now: Instant) -> Option<Option<u32>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, allowed| now.saturating_duration_since(allowed.at) < REMEMBERED);
        known.get(&Reading::new(sender, instance)).map(|allowed| allowed.user)
    }

    /// That somebody was allowed now.
    pub(crate) fn note(&self, sender: &str, instance: &str, user: Option<u32>, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(Reading::new(sender, instance)).or_insert(Allowed { user, at: now });
    }
}

impl Reading {
    fn new(sender: &str, instance: &str) -> Self {
        Self { sender: sender.to_owned(), instance: instance.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_for_a_moment_and_for_nobody_else() {
        let (readers, now) = (Readers::default(), Instant::now());
        assert_eq!(readers.allowed(":1.7", "shop", now), None);
        readers.note(":1.7", "shop", Some(1000), now);
        assert_eq!(readers.allowed(":1.7", "shop", now + REMEMBERED / 2), Some(Some(1000)));
        assert_eq!(readers.allowed(":1.7", "blog", now), None);
        assert_eq!(readers.allowed(":1.8", "shop", now), None);
        // Who reads again and again does not put the end off.
        readers.note(":1.7", "shop", Some(1000), now + REMEMBERED / 2);
        assert_eq!(readers.allowed(":1.7", "shop", now + REMEMBERED), None);
    }
}
