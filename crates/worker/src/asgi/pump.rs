//! A file into an answer (`http.response.pathsend`): by a thread without Python, so that a slow disk does not hold up the loop.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use hostler_exchange::{Taken, Wait, WorkerSide};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Sent,
    /// It could not be read, or was shorter than it was.
    Failed,
    /// Nobody wants it any more.
    Given,
}

/// A file on its way. Nothing is written for it after it was dropped.
#[derive(Debug)]
pub(crate) struct Pump {
    state: Arc<Mutex<State>>,
}

impl Pump {
    /// Starts to send `length` bytes; the loop is rung for the slot when that is done.
    pub(crate) fn start(side: &'static WorkerSide, taken: Taken, file: &File, length: u64) -> Self {
        let state = Arc::new(Mutex::new(State::Running));
        let shared = Arc::clone(&state);
        let started = file.try_clone().and_then(|file| {
            let builder = std::thread::Builder::new().name("hostler-file".to_owned()).stack_size(256 * 1024);
            builder.spawn(move || {
                let ended = if send(side, taken, file, length, &shared) { State::Sent } else { State::Failed };
                let mut state = lock(&shared);
                if *state == State::Running {
                    *state = ended;
                    side.ring_own_loop(taken);
                }
            })
        });
        if started.is_err() {
            *lock(&state) = State::Failed;
        }
        Self { state }
    }

    pub(crate) fn is_done(&self) -> bool {
        *lock(&self.state) != State::Running
    }

    pub(crate) fn failed(&self) -> bool {
        *lock(&self.state) == State::Failed
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if *state == State::Running {
            *state = State::Given;
        }
    }
}

fn send(side: &WorkerSide, taken: Taken, mut file: File, mut left: u64, state: &Mutex<State>) -> bool {
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let wanted = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        let mut bytes = match file.read(&mut piece[..wanted]) {
            Ok(0) | Err(_) => return false,
            Ok(length) => &piece[..length],
        };
        left -= bytes.len() as u64;
        while !bytes.is_empty() {
            {
                // Under the lock: the slot is this request's as long as the pump is wanted.
                let state = lock(state);
                if *state != State::Running {
                    return false;
                }
                bytes = &bytes[side.write(taken, bytes)..];
                side.publish(taken);
            }
            if !bytes.is_empty() && side.await_room(taken) == Wait::Abandoned {
                return false;
            }
        }
    }
    true
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
