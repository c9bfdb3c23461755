//! One call of the application: a request or a WebSocket, from its slot's point of view.
//!
//! The handler, `receive` and `send` of the call share it. It outlives its request if the application keeps one of them; then
//! it answers as a closed one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostler_exchange::{Awaited, EventLoop, Taken, WorkerSide};
use pyo3::intern;
use pyo3::prelude::*;

use super::http::Http;
use super::outbox::{Drained, Item, Outbox};
use super::waiting::What;
use super::websocket::WebSocket;
use super::{Shared, callables, event, sent};
use crate::gone::ClientDisconnected;
use crate::text::references;

/// The call.
#[pyclass(frozen, module = "hostler")]
pub(crate) struct Call {
    pub(crate) shared: &'static Shared,
    /// The request: [`Taken::to_bits`].
    taken: AtomicU64,
    is_websocket: AtomicBool,
    state: Mutex<State>,
}

/// The Python objects of one call. They serve the next one when the application kept none of them.
pub(crate) struct Desk {
    pub(crate) call: Py<Call>,
    pub(crate) receive: Py<PyAny>,
    pub(crate) send: Py<PyAny>,
}

impl Desk {
    pub(crate) fn new(py: Python<'_>, call: Call) -> PyResult<Self> {
        let call = Bound::new(py, call)?;
        let (receive, send) = (callables::receive(&call)?, callables::send(&call)?);
        Ok(Self { call: call.unbind(), receive, send })
    }

    /// Whether nobody else has any of them: the call itself is `receive`'s and `send`'s, too.
    pub(crate) fn is_free(&self, py: Python<'_>) -> bool {
        references(self.receive.bind(py)) == 1
            && references(self.send.bind(py)) == 1
            && references(self.call.bind(py)) == 3
    }
}

/// What a call remembers.
pub(crate) struct State {
    pub(crate) protocol: Protocol,
    pub(crate) outbox: Outbox,
    /// Futures that tasks sleep on, for what is received and what is sent.
    receiving: Vec<Py<PyAny>>,
    sending: Vec<Py<PyAny>>,
    /// The handler is done: the slot is not this call's any more.
    pub(crate) closed: bool,
}

pub(crate) enum Protocol {
    Http(Http),
    WebSocket(WebSocket),
}

impl Protocol {
    fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }
}

impl State {
    /// After the last event of an answer, when it is on its way: tasks that still wait to receive hear that there is nothing more.
    fn hear_the_end(&mut self) -> Vec<Py<PyAny>> {
        match &self.protocol {
            Protocol::Http(http) if http.is_complete() && self.outbox.is_empty() => std::mem::take(&mut self.receiving),
            _ => Vec::new(),
        }
    }
}

/// Whether all that was sent fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Whole,
    /// The sender waits until it is on its way.
    Partly,
}

impl Call {
    pub(crate) fn new(shared: &'static Shared, taken: Taken, protocol: Protocol) -> Self {
        let state =
            State { protocol, outbox: Outbox::default(), receiving: Vec::new(), sending: Vec::new(), closed: false };
        let is_websocket = AtomicBool::new(state.protocol.is_websocket());
        Self { shared, taken: AtomicU64::new(taken.to_bits()), is_websocket, state: Mutex::new(state) }
    }

    /// Makes the call of the next request of it.
    pub(crate) fn renew(&self, taken: Taken, protocol: Protocol) {
        self.taken.store(taken.to_bits(), Ordering::Relaxed);
        self.is_websocket.store(protocol.is_websocket(), Ordering::Relaxed);
        let mut state = self.state();
        state.protocol = protocol;
        state.outbox = Outbox::default();
        state.closed = false;
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken::from_bits(self.taken.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves plain values behind, and its request fails anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn side(&self) -> &'static WorkerSide {
        self.shared.side
    }

    pub(crate) fn events(&self) -> EventLoop<'static> {
        self.shared.events
    }

    /// The next event for the application, if there is one now.
    pub(crate) fn try_receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let received = {
            let mut state = self.state();
            let State { protocol, closed, outbox, .. } = &mut *state;
            match protocol {
                Protocol::Http(http) => http.receive(py, self, *closed, outbox.is_empty())?,
                Protocol::WebSocket(websocket) => websocket.receive(py, self, *closed)?,
            }
        };
        received.map(|received| received.into_event(py)).transpose()
    }

    /// Takes an event of the application.
    pub(crate) fn send(&self, event: &Bound<'_, PyAny>) -> PyResult<Sent> {
        let py = event.py();
        let event = event::dictionary(event)?;
        let kind = event::require(event, intern!(py, "type"))?;
        let is_websocket = self.is_websocket.load(Ordering::Relaxed);
        let event = if is_websocket { sent::websocket(&kind, event)? } else { sent::http(&kind, event)? };
        let (sent, receiving) = {
            let mut state = self.state();
            let State { protocol, outbox, closed, .. } = &mut *state;
            let sent = match protocol {
                Protocol::Http(http) => http.send(self, outbox, event, *closed),
                Protocol::WebSocket(websocket) => websocket.send(self, outbox, event, *closed),
            }?;
            (sent, state.hear_the_end())
        };
        receiving.iter().try_for_each(|future| resolve(py, future))?;
        Ok(sent)
    }

    /// Puts items after those that wait; the first are written at once. The router is told.
    pub(crate) fn put(&self, outbox: &mut Outbox, items: impl IntoIterator<Item = Item>) -> PyResult<Sent> {
        let idle = outbox.is_empty();
        for item in items {
            outbox.push(item);
        }
        if !idle {
            return Ok(Sent::Partly);
        }
        match self.drain(outbox) {
            Drained::Empty => Ok(Sent::Whole),
            Drained::Waits => Ok(Sent::Partly),
            Drained::Abandoned => Err(gone()),
        }
    }

    fn drain(&self, outbox: &mut Outbox) -> Drained {
        let drained = outbox.drain(self.side(), self.events(), self.taken());
        self.side().publish(self.taken());
        drained
    }

    /// Whether what was sent is on its way: then None to await to.
    pub(crate) fn try_sent(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = self.state();
        if state.outbox.is_empty() {
            return Ok(Some(py.None()));
        }
        if state.closed {
            return Err(gone());
        }
        match self.drain(&mut state.outbox) {
            Drained::Empty => Ok(Some(py.None())),
            Drained::Waits => Ok(None),
            Drained::Abandoned => Err(gone()),
        }
    }

    /// A future that is done with the next news; `None` when there are some already.
    pub(crate) fn wait(&self, py: Python<'_>, what: What) -> PyResult<Option<Py<PyAny>>> {
        if what == What::Receive {
            let (body, client) = match &self.state().protocol {
                Protocol::Http(http) => (!http.body_is_over(), http.body_is_over()),
                // Nothing is read of a client whose handshake is not answered, but it may leave.
                Protocol::WebSocket(websocket) => (true, websocket.is_connecting()),
            };
            let waits = |awaited| self.events().announce(self.taken(), awaited);
            if (client && !waits(Awaited::Gone)) || (body && !waits(Awaited::Body)) {
                return Ok(None);
            }
        }
        // No lock is held while Python runs.
        let future = self.shared.create_future.call0(py)?;
        let mut state = self.state();
        let waiting = match what {
            What::Receive => &mut state.receiving,
            What::Send => &mut state.sending,
        };
        if !waiting.is_empty() {
            let mut kept = Vec::new();
            for future in waiting.drain(..) {
                if !is_done(py, &future)? {
                    kept.push(future);
                }
            }
            *waiting = kept;
        }
        waiting.push(future.clone_ref(py));
        Ok(Some(future))
    }

    /// The slot has news: writes on, and wakes who waits.
    pub(crate) fn hear(&self, py: Python<'_>) -> PyResult<()> {
        let (receiving, sending) = {
            let mut state = self.state();
            let sent = state.outbox.is_empty() || self.drain(&mut state.outbox) != Drained::Waits;
            let sending = if sent { std::mem::take(&mut state.sending) } else { Vec::new() };
            (std::mem::take(&mut state.receiving), sending)
        };
        receiving.iter().chain(&sending).try_for_each(|future| resolve(py, future))
    }

    /// The handler is done: whatever the application kept of this call is closed, and who waits is woken to see it.
    pub(crate) fn close(&self, py: Python<'_>) -> PyResult<()> {
        let (receiving, sending) = {
            let mut state = self.state();
            state.closed = true;
            // A file that is still being sent must not be written into a slot that is another's.
            state.outbox = Outbox::default();
            (std::mem::take(&mut state.receiving), std::mem::take(&mut state.sending))
        };
        receiving.iter().chain(&sending).try_for_each(|future| resolve(py, future))
    }
}

fn is_done(py: Python<'_>, future: &Py<PyAny>) -> PyResult<bool> {
    future.call_method0(py, intern!(py, "done"))?.is_truthy(py)
}

/// Wakes whoever awaits a future; one that was cancelled stays so.
pub(super) fn resolve(py: Python<'_>, future: &Py<PyAny>) -> PyResult<()> {
    if !is_done(py, future)? {
        future.call_method1(py, intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

/// What `send()` raises when nobody is there: an `OSError`, as the specification wants.
pub(crate) fn gone() -> PyErr {
    ClientDisconnected::new_err("the client closed the connection before the answer was complete")
}
