//! Bytes that were read from a client and not used yet.

/// A buffer that is consumed from the front and costs nothing while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Drops `length` bytes from the front.
    pub(crate) fn consume(&mut self, length: usize) {
        self.start = (self.start + length).min(self.bytes.len());
        if self.is_empty() {
            // An idle connection holds no memory.
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_consumed_from_the_front() {
        let mut buffer = Buffer::default();
        buffer.extend(b"abcdef");
        buffer.consume(2);
        buffer.extend(b"gh");
        assert_eq!(buffer.as_slice(), b"cdefgh");
        buffer.consume(6);
        assert!(buffer.is_empty() && buffer.bytes.capacity() == 0);
    }
}
