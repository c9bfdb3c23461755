//! Pieces of messages, laid out as records, on their way to a worker: gathered, so that the worker is woken once for all that a read brought.

use hostler_exchange::Exchange;
use hostler_exchange::record::{self, Header};
use hostler_websocket::Kind;

/// The most bytes gathered.
const GATHERED: usize = 64 * 1024;
/// A message is not cut into pieces shorter than this, in bytes, unless it ends with one.
const SHORTEST: usize = 1024;

/// Records that are to be put into a slot's ring.
#[derive(Debug)]
pub(super) struct Pieces {
    bytes: Box<[u8]>,
    filled: usize,
    /// Bytes that may be filled: the room in the ring.
    limit: usize,
    /// The record that is not complete: where it begins, and what it carries.
    open: Option<(usize, Kind)>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { bytes: vec![0; GATHERED].into_boxed_slice(), filled: 0, limit: 0, open: None }
    }
}

/// The room that is waited for before more is read from a client, in a ring of so many bytes. The worker tells of room from half a ring on.
pub(super) fn wanted_room(ring: usize) -> usize {
    (Header::SIZE + SHORTEST).min(ring / 2)
}

impl Pieces {
    /// Begins anew, for a ring with so much room.
    pub(super) fn begin(&mut self, room: usize) {
        self.filled = 0;
        self.open = None;
        self.limit = room.min(self.bytes.len());
    }

    /// Where the next bytes of a message may go; `None` when there is no room even for a record without any. `coming` is how many may
    /// come of them at least.
    pub(super) fn space(&mut self, coming: usize) -> Option<&mut [u8]> {
        let header = if self.open.is_some() { 0 } else { Header::SIZE };
        let start = self.filled + header;
        if start > self.limit {
            return None;
        }
        let room = self.limit - start;
        // Where there is little room, more is waited for.
        let room = if room < coming && self.filled > 0 && room < SHORTEST.min(self.limit / 4) { 0 } else { room };
        Some(&mut self.bytes[start..start + room])
    }

    /// Counts `length` bytes that were written to the space.
    pub(super) fn add(&mut self, kind: Kind, length: usize, finished: bool) {
        let start = match self.open {
            Some((start, _)) => start,
            None => {
                let start = self.filled;
                self.filled += Header::SIZE;
                self.open = Some((start, kind));
                start
            }
        };
        self.filled += length;
        if finished {
            self.close(start, kind, false);
        }
    }

    /// Appends a whole CLOSE, if there is room for it.
    pub(super) fn add_close(&mut self, code: u16, reason: &str) -> bool {
        let length = Header::SIZE + reason.len();
        if self.filled + length > self.limit {
            return false;
        }
        let header = Header { length: reason.len() as u32, kind: record::Kind::Close, more: false, code };
        self.bytes[self.filled..self.filled + Header::SIZE].copy_from_slice(&header.pack());
        self.bytes[self.filled + Header::SIZE..self.filled + length].copy_from_slice(reason.as_bytes());
        self.filled += length;
        true
    }

    fn close(&mut self, start: usize, kind: Kind, more: bool) {
        let length = (self.filled - start - Header::SIZE) as u32;
        let kind = match kind {
            Kind::Text => record::Kind::Text,
            Kind::Binary => record::Kind::Binary,
        };
        let header = Header { length, kind, more, code: 0 };
        self.bytes[start..start + Header::SIZE].copy_from_slice(&header.pack());
        self.open = None;
    }

    /// Puts all of it into the ring; whether there are `wanted` bytes of room then.
    pub(super) fn make_room(&mut self, exchange: &Exchange, slot: u32, wanted: usize) -> bool {
        self.flush(exchange, slot);
        self.limit >= wanted
    }

    /// Puts all of it into the ring. What was begun of a message becomes a record of its own.
    pub(super) fn flush(&mut self, exchange: &Exchange, slot: u32) {
        if let Some((start, kind)) = self.open {
            self.close(start, kind, true);
        }
        if self.filled > 0 {
            // There is room for all: it was counted before, and only grows.
            let written = exchange.write_body(slot, &self.bytes[..self.filled]);
            debug_assert_eq!(written, self.filled);
        }
        self.begin(exchange.body_room(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(mut bytes: &[u8]) -> Vec<(u32, record::Kind, bool)> {
        let mut found = Vec::new();
        while let Some((header, rest)) = bytes.split_first_chunk() {
            let header = Header::unpack(header).unwrap();
            found.push((header.length, header.kind, header.more));
            bytes = &rest[header.length as usize..];
        }
        found
    }

    #[test]
    fn frames_of_one_message_become_one_record() {
        let mut pieces = Pieces::default();
        pieces.begin(4096);
        for (kind, length, finished) in
            [(Kind::Text, 5, false), (Kind::Text, 7, true), (Kind::Binary, 0, true), (Kind::Text, 3, false)]
        {
            assert!(pieces.space(length).unwrap().len() >= length);
            pieces.add(kind, length, finished);
        }
        pieces.close(pieces.open.unwrap().0, Kind::Text, true);
        let found = headers(&pieces.bytes[..pieces.filled]);
        let (text, binary) = (record::Kind::Text, record::Kind::Binary);
        assert_eq!(found, [(12, text, false), (0, binary, false), (3, text, true)]);
    }

    #[test]
    fn nothing_goes_beyond_the_room() {
        let mut pieces = Pieces::default();
        pieces.begin(2000);
        assert_eq!(pieces.space(5000).unwrap().len(), 1992);
        pieces.add(Kind::Binary, 1900, true);
        // 84 bytes are left: too little of a long message, enough for the end of one.
        assert_eq!(pieces.space(5000).unwrap().len(), 0);
        assert_eq!(pieces.space(50).unwrap().len(), 84);
        pieces.add(Kind::Binary, 84, false);
        assert_eq!(pieces.space(50).unwrap().len(), 0);
        pieces.add(Kind::Binary, 0, true);
        assert!(pieces.space(1).is_none() && !pieces.add_close(1000, ""));
    }
}
