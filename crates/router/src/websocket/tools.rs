//! What all WebSockets of a router thread share: buffers that are used for a moment, compressors and decompressors.

use std::cell::RefCell;

use hostler_websocket::{Deflaters, Inflaters};

use super::pieces::Pieces;

thread_local! {
    /// Made for the thread's first WebSocket.
    static TOOLS: RefCell<Option<Box<Tools>>> = const { RefCell::new(None) };
}

/// Used during one poll of one connection, never across an `await`. All that outlasts a poll is moved to the connection.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) inflaters: Inflaters,
    pub(super) deflaters: Deflaters,
    /// Records on their way to a worker.
    pub(super) pieces: Pieces,
    /// Records on their way from one.
    pub(super) records: Vec<u8>,
    /// A piece of a message that is to be compressed.
    pub(super) piece: Vec<u8>,
}

/// Lends the thread's tools.
pub(super) fn with_tools<T>(using: impl FnOnce(&mut Tools) -> T) -> T {
    TOOLS.with(|tools| using(tools.borrow_mut().get_or_insert_default()))
}
