//! The queue of slots that wait: several producers inside the router process, many consumers in processes that may die.
//!
//! A ring of words with two counters that only grow. A consumer reads the word at `head` first and then moves `head` by
//! compare-and-swap: as the counter never repeats, a success proves that the word was not overwritten in between. Producers are serialised
//! by the caller (they live in one process, behind one mutex), so that a word and `tail` are written by one thread at a time.

use crate::sync::{AtomicU64, Ordering};

/// One entry: a slot and the sequence its state word had when it was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) slot: u32,
    pub(crate) sequence: u32,
}

impl Entry {
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.sequence) << 32 | u64::from(self.slot)
    }

    pub(crate) fn unpack(word: u64) -> Self {
        Self { slot: word as u32, sequence: (word >> 32) as u32 }
    }
}

/// The queue, over words that live elsewhere (shared memory, or a test's heap).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue<'m> {
    pub(crate) head: &'m AtomicU64,
    pub(crate) tail: &'m AtomicU64,
    /// A power of two of them.
    pub(crate) ring: &'m [AtomicU64],
}

impl Queue<'_> {
    /// Appends an entry; `false` when the ring is full. Producers must be serialised by the caller.
    pub(crate) fn push(&self, entry: Entry) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) >= self.ring.len() as u64 {
            return false;
        }
        self.cell(tail).store(entry.pack(), Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest entry, having written it into `intent` first.
    pub(crate) fn pop(&self, intent: &AtomicU64) -> Option<Entry> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == self.tail.load(Ordering::Acquire) {
                return None;
            }
            let word = self.cell(head).load(Ordering::Relaxed);
            intent.store(word, Ordering::Relaxed);
            // Release: whoever sees the new head sees the intent. A successful exchange proves `word` was the entry at `head`.
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Entry::unpack(word)),
                Err(now) => head = now,
            }
        }
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> u64 {
        let head = self.head.load(Ordering::Acquire);
        self.tail.load(Ordering::Acquire).saturating_sub(head)
    }

    fn cell(&self, position: u64) -> &AtomicU64 {
        &self.ring[(position & (self.ring.len() as u64 - 1)) as usize]
    }
}
