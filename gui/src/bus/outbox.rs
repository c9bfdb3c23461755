//! Events on their way to the window: a bounded queue, and one wake-up for all that come within a moment.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::Event;

/// How many events may wait for the window. Who tells more waits, and asks nobody meanwhile.
const EVENT_LIMIT: usize = 1024;
/// How many lines of logs may wait, beside the events.
const LINE_LIMIT: u32 = 20_000;
/// For how long events are gathered before the window is woken.
const GATHER: Duration = Duration::from_millis(25);

/// The queue.
pub(super) struct Outbox {
    queue: Mutex<VecDeque<Event>>,
    event_room: Semaphore,
    line_room: Semaphore,
    news: Notify,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::default(),
            event_room: Semaphore::new(EVENT_LIMIT),
            line_room: Semaphore::new(LINE_LIMIT as usize),
            news: Notify::new(),
        }
    }

    /// Tells an event; waits while too much waits already. Dropped while it waits, it told nothing.
    pub(super) async fn put(&self, event: Event) {
        let room = match lines(&event) {
            Some(count) => self.line_room.acquire_many(count).await,
            None => self.event_room.acquire().await,
        };
        // The semaphores are never closed.
        let Ok(room) = room else { return };
        room.forget();
        self.locked().push_back(event);
        self.news.notify_one();
    }

    /// The next event, if there is one.
    pub(super) fn take(&self) -> Option<Event> {
        let event = self.locked().pop_front()?;
        match lines(&event) {
            Some(count) => self.line_room.add_permits(count as usize),
            None => self.event_room.add_permits(1),
        }
        Some(event)
    }

    /// Calls `wake` after events were put, once for those of a moment; for ever.
    pub(super) async fn announce(&self, wake: impl Fn()) {
        loop {
            self.news.notified().await;
            tokio::time::sleep(GATHER).await;
            wake();
        }
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many lines it brings, where that is what counts.
fn lines(event: &Event) -> Option<u32> {
    match event {
        Event::Logged(_, lines) => Some(u32::try_from(lines.len()).unwrap_or(LINE_LIMIT).min(LINE_LIMIT)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use hostler_bus::daemon::{LogLine, Reach};

    use super::*;
    use crate::model::InstanceKey;

    fn gone(name: &str) -> Event {
        Event::Gone(Reach { user: true, host: None }, name.to_owned())
    }

    #[tokio::test]
    async fn what_comes_within_a_moment_wakes_once() {
        let outbox = Arc::new(Outbox::new());
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..100 {
            outbox.put(gone("shop")).await;
        }
        let (announcing, counting) = (Arc::clone(&outbox), Arc::clone(&outbox));
        let task = tokio::spawn(async move {
            announcing.announce(move || woken.send(counting.locked().len()).unwrap()).await;
        });
        assert_eq!(wakes.recv().await, Some(100), "all of them were there when the window was woken");
        outbox.put(gone("shop")).await;
        assert_eq!(wakes.recv().await, Some(101), "and not once more for the first ones");
        task.abort();
    }

    #[tokio::test]
    async fn both_queues_are_bounded_and_do_not_stop_each_other() {
        let outbox = Outbox::new();
        let key = InstanceKey { reach: Reach { user: true, host: None }, name: "shop".to_owned() };
        let page = || Event::Logged(key.clone(), vec![LogLine::default(); 1000]);
        for _ in 0..LINE_LIMIT / 1000 {
            outbox.put(page()).await;
        }
        assert!(outbox.put(page()).now_or_never().is_none(), "one page too many");
        for _ in 0..EVENT_LIMIT {
            outbox.put(gone("shop")).await;
        }
        assert!(outbox.put(gone("shop")).now_or_never().is_none(), "one event too many");
        assert!(matches!(outbox.take(), Some(Event::Logged(..))));
        assert!(outbox.put(page()).now_or_never().is_some());
        // A batch larger than all the room is let through alone.
        while outbox.take().is_some() {}
        outbox.put(Event::Logged(key, vec![LogLine::default(); LINE_LIMIT as usize + 1])).await;
        while outbox.take().is_some() {}
        assert_eq!(outbox.line_room.available_permits(), LINE_LIMIT as usize);
        assert_eq!(outbox.event_room.available_permits(), EVENT_LIMIT);
    }
}
