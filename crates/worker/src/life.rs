//! The life of a worker process: start, import, threads, stop.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::OnceLock;

use hostler_channel::{Channel, FromWorker, Interface, Loaded, ToWorker, WorkerStart, clip, descriptors};
use hostler_exchange::head::read_request;
use hostler_exchange::{Doorbells, Taken, WorkerSide};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustix::pipe::PipeFlags;

use crate::application::{self, Application, Failure};
use crate::hooks::Hooks;
use crate::keeper::{self, Forked};
use crate::{asgi, framework, interrupt, journal, report, sources, title, watch, wsgi};

/// The signal on which a worker prints the Python stacks of all its threads, for [`watch`] to log: SIGSTKFLT, which nothing else uses.
const STACKS_SIGNAL: i32 = 16;
/// What the process exits with when the application could not be loaded; the reason went over the channel.
const EXIT_NOT_LOADED: i32 = 65;

static SIDE: OnceLock<WorkerSide> = OnceLock::new();

/// Runs the worker; returns when it was retired and all its threads are done. What is to be a keeper returns from here in each worker that it forks,
/// and when it is to end.
pub(crate) fn run(py: Python<'_>) -> PyResult<()> {
    let ran = live(py);
    interrupt::close(py);
    ran
}

fn live(py: Python<'_>) -> PyResult<()> {
    // SAFETY: the supervisor passes its channel at this number, and nothing else in this process owns it.
    let channel = report::open(Channel::from_fd(unsafe { OwnedFd::from_raw_fd(descriptors::CHANNEL) }));
    match channel.receive().map_err(|error| PyRuntimeError::new_err(error.to_string()))? {
        Some(ToWorker::Start(start)) => {
            be_watched(py, channel)?;
            prepare_interpreter(py, &start)?;
            title::worker(&start);
            let hooks = Hooks::load(py, &start, false).unwrap_or_else(|failure| refuse(py, failure));
            if !start.check_only {
                hooks.post_fork(py, &start).unwrap_or_else(|failure| refuse(py, failure));
            }
            let application = application::load(py, &start.app, start.interface);
            let application = application.unwrap_or_else(|failure| refuse(py, failure));
            work(py, &start, application, &hooks)
        }
        Some(ToWorker::Keep(start)) => match keeper::run(py, channel, start)? {
            Some(Forked { start, application, hooks }) => {
                title::worker(&start);
                be_watched(py, channel)?;
                hooks.post_fork(py, &start).unwrap_or_else(|failure| refuse(py, failure));
                work(py, &start, application, &hooks)
            }
            None => Ok(()),
        },
        _ => Err(PyRuntimeError::new_err("the supervisor closed the channel before it said what to run")),
    }
}

/// Serves with an application that is loaded, until the worker is retired.
fn work(py: Python<'_>, start: &WorkerStart, application: Application, hooks: &Hooks) -> PyResult<()> {
    let interface = application.interface;
    // What an ASGI application imports at its startup is not known yet; it is mostly in the same places.
    let sources = if start.report_sources { sources::imported(py) } else { Vec::new() };
    let framework = framework::of(application.callable.bind(py));
    let python = python_version();
    let loaded = |event_loop| FromWorker::Ready(Loaded { interface, python, event_loop, framework, sources });
    let served = match interface {
        Interface::Asgi => {
            let event_loop = asgi::Loop::new(py, start.event_loop).unwrap_or_else(|failure| refuse(py, failure));
            let ready = loaded(Some(event_loop.name.clone()));
            if start.check_only {
                report::send(py, &ready);
                return event_loop.close(py);
            }
            let side = attach(start)?;
            // A startup that was begun is brought to its end, so that its shutdown can follow.
            finish_on_sigterm(py)?;
            let started =
                event_loop.start(py, application.callable, start).unwrap_or_else(|failure| refuse(py, failure));
            hooks.post_worker_init(py).unwrap_or_else(|failure| refuse(py, failure));
            hooks.warn_of_asgi(py, start)?;
            hooks.listen(py)?;
            started.serve(py, side, start, || report::send(py, &ready))
        }
        _ if start.check_only => {
            report::send(py, &loaded(None));
            return Ok(());
        }
        _ => {
            hooks.post_worker_init(py).unwrap_or_else(|failure| refuse(py, failure));
            hooks.listen(py)?;
            serve(py, start, application, hooks, &loaded(None))
        }
    };
    hooks.worker_exit(py);
    served
}

/// The version of Python, without what it was built with.
pub(crate) fn python_version() -> String {
    Python::version_str().split_whitespace().next().unwrap_or_default().to_owned()
}

/// What this worker runs now: for each request its id, and its method and target.
pub(crate) fn running() -> Vec<(String, String)> {
    SIDE.get().into_iter().flat_map(WorkerSide::running).filter_map(describe).collect()
}

/// The id of a request, and its method and target; `None` when it has ended.
pub(crate) fn describe(request: Taken) -> Option<(String, String)> {
    let side = SIDE.get()?;
    let told = side.runs(request).then(|| read_request(side.head(request)))?;
    let told = told.map(|(request, _)| (report::id(&request), report::name(&request)));
    // What was read while it ended is of another, perhaps.
    told.filter(|_| side.runs(request))
}

/// Whether this worker runs the request now.
pub(crate) fn runs(request: Taken) -> bool {
    SIDE.get().is_some_and(|side| side.runs(request))
}

/// Tells the supervisor why nothing can be served, and ends the process.
pub(crate) fn refuse(py: Python<'_>, failure: Failure) -> ! {
    let failed =
        FromWorker::Failed { message: clip(&failure.message), traceback: failure.traceback.as_deref().map(clip) };
    report::send(py, &failed);
    // `_exit`: nothing that the half-imported application registered or started may hold this process.
    // SAFETY: It ends the process, and runs no handlers before.
    unsafe { libc::_exit(EXIT_NOT_LOADED) }
}

/// Has the main thread come back from its sleep, to run what handlers of signals wait for it.
pub(crate) fn rouse() {
    if let Some(side) = SIDE.get() {
        side.rouse();
    }
}

/// Starts the thread that sees the supervisor leave, and has Python print its stacks to it, and tell it of signals.
fn be_watched(py: Python<'_>, channel: &'static Channel) -> PyResult<()> {
    let (stacks, print_to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| PyRuntimeError::new_err(format!("no pipe for stacks: {error}")))?;
    let (signals, tell_of) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|error| PyRuntimeError::new_err(format!("no pipe for signals: {error}")))?;
    watch::start(channel, stacks, signals).map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    let wakeup = PyDict::new(py);
    // One that is full has been heard of.
    wakeup.set_item("warn_on_full_buffer", false)?;
    // As the pipe for stacks, it is written to at any time from now on.
    py.import("signal")?.call_method("set_wakeup_fd", (tell_of.into_raw_fd(),), Some(&wakeup))?;
    let options = PyDict::new(py);
    options.set_item("all_threads", true)?;
    // The handler writes to it at any time from now on, so it is given away for good.
    options.set_item("file", print_to.into_raw_fd())?;
    py.import("faulthandler")?.call_method("register", (STACKS_SIGNAL,), Some(&options)).map(drop)
}

/// Signals and module path.
pub(crate) fn prepare_interpreter(py: Python<'_>, start: &WorkerStart) -> PyResult<()> {
    let signal = py.import("signal")?;
    // A terminal's Ctrl-C reaches every process of the group, and `pkill -HUP hostler` every one with that in its name
    // (`title`, which is therefore given after this); the supervisor decides what they mean.
    for sent_to_all in ["SIGINT", "SIGHUP"] {
        signal.call_method1("signal", (signal.getattr(sent_to_all)?, signal.getattr("SIG_IGN")?))?;
    }
    let sys = py.import("sys")?;
    let path = sys.getattr("path")?;
    for entry in start.python_path.iter().rev() {
        path.call_method1("insert", (0, entry))?;
    }
    interrupt::prepare(py)?;
    journal::follow_logging(py)?;
    // Only where sources are asked for does somebody change them all the time.
    if start.report_sources { sources::distrust_fresh_caches(py) } else { Ok(()) }
}

/// Maps the exchange, starts the threads, says so, and serves until retired.
fn serve(
    py: Python<'_>,
    start: &WorkerStart,
    application: Application,
    hooks: &Hooks,
    ready: &FromWorker,
) -> PyResult<()> {
    let side = attach(start)?;
    let around = hooks.around_requests(py)?;
    let server = Py::new(py, wsgi::Server::new(side, application.callable, around, start))?;
    let threads = start_threads(py, &server, start.threads.min(side.threads()))?;
    finish_on_sigterm(py)?;
    report::send(py, ready);
    server.get().run(py, 0)?;
    for thread in threads {
        thread.call_method0(py, "join")?;
    }
    Ok(())
}

/// Maps the exchange.
fn attach(start: &WorkerStart) -> PyResult<&'static WorkerSide> {
    // SAFETY: the supervisor passes these descriptors at these numbers, and nothing else in this process owns them.
    let inherited = |number: i32| unsafe { OwnedFd::from_raw_fd(number) };
    let memory = inherited(descriptors::MEMORY);
    let routers = i32::from(start.router_threads);
    let doorbells = Doorbells {
        routers: (0..routers).map(|thread| inherited(descriptors::ROUTER + thread)).collect(),
        workers: (0..i32::from(start.worker_doorbells))
            .map(|worker| inherited(descriptors::ROUTER + routers + worker))
            .collect(),
    };
    let side = WorkerSide::attach(memory, start.worker, doorbells)
        .map_err(|error| PyRuntimeError::new_err(format!("the exchange cannot be used: {error}")))?;
    Ok(SIDE.get_or_init(|| side))
}

/// From here on there is something to finish; before, SIGTERM ends the process at once.
fn finish_on_sigterm(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    signal.call_method1("signal", (signal.getattr("SIGTERM")?, wrap_pyfunction!(retire, py)?))?;
    Ok(())
}

/// The handler of SIGTERM, as a plain stop of a service sends it to every process: what runs is finished.
#[pyfunction]
fn retire(_signal: i32, _frame: &Bound<'_, PyAny>) {
    if let Some(side) = SIDE.get() {
        side.retire();
    }
}

/// Python threads for all but the first place, which is the main thread's: applications may expect signals there.
fn start_threads(py: Python<'_>, server: &Py<wsgi::Server>, count: u16) -> PyResult<Vec<Py<PyAny>>> {
    let class = py.import("threading")?.getattr("Thread")?;
    (1..count)
        .map(|number| {
            let options = PyDict::new(py);
            options.set_item("target", server.getattr(py, "run_thread")?)?;
            options.set_item("args", (number,))?;
            options.set_item("name", format!("hostler-{number}"))?;
            // A thread that never comes back must not keep the interpreter from ending; a stop waits for it explicitly.
            options.set_item("daemon", true)?;
            let thread = class.call((), Some(&options))?;
            thread.call_method0("start")?;
            Ok(thread.unbind())
        })
        .collect()
}
