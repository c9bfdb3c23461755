//! What happened to an instance, for whoever asks: the last of it.

use std::collections::VecDeque;

use hostler_bus::{Event, EventKind};
use hostler_supervisor::Restarts;

use super::instance::now_us;

/// So many are kept.
pub(super) const KEPT: usize = 256;
/// So many are told with each status.
const TOLD: usize = 16;
/// A longer message is cut, in characters.
pub(super) const MESSAGE_LIMIT: usize = 400;

/// The last events, the latest last.
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<Event>,
    /// Ends of workers when they were last looked at.
    restarts: Restarts,
}

impl Events {
    /// Goes on after those of another process.
    pub(super) fn after(kept: VecDeque<Event>) -> Self {
        Self { kept, restarts: Restarts::default() }
    }

    /// All that are kept.
    pub(super) fn all(&self) -> &VecDeque<Event> {
        &self.kept
    }

    /// Adds one of this moment.
    pub(super) fn add(&mut self, kind: EventKind, generation: u64, message: &str) {
        self.add_at(now_us(), kind, generation, message);
    }

    /// Adds one of another moment, after all that are there.
    pub(super) fn add_at(&mut self, at_us: u64, kind: EventKind, generation: u64, message: &str) {
        // A traceback is for the log.
        let mut line: String = message.lines().next().unwrap_or_default().to_owned();
        if let Some((end, _)) = line.char_indices().nth(MESSAGE_LIMIT) {
            line.truncate(end);
            line.push('…');
        }
        self.kept.push_back(Event { kind, at_us, generation, message: line });
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// Adds that workers were replaced since the last look, where that is no news of its own as a death is.
    pub(super) fn follow(&mut self, restarts: Restarts, generation: u64) {
        let before = std::mem::replace(&mut self.restarts, restarts);
        let planned = |causes: Restarts| {
            let Restarts { max_requests, max_lifetime, max_memory, by_hand, rolling, .. } = causes;
            [
                ("max_requests", max_requests),
                ("max_lifetime", max_lifetime),
                ("max_memory", max_memory),
                ("by hand", by_hand),
                ("a rolling reload", rolling),
            ]
        };
        for ((cause, now), (_, then)) in planned(restarts).into_iter().zip(planned(before)) {
            match now.saturating_sub(then) {
                0 => {}
                1 => self.add(EventKind::Recycled, generation, &format!("a worker was replaced: {cause}")),
                many => self.add(EventKind::Recycled, generation, &format!("{many} workers were replaced: {cause}")),
            }
        }
    }

    /// Those of a status.
    pub(super) fn last(&self) -> Vec<Event> {
        self.kept.iter().skip(self.kept.len().saturating_sub(TOLD)).cloned().collect()
    }

    /// All after that moment, in microseconds since 1970.
    pub(super) fn since(&self, since_us: u64) -> Vec<Event> {
        self.kept.iter().filter(|event| event.at_us > since_us).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_and_messages_are_lines() {
        let mut events = Events::default();
        for number in 0..300 {
            events.add(EventKind::Reloaded, number, &format!("é{}\nTraceback", "x".repeat(500)));
        }
        assert_eq!(events.since(0).len(), KEPT);
        let last = events.last();
        assert_eq!((last.len(), last.last().unwrap().generation), (TOLD, 299));
        assert_eq!(last[0].message.chars().count(), MESSAGE_LIMIT + 1);
        assert!(!last[0].message.contains('\n'));
        assert_eq!(events.since(u64::MAX).len(), 0);
    }

    #[test]
    fn workers_that_were_replaced_are_told_of_once() {
        let mut events = Events::default();
        let mut restarts = Restarts { crashed: 7, max_requests: 1, ..Restarts::default() };
        events.follow(restarts, 2);
        events.follow(restarts, 2);
        restarts.max_requests = 4;
        events.follow(restarts, 3);
        let told: Vec<_> = events.last().into_iter().map(|event| (event.generation, event.message)).collect();
        let expected = [(2, "a worker was replaced: max_requests"), (3, "3 workers were replaced: max_requests")];
        assert_eq!(told, expected.map(|(generation, message)| (generation, message.to_owned())));
    }
}
