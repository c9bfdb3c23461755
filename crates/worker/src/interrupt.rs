//! What is done to stuck code with the interpreter's lock: its tasks are described, and an exception is raised in it.
//!
//! A thread of its own does this, as it may never get the lock: code that is stuck in C may keep it. Nobody waits for that thread without a limit.

use std::ffi::CStr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hostler_channel::{LogRecord, MAX_TEXT};
use hostler_exchange::Taken;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;

use crate::gone::ClientDisconnected;
use crate::watch::Report;
use crate::{asgi, hooks, threads};

/// Jobs that wait while one is being done.
const WAITING: usize = 8;
/// For how long code must have kept an event loop to be what keeps it from turning.
const KEPT: Duration = Duration::from_millis(500);
/// How long an event loop may take to describe its tasks itself.
const TURN: Duration = Duration::from_millis(250);
/// Tasks that are described.
const MOST_TASKS: usize = 1000;

/// What applications may import.
const HOSTLER: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("hostler.py"), "\0").as_bytes()) {
    Ok(source) => source,
    Err(_) => panic!("hostler.py has a NUL"),
};
const TASKS: &CStr = match CStr::from_bytes_with_nul(concat!(include_str!("tasks.py"), "\0").as_bytes()) {
    Ok(source) => source,
    Err(_) => panic!("tasks.py has a NUL"),
};

static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
static DESCRIBE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
static JOBS: OnceLock<SyncSender<Job>> = OnceLock::new();
/// Held while the thread does anything with Python; true when the interpreter is about to end.
static CLOSED: Mutex<bool> = Mutex::new(false);

/// What the thread is to do.
pub(crate) struct Job {
    /// A record that the tasks belong below; whoever takes it out sends it.
    pub(crate) report: Arc<Mutex<Option<LogRecord>>>,
    /// Where to raise the exception.
    pub(crate) interruptions: Vec<Interruption>,
}

/// A request that is to be ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interruption {
    /// `None` for whatever keeps the event loop from turning.
    pub(crate) request: Option<Taken>,
    /// The limit it ran past.
    pub(crate) limit: Duration,
}

/// Makes the module `hostler` importable, unless the application has one of that name.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let found = py.import("importlib.util")?.call_method1("find_spec", ("hostler",));
    let name = if found.is_ok_and(|spec| !spec.is_none()) { c"hostler.own" } else { c"hostler" };
    let module = PyModule::from_code(py, HOSTLER, c"hostler/hostler.py", name)?;
    module.add("ClientDisconnected", py.get_type::<ClientDisconnected>())?;
    let _first = MODULE.set(py, module.unbind());
    Ok(())
}

/// Gives the thread a job, and starts it with the first; the job is returned when too many wait.
pub(crate) fn give(job: Job) -> Result<(), Job> {
    let jobs = JOBS.get_or_init(|| {
        let (sender, receiver) = sync_channel(WAITING);
        // Without a thread to be had the receiver is dropped, and every job comes back.
        let _started = std::thread::Builder::new().name("hostler-python".to_owned()).spawn(move || serve(&receiver));
        sender
    });
    jobs.try_send(job).map_err(|refused| match refused {
        std::sync::mpsc::TrySendError::Full(job) | std::sync::mpsc::TrySendError::Disconnected(job) => job,
    })
}

/// Before the interpreter ends: nothing of Python is touched any more. A thread that waits for the lock of an interpreter that ends would be ended
/// by it, in a way that Rust does not survive.
pub(crate) fn close(py: Python<'_>) {
    py.detach(|| *CLOSED.lock().unwrap_or_else(PoisonError::into_inner) = true);
}

fn serve(jobs: &Receiver<Job>) {
    for job in jobs {
        let closed = CLOSED.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return;
        }
        Python::attach(|py| {
            // Whoever is interrupted is stuck: its loop is not waited for.
            let patience = if job.interruptions.is_empty() { TURN } else { Duration::ZERO };
            add_tasks(py, &job.report, patience);
            if !job.interruptions.is_empty() {
                hooks::worker_abort(py);
            }
            for interruption in &job.interruptions {
                // It may have ended, or the application may have damaged what this needs: then the worker is replaced, as if it had not helped.
                let _raised = raise(py, interruption);
            }
        });
    }
}

/// Puts the tasks below the record, if it was not sent meanwhile, and sends it.
fn add_tasks(py: Python<'_>, report: &Mutex<Option<LogRecord>>, patience: Duration) {
    let used = {
        let report = report.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = &*report else { return };
        record.detail.as_ref().map_or(0, String::len)
    };
    let described = asgi::tasks(py).map(|found| {
        let (event_loop, requests) = found?;
        let module = DESCRIBE.get_or_try_init(py, || -> PyResult<_> {
            Ok(PyModule::from_code(py, TASKS, c"hostler/tasks.py", c"hostler.tasks")?.unbind())
        })?;
        let room = MAX_TEXT.saturating_sub(used).max(MAX_TEXT / 4).saturating_sub(MAX_TEXT / 16);
        let arguments = (event_loop, requests, MOST_TASKS, room, patience.as_secs_f64());
        let text = module.bind(py).call_method1("describe", arguments)?;
        // A name with lone surrogates is no reason to lose the rest.
        let bytes = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
        Ok::<_, PyErr>(String::from_utf8_lossy(bytes.extract()?).into_owned())
    });
    let Some(mut record) = report.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    match described {
        Some(Ok(tasks)) => record.add(&tasks),
        Some(Err(error)) => record.add(&format!("The tasks of the event loop cannot be told: {error}")),
        None => {}
    }
    crate::report::send(py, &hostler_channel::FromWorker::Log(record));
}

/// Raises the exception where the request runs; whether it will be.
fn raise(py: Python<'_>, interruption: &Interruption) -> PyResult<bool> {
    let limit = interruption.limit.as_secs_f64();
    let (seen, said) = match interruption.request {
        Some(request) => (threads::find(request), format!("the request ran past its timeout of {limit} s")),
        None => (stuck_loop(py)?, format!("this code kept the event loop from turning, past the timeout of {limit} s")),
    };
    let (Some(seen), Some(module)) = (seen, MODULE.get(py)) else { return Ok(false) };
    let module = module.bind(py);
    module.getattr("_said")?.set_item(seen.ident, said)?;
    // From here on no Python code runs, and nothing lets the lock go: what `interrupt` checks stays so until the exception is set.
    Ok(threads::interrupt(&seen, &module.getattr("RequestTimeout")?))
}

/// What the loop's thread runs, if it is a handler or a task of the application: the exception ends there, in a frame of it. What else an event loop
/// may be stuck in is its own, and would be left broken.
fn stuck_loop(py: Python<'_>) -> PyResult<Option<threads::Seen>> {
    // An idle worker with threads may have taken a request meanwhile: that is not to blame.
    if !asgi::is_serving() {
        return Ok(None);
    }
    let Some(seen) = threads::look(0) else { return Ok(None) };
    if seen.request.is_some() {
        return Ok((u128::from(threads::age_ns(&seen)) >= KEPT.as_nanos()).then_some(seen));
    }
    let Some(found) = asgi::tasks(py) else { return Ok(None) };
    let (event_loop, _) = found?;
    let task = py.import("asyncio")?.call_method1("current_task", (event_loop,))?;
    Ok((!task.is_none()).then_some(seen))
}
