//! Starting a worker's process: its command line, environment and descriptors.
//!
//! Knows nothing of when one is started, or what becomes of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use hostler_channel::{Channel, ToWorker, descriptors};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};

use crate::ended::Ended;
use crate::{Extension, Options};

/// The program of a worker, given to Python by `-c`; its arguments are the extension's path, the number of the descriptor that
/// holds the extension, and, when one is set, the umask in octal.
///
/// It loads the very file that is held. By its path, as long as that leads there, so that debuggers and core dumps find it; else,
/// when a package has put another in its place or taken it away, as `/proc/self/fd/N`, under the name of the path. `/proc/self` is there
/// in a sandbox that hides other processes; where no `/proc` is mounted the path is all there is. The path is looked at again when
/// the file is loaded, as it may have been replaced meanwhile: then the one that is held is loaded after all, and `main` of the other is never
/// run. A descriptor that was loaded from stays open: the dynamic linker takes its name for that file from then on, and nothing else
/// may have it. All that the supervisor passed is made close-on-exec: none of it
/// gets to processes that the application starts.
///
/// It takes the `''` that `-c` puts in front of `sys.path` away before anything is imported, so that nothing in the working
/// directory can stand in for the standard library, and leaves `sys.argv == ['hostler']`. An extension that does not load (an
/// interpreter too old or of another architecture) is reported through the channel like an application that does not import.
pub const BOOTSTRAP: &str = include_str!("bootstrap.py");

/// The signal that asks a worker to write the stacks of its Python threads; the worker registers `faulthandler` for it.
///
/// SIGSTKFLT (`signal(7)`: unused): applications do use SIGUSR1 and SIGUSR2, and a real-time signal cannot be sent without
/// `unsafe`, because the C library owns some of them. A worker that has not registered it is killed by it, as it would be anyway.
pub const STACKS_SIGNAL: i32 = STACKS.as_raw();
pub(crate) const STACKS: Signal = Signal::STKFLT;

/// What systemd, or a server process before, told the server about itself, which a worker must not take for its own
/// (`sd_listen_fds(3)`, `sd_notify(3)`, `sd_watchdog_enabled(3)`, systemd.io/MEMORY_PRESSURE).
const SERVERS_VARIABLES: [&str; 11] = [
    "FDSTORE",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "HOSTLER_TAKEOVER",
];

/// A process that was just started and is not waited for yet.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) channel: Channel,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the working directory {} cannot be entered: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} cannot be run: {source}", python.display())]
    Python { python: PathBuf, source: io::Error },
    #[error("no descriptors for a worker can be had: {0}")]
    Descriptors(#[source] io::Error),
    #[error("the channel of a worker cannot be set up: {0}")]
    Channel(#[source] io::Error),
    #[error("a new worker cannot be watched: {0}")]
    Watch(#[source] io::Error),
}

/// Starts a worker or a keeper that inherits `shared` from descriptor [`descriptors::MEMORY`] upwards, and after that the extension,
/// calls `settle` with its number, and then sends it its first message, without which it does nothing.
pub(crate) fn launch(
    options: &Options,
    first: &ToWorker,
    shared: Vec<OwnedFd>,
    settle: impl FnOnce(u32),
) -> Result<Process, LaunchError> {
    check_directory(options)?;
    let (channel, theirs) = Channel::pair().map_err(LaunchError::Channel)?;
    let held = options.extension.as_ref().map(Extension::hold).transpose().map_err(LaunchError::Descriptors)?;
    let mappings: Vec<FdMapping> = std::iter::once(theirs)
        .chain(shared)
        .chain(held)
        .zip(descriptors::CHANNEL..)
        .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
        .collect();
    let highest = mappings.last().map_or(descriptors::CHANNEL, |mapping| mapping.child_fd);
    let mut command = command(options, highest);
    command.fd_mappings(mappings).map_err(|error| LaunchError::Descriptors(io::Error::other(error)))?;

    let placeholders = occupy_up_to(highest).map_err(LaunchError::Descriptors)?;
    let child = command.spawn().map_err(|source| LaunchError::Python { python: options.python.clone(), source })?;
    drop(placeholders);
    let (pid, pidfd) = watch_descriptor(child).map_err(LaunchError::Watch)?;
    settle(pid);
    match channel.send(first) {
        // One that has ended by now is told of as any other end.
        Err(error) if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
            abandon(&pidfd);
            Err(LaunchError::Channel(error))
        }
        _ => Ok(Process { pid, pidfd, channel }),
    }
}

/// Collects the status of an ended process; `None` while it runs.
pub(crate) fn reap(pidfd: &OwnedFd) -> Option<Ended> {
    match rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
        Ok(Some(status)) => Some(Ended::from_wait(&status)),
        Ok(None) | Err(rustix::io::Errno::INTR) => None,
        Err(_) => Some(Ended::Unknown),
    }
}

/// Kills a process that nobody is going to watch, and waits for its end.
pub(crate) fn abandon(pidfd: &OwnedFd) {
    // Both fail only for a process that is gone.
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
    let _ = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
}

/// The command line and the environment of a process in which descriptor `held` is the extension.
fn command(options: &Options, held: i32) -> Command {
    let mut command = Command::new(&options.python);
    command
        .arg("-c")
        .arg(options.bootstrap.as_deref().unwrap_or(BOOTSTRAP))
        .current_dir(&options.directory)
        .env_clear()
        .envs(
            options
                .environment
                .iter()
                .filter(|(name, _)| !is_servers_variable(name))
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::null());
    if let Some(extension) = &options.extension {
        command.arg(extension.path()).arg(held.to_string());
    }
    if let Some(umask) = options.umask {
        command.arg(format!("{umask:o}"));
    }
    command
}

fn is_servers_variable(name: &OsStr) -> bool {
    SERVERS_VARIABLES.iter().any(|variable| name == *variable)
}

/// `Command` reports a directory that is missing as if the program were.
fn check_directory(options: &Options) -> Result<(), LaunchError> {
    let error = |source| LaunchError::Directory { path: options.directory.clone(), source };
    let found = std::fs::metadata(&options.directory).map_err(error)?;
    if found.is_dir() { Ok(()) } else { Err(error(io::ErrorKind::NotADirectory.into())) }
}

/// Takes every free descriptor number up to `highest`.
///
/// The pipe over which `Command` learns that the program could not be run is opened during `spawn`. Were its number one that the
/// mapping overwrites in the child, the report would be written into the shared memory.
fn occupy_up_to(highest: i32) -> io::Result<Vec<File>> {
    let mut placeholders = Vec::new();
    loop {
        let placeholder = File::open("/dev/null")?;
        let number = placeholder.as_raw_fd();
        placeholders.push(placeholder);
        if number > highest {
            return Ok(placeholders);
        }
    }
}

/// A pidfd is race-free here: nobody else waits for our children, so the number stays its own.
fn watch_descriptor(mut child: Child) -> io::Result<(u32, OwnedFd)> {
    let number = child.id();
    let opened = i32::try_from(number)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the process has no usable number"))
        .and_then(|pid| Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?));
    match opened {
        Ok(pidfd) => Ok((number, pidfd)),
        Err(error) => {
            child.kill()?;
            child.wait()?;
            Err(error)
        }
    }
}
