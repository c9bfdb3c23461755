//! The exchange: how requests reach worker processes and answers come back, through shared memory.
//!
//! Owns the layout of the memory, the slots, the queue, the wake-ups and the recovery after a process died.
//! Knows nothing of tokio, Python or HTTP: heads and bodies are bytes to it (see [`head`] for how a head is laid out).
//!
//! # Primer
//!
//! The router puts a request into a *slot*: a control block of atomics, an area for the head, and two byte rings for the
//! bodies. It pushes the slot's number onto the one *queue* that all workers pull from. Entries of the queue are hints; the
//! slot's *state word* is the truth: `sequence | worker | phase`, changed by compare-and-swap only.
//!
//! ```text
//!            router                       worker                     router
//!   FREE ──submit──► QUEUED ──take──► RUNNING ──finish──► DONE ──release──► FREE
//!                      │                 │ (its process died)
//!                      └──cancel──► FREE └──recover──► LOST ──release──► FREE, or ──requeue──► QUEUED
//! ```
//!
//! A process may die at any instruction. Before a worker takes an entry off the queue it writes it into its *intent* word; after its
//! death an intent whose slot is still QUEUED is pushed again. A duplicate entry is harmless: only one taker wins the slot's state.
//!
//! News for the router (an answer, room in a ring, a wish for the body) is a bit per slot in the owning router thread's *bell*:
//! setting a bit twice, or dying between two steps, does no harm, and a bitmap is never full.
//!
//! A worker whose threads block sleeps on futexes. One that is an event loop has a bell and a doorbell like a router thread's.
//!
//! A wake-up is a system call only when the other side sleeps: each side announces that it is about to sleep, looks again, then sleeps.
//! A router thread that looks by itself soon announces that it *dozes*. A worker with more to do leaves answers to it and wakes it once
//! for several.

#![cfg_attr(loom, expect(dead_code, reason = "only the protocols are modelled, not what uses them"))]

mod bell;
#[cfg(not(loom))]
mod event_loop;
#[cfg(not(loom))]
pub mod head;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod load;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(not(loom))]
mod memory;
mod queue;
#[cfg(not(loom))]
pub mod record;
#[cfg(not(loom))]
mod recovery;
#[cfg(not(loom))]
mod requests;
#[cfg(not(loom))]
mod router;
#[cfg(not(loom))]
mod serving;
mod slot;
mod staff;
#[cfg(not(loom))]
mod streams;
mod sync;
#[cfg(not(loom))]
mod tally;
#[cfg(not(loom))]
mod thread;
#[cfg(not(loom))]
mod untold;
#[cfg(not(loom))]
mod wake_ups;
#[cfg(not(loom))]
mod watching;
#[cfg(not(loom))]
mod worker;

pub use bell::Sleep;
#[cfg(not(loom))]
pub use event_loop::{Awaited, EventLoop};
#[cfg(not(loom))]
pub use layout::{Config, ConfigError};
#[cfg(not(loom))]
pub use load::{Gauge, Load};
#[cfg(not(loom))]
pub use memory::now_ns;
#[cfg(not(loom))]
pub use requests::{QueuedRequest, RequestView};
#[cfg(not(loom))]
pub use router::{Exchange, Submitted};
#[cfg(not(loom))]
pub use serving::{BodyChunk, Wait};
pub use slot::{Phase, RequestEnd, Slot, response_flag};
#[cfg(not(loom))]
pub use streams::ResponseProgress;
#[cfg(not(loom))]
pub use tally::Tally;
#[cfg(not(loom))]
pub use thread::Thread;
#[cfg(not(loom))]
pub use watching::RunningView;
#[cfg(not(loom))]
pub use worker::{Doorbells, Taken, WorkerSide};
