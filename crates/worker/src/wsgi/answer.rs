//! The answer to one request: what `start_response` said, and the bytes that follow it.
//!
//! ```text
//!   nothing ──start_response──► started ──first byte, or the end──► sent ──the end──► complete, or cut off
//!                                 ▲  └──start_response with exc_info──┘(before it was sent: replaces it; after: raises)
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostler_exchange::{Taken, Wait, WorkerSide, head, response_flag};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::gone::ClientDisconnected;

/// An answer, shared between the serving thread, `start_response` and `write`.
#[derive(Clone)]
pub(crate) struct Shared {
    answer: Arc<Mutex<Answer>>,
    side: &'static WorkerSide,
}

/// Where an answer is.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The request it is for; none after its end: an application may keep `start_response` or `write`.
    taken: Option<Taken>,
    /// Whether the request's method was HEAD.
    to_head: bool,
    started: bool,
    sent: bool,
    /// The head, laid out.
    pub(crate) head: Vec<u8>,
    pub(crate) status: u16,
    /// What the application said the length would be.
    pub(crate) declared: Option<u64>,
    /// Bytes of the body the application gave, those that are not sent (HEAD, 204, 304, excess) included.
    written: u64,
}

/// Whether anybody still wants the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// So far as is known.
    There,
    /// Nobody: it is no use to go on.
    Gone,
}

/// What was wrong with an answer that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    /// Fewer bytes than declared.
    Short {
        declared: u64,
        written: u64,
    },
    /// More bytes than declared; the excess was dropped.
    Excess {
        declared: u64,
        written: u64,
    },
}

impl Answer {
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    pub(crate) fn sent(&self) -> bool {
        self.sent
    }

    /// Takes over a head that `start_response` checked and laid out into `self.head`.
    pub(crate) fn start(&mut self, status: u16, declared: Option<u64>) {
        self.started = true;
        self.status = status;
        self.declared = declared;
    }

    /// No body is sent after such a head: RFC 9110 sections 9.3.2, 15.3.5, 15.4.5.
    fn bodiless(&self) -> bool {
        self.to_head || matches!(self.status, 204 | 304)
    }

    /// Counts bytes of the body; how many of them are to be sent.
    fn account(&mut self, length: usize) -> usize {
        let before = self.written;
        self.written += length as u64;
        if self.bodiless() {
            return 0;
        }
        let wanted = self.declared.map_or(u64::MAX, |declared| declared.saturating_sub(before));
        length.min(usize::try_from(wanted).unwrap_or(usize::MAX))
    }

    /// All that was declared was given.
    fn fulfilled(&self) -> bool {
        self.declared.is_some_and(|declared| self.written >= declared)
    }
}

impl Shared {
    pub(crate) fn new(side: &'static WorkerSide) -> Self {
        Self { answer: Arc::default(), side }
    }

    /// What is known of the answer, for as long as it is held.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Answer> {
        // A panic inside leaves plain values behind, and its request fails anyway.
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes ready for a request.
    pub(crate) fn open(&self, taken: Taken, to_head: bool) {
        let mut answer = self.lock();
        let head = std::mem::take(&mut answer.head);
        *answer = Answer { taken: Some(taken), to_head, head, ..Answer::default() };
        answer.head.clear();
    }

    /// Forgets the request: what an application kept is of no use from now on.
    pub(crate) fn close(&self) {
        self.lock().taken = None;
    }

    /// Writes bytes of the body, the head before the first. Blocks, without the interpreter's lock, while the client is slower.
    pub(crate) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<Client> {
        let (taken, wanted) = {
            let mut answer = self.lock();
            let taken = current(&answer)?;
            if bytes.is_empty() {
                return Ok(Client::There);
            }
            self.send_head(&mut answer, taken)?;
            (taken, answer.account(bytes.len()))
        };
        let mut left = &bytes[..wanted];
        loop {
            {
                // Under the lock: a thread that outlived its request must not write into the next one's answer.
                let answer = self.lock();
                if answer.taken != Some(taken) {
                    return Ok(Client::Gone);
                }
                left = &left[self.side.write(taken, left)..];
            }
            if left.is_empty() {
                return Ok(if self.side.abandoned(taken) { Client::Gone } else { Client::There });
            }
            self.side.publish(taken);
            if py.detach(|| self.side.await_room(taken)) == Wait::Abandoned {
                return Ok(Client::Gone);
            }
        }
    }

    /// Lets `fill` write straight into shared memory until it says 0, the declared length is reached, or nobody wants more.
    pub(crate) fn write_from(
        &self,
        py: Python<'_>,
        mut fill: impl FnMut(&mut [u8]) -> std::io::Result<usize> + Send,
    ) -> PyResult<Client> {
        let taken = {
            let mut answer = self.lock();
            let taken = current(&answer)?;
            self.send_head(&mut answer, taken)?;
            taken
        };
        loop {
            let (wanted, bodiless) = {
                let answer = self.lock();
                let wanted = answer.declared.map_or(u64::MAX, |declared| declared.saturating_sub(answer.written));
                (usize::try_from(wanted).unwrap_or(usize::MAX), answer.bodiless())
            };
            if wanted == 0 || bodiless {
                return Ok(Client::There);
            }
            let written = py.detach(|| {
                if self.side.room(taken) == 0 {
                    self.side.publish(taken);
                    if self.side.await_room(taken) == Wait::Abandoned {
                        return Ok(None);
                    }
                }
                let answer = self.lock();
                if answer.taken != Some(taken) {
                    return Ok(None);
                }
                self.side.write_with(taken, wanted, &mut fill).map(Some)
            })?;
            match written {
                None => return Ok(Client::Gone),
                Some(0) => return Ok(Client::There),
                Some(length) => {
                    self.lock().written += length as u64;
                    self.side.publish(taken);
                }
            }
        }
    }

    /// Tells the router of what was written so far.
    pub(crate) fn flush(&self) {
        let answer = self.lock();
        if let Some(taken) = answer.taken
            && answer.sent
        {
            if answer.fulfilled() {
                // The client has all of it before the application is done: its connection need not wait.
                self.side.publish_whole(taken);
            } else {
                self.side.publish(taken);
            }
        }
    }

    /// Ends an answer whose application is done with it.
    pub(crate) fn complete(&self) -> PyResult<Ending> {
        let mut answer = self.lock();
        let taken = current(&answer)?;
        self.send_head(&mut answer, taken)?;
        let written = answer.written;
        let ending = match answer.declared {
            Some(declared) if written < declared && !answer.bodiless() => Ending::Short { declared, written },
            Some(declared) if written > declared && !answer.bodiless() => Ending::Excess { declared, written },
            _ => Ending::Complete,
        };
        self.side.flag(
            taken,
            match ending {
                Ending::Complete | Ending::Excess { .. } => response_flag::COMPLETE,
                Ending::Short { .. } => response_flag::FAILED,
            },
        );
        Ok(ending)
    }

    /// Ends an answer that failed: the router answers 500 when no head was sent, else cuts it off.
    pub(crate) fn fail(&self) {
        if let Some(taken) = self.lock().taken {
            self.side.flag(taken, response_flag::FAILED);
            self.side.publish(taken);
        }
    }

    /// The head as the application laid it out, how many bytes of a body it gave, and whether the head went out.
    pub(crate) fn given(&self) -> (Vec<u8>, u64, bool) {
        let answer = self.lock();
        (if answer.started { answer.head.clone() } else { Vec::new() }, answer.written, answer.sent)
    }

    /// Sends early hints; nothing after the head was sent.
    pub(crate) fn hint(&self, py: Python<'_>, laid_out: &[u8]) -> PyResult<()> {
        let taken = {
            let answer = self.lock();
            if answer.sent {
                return Ok(());
            }
            current(&answer)?
        };
        py.detach(|| self.side.hint(taken, laid_out));
        Ok(())
    }

    fn send_head(&self, answer: &mut Answer, taken: Taken) -> PyResult<()> {
        if answer.sent {
            return Ok(());
        }
        if !answer.started {
            return Err(PyRuntimeError::new_err("the application gave a body without calling start_response"));
        }
        let length = answer.head.len();
        if length > self.side.response_ring() || self.side.write(taken, &answer.head) < length {
            return Err(PyValueError::new_err(format!(
                "the response's head of {length} bytes does not fit into response_buffer ({} bytes)",
                self.side.response_ring()
            )));
        }
        self.side.set_head(taken, length);
        answer.sent = true;
        Ok(())
    }
}

/// The laid-out head of a response from its parts; headers follow by [`head::write_header`].
pub(crate) fn lay_out(status: u16, reason: &[u8], headers: usize, to: &mut Vec<u8>) {
    to.clear();
    head::Response { status, reason, headers: headers.min(usize::from(u16::MAX)) as u16 }.write(to);
}

fn current(answer: &Answer) -> PyResult<Taken> {
    answer.taken.ok_or_else(|| PyRuntimeError::new_err("this request is over: its answer was completed"))
}

/// What `write` raises when nobody is there.
pub(crate) fn gone() -> PyErr {
    ClientDisconnected::new_err("the client closed the connection before the answer was complete")
}
