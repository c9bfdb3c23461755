//! A thread beside Python that needs nothing of it: it sees the supervisor leave, and carries stacks to the log while the interpreter is stuck.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use hostler_channel::{Channel, FromWorker, LogRecord, Severity, ToWorker, clip};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::life;

/// A silence that ends a print of stacks: the handler writes it in one go, in many small pieces.
const SILENCE: Duration = Duration::from_millis(20);
/// The most of one print that is kept, in bytes.
const LONGEST: usize = 64 * 1024;

/// Starts the thread. `stacks` is the pipe that Python's faulthandler prints to.
pub(crate) fn start(channel: &'static Channel, stacks: OwnedFd) -> io::Result<()> {
    std::thread::Builder::new()
        .name("hostler-watch".to_owned())
        .stack_size(128 * 1024)
        .spawn(move || watch(channel, &stacks))
        .map(drop)
}

fn watch(channel: &Channel, stacks: &OwnedFd) {
    loop {
        let mut events = [PollFd::new(channel, PollFlags::IN), PollFd::new(stacks, PollFlags::IN)];
        if poll(&mut events, None).is_err() {
            continue;
        }
        let [channel_ready, stacks_ready] = events.map(|event| !event.revents().is_empty());
        if stacks_ready {
            let text = read_stacks(stacks);
            let (ids, names): (Vec<_>, Vec<_>) = life::running().into_iter().unzip();
            let record = LogRecord {
                severity: Severity::Warning,
                message: format!(
                    "the Python stacks of a worker that runs {}",
                    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
                ),
                detail: Some(clip(text.trim_end())),
                request_id: (!ids.is_empty()).then(|| ids.join(",")),
            };
            // A supervisor that is gone is noticed below.
            let _sent = channel.send(&FromWorker::Log(record));
        }
        if channel_ready {
            match channel.receive::<ToWorker>() {
                // A stop: the shared memory says the same, and rang the threads already.
                Ok(Some(_)) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A supervisor that is gone takes its workers with it, whatever they do.
                Ok(None) | Err(_) => {
                    let own = rustix::process::getpid();
                    let _killed = rustix::process::kill_process(own, rustix::process::Signal::KILL);
                }
            }
        }
    }
}

/// What is printed until a silence.
fn read_stacks(stacks: &OwnedFd) -> String {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    let silence = Timespec { tv_sec: 0, tv_nsec: i64::from(SILENCE.subsec_nanos()) };
    loop {
        let mut event = [PollFd::from_borrowed_fd(stacks.as_fd(), PollFlags::IN)];
        if !matches!(poll(&mut event, Some(&silence)), Ok(ready) if ready > 0) {
            break;
        }
        match rustix::io::read(stacks, &mut piece) {
            Ok(length) if length > 0 && text.len() < LONGEST => text.extend_from_slice(&piece[..length]),
            Ok(length) if length > 0 => {}
            _ => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
