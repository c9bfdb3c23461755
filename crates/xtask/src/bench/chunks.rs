//! A body in chunks (RFC 9112, section 7.1), taken apart in whatever pieces it comes.

use anyhow::{Result, bail, ensure};

/// Longer lines than this are not a size.
const LINE_LIMIT: usize = 64;

/// What comes next.
#[derive(Default)]
enum Stage {
    #[default]
    Size,
    /// So many bytes of data.
    Data(u64),
    /// The line end after the data.
    DataEnd,
    /// The empty line at the end; trailers are not expected.
    LastLine,
    Over,
}

#[derive(Default)]
pub(super) struct Reader {
    stage: Stage,
    /// The line so far.
    line: Vec<u8>,
}

impl Reader {
    /// Whether the last chunk and the line end after it were read.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Gives the data in `bytes` to `on`.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut on: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        while let Some((byte, rest)) = bytes.split_first() {
            match self.stage {
                Stage::Data(left) => {
                    let now = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    on(&bytes[..now])?;
                    bytes = &bytes[now..];
                    self.stage = if left == now as u64 { Stage::DataEnd } else { Stage::Data(left - now as u64) };
                    continue;
                }
                Stage::Over => bail!("bytes after the end of the body"),
                _ => bytes = rest,
            }
            self.line.push(*byte);
            ensure!(self.line.len() <= LINE_LIMIT, "a line of {LINE_LIMIT} bytes between chunks");
            if self.line.ends_with(b"\r\n") {
                self.end_line()?;
                self.line.clear();
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<()> {
        let line = self.line.strip_suffix(b"\r\n").unwrap_or_default();
        self.stage = match self.stage {
            Stage::Size => {
                let size = str::from_utf8(line).unwrap_or_default().split(';').next().unwrap_or_default();
                match u64::from_str_radix(size, 16)? {
                    0 => Stage::LastLine,
                    size => Stage::Data(size),
                }
            }
            _ if !line.is_empty() => bail!("{:?} where a line should be empty", String::from_utf8_lossy(line)),
            Stage::DataEnd => Stage::Size,
            _ => Stage::Over,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], size: usize) -> Result<(String, bool)> {
        let (mut reader, mut data) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(size) {
            reader.take(piece, |bytes| {
                data.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        Ok((String::from_utf8(data)?, reader.is_over()))
    }

    #[test]
    fn chunks_are_joined_in_any_pieces() {
        let bytes = b"5\r\nHello\r\nA;x=y\r\n, World!\r\n\r\n0\r\n\r\n";
        for size in 1..=bytes.len() {
            assert_eq!(read(bytes, size).unwrap(), ("Hello, World!\r\n".to_owned(), true), "in pieces of {size}");
        }
        assert_eq!(read(b"2\r\nab\r\n", 3).unwrap(), ("ab".to_owned(), false));
    }

    #[test]
    fn bad_chunks_are_refused() {
        for bytes in [&b"x\r\n"[..], b"1\r\nab\r\n", b"0\r\n\r\nx"] {
            assert!(read(bytes, 1).is_err(), "{bytes:?}");
        }
    }
}
