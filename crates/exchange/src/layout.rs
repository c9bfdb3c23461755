//! Where everything lies in the shared memory: computed from the configuration, by the router and by each worker alike.
//!
//! ```text
//! header page | queue: head, tail, ring | bells of router threads, of workers | workers | threads | slots | (page border) areas, one a slot
//!
//! area: half a page | head (at its end) | response ring | request ring
//! ```

use crate::queue::Queue;
use crate::slot::Slot;
use crate::staff::{MAX_THREADS, ThreadEntry, Worker};

/// The sizes of an exchange.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Entries for worker processes: twice the number that serves, as a replacement starts before its predecessor goes.
    pub workers: u32,
    /// Threads of each worker, at most 64.
    pub threads: u32,
    /// Router threads.
    pub router_threads: u32,
    /// Requests in flight, queued and running, at most; open WebSockets among them.
    pub slots: u32,
    /// How many of the slots are for WebSockets, and no others.
    pub websockets: u32,
    /// Bytes for the head of a request; a multiple of the page size.
    pub head_size: u32,
    /// Bytes of the ring for a request's body; a power of two.
    pub request_ring: u32,
    /// Bytes of the ring for an answer; a power of two. A response head must fit into it.
    pub response_ring: u32,
}

/// A configuration that makes no exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the exchange's {what} is {value}, but must be {must}")]
pub struct ConfigError {
    what: &'static str,
    value: u64,
    must: &'static str,
}

impl Config {
    /// Checks every size.
    ///
    /// # Errors
    /// Names the first that does not fit.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules: [(&'static str, u32, bool, &'static str); 8] = [
            ("workers", self.workers, (1..=1024).contains(&self.workers), "1 to 1024"),
            ("threads", self.threads, (1..=u32::from(MAX_THREADS)).contains(&self.threads), "1 to 64"),
            ("router_threads", self.router_threads, (1..=64).contains(&self.router_threads), "1 to 64"),
            ("slots", self.slots, (1..=32_768).contains(&self.slots), "1 to 32768"),
            ("websockets", self.websockets, self.websockets < self.slots, "less than slots"),
            (
                "head_size",
                self.head_size,
                self.head_size > 0 && self.head_size.is_multiple_of(4096) && self.head_size <= 1 << 22,
                "a multiple of 4096, at most 4 MiB",
            ),
            ("request_ring", self.request_ring, is_ring(self.request_ring), "a power of two from 16 to 16 MiB"),
            ("response_ring", self.response_ring, is_ring(self.response_ring), "a power of two from 16 to 16 MiB"),
        ];
        for (what, value, holds, must) in rules {
            if !holds {
                return Err(ConfigError { what, value: u64::from(value), must });
            }
        }
        Ok(())
    }
}

fn is_ring(size: u32) -> bool {
    size.is_power_of_two() && (16..=1 << 24).contains(&size)
}

/// The first page: how the rest is laid out. Written once, before the memory is shared.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) magic: u64,
    pub(crate) config: Config,
}

/// Says what the memory is, and which layout: change it with the layout.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"hostler4");

/// Offsets in bytes from the start of the memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) queue: usize,
    pub(crate) ring: usize,
    pub(crate) ring_length: usize,
    pub(crate) bells: usize,
    pub(crate) bell_size: usize,
    pub(crate) summary_words: usize,
    pub(crate) news_words: usize,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    pub(crate) slots: usize,
    pub(crate) areas: usize,
    pub(crate) area_size: usize,
    pub(crate) total: usize,
}

const LINE: usize = 128;
const PAGE: usize = 4096;
/// What an area begins with, so that the end of the head and the start of the answer share a page: most requests, and quiet streams, touch no
/// other.
pub(crate) const HALF_PAGE: usize = PAGE / 2;

impl Layout {
    /// For a configuration that was checked.
    pub(crate) fn of(config: &Config) -> Self {
        let slots = config.slots as usize;
        let news_words = slots.div_ceil(64);
        let summary_words = news_words.div_ceil(64);
        // A slot may stand in the queue twice (see the crate's primer), and stale entries beside it.
        let ring_length = (slots * 4).next_power_of_two();
        let queue = PAGE;
        let ring = queue + 2 * LINE;
        let bells = up(ring + ring_length * 8, LINE);
        let bell_size = up(LINE + (summary_words + news_words) * 8, LINE);
        let workers = up(bells + bell_size * (config.router_threads + config.workers) as usize, LINE);
        let threads = up(workers + config.workers as usize * size_of::<Worker>(), LINE);
        let thread_count = config.workers as usize * config.threads as usize;
        let slots_at = up(threads + thread_count * size_of::<ThreadEntry>(), LINE);
        let areas = up(slots_at + slots * size_of::<Slot>(), PAGE);
        let rings = config.response_ring as usize + config.request_ring as usize;
        let area_size = up(HALF_PAGE + config.head_size as usize + rings, PAGE);
        Self {
            queue,
            ring,
            ring_length,
            bells,
            bell_size,
            summary_words,
            news_words,
            workers,
            threads,
            slots: slots_at,
            areas,
            area_size,
            total: areas + area_size * slots,
        }
    }
}

fn up(value: usize, to: usize) -> usize {
    value.next_multiple_of(to)
}

// The queue's two counters lie a line apart; this is only here so that a change of the queue is not forgotten in the layout.
const _: fn(&Queue<'_>) = |queue| {
    let Queue { head: _, tail: _, ring: _ } = queue;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_do_not_overlap_and_are_aligned() {
        for slots in [1, 63, 64, 65, 4096, 32_768] {
            let config = Config {
                workers: 3,
                threads: 2,
                router_threads: 2,
                slots,
                websockets: 0,
                head_size: 4096,
                request_ring: 16,
                response_ring: 64,
            };
            config.check().unwrap();
            let layout = Layout::of(&config);
            let ends = [
                (layout.queue, 2 * LINE, layout.ring),
                (layout.ring, layout.ring_length * 8, layout.bells),
                (layout.bells, layout.bell_size * 5, layout.workers),
                (layout.workers, 3 * size_of::<Worker>(), layout.threads),
                (layout.threads, 6 * size_of::<ThreadEntry>(), layout.slots),
                (layout.slots, slots as usize * size_of::<Slot>(), layout.areas),
                (layout.areas, slots as usize * layout.area_size, layout.total + 1),
            ];
            for (start, size, next) in ends {
                assert!(start % 64 == 0 && start + size <= next, "{start} + {size} > {next}");
            }
        }
    }

    #[test]
    fn sizes_that_make_no_ring_are_refused() {
        let good = Config {
            workers: 1,
            threads: 1,
            router_threads: 1,
            slots: 1,
            websockets: 0,
            head_size: 4096,
            request_ring: 16,
            response_ring: 16,
        };
        good.check().unwrap();
        for bad in [
            Config { request_ring: 24, ..good },
            Config { slots: 0, ..good },
            Config { websockets: 1, ..good },
            Config { threads: 65, ..good },
            Config { head_size: 100, ..good },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
