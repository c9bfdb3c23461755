//! Who read an instance's log or settings a moment ago, and was allowed to.
//!
//! One command or one view reads several things of an instance, and where polkit keeps no authorization (over ssh, for one) a person
//! would type the password for each. Nothing but reading is remembered, for the same connection and the same instance.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long who was allowed to read is not asked again.
const REMEMBERED: Duration = Duration::from_secs(30);

/// By the connection's unique name, which no bus gives twice, and the instance: the user, and when it was allowed.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<HashMap<(String, String), (Option<u32>, Instant)>>);

impl Readers {
    /// The user who was allowed a moment ago; `None` when nobody was.
    pub(crate) fn allowed(&self, sender: &str, instance: &str, now: Instant) -> Option<Option<u32>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, at)| now.saturating_duration_since(*at) < REMEMBERED);
        known.get(&(sender.to_owned(), instance.to_owned())).map(|(user, _)| *user)
    }

    /// That somebody was allowed now.
    pub(crate) fn note(&self, sender: &str, instance: &str, user: Option<u32>, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((sender.to_owned(), instance.to_owned())).or_insert((user, now));
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
