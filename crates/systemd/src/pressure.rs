//! Being told that memory is short (systemd.io/MEMORY_PRESSURE; `MemoryPressureWatch=`, since 254).

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::OFlags;
use rustix::io::Errno;
use thiserror::Error;

use crate::{Environment, VariableError};

/// A descriptor that becomes ready when memory is short. For tokio: `AsyncFd::with_interest(pressure, interest)`, with
/// `Interest::PRIORITY` or `Interest::READABLE` as [`MemoryPressure::ready`] says, and [`MemoryPressure::take`] after each
/// time. It is made non-blocking.
#[derive(Debug)]
pub struct MemoryPressure {
    descriptor: OwnedFd,
    ready: Ready,
}

/// What a descriptor says when memory is short (poll(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// `POLLPRI`: a file of the kernel (PSI).
    Priority,
    /// `POLLIN`: a FIFO or socket of somebody who watches for us.
    Readable,
}

/// Why memory pressure cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PressureError {
    /// A variable makes no sense.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// The file cannot be used.
    #[error("memory pressure cannot be watched: {action} {}: {source}", path.display())]
    System {
        /// What was tried.
        action: &'static str,
        /// `MEMORY_PRESSURE_WATCH`.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl MemoryPressure {
    /// What `MEMORY_PRESSURE_WATCH` says to watch, with what `MEMORY_PRESSURE_WRITE` says to write to it. `None` when nobody
    /// asked for it, or asked not to (`/dev/null`).
    ///
    /// # Errors
    /// The variables make no sense, or the file cannot be opened or written.
    pub fn from(environment: &Environment) -> Result<Option<Self>, PressureError> {
        let Some(path) = environment.get("MEMORY_PRESSURE_WATCH").map(Path::new) else { return Ok(None) };
        if path == Path::new("/dev/null") {
            return Ok(None);
        }
        if !path.is_absolute() {
            return Err(environment.wrong("MEMORY_PRESSURE_WATCH", "an absolute path").into());
        }
        let write = environment.text("MEMORY_PRESSURE_WRITE")?.unwrap_or_default();
        let write = STANDARD.decode(write).map_err(|_| environment.wrong("MEMORY_PRESSURE_WRITE", "Base64"))?;
        open(path, &write).map(Some)
    }

    /// What to wait for.
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// Takes what made the descriptor ready, so that it can become ready again. Returns false when nobody will write any more.
    ///
    /// # Errors
    /// As read(2).
    pub fn take(&self) -> io::Result<bool> {
        if self.ready == Ready::Priority {
            // Polling itself took it.
            return Ok(true);
        }
        let mut bytes = [0; 512];
        loop {
            match rustix::io::retry_on_intr(|| rustix::io::read(&self.descriptor, &mut bytes)) {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for MemoryPressure {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// For `AsyncFd`, which asks for the number.
impl std::os::fd::AsRawFd for MemoryPressure {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.descriptor.as_raw_fd()
    }
}

fn open(path: &Path, write: &[u8]) -> Result<MemoryPressure, PressureError> {
    let failed = |action| move |source| PressureError::System { action, path: path.to_owned(), source };
    let kind = std::fs::metadata(path).map_err(failed("looking at"))?.file_type();
    if kind.is_socket() {
        let mut stream = UnixStream::connect(path).map_err(failed("connecting to"))?;
        stream.write_all(write).map_err(failed("writing to"))?;
        stream.set_nonblocking(true).map_err(failed("preparing"))?;
        return Ok(MemoryPressure { descriptor: stream.into(), ready: Ready::Readable });
    }
    let ready = if kind.is_fifo() {
        Ready::Readable
    } else if kind.is_file() {
        Ready::Priority
    } else {
        return Err(failed("using")(io::Error::other("it is no file, FIFO or socket")));
    };
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    // A FIFO that nobody writes yet is opened for both, as fifo(7) allows; without something to write, reading is enough.
    let writable = !write.is_empty() || ready == Ready::Readable;
    let mut file =
        OpenOptions::new().read(true).write(writable).custom_flags(flags).open(path).map_err(failed("opening"))?;
    // What is written tells the kernel when to report. To a FIFO it would come back to ourselves.
    if ready == Ready::Priority && !write.is_empty() {
        file.write_all(write).map_err(failed("writing to"))?;
    }
    Ok(MemoryPressure { descriptor: file.into(), ready })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn watch(path: &Path, write: &str) -> Result<Option<MemoryPressure>, PressureError> {
        let variables = [("MEMORY_PRESSURE_WATCH", path.to_str().unwrap()), ("MEMORY_PRESSURE_WRITE", write)];
        MemoryPressure::from(&variables.into_iter().collect())
    }

    fn is_readable(pressure: &MemoryPressure) -> bool {
        let mut waited = [PollFd::new(pressure, PollFlags::IN)];
        poll(&mut waited, Some(&Timespec::default())).unwrap() == 1
    }

    #[test]
    fn a_file_is_told_when_to_report() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.pressure");
        std::fs::write(&path, "").unwrap();
        let pressure = watch(&path, "c29tZSAxMDAwMDAgMTAwMDAwMAA=").unwrap().unwrap();
        assert_eq!(pressure.ready(), Ready::Priority);
        assert!(pressure.take().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"some 100000 1000000\0");
    }

    #[test]
    fn a_fifo_is_ready_once_for_all_that_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let pressure = watch(&path, "").unwrap().unwrap();
        assert_eq!(pressure.ready(), Ready::Readable);
        assert!(!is_readable(&pressure));
        std::fs::write(&path, vec![b'x'; 2000]).unwrap();
        assert!(is_readable(&pressure));
        assert!(pressure.take().unwrap());
        assert!(!is_readable(&pressure));
    }

    #[test]
    fn a_socket_is_connected_and_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let pressure = watch(&path, "aGk=").unwrap().unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = [0; 2];
        io::Read::read_exact(&mut peer, &mut bytes).unwrap();
        assert_eq!(&bytes, b"hi");
        peer.write_all(b"!").unwrap();
        assert!(pressure.take().unwrap());
        drop(peer);
        assert!(!pressure.take().unwrap());
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        assert!(watch(Path::new("/dev/null"), "").unwrap().is_none());
        assert!(MemoryPressure::from(&Environment::default()).unwrap().is_none());
        for (path, write, hint) in [
            ("relative", "", "an absolute path"),
            ("/nonexistent", "", "looking at /nonexistent: No such file"),
            ("/proc/self/stat", "!", "not Base64"),
            ("/dev/zero", "", "no file, FIFO or socket"),
        ] {
            let message = watch(Path::new(path), write).unwrap_err().to_string();
            assert!(message.contains(hint), "{message}");
        }
    }
}
