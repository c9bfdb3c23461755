//! From a worker to the client: records out of the slot's ring become frames.

use hostler_exchange::Exchange;
use hostler_exchange::record::{self, Header};
use hostler_websocket::{Close, Deflate, Deflaters, Encoder, Kind, LONGEST_REASON};

use super::tools::Tools;

/// The most bytes of frames that are written with one call.
const STEP: usize = 128 * 1024;
/// Bytes that are taken out of the ring at once to look for records. The payload of longer ones goes straight to where it is sent from.
const BATCH: usize = 4096;
/// Bytes that are compressed at once.
const PIECE: usize = 64 * 1024;

/// Turns the records of one WebSocket into frames.
#[derive(Debug)]
pub(super) struct Outgoing {
    encoder: Encoder,
    record: Record,
    /// The start of a header that the ring did not hold whole.
    cut: [u8; Header::SIZE],
    cut_length: u8,
}

/// The record that is being sent.
#[derive(Debug, Clone, Copy)]
enum Record {
    /// None: a header comes next.
    Between,
    /// So many bytes go into a frame whose head was written.
    Plain { left: u32 },
    /// So many bytes are to be compressed.
    Compressed { kind: Kind, more: bool, left: u32 },
    /// The reason follows.
    Close { code: u16, length: u32 },
}

/// A worker wrote what is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Damaged;

impl Outgoing {
    pub(super) fn new(deflate: Option<Deflate>) -> Self {
        Self { encoder: Encoder::new(deflate), record: Record::Between, cut: [0; Header::SIZE], cut_length: 0 }
    }

    /// Whether a frame of another kind may be written now: not in the middle of one.
    pub(super) fn is_between_frames(&self) -> bool {
        !matches!(self.record, Record::Plain { .. })
    }

    /// Appends frames for what the ring holds, `available` bytes, to `out`: all of it, or enough for one write. Returns the worker's close when it comes
    /// to it; nothing behind it counts.
    pub(super) fn take(
        &mut self,
        exchange: &Exchange,
        slot: u32,
        available: usize,
        tools: &mut Tools,
        out: &mut Vec<u8>,
    ) -> Result<Option<Close>, Damaged> {
        let Tools { records, piece, deflaters, .. } = tools;
        records.clear();
        records.extend_from_slice(&self.cut[..usize::from(self.cut_length)]);
        self.cut_length = 0;
        let mut source = Source { exchange, slot, available, batch: records, at: 0 };
        let close = self.take_from(&mut source, piece, deflaters, out);
        let rest = source.rest();
        if !matches!(close, Ok(None)) {
            exchange.consume(slot, source.available);
        } else if rest.len() < Header::SIZE {
            self.cut[..rest.len()].copy_from_slice(rest);
            self.cut_length = rest.len() as u8;
        } else {
            // It goes on until the batch is used up.
            return Err(Damaged);
        }
        close
    }

    fn take_from(
        &mut self,
        source: &mut Source<'_>,
        piece: &mut Vec<u8>,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> Result<Option<Close>, Damaged> {
        while out.len() < STEP || !source.rest().is_empty() {
            match self.record {
                Record::Between => match source.header() {
                    Some(header) => self.begin(Header::unpack(&header).ok_or(Damaged)?, out)?,
                    None => return Ok(None),
                },
                Record::Plain { left } => {
                    let length = (left as usize).min(source.there());
                    source.read(length, out);
                    let left = left - length as u32;
                    self.record = Record::Plain { left };
                    if left > 0 {
                        return Ok(None);
                    }
                    self.record = Record::Between;
                }
                Record::Compressed { kind, more, left } => {
                    let length = (left as usize).min(source.there()).min(PIECE);
                    if length == 0 && left > 0 {
                        return Ok(None);
                    }
                    piece.clear();
                    source.read(length, piece);
                    let left = left - length as u32;
                    self.encoder.compressed(kind, left == 0 && !more, piece, deflaters, out);
                    self.record = if left == 0 { Record::Between } else { Record::Compressed { kind, more, left } };
                }
                Record::Close { code, length } => {
                    if source.there() < length as usize {
                        return Ok(None);
                    }
                    piece.clear();
                    source.read(length as usize, piece);
                    self.record = Record::Between;
                    let reason = String::from_utf8_lossy(piece).into_owned().into_boxed_str();
                    return Ok(Some(Close { code, reason }));
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, header: Header, out: &mut Vec<u8>) -> Result<(), Damaged> {
        let Header { length, kind, more, code } = header;
        let kind = match kind {
            record::Kind::Text => Kind::Text,
            record::Kind::Binary => Kind::Binary,
            record::Kind::Close if length as usize > LONGEST_REASON => return Err(Damaged),
            record::Kind::Close => {
                self.record = Record::Close { code, length };
                return Ok(());
            }
        };
        self.record = if self.encoder.compresses(length.into(), !more) {
            Record::Compressed { kind, more, left: length }
        } else {
            self.encoder.head(kind, !more, length.into(), out);
            Record::Plain { left: length }
        };
        Ok(())
    }
}

/// What a ring holds, read in batches.
struct Source<'s> {
    exchange: &'s Exchange,
    slot: u32,
    /// Bytes that are still in the ring.
    available: usize,
    batch: &'s mut Vec<u8>,
    /// Bytes of the batch that are used.
    at: usize,
}

impl Source<'_> {
    /// What of the batch was not used.
    fn rest(&self) -> &[u8] {
        &self.batch[self.at..]
    }

    fn there(&self) -> usize {
        self.rest().len() + self.available
    }

    /// Appends the next `length` bytes, which must be there, to `to`.
    fn read(&mut self, length: usize, to: &mut Vec<u8>) {
        let batched = length.min(self.rest().len());
        to.extend_from_slice(&self.batch[self.at..self.at + batched]);
        self.at += batched;
        let direct = length - batched;
        if direct > 0 {
            self.exchange.read_response(self.slot, direct, to);
            self.available -= direct;
        }
    }

    /// The next header, if it is there whole.
    fn header(&mut self) -> Option<[u8; Header::SIZE]> {
        if self.rest().len() < Header::SIZE && self.available > 0 {
            self.batch.drain(..self.at);
            self.at = 0;
            let length = self.available.min(BATCH);
            self.exchange.read_response(self.slot, length, self.batch);
            self.available -= length;
        }
        let header = *self.rest().first_chunk()?;
        self.at += Header::SIZE;
        Some(header)
    }
}
