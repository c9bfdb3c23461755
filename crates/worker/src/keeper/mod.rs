//! The keeper: imports the application once, and forks the workers that serve it.
//!
//! It starts no thread, maps no exchange and opens nothing that a worker would inherit. It ends when it is told to, or when the supervisor is gone.

mod fork;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use hostler_channel::{Channel, FromWorker, Loaded, ToWorker, WorkerStart, clip, descriptors};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyModule;
use rustix::process::Signal;

use self::fork::Side;
use crate::application::{self, Application};
use crate::hooks::Hooks;
use crate::{framework, life, report, title};

const KEEPER: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(include_str!("keeper.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("keeper.py has a NUL"),
    };

/// How long what the application registered with `atexit` may run when there is no supervisor any more that would end this process.
const ALONE: Duration = Duration::from_secs(10);

/// What a worker has when it was forked.
pub(crate) struct Forked {
    pub(crate) start: WorkerStart,
    pub(crate) application: Application,
    pub(crate) hooks: Hooks,
}

/// Runs the keeper. Returns in each worker that it forks, and with `None` in itself when it is to end.
pub(crate) fn run(py: Python<'_>, channel: &Channel, start: WorkerStart) -> PyResult<Option<Forked>> {
    // While it imports it does not listen, so the kernel ends it with the supervisor.
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).map_err(io::Error::from)?;
    life::prepare_interpreter(py, &start)?;
    title::keeper(&start);
    let module = PyModule::from_code(py, KEEPER, c"hostler/keeper.py", c"hostler.keeper")?;
    let keeper = module.call_method1("Keeper", (wrap_pyfunction!(report::record, py)?,))?;
    let hooks = Hooks::load(py, &start, true).unwrap_or_else(|failure| life::refuse(py, failure));
    hooks.notice(py, if start.generation <= 1 { "on_starting" } else { "on_reload" });
    let application =
        application::load(py, &start.app, start.interface).unwrap_or_else(|failure| life::refuse(py, failure));
    keeper.call_method0("settle")?;
    hooks.notice(py, "when_ready");
    // A stop of a service sends it to every process, but a keeper ends after its workers. Blocked as well, so that one that is sent to a
    // worker before this is undone there is kept for it, and not lost.
    set_signal(py, "SIGTERM", "SIG_IGN")?;
    mask_terminate(py, "SIG_BLOCK")?;
    rustix::process::set_parent_process_death_signal(None).map_err(io::Error::from)?;
    let loaded = Loaded {
        interface: application.interface,
        python: life::python_version(),
        event_loop: None,
        framework: framework::of(application.callable.bind(py)),
        sources: Vec::new(),
    };
    report::send(py, &FromWorker::Ready(loaded));

    while let Some((worker, age, theirs)) = next_fork(py, channel, &hooks)? {
        if hooks
            .pre_fork(py, worker, age)
            .map_err(|failure| fork_failed(py, worker, failure.message, failure.traceback))
            .is_err()
        {
            continue;
        }
        match fork_audited(py, worker) {
            Ok(Side::Keeper(pid, pidfd)) => tell(py, channel, &FromWorker::Forked { worker, pid }, &pidfd),
            Ok(Side::Worker) => {
                let start = begin_worker(py, channel, theirs, module.as_any())?;
                return Ok(Some(Forked { start, application, hooks }));
            }
            Err(error) => {
                let traceback = (!error.is_instance_of::<PyOSError>(py)).then(|| report::traceback(py, &error));
                fork_failed(py, worker, format!("it could not be forked: {}", report::summary(py, &error)), traceback);
            }
        }
    }
    hooks.notice(py, "on_exit");
    Ok(None)
}

/// Waits for a worker to be asked for: its place, its age, and its end of its channel. `None` when the keeper is to end.
fn next_fork(py: Python<'_>, channel: &Channel, hooks: &Hooks) -> PyResult<Option<(u16, u64, OwnedFd)>> {
    loop {
        match py.detach(|| channel.receive_with::<ToWorker>()) {
            Ok(Some((ToWorker::Fork { worker, age }, mut beside))) => match beside.pop() {
                Some(theirs) => return Ok(Some((worker, age, theirs))),
                None => fork_failed(py, worker, "it was asked for without a channel".to_owned(), None),
            },
            Ok(Some((ToWorker::Ended { worker, pid, age }, _))) => hooks.child_exit(py, worker, pid, age),
            Ok(Some((ToWorker::Stop, _))) => return Ok(None),
            // It runs no request, so none of these is meant for it.
            Ok(Some((
                ToWorker::Start(_)
                | ToWorker::Keep(_)
                | ToWorker::Interrupt { .. }
                | ToWorker::Stalled { .. }
                | ToWorker::Collect,
                _,
            ))) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals()?,
            Ok(None) | Err(_) => {
                // Nobody is left who would end a process that hangs at its exit.
                set_signal(py, "SIGALRM", "SIG_DFL")?;
                // SAFETY: sets a timer of the process, and reads nothing.
                unsafe { libc::alarm(ALONE.as_secs() as u32) };
                return Ok(None);
            }
        }
    }
}

/// As `os.fork` does it, which hooks of `sys.addaudithook` may refuse.
fn fork_audited(py: Python<'_>, worker: u16) -> PyResult<Side> {
    py.import("sys")?.call_method1("audit", ("os.fork",))?;
    Ok(fork::fork(py, worker)?)
}

/// The first steps of a worker: its own channel in the place of the keeper's, and the word to begin.
fn begin_worker(
    py: Python<'_>,
    channel: &Channel,
    theirs: OwnedFd,
    module: &Bound<'_, PyAny>,
) -> PyResult<WorkerStart> {
    // SAFETY: the number is the channel's, which is open; what it was before is closed by this.
    if unsafe { libc::dup3(theirs.as_raw_fd(), descriptors::CHANNEL, libc::O_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error().into());
    }
    drop(theirs);
    let start = loop {
        match py.detach(|| channel.receive::<ToWorker>()) {
            Ok(Some(ToWorker::Start(start))) => break start,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals()?,
            // Nobody knows of this process, or wants it any more. Nothing of the application has run in it.
            // SAFETY: ends the process at once.
            Ok(_) | Err(_) => unsafe { libc::_exit(0) },
        }
    };
    set_signal(py, "SIGTERM", "SIG_DFL")?;
    mask_terminate(py, "SIG_UNBLOCK")?;
    module.call_method0("begin_worker")?;
    Ok(start)
}

fn set_signal(py: Python<'_>, signal: &str, action: &str) -> PyResult<()> {
    let module = py.import("signal")?;
    module.call_method1("signal", (module.getattr(signal)?, module.getattr(action)?)).map(drop)
}

fn mask_terminate(py: Python<'_>, how: &str) -> PyResult<()> {
    let module = py.import("signal")?;
    let signals = (module.getattr("SIGTERM")?,);
    module.call_method1("pthread_sigmask", (module.getattr(how)?, signals)).map(drop)
}

fn fork_failed(py: Python<'_>, worker: u16, message: String, traceback: Option<String>) {
    let failed = FromWorker::ForkFailed { worker, message: clip(&message), traceback: traceback.as_deref().map(clip) };
    report::send(py, &failed);
}

fn tell(py: Python<'_>, channel: &Channel, message: &FromWorker, beside: &OwnedFd) {
    // A supervisor that is gone is noticed when it is listened to again.
    let _sent = py.detach(|| channel.send_with(message, &[beside.as_fd()]));
}
