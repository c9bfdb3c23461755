//! ASGI 3: a worker's event loop, and what it runs.
//!
//! The loop watches the exchange itself: its doorbell is a descriptor among the others, and [`Shared::turn`] the callback. While there is work
//! the callback comes again with each turn of the loop, and nobody needs to ring; before it lets the loop sleep it says so, and looks again.

mod call;
mod event;
mod handler;
mod http;
mod outbox;
mod pump;
mod scope;
mod step;
mod waiting;
mod websocket;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use hostler_channel::{EventLoop as LoopSetting, Lifespan as LifespanSetting, Severity, WorkerStart};
use hostler_exchange::head::read_request;
use hostler_exchange::{EventLoop, Taken, WorkerSide};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};

use self::call::{Call, Protocol};
use self::handler::Handler;
use self::http::Http;
use self::scope::Scopes;
use self::waiting::Done;
use self::websocket::WebSocket;
use crate::application::Failure;
use crate::report;

/// What is done once in a worker's life.
const LOOP: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("loop.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("loop.py has a NUL"),
    };

/// The loop's objects, for the callbacks that Python makes.
static SHARED: OnceLock<Shared> = OnceLock::new();

/// What all calls of a worker share.
pub(crate) struct Shared {
    pub(crate) side: &'static WorkerSide,
    pub(crate) events: EventLoop<'static>,
    pub(crate) application: Py<PyAny>,
    pub(crate) create_future: Py<PyAny>,
    pub(crate) done: Py<Done>,
    event_loop: Py<PyAny>,
    call_soon: Py<PyAny>,
    tasks: Tasks,
    scopes: Mutex<Scopes>,
    /// The calls that run, by their slots.
    running: Mutex<Vec<Option<Running>>>,
    count: AtomicUsize,
    /// The callback of the loop's turn is scheduled.
    scheduled: AtomicBool,
    turn: OnceLock<Py<PyAny>>,
}

/// How tasks are made.
struct Tasks {
    create: Py<PyAny>,
    options: Py<PyDict>,
}

/// A call that runs.
struct Running {
    call: Py<Call>,
    task: Option<Py<PyAny>>,
}

/// A loop with its application started, ready to serve.
pub(crate) struct Started {
    module: Py<PyModule>,
    event_loop: Py<PyAny>,
    lifespan: Py<PyAny>,
    application: Py<PyAny>,
    /// The loop's name.
    pub(crate) kind: String,
}

/// Makes the loop and runs the application's startup in it.
pub(crate) fn start(py: Python<'_>, application: Py<PyAny>, start: &WorkerStart) -> Result<Started, Failure> {
    let refused = |error: PyErr| {
        // What the application failed with was logged with its traceback.
        let message = error.value(py).str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
        Failure { message: format!("the application {} does not start: {message}", start.app), traceback: None }
    };
    let begin = || -> PyResult<Started> {
        let module = PyModule::from_code(py, LOOP, c"hostler/loop.py", c"hostler.loop")?;
        let kind = match start.event_loop {
            LoopSetting::Auto => "auto",
            LoopSetting::Asyncio => "asyncio",
            LoopSetting::Uvloop => "uvloop",
        };
        let (event_loop, kind): (Py<PyAny>, String) = module.call_method1("new_event_loop", (kind,))?.extract()?;
        let mode = match start.lifespan {
            LifespanSetting::Auto => "auto",
            LifespanSetting::On => "on",
            LifespanSetting::Off => "off",
        };
        let log = wrap_pyfunction!(log, py)?;
        let lifespan = module.call_method1("Lifespan", (&application, mode, log))?.unbind();
        event_loop.call_method1(py, "run_until_complete", (lifespan.call_method0(py, "startup")?,))?;
        Ok(Started { module: module.unbind(), event_loop, lifespan, application: application.clone_ref(py), kind })
    };
    begin().map_err(refused)
}

impl Started {
    /// Serves until the worker is retired and its last handler is done; then ends the lifespan and the loop.
    pub(crate) fn serve(
        self,
        py: Python<'_>,
        side: &'static WorkerSide,
        start: &WorkerStart,
        ready: impl FnOnce() -> PyResult<()>,
    ) -> PyResult<()> {
        let shared = self.share(py, side, start)?;
        let turn = wrap_pyfunction!(turn, py)?;
        let rung = wrap_pyfunction!(rung, py)?;
        let _first = shared.turn.set(turn.into_any().unbind());
        let doorbell =
            shared.events.doorbell().ok_or_else(|| PyRuntimeError::new_err("this worker has no doorbell"))?.as_raw_fd();
        let event_loop = self.event_loop.bind(py);
        event_loop.call_method1("add_reader", (doorbell, rung))?;
        shared.schedule(py)?;
        ready()?;
        event_loop.call_method0("run_forever")?;
        event_loop.call_method1("remove_reader", (doorbell,))?;
        self.module.bind(py).call_method1("finish", (event_loop, self.lifespan))?;
        Ok(())
    }

    fn share(&self, py: Python<'_>, side: &'static WorkerSide, start: &WorkerStart) -> PyResult<&'static Shared> {
        let lifespan = self.lifespan.bind(py);
        let state = if lifespan.getattr("supported")?.is_truthy()? {
            Some(lifespan.getattr("state")?.cast_into::<PyDict>()?.unbind())
        } else {
            None
        };
        let event_loop = self.event_loop.bind(py);
        let shared = Shared {
            side,
            events: side.event_loop(),
            application: self.application.clone_ref(py),
            create_future: event_loop.getattr("create_future")?.unbind(),
            done: Py::new(py, Done)?,
            event_loop: self.event_loop.clone_ref(py),
            call_soon: event_loop.getattr("call_soon")?.unbind(),
            tasks: Tasks::new(event_loop)?,
            scopes: Mutex::new(Scopes::new(py, &start.root_path, state)?),
            running: Mutex::new(Vec::new()),
            count: AtomicUsize::new(0),
            scheduled: AtomicBool::new(false),
            turn: OnceLock::new(),
        };
        Ok(SHARED.get_or_init(|| shared))
    }
}

impl Tasks {
    /// The class itself, unless the application set a factory; started at once where Python can (3.12).
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let options = PyDict::new(py);
        // Else each task formats a name of its own.
        options.set_item("name", "hostler-request")?;
        let create = if event_loop.call_method0("get_task_factory")?.is_none() {
            options.set_item("loop", event_loop)?;
            if py.version_info() >= (3, 12) {
                options.set_item("eager_start", true)?;
            }
            py.import("asyncio")?.getattr("Task")?
        } else {
            event_loop.getattr("create_task")?
        };
        Ok(Self { create: create.unbind(), options: options.unbind() })
    }

    fn create<'py>(&self, handler: &Bound<'py, Handler>) -> PyResult<Bound<'py, PyAny>> {
        let py = handler.py();
        self.create.bind(py).call((handler,), Some(self.options.bind(py)))
    }
}

impl Shared {
    pub(crate) fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One turn: hears news, takes requests, and comes again unless there is nothing to do.
    fn turn(&'static self, py: Python<'_>) -> PyResult<()> {
        let mut active = self.hear(py)?;
        let mut now = None;
        for _ in 0..self.events.appetite() {
            let Some(taken) = self.events.take(now) else { break };
            now = Some(self.begin(py, taken)?).filter(|now| *now != 0);
            active = true;
        }
        if self.side.retired() && self.count.load(Ordering::Relaxed) == 0 {
            return self.event_loop.call_method0(py, intern!(py, "stop")).map(drop);
        }
        if active || !self.events.prepare_sleep() { self.schedule(py) } else { Ok(()) }
    }

    fn schedule(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(turn) = self.turn.get()
            && !self.scheduled.swap(true, Ordering::Relaxed)
        {
            self.call_soon.call1(py, (turn,))?;
        }
        Ok(())
    }

    /// Hears the bell; whether it told of any call.
    fn hear(&self, py: Python<'_>) -> PyResult<bool> {
        let mut heard = Vec::new();
        self.events.hear(|slot| heard.push(slot));
        let mut any = false;
        for slot in heard {
            let found = self
                .running()
                .get(slot as usize)
                .and_then(Option::as_ref)
                .map(|running| (running.call.clone_ref(py), running.task.as_ref().map(|task| task.clone_ref(py))));
            let Some((call, task)) = found else { continue };
            any = true;
            call.get().hear(py)?;
            if let Some(task) = task
                && self.events.cancelled(call.get().taken)
            {
                task.call_method0(py, intern!(py, "cancel"))?;
            }
        }
        Ok(any)
    }

    /// Starts the handler of a request. When that was, in nanoseconds, or 0 where time has passed since.
    fn begin(&'static self, py: Python<'_>, taken: Taken) -> PyResult<u64> {
        let (websocket, to_head) = read_request(self.side.head(taken))
            .map(|(request, _)| (request.websocket, request.method == b"HEAD"))
            .ok_or_else(|| PyRuntimeError::new_err("the head of a request is damaged"))?;
        let protocol =
            if websocket { Protocol::WebSocket(WebSocket::new()) } else { Protocol::Http(Http::new(to_head)) };
        let call = Py::new(py, Call::new(self, taken, protocol))?;
        let handler = Bound::new(py, Handler::new(call.clone_ref(py)))?;
        let slot = taken.slot() as usize;
        {
            let mut running = self.running();
            if running.len() <= slot {
                running.resize_with(slot + 1, || None);
            }
            running[slot] = Some(Running { call, task: None });
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        let task = self.tasks.create(&handler)?;
        if !handler.get().is_finished()
            && let Some(running) = &mut self.running()[slot]
        {
            running.task = Some(task.unbind());
        }
        Ok(0)
    }

    /// A call is over.
    pub(crate) fn forget(&self, py: Python<'_>, taken: Taken) -> PyResult<()> {
        let forgotten = self.running().get_mut(taken.slot() as usize).and_then(Option::take);
        drop(forgotten);
        if self.count.fetch_sub(1, Ordering::Relaxed) == 1 && self.side.retired() {
            self.schedule(py)?;
        }
        Ok(())
    }
}

/// The loop's turn, as it comes again by itself.
#[pyfunction]
fn turn(py: Python<'_>) -> PyResult<()> {
    let Some(shared) = SHARED.get() else { return Ok(()) };
    shared.scheduled.store(false, Ordering::Relaxed);
    shared.turn(py)
}

/// The loop's turn, when the doorbell was rung.
#[pyfunction]
fn rung(py: Python<'_>) -> PyResult<()> {
    let Some(shared) = SHARED.get() else { return Ok(()) };
    shared.events.answer_doorbell();
    shared.events.awake();
    shared.turn(py)
}

/// A record for the error log, from `loop.py`.
#[pyfunction]
fn log(py: Python<'_>, severity: &str, message: String, error: Option<Bound<'_, PyAny>>) {
    let severity = match severity {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        _ => Severity::Info,
    };
    let detail = error.map(|error| report::traceback(py, &PyErr::from_value(error)));
    report::log(py, severity, message, detail.as_deref(), "");
}
