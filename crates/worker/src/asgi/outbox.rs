//! What an application sent and the response ring has not taken yet, in its order.
//!
//! Usually it is empty: what fits is written at once. The rest is written when the router has made room, by the loop's turn, whether or not
//! the application waits for it.

use std::collections::VecDeque;
use std::fs::File;

use hostler_exchange::{Awaited, EventLoop, Taken, WorkerSide};
use pyo3::pybacked::PyBackedBytes;

use super::pump::Pump;

/// One thing on its way.
pub(crate) enum Item {
    /// A head, laid out: nothing stands in the ring before it.
    Head(Vec<u8>),
    /// Early hints, laid out; what follows waits until the router has taken them.
    Hints(Vec<u8>),
    /// Bytes of the application's.
    Bytes(PyBackedBytes, usize),
    /// Bytes of our own.
    Own(Vec<u8>, usize),
    /// So many bytes of a file.
    File(File, u64),
    /// Trailer fields, laid out.
    Trailers(Vec<u8>),
    /// Bits of [`hostler_exchange::response_flag`].
    Flags(u32),
}

/// The items of one request.
#[derive(Default)]
pub(crate) struct Outbox {
    items: VecDeque<Item>,
    /// The hints at the front were written, and not taken yet.
    hinted: bool,
    /// The file at the front is being sent.
    pump: Option<Pump>,
}

/// How far an outbox came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// It is empty.
    Empty,
    /// News of the slot will say when it can go on.
    Waits,
    /// Nobody wants the answer any more.
    Abandoned,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// Writes what fits. The router is told of it by [`WorkerSide::publish`], which is the caller's.
    pub(crate) fn drain(&mut self, side: &'static WorkerSide, events: EventLoop<'_>, taken: Taken) -> Drained {
        while let Some(front) = self.items.front_mut() {
            if side.abandoned(taken) {
                *self = Self::default();
                return Drained::Abandoned;
            }
            let (done, awaited) = match front {
                Item::Head(head) => {
                    (side.room(taken) >= head.len() && write_head(side, taken, head), Awaited::Room(head.len()))
                }
                Item::Hints(head) => {
                    if !self.hinted {
                        self.hinted = events.hint(taken, head);
                    }
                    (false, if self.hinted { Awaited::Hints } else { Awaited::Room(head.len()) })
                }
                Item::Bytes(bytes, written) => {
                    *written += side.write(taken, &bytes[*written..]);
                    (*written == bytes.len(), Awaited::Room(1))
                }
                Item::Own(bytes, written) => {
                    *written += side.write(taken, &bytes[*written..]);
                    (*written == bytes.len(), Awaited::Room(1))
                }
                Item::Trailers(fields) => {
                    let fits = side.room(taken) >= fields.len();
                    if fits {
                        side.begin_trailers(taken);
                        side.write(taken, fields);
                    }
                    (fits, Awaited::Room(fields.len()))
                }
                Item::Flags(flags) => {
                    side.flag(taken, *flags);
                    (true, Awaited::Room(0))
                }
                Item::File(file, length) => {
                    let pump = self.pump.get_or_insert_with(|| Pump::start(side, taken, file, *length));
                    if !pump.is_done() {
                        // It rings the loop when it is.
                        return Drained::Waits;
                    }
                    if pump.failed() {
                        side.flag(taken, hostler_exchange::response_flag::FAILED);
                    }
                    self.pump = None;
                    (true, Awaited::Room(0))
                }
            };
            if done {
                self.items.pop_front();
                continue;
            }
            side.publish(taken);
            if events.announce(taken, awaited) {
                return Drained::Waits;
            }
            if self.hinted && !side.hinting(taken) {
                self.hinted = false;
                self.items.pop_front();
            }
        }
        Drained::Empty
    }
}

fn write_head(side: &WorkerSide, taken: Taken, head: &[u8]) -> bool {
    side.write(taken, head);
    side.set_head(taken, head.len());
    true
}
