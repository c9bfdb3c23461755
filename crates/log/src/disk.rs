//! A file that is written by a thread of its own, so that a disk that hangs holds up nobody but that thread.
//!
//! ```text
//!            hand over                  done in time: its result
//!   idle ──────────────► busy ─────────────────────────────────────► idle
//!                         │ not done in time: taken as written, and nobody waits from then on
//!                         └──► behind ──── busy ──► AGAIN; idle ──► handed over, not waited for ──► a quick write ends it
//! ```
//!
//! While writes are quick a caller waits for its own, so that a log is in its file when the call returns, and an error is told about what it lost. A
//! network file system that does not answer, or a disk that failed, costs one caller [`PATIENCE`] once.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::{Errno, write};

/// How long a caller waits for its write.
const PATIENCE: Duration = Duration::from_millis(100);
/// A write that takes no longer than this is quick.
const QUICK: Duration = Duration::from_millis(5);

/// An open file, and the thread that writes to it; it is started with the first write.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    has_thread: Mutex<bool>,
}

#[derive(Debug)]
struct Shared {
    file: OwnedFd,
    state: Mutex<State>,
    /// Something was handed over, or the file is closed.
    handed: Condvar,
    /// The thread is idle again.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What the thread is to write; it takes it out.
    next: Option<Vec<u8>>,
    /// Since when it writes, or is to.
    busy: Option<Instant>,
    /// A write took too long, and none was quick since.
    behind: bool,
    /// How the last write ended that nobody has asked about.
    failed: Option<Errno>,
    closed: bool,
}

impl Disk {
    pub(crate) fn new(file: OwnedFd) -> Self {
        let shared = Shared { file, state: Mutex::default(), handed: Condvar::new(), done: Condvar::new() };
        Self { shared: Arc::new(shared), has_thread: Mutex::new(false) }
    }

    /// Writes all of it, or hands it over.
    ///
    /// # Errors
    ///
    /// `AGAIN` while the thread still writes what it was given before: nothing of `bytes` was taken. Anything else is what the file said about this
    /// write, or about one before that was handed over; then nothing was taken, either.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if !self.start() {
            return write_all(&self.shared.file, bytes).map(|()| bytes.len());
        }
        let mut state = self.shared.lock();
        if state.busy.is_some() {
            return Err(Errno::AGAIN);
        }
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        state.next = Some(bytes.to_vec());
        state.busy = Some(Instant::now());
        self.shared.handed.notify_one();
        if state.behind {
            return Ok(bytes.len());
        }
        let (mut state, _) = self.shared.wait(state, PATIENCE);
        if state.busy.is_some() {
            state.behind = true;
            return Ok(bytes.len());
        }
        state.failed.take().map_or(Ok(bytes.len()), Err)
    }

    /// For how long the thread has been at what it writes; zero while it writes nothing.
    pub(crate) fn busy_for(&self) -> Duration {
        self.shared.lock().busy.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Waits until the thread is idle; whether it is.
    pub(crate) fn is_idle_within(&self, limit: Duration) -> bool {
        let state = self.shared.lock();
        self.shared.wait(state, limit).0.busy.is_none()
    }

    /// Whether there is a thread. Where none can be had, the caller writes.
    fn start(&self) -> bool {
        let mut has_thread = self.has_thread.lock().unwrap_or_else(PoisonError::into_inner);
        if !*has_thread {
            let shared = Arc::clone(&self.shared);
            let builder = std::thread::Builder::new().name("hostler-log".to_owned()).stack_size(128 * 1024);
            *has_thread = builder.spawn(move || shared.serve()).is_ok();
        }
        *has_thread
    }
}

impl Drop for Disk {
    /// Nobody waits for a thread that hangs. What it was given it writes, if the process lives as long.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.handed.notify_one();
    }
}

impl Shared {
    fn serve(&self) {
        let mut state = self.lock();
        loop {
            let Some(bytes) = state.next.take() else {
                if state.closed {
                    return;
                }
                state = self.handed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let began = Instant::now();
            let written = write_all(&self.file, &bytes);
            state = self.lock();
            state.failed = written.err();
            state.behind = state.behind && began.elapsed() > QUICK;
            state.busy = None;
            self.done.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the thread is idle.
    fn wait<'s>(&self, state: MutexGuard<'s, State>, limit: Duration) -> (MutexGuard<'s, State>, bool) {
        let waited = self.done.wait_timeout_while(state, limit, |state| state.busy.is_some());
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (state, timeout.timed_out())
    }
}

fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(file, rest) {
            // Nothing written is no progress, and not to be tried for ever.
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::pipe::pipe;

    use super::*;

    /// A file, and what is read of it.
    fn piped() -> (std::fs::File, Disk) {
        let (reader, writer) = pipe().unwrap();
        (reader.into(), Disk::new(writer))
    }

    /// A file whose disk hangs: a pipe that is full, and whose writes wait.
    fn hanging() -> (std::fs::File, Disk) {
        let (reader, writer) = pipe().unwrap();
        assert_eq!(write(&writer, &FULL), Ok(FULL.len()));
        (reader.into(), Disk::new(writer))
    }

    static FULL: [u8; 65_536] = [b'x'; 65_536];

    #[test]
    fn what_is_quick_is_written_when_the_call_returns() {
        let (mut reader, disk) = piped();
        for _ in 0..100 {
            assert_eq!(disk.write(b"line\n"), Ok(5));
            let mut line = [0; 5];
            reader.read_exact(&mut line).unwrap();
            assert_eq!(&line, b"line\n");
            assert!(disk.is_idle_within(Duration::from_secs(30)));
        }
        assert_eq!(disk.busy_for(), Duration::ZERO);
    }

    #[test]
    fn one_write_waits_for_a_disk_that_hangs_and_no_other_does() {
        let (mut reader, disk) = hanging();
        let began = Instant::now();
        assert_eq!(disk.write(b"handed over"), Ok(11));
        assert!(began.elapsed() >= PATIENCE && disk.busy_for() >= PATIENCE);
        for _ in 0..1000 {
            assert_eq!(disk.write(b"not taken"), Err(Errno::AGAIN));
        }
        assert!(began.elapsed() < PATIENCE * 200, "nobody waits: {:?}", began.elapsed());
        assert!(!disk.is_idle_within(Duration::from_millis(10)));
        // It comes back, with what it was given and no more.
        reader.read_exact(&mut vec![0; FULL.len()]).unwrap();
        assert!(disk.is_idle_within(Duration::from_secs(30)));
        assert_eq!(disk.write(b", and after"), Ok(11));
        assert!(disk.is_idle_within(Duration::from_secs(30)));
        let mut rest = [0; 22];
        reader.read_exact(&mut rest).unwrap();
        assert_eq!(&rest, b"handed over, and after");
    }

    #[test]
    fn an_error_is_told_of_the_write_it_belongs_to_or_of_the_next() {
        let (reader, disk) = hanging();
        assert_eq!(disk.write(b"handed over"), Ok(11));
        drop(reader);
        assert!(disk.is_idle_within(Duration::from_secs(30)));
        assert_eq!(disk.write(b"next"), Err(Errno::PIPE));
        assert!(matches!(disk.write(b"next"), Err(Errno::PIPE) | Ok(4)));
        assert!(disk.is_idle_within(Duration::from_secs(30)));
    }

    #[test]
    fn a_disk_that_hangs_is_left_behind() {
        let (mut reader, disk) = hanging();
        assert_eq!(disk.write(b"last"), Ok(4));
        drop(disk);
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert!(all.ends_with(b"xlast"), "its thread writes what it was given, and closes");
    }
}
