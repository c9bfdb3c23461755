//! ASGI 3: a worker's event loop, and what it runs.
//!
//! The loop watches the exchange itself: its doorbell is a descriptor among the others. While there is work its [`Runner`] comes again with each
//! turn of the loop, and nobody needs to ring; before it sleeps it says so, and looks again.

mod call;
mod callables;
mod context;
mod event;
mod handler;
mod http;
mod outbox;
mod pump;
mod received;
mod runner;
mod scope;
mod sent;
mod step;
mod waiting;
mod websocket;

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hostler_channel::{EventLoop as LoopSetting, Lifespan as LifespanSetting, WorkerStart};
use hostler_exchange::{EventLoop, Taken, WorkerSide, now_ns};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule, PyString};

use self::call::{Call, Desk};
use self::context::Contexts;
use self::handler::Handler;
use self::runner::Runner;
use self::scope::Scopes;
use self::waiting::Done;
use crate::application::Failure;
use crate::report;
use crate::text::references;
use crate::{collect, life, threads};

/// What is done once in a worker's life.
const LOOP: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("loop.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("loop.py has a NUL"),
    };

/// How many calls' objects are kept for further ones.
const KEPT_DESKS: usize = 16;

/// The loop's objects, for the callback that Python makes.
static SHARED: OnceLock<Shared> = OnceLock::new();

/// What all calls of a worker share.
pub(crate) struct Shared {
    pub(crate) side: &'static WorkerSide,
    pub(crate) events: EventLoop<'static>,
    pub(crate) application: Py<PyAny>,
    pub(crate) create_future: Py<PyAny>,
    pub(crate) done: Py<Done>,
    pub(crate) contexts: Contexts,
    pub(crate) tasks: Tasks,
    scopes: Mutex<Scopes>,
    /// The calls whose handlers wait, by their slots.
    running: Mutex<Vec<Option<Running>>>,
    count: AtomicUsize,
    /// Objects that wait for their next call.
    desks: Mutex<Vec<Desk>>,
    /// The future that the idle runner sleeps on.
    sleep: Mutex<Option<Py<PyAny>>>,
    /// The future that ends the loop.
    stopped: Py<PyAny>,
}

/// How tasks are made: never by a factory of the application's, which may start them at once, inside another.
pub(crate) struct Tasks {
    class: Py<PyAny>,
    options: Py<PyDict>,
    name: Py<PyString>,
    weak_references: Py<PyAny>,
}

/// What a task has that nobody left anything on.
#[derive(PartialEq, Eq)]
pub(crate) struct Unmarked {
    references: u32,
    weak_references: usize,
}

/// A call whose handler waits, or has waited.
struct Running {
    call: Py<Call>,
    /// Its own task, until it was cancelled for being past its time.
    task: Option<Py<PyAny>>,
}

/// A loop in which nothing runs yet.
pub(crate) struct Loop {
    module: Py<PyModule>,
    event_loop: Py<PyAny>,
    /// What it is.
    pub(crate) name: String,
}

/// A loop with its application started, ready to serve.
pub(crate) struct Started {
    module: Py<PyModule>,
    event_loop: Py<PyAny>,
    lifespan: Py<PyAny>,
    application: Py<PyAny>,
}

/// Whether this worker serves with an event loop.
pub(crate) fn is_serving() -> bool {
    SHARED.get().is_some()
}

/// The loop, and the requests that its tasks serve, by the tasks' ids, as far as they are known; `None` when there is no loop.
pub(crate) fn tasks(py: Python<'_>) -> Option<PyResult<(Bound<'_, PyAny>, Bound<'_, PyDict>)>> {
    let shared = SHARED.get()?;
    let find = || {
        let requests = PyDict::new(py);
        let known: Vec<_> = {
            let running = shared.running();
            let own = running.iter().flatten();
            own.filter_map(|one| Some((one.task.as_ref()?.as_ptr() as usize, one.call.get().taken()))).collect()
        };
        for (task, taken) in known {
            if let Some((id, name)) = life::describe(taken) {
                requests.set_item(task, if id.is_empty() { name } else { format!("{name} (id {id})") })?;
            }
        }
        let event_loop = shared.tasks.options.bind(py).get_item("loop")?;
        Ok((event_loop.ok_or_else(|| PyRuntimeError::new_err("the loop is gone"))?, requests))
    };
    Some(find())
}

impl Loop {
    /// Makes the loop that the settings ask for.
    pub(crate) fn new(py: Python<'_>, setting: LoopSetting) -> Result<Self, Failure> {
        let make = || -> PyResult<Self> {
            let module = PyModule::from_code(py, LOOP, c"hostler/loop.py", c"hostler.loop")?;
            let kind = match setting {
                LoopSetting::Auto => "auto",
                LoopSetting::Asyncio => "asyncio",
                LoopSetting::Uvloop => "uvloop",
            };
            let (event_loop, name) = module.call_method1("new_event_loop", (kind,))?.extract()?;
            Ok(Self { module: module.unbind(), event_loop, name })
        };
        make().map_err(|error| Failure { message: message_of(py, &error), traceback: None })
    }

    /// Closes a loop that is not used.
    pub(crate) fn close(self, py: Python<'_>) -> PyResult<()> {
        self.event_loop.call_method0(py, "close").map(drop)
    }

    /// Runs the application's startup.
    pub(crate) fn start(self, py: Python<'_>, application: Py<PyAny>, start: &WorkerStart) -> Result<Started, Failure> {
        let run = || -> PyResult<Py<PyAny>> {
            let mode = match start.lifespan {
                LifespanSetting::Auto => "auto",
                LifespanSetting::On => "on",
                LifespanSetting::Off => "off",
            };
            let log = wrap_pyfunction!(report::record, py)?;
            let lifespan = self.module.bind(py).call_method1("Lifespan", (&application, mode, log))?.unbind();
            self.event_loop.call_method1(py, "run_until_complete", (lifespan.call_method0(py, "startup")?,))?;
            Ok(lifespan)
        };
        match run() {
            Ok(lifespan) => Ok(Started { module: self.module, event_loop: self.event_loop, lifespan, application }),
            // What the application failed with was logged with its traceback.
            Err(error) => Err(Failure {
                message: format!("the application {} does not start: {}", start.app, message_of(py, &error)),
                traceback: None,
            }),
        }
    }
}

fn message_of(py: Python<'_>, error: &PyErr) -> String {
    error.value(py).str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Started {
    /// Serves until the worker is retired and its last handler is done; then ends the lifespan and the loop.
    pub(crate) fn serve(
        self,
        py: Python<'_>,
        side: &'static WorkerSide,
        start: &WorkerStart,
        ready: impl FnOnce(),
    ) -> PyResult<()> {
        let shared = self.share(py, side, start)?;
        threads::enter(0);
        let doorbell =
            shared.events.doorbell().ok_or_else(|| PyRuntimeError::new_err("this worker has no doorbell"))?.as_raw_fd();
        let event_loop = self.event_loop.bind(py);
        event_loop.call_method1("add_reader", (doorbell, wrap_pyfunction!(rung, py)?))?;
        let module = self.module.bind(py);
        let before = module.call_method1("standing", (event_loop,))?;
        Runner::start(py, shared)?;
        ready();
        // As a task of the loop's own: libraries look for the one that everything else runs beneath.
        let serve =
            || event_loop.call_method1("run_until_complete", (module.call_method1("serve", (&shared.stopped,))?,));
        let mut served = serve();
        if served.is_err() && !shared.is_stopped(py)? {
            // Something else ended the loop, like an exit in a background task: what was begun is finished, and nothing more taken.
            side.retire();
            served = serve().and(served);
        }
        event_loop.call_method1("remove_reader", (doorbell,))?;
        let left = side.stop_by().map(|by| Duration::from_nanos(by.saturating_sub(now_ns())));
        let patience = left.unwrap_or(start.graceful_timeout).as_secs_f64();
        module.call_method1("finish", (event_loop, self.lifespan, before, patience, left.is_some()))?;
        served.map(drop)
    }

    fn share(&self, py: Python<'_>, side: &'static WorkerSide, start: &WorkerStart) -> PyResult<&'static Shared> {
        let lifespan = self.lifespan.bind(py);
        let state = if lifespan.getattr("supported")?.is_truthy()? {
            Some(lifespan.getattr("state")?.cast_into::<PyDict>()?.unbind())
        } else {
            None
        };
        let event_loop = self.event_loop.bind(py);
        let create_future = event_loop.getattr("create_future")?;
        let shared = Shared {
            side,
            events: side.event_loop(),
            application: self.application.clone_ref(py),
            stopped: create_future.call0()?.unbind(),
            create_future: create_future.unbind(),
            done: Py::new(py, Done)?,
            contexts: Contexts::find()
                .ok_or_else(|| PyRuntimeError::new_err("this Python has no contexts (PyContext_CopyCurrent)"))?,
            tasks: Tasks::new(event_loop)?,
            scopes: Mutex::new(Scopes::new(py, &start.root_path, state)?),
            running: Mutex::new(Vec::new()),
            count: AtomicUsize::new(0),
            desks: Mutex::new(Vec::new()),
            sleep: Mutex::new(None),
        };
        Ok(SHARED.get_or_init(|| shared))
    }
}

impl Tasks {
    fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        let options = PyDict::new(py);
        // Else each task formats a name of its own.
        let name = PyString::new(py, "hostler-request");
        options.set_item("name", &name)?;
        options.set_item("loop", event_loop)?;
        Ok(Self {
            class: py.import("asyncio")?.getattr("Task")?.unbind(),
            options: options.unbind(),
            name: name.unbind(),
            weak_references: py.import("weakref")?.getattr("getweakrefcount")?.unbind(),
        })
    }

    pub(crate) fn create<'py>(&self, coroutine: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = coroutine.py();
        self.class.bind(py).call((coroutine,), Some(self.options.bind(py)))
    }

    /// What a task has now; `None` when somebody left something on it that can be seen at once: another name, a cancellation, a callback.
    pub(crate) fn look(&self, task: &Bound<'_, PyAny>) -> PyResult<Option<Unmarked>> {
        let py = task.py();
        if !task.call_method0(intern!(py, "get_name"))?.is(&self.name)
            || task.getattr(intern!(py, "_must_cancel"))?.is_truthy()?
            || !task.getattr(intern!(py, "_callbacks"))?.is_none()
        {
            return Ok(None);
        }
        let weak_references = self.weak_references.call1(py, (task,))?.extract(py)?;
        Ok(Some(Unmarked { references: references(task), weak_references }))
    }
}

impl Shared {
    pub(crate) fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Vec<Option<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears the bell, and wakes the handlers it told of; whether there were any.
    pub(crate) fn hear(&self, py: Python<'_>) -> PyResult<bool> {
        let mut heard = Vec::new();
        self.events.hear(|slot| heard.push(slot));
        let mut any = false;
        for slot in heard {
            let call =
                self.running().get(slot as usize).and_then(Option::as_ref).map(|running| running.call.clone_ref(py));
            let Some(call) = call else { continue };
            any = true;
            call.get().hear(py)?;
            if self.events.cancelled(call.get().taken())
                && let Some(task) = self.take_task(slot)
            {
                task.call_method0(py, intern!(py, "cancel"))?;
            }
        }
        Ok(any)
    }

    /// The task of a call, to be cancelled, once.
    fn take_task(&self, slot: u32) -> Option<Py<PyAny>> {
        self.running().get_mut(slot as usize).and_then(Option::as_mut).and_then(|running| running.task.take())
    }

    /// A call waits for the first time: news of its slot are for it from now on, and the task is its own.
    pub(crate) fn remember(&self, py: Python<'_>, handler: &Handler, task: Option<Py<PyAny>>) {
        let slot = handler.call().taken().slot() as usize;
        let mut running = self.running();
        if running.len() <= slot {
            running.resize_with(slot + 1, || None);
        }
        running[slot] = Some(Running { call: handler.call_object().clone_ref(py), task });
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// A call is over; whether it has `waited`.
    pub(crate) fn forget(&self, py: Python<'_>, taken: Taken, waited: bool) -> PyResult<()> {
        if waited {
            let forgotten = self.running().get_mut(taken.slot() as usize).and_then(Option::take);
            drop(forgotten);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        if collect::is_wanted() && self.count.load(Ordering::Relaxed) == 0 {
            // On a turn of the loop's own, and not inside this task.
            self.side.rouse();
        }
        if self.is_over() { self.wake(py) } else { Ok(()) }
    }

    /// Objects for a call, if some wait.
    pub(crate) fn free_desk(&self) -> Option<Desk> {
        self.desks().pop()
    }

    /// Keeps objects for the next call.
    pub(crate) fn put_back(&self, desk: Option<Desk>) {
        let Some(desk) = desk else { return };
        let mut desks = self.desks();
        if desks.len() < KEPT_DESKS {
            desks.push(desk);
        }
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker takes nothing more, and runs nothing more.
    pub(crate) fn is_over(&self) -> bool {
        self.side.retired() && self.count.load(Ordering::Relaxed) == 0
    }

    /// Remembers what the idle runner sleeps on.
    pub(crate) fn sleeps_on(&self, future: Py<PyAny>) {
        *self.sleep.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
    }

    /// Wakes the idle runner, if it sleeps.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        let future = self.sleep.lock().unwrap_or_else(PoisonError::into_inner).take();
        future.map_or(Ok(()), |future| call::resolve(py, &future))
    }

    fn is_stopped(&self, py: Python<'_>) -> PyResult<bool> {
        self.stopped.call_method0(py, intern!(py, "done"))?.is_truthy(py)
    }

    /// Ends the loop.
    pub(crate) fn stop(&self, py: Python<'_>) -> PyResult<()> {
        call::resolve(py, &self.stopped)
    }

    /// The worker itself is at fault: it ends with the error, and is replaced.
    pub(crate) fn broken<T>(&self, py: Python<'_>, error: PyErr) -> PyResult<T> {
        self.stopped.call_method1(py, intern!(py, "set_exception"), (error.value(py),))?;
        Err(error)
    }
}

/// The doorbell was rung.
#[pyfunction]
fn rung(py: Python<'_>) -> PyResult<()> {
    let Some(shared) = SHARED.get() else { return Ok(()) };
    shared.events.answer_doorbell();
    shared.events.awake();
    shared.hear(py)?;
    if collect::is_wanted() {
        collect::between_requests(py, shared.side);
    }
    shared.wake(py)
}
