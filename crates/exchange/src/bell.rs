//! The bell of a router thread, or of a worker's event loop: which of its slots have news, and whether it must be woken for them.
//!
//! One bit a slot, and one summary bit for each word of them. Ringing is idempotent and never fails. The owner announces its sleep,
//! looks at the summary again, then sleeps; whoever rings sets the bits first and looks at the announcement after.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// A bell over words that live elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bell<'m> {
    /// 1 while the owner sleeps or is about to.
    pub(crate) sleeping: &'m AtomicU32,
    /// Bit *n* of word *m*: word `64 m + n` of `news` may hold bits.
    pub(crate) summary: &'m [AtomicU64],
    /// One bit a slot.
    pub(crate) news: &'m [AtomicU64],
}

impl Bell<'_> {
    /// Marks news of `slot`; `true` when the owner sleeps and the caller must wake it (exactly one caller is told so).
    #[must_use]
    pub(crate) fn ring(&self, slot: u32) -> bool {
        let word = slot / 64;
        let (Some(news), Some(summary)) = (self.news.get(word as usize), self.summary.get(word as usize / 64)) else {
            return false;
        };
        news.fetch_or(1 << (slot % 64), Ordering::AcqRel);
        // Always, even when the word held news already: whoever set that bit may have died before this step.
        summary.fetch_or(1 << (word % 64), Ordering::AcqRel);
        fence(Ordering::SeqCst);
        self.sleeping.load(Ordering::Relaxed) == 1 && self.sleeping.swap(0, Ordering::AcqRel) == 1
    }

    /// Whether the owner has not yet looked at the news of `slot`.
    pub(crate) fn holds(&self, slot: u32) -> bool {
        self.news.get(slot as usize / 64).is_some_and(|word| word.load(Ordering::Acquire) & 1 << (slot % 64) != 0)
    }

    /// Calls `each` for every slot with news, and forgets the news first.
    pub(crate) fn answer(&self, mut each: impl FnMut(u32)) {
        for (group, summary) in self.summary.iter().enumerate() {
            if summary.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut words = summary.swap(0, Ordering::AcqRel);
            while words != 0 {
                let word = group as u32 * 64 + words.trailing_zeros();
                words &= words - 1;
                let Some(news) = self.news.get(word as usize) else {
                    continue;
                };
                let mut bits = news.swap(0, Ordering::AcqRel);
                while bits != 0 {
                    each(word * 64 + bits.trailing_zeros());
                    bits &= bits - 1;
                }
            }
        }
    }

    /// Announces sleep; `false` when there is news after all and the owner must not sleep.
    #[must_use]
    pub(crate) fn prepare_sleep(&self) -> bool {
        self.sleeping.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.summary.iter().any(|word| word.load(Ordering::Relaxed) != 0) {
            self.sleeping.store(0, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// Takes the announcement back.
    pub(crate) fn awake(&self) {
        self.sleeping.store(0, Ordering::Relaxed);
    }
}
