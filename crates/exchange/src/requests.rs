//! What is in flight, for whoever wants to look at it; and whether anybody is there to serve it.

use crate::head::read_request;
use crate::memory::now_ns;
use crate::router::Exchange;
use crate::slot::{Phase, RequestEnd, State};
use crate::staff::Worker;
use crate::sync::Ordering;

/// The longest target that is shown, in characters.
const LONGEST_TARGET: usize = 200;

/// A request in flight, as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// The number of its slot.
    pub slot: u32,
    /// Its id; empty without one.
    pub id: String,
    /// The method.
    pub method: String,
    /// The target as it was sent, its first 200 characters. Control characters are replaced, here and in the other texts.
    pub target: String,
    /// The worker that runs it; `None` while it is queued.
    pub worker: Option<u16>,
    /// Since it was queued, in nanoseconds.
    pub queued_for_ns: u64,
    /// Since a worker took it, in nanoseconds; `None` while it is queued.
    pub running_for_ns: Option<u64>,
}

/// A request that no worker has begun, copied out of its slot.
#[derive(Debug)]
pub struct QueuedRequest {
    /// Its head, as it was submitted.
    pub head: Vec<u8>,
    /// What there is of its body.
    pub body: Vec<u8>,
    /// How its body ended.
    pub end: RequestEnd,
}

impl Exchange {
    /// The requests in flight, queued and running, the oldest first. The queue stands still for a moment for each of them.
    pub fn requests(&self) -> Vec<RequestView> {
        let mut found: Vec<RequestView> = (0..self.config().slots).filter_map(|slot| self.view(slot)).collect();
        found.sort_by_key(|request| std::cmp::Reverse(request.queued_for_ns));
        found
    }

    fn view(&self, slot: u32) -> Option<RequestView> {
        let mut head = Vec::new();
        // Copied while no other request can be put into the slot; looked at after.
        let (state, (queued, started, _)) = {
            let producer = self.producer();
            if !producer.is_used(slot) {
                return None;
            }
            self.read_head(slot, &mut head);
            (self.slot(slot).state(), self.times(slot))
        };
        let running = match state.phase {
            Phase::Queued => false,
            Phase::Running => true,
            Phase::Free | Phase::Done | Phase::Lost => return None,
        };
        let (request, _) = read_request(&head)?;
        let now = now_ns();
        Some(RequestView {
            slot,
            id: text(request.id),
            method: text(request.method),
            target: text(request.target),
            worker: running.then_some(state.worker),
            queued_for_ns: now.saturating_sub(queued),
            // A worker says that it runs a request a moment before it says since when.
            running_for_ns: running.then(|| if started == 0 { 0 } else { now.saturating_sub(started) }),
        })
    }

    /// Copies a request that no worker has begun, to be submitted elsewhere once [`Exchange::cancel`] has taken it back; `None` when it is not
    /// queued. Only the thread that owns the slot may ask.
    pub fn read_queued(&self, slot: u32) -> Option<QueuedRequest> {
        let control = self.slot(slot);
        let State { phase: Phase::Queued, .. } = control.state() else { return None };
        let mut head = Vec::new();
        self.read_head(slot, &mut head);
        // Nothing was taken out of the ring: the body stands at its front.
        let ring = self.memory.request_ring(slot);
        let written = control.request_written.load(Ordering::Relaxed);
        let mut body = vec![0; usize::try_from(written).ok().filter(|written| *written <= ring.size)?];
        ring.ring_read(0, &mut body);
        Some(QueuedRequest { head, body, end: RequestEnd::from_bits(control.request_end.load(Ordering::Relaxed)) })
    }

    /// Whether any worker is present: its process was started and has not been reaped.
    pub fn has_workers(&self) -> bool {
        self.memory.staff().workers.iter().any(|worker| worker.present.load(Ordering::Relaxed) == 1)
    }

    /// Whether any worker is present that takes requests: one that was not retired.
    pub fn takes_requests(&self) -> bool {
        self.memory.staff().workers.iter().any(Worker::takes)
    }

    /// Whether no worker is present, and this is the first call since one was: whoever starts workers is told once in a sleep.
    pub fn ask_for_workers(&self) -> bool {
        if self.has_workers() {
            return false;
        }
        let sleep = self.arrivals.load(Ordering::Acquire);
        self.asked_in.swap(sleep, Ordering::AcqRel) != sleep
    }

    /// Says that the question did not reach anybody: the next [`Exchange::ask_for_workers`] asks again.
    pub fn forget_asking(&self) {
        self.asked_in.store(u64::MAX, Ordering::Release);
    }
}

/// The start of a text, without what could do harm on a terminal.
fn text(bytes: &[u8]) -> String {
    // A character has four bytes at most.
    let start = &bytes[..bytes.len().min(4 * LONGEST_TARGET)];
    let shown = String::from_utf8_lossy(start);
    shown.chars().take(LONGEST_TARGET).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
