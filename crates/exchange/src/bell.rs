//! The bell of a router thread, or of a worker's event loop: which of its slots have news, and whether it must be woken for them.
//!
//! One bit a slot, and one summary bit for each word of them. Ringing is idempotent and never fails. The owner announces its sleep,
//! looks at the summary again, then sleeps; whoever rings sets the bits first and looks at the announcement after.
//!
//! An owner that looks again by itself in a moment only *dozes*. News that can wait for so long are *left*: the bits are set, and nobody is
//! woken who dozes. Who has left news may still wake the owner for them later.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// What the owner of a bell announces.
const AWAKE: u32 = 0;
/// It sleeps or is about to, until it is woken.
const ASLEEP: u32 = 1;
/// The same, but it looks again by itself in a moment.
const DOZING: u32 = 2;

/// How an owner sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    /// Until it is woken.
    Deep,
    /// Until it is woken, or looks again by itself within some milliseconds at most.
    Doze,
}

/// How the owner of a bell was when news were left to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It sees them before it sleeps.
    Awake,
    /// It sees them when it looks by itself, or is reminded.
    Dozing,
    /// The caller must wake it.
    Asleep,
}

/// A bell over words that live elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bell<'m> {
    /// [`AWAKE`], [`ASLEEP`] or [`DOZING`].
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
        self.mark(slot);
        self.sleeping.load(Ordering::Relaxed) != AWAKE && self.sleeping.swap(AWAKE, Ordering::AcqRel) != AWAKE
    }

    /// Marks news of `slot` that can wait until an owner that dozes looks; the caller must wake one that was asleep.
    #[must_use]
    pub(crate) fn leave(&self, slot: u32) -> Left {
        self.mark(slot);
        match self.sleeping.load(Ordering::Relaxed) {
            DOZING => Left::Dozing,
            ASLEEP => match self.sleeping.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => Left::Asleep,
                Err(DOZING) => Left::Dozing,
                Err(_) => Left::Awake,
            },
            _ => Left::Awake,
        }
    }

    /// After [`Bell::leave`]: `true` when the news still stand, the owner sleeps and the caller must wake it.
    #[must_use]
    pub(crate) fn remind(&self) -> bool {
        fence(Ordering::SeqCst);
        self.has_news()
            && self.sleeping.load(Ordering::Relaxed) != AWAKE
            && self.sleeping.swap(AWAKE, Ordering::AcqRel) != AWAKE
    }

    fn mark(&self, slot: u32) {
        let word = slot / 64;
        if let (Some(news), Some(summary)) = (self.news.get(word as usize), self.summary.get(word as usize / 64)) {
            news.fetch_or(1 << (slot % 64), Ordering::AcqRel);
            // Always, even when the word held news already: whoever set that bit may have died before this step.
            summary.fetch_or(1 << (word % 64), Ordering::AcqRel);
        }
        fence(Ordering::SeqCst);
    }

    fn has_news(&self) -> bool {
        self.summary.iter().any(|word| word.load(Ordering::Relaxed) != 0)
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
    pub(crate) fn prepare_sleep(&self, sleep: Sleep) -> bool {
        let announced = match sleep {
            Sleep::Deep => ASLEEP,
            Sleep::Doze => DOZING,
        };
        self.sleeping.store(announced, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.has_news() {
            self.awake();
            return false;
        }
        true
    }

    /// Takes the announcement back.
    pub(crate) fn awake(&self) {
        self.sleeping.store(AWAKE, Ordering::Relaxed);
    }
}
