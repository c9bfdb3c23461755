//! One open place that log records go to, written in a way that never waits for a reader.
//!
//! A regular file is written by a thread of its own (see `disk.rs`). A pipe or terminal is opened again through /proc, which gives it an
//! `O_NONBLOCK` of its own: setting the flag on the standard stream itself would change it for the shell and for the
//! workers, which share it. A socket (the journal's, under systemd) is written with `MSG_DONTWAIT`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, write};
use rustix::net::{SendFlags, send};

use crate::disk::Disk;
use crate::sink::Target;

/// Writes to a pipe up to this size are all or nothing (POSIX `PIPE_BUF` as Linux has it, pipe(7)).
pub(crate) const PIPE_ATOMIC: usize = 4096;

/// Log files are for their owner and group: they hold addresses and queries of visitors.
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);

#[derive(Debug)]
pub(crate) enum Output {
    /// A file: its writes wait for a disk, or for another machine.
    File(Disk),
    Stream(OwnedFd, Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A pipe or terminal with `O_NONBLOCK`.
    Stream,
    /// A pipe or terminal that could not be opened again: it is asked first, and given little at a time.
    SharedStream,
    /// A socket.
    Socket,
}

impl Output {
    pub(crate) fn open(target: &Target) -> Result<Self, Errno> {
        match target {
            Target::Stdout => Output::standard(std::io::stdout().as_fd()),
            Target::Stderr => Output::standard(std::io::stderr().as_fd()),
            Target::File(path) => {
                let flags = OFlags::WRONLY
                    | OFlags::APPEND
                    | OFlags::CREATE
                    | OFlags::NONBLOCK
                    | OFlags::NOCTTY
                    | OFlags::CLOEXEC;
                let descriptor = openat(CWD, path, flags, FILE_MODE)?;
                Ok(match file_type(&descriptor)? {
                    FileType::RegularFile => Output::File(Disk::new(descriptor)),
                    _ => Output::Stream(descriptor, Kind::Stream),
                })
            }
        }
    }

    fn standard(stream: BorrowedFd<'_>) -> Result<Self, Errno> {
        let kind = match file_type(stream)? {
            // Not opened again: a shell's `> file` has one offset for all who inherited it, and ours must move with it.
            FileType::RegularFile => return Ok(Output::File(Disk::new(fcntl_dupfd_cloexec(stream, 3)?))),
            FileType::Socket => Kind::Socket,
            _ => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
                if let Ok(descriptor) = openat(CWD, path, flags, Mode::empty()) {
                    return Ok(Output::Stream(descriptor, Kind::Stream));
                }
                // Another user's terminal or pipe, after privileges were given up.
                Kind::SharedStream
            }
        };
        Ok(Output::Stream(fcntl_dupfd_cloexec(stream, 3)?, kind))
    }

    /// Writes what can be written now, in one system call, and returns how much that was. A file takes all or nothing.
    ///
    /// # Errors
    ///
    /// `AGAIN` when the reader or the disk is behind; anything else is a failure of the place itself.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let (descriptor, kind) = match self {
            Self::File(disk) => return disk.write(bytes),
            Self::Stream(descriptor, kind) => (descriptor, kind),
        };
        loop {
            let result = match kind {
                Kind::Stream => write(descriptor, bytes),
                Kind::Socket => send(descriptor, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
                // A pipe that reports room has it for this much at least, so that the write does not block.
                Kind::SharedStream => match self.is_writable_within(Duration::ZERO) {
                    true => write(descriptor, bytes.get(..PIPE_ATOMIC).unwrap_or(bytes)),
                    false => Err(Errno::AGAIN),
                },
            };
            match result {
                Err(Errno::INTR) => {}
                // Nothing written is no progress, and not to be tried for ever.
                Ok(0) if !bytes.is_empty() => return Err(Errno::IO),
                result => return result,
            }
        }
    }

    /// The size up to which a write is never torn, where there is one.
    pub(crate) fn atomic_limit(&self) -> usize {
        match self {
            Self::File(_) => usize::MAX,
            Self::Stream(..) => PIPE_ATOMIC,
        }
    }

    /// For how long a file has not ended a write; zero for all that is no file.
    pub(crate) fn hangs_for(&self) -> Duration {
        match self {
            Self::File(disk) => disk.busy_for(),
            Self::Stream(..) => Duration::ZERO,
        }
    }

    pub(crate) fn is_writable_within(&self, limit: Duration) -> bool {
        let descriptor = match self {
            Self::File(disk) => return disk.is_idle_within(limit),
            Self::Stream(descriptor, _) => descriptor,
        };
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let mut descriptors = [PollFd::new(descriptor, PollFlags::OUT)];
        matches!(poll(&mut descriptors, Some(&limit)), Ok(1..))
    }
}

fn file_type(descriptor: impl AsFd) -> Result<FileType, Errno> {
    Ok(FileType::from_raw_mode(fstat(descriptor)?.st_mode))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::unix::net::UnixStream;

    use rustix::fs::fcntl_getfl;
    use rustix::pipe::pipe;

    use super::*;

    /// Writes lines until the reader is behind, and returns how much went through.
    fn fill(output: &Output) -> usize {
        let line = [b'x'; PIPE_ATOMIC];
        let mut total = 0;
        loop {
            match output.write(&line) {
                Ok(written) => total += written,
                Err(error) => {
                    assert_eq!(error, Errno::AGAIN);
                    return total;
                }
            }
        }
    }

    #[test]
    fn a_pipe_that_others_share_stays_blocking_for_them() {
        let (_reader, writer) = pipe().unwrap();
        let output = Output::standard(writer.as_fd()).unwrap();
        assert!(matches!(output, Output::Stream(_, Kind::Stream)));
        assert_eq!(fill(&output), 65_536);
        assert!(!fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK));
        assert!(!output.is_writable_within(Duration::ZERO));
    }

    #[test]
    fn a_pipe_that_cannot_be_opened_again_is_asked_first() {
        let (_reader, descriptor) = pipe().unwrap();
        let output = Output::Stream(descriptor, Kind::SharedStream);
        assert_eq!(output.write(&[b'x'; 3 * PIPE_ATOMIC]), Ok(PIPE_ATOMIC));
        assert_eq!(fill(&output), 65_536 - PIPE_ATOMIC);
    }

    #[test]
    fn a_socket_is_not_waited_for_either() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let output = Output::standard(writer.as_fd()).unwrap();
        assert!(matches!(output, Output::Stream(_, Kind::Socket)));
        let written = fill(&output);
        assert!(written > 0);
        assert!(!fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK));
        drop((output, writer));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), written);
    }

    #[test]
    fn a_file_as_standard_stream_keeps_one_offset_for_all() {
        let mut file = tempfile::tempfile().unwrap();
        let output = Output::standard(file.as_fd()).unwrap();
        assert!(matches!(output, Output::File(_)));
        assert_eq!(output.write(b"ours\n"), Ok(5));
        assert_eq!(file.stream_position().unwrap(), 5);
    }
}
