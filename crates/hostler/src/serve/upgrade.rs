//! The upgrade of a running instance: the program that stands in this one's place now is started beside it, takes the sockets over, and this one
//! finishes what it runs. What both say to each other is in `takeover`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use hostler_bus::Upgraded;
use hostler_listener::Bound;
use hostler_router::Statistics;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::generation::NotReady;
use super::names::ControlSocket;
use super::pidfile::PidFile;
use super::service::Service;
use super::sockets::Role;
use super::stored;
use super::takeover::{self, Accepting, FromPredecessor, FromSuccessor, Hearing, Inheritance, Inherited};
use super::{Source, program};

/// The first descriptor after the standard ones.
const FIRST: i32 = 3;
/// What systemd told this process of itself, which its successor must not take for its own (`sd_listen_fds(3)`, `sd_watchdog_enabled(3)`). The
/// notification socket and the watchdog's interval it does inherit.
const OWN_VARIABLES: [&str; 5] = ["LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID", "WATCHDOG_PID"];

/// How this process was started, so that another can be started likewise.
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

/// What a server process has that there is once: its sockets, its control socket, its pidfile. And whom it is handing them to.
pub(super) struct Estate {
    pub(super) program: Program,
    /// A second hold of each socket.
    pub(super) sockets: Vec<(Role, Bound)>,
    /// Somebody else holds them as well.
    pub(super) passed: bool,
    pub(super) control: Option<ControlSocket>,
    pub(super) pidfile: PidFile,
    pub(super) upgrade: Option<Upgrade>,
    /// What the successor sees the end of this process by, once it is in charge.
    pub(super) relieved: Option<UnixStream>,
}

/// Where the result of an upgrade goes.
pub(super) type Reply = oneshot::Sender<Result<Upgraded, hostler_bus::Error>>;

/// An upgrade that is under way.
pub(super) struct Upgrade {
    successor: Successor,
    reply: Reply,
    began: Instant,
}

/// A successor that is starting. Dropped, it is killed.
struct Successor {
    /// The process that starts it, and ends.
    starter: Child,
    /// The successor itself, once that is known.
    process: Option<(u32, OwnedFd)>,
    stream: UnixStream,
    hearing: Hearing,
    is_in_charge: bool,
    /// While the starter runs this process adopts no orphans: the successor is to be systemd's.
    left_alone: Option<LeftAlone>,
}

/// This process adopts no orphans until this is dropped.
struct LeftAlone;

impl LeftAlone {
    fn new() -> io::Result<Self> {
        set_child_subreaper(None)?;
        Ok(Self)
    }
}

impl Drop for LeftAlone {
    fn drop(&mut self) {
        // It worked at the start.
        let _again = set_child_subreaper(Some(getpid()));
    }
}

impl Program {
    /// What this process runs.
    pub(super) fn own(source: &Source) -> Self {
        let mut words = std::env::args_os();
        Self {
            path: program::path(words.next().as_deref(), source.surroundings()),
            arguments: words.collect(),
            directory: source.directory().to_owned(),
            environment: source.variables(),
        }
    }

    /// Starts it anew, with these sockets, and the file of what the instance was like.
    fn start(
        &self,
        sockets: &[(Role, Bound)],
        passed: bool,
        generation: u64,
        past: Option<OwnedFd>,
    ) -> io::Result<Successor> {
        let (stream, theirs) = UnixStream::pair()?;
        let mut inherited = Vec::new();
        let mut mappings = Vec::new();
        for ((role, bound), child_fd) in sockets.iter().zip(FIRST..) {
            let file = bound.socket_file().map(ToOwned::to_owned);
            let kept_as = bound.kept_as().map(ToOwned::to_owned);
            inherited.push(Inherited { role: *role, number: child_fd.unsigned_abs(), file, kept_as });
            mappings.push(FdMapping { parent_fd: bound.listener.as_fd().try_clone_to_owned()?, child_fd });
        }
        let past = past.map(|parent_fd| {
            let child_fd = FIRST + inherited.len() as i32;
            mappings.push(FdMapping { parent_fd, child_fd });
            child_fd.unsigned_abs()
        });
        let inheritance = Inheritance { generation, sockets: inherited, passed, past, starts: true };
        let inheritance = serde_json::to_string(&inheritance)?;
        let is_own = |name: &OsStr| OWN_VARIABLES.iter().any(|own| name == *own) || name == takeover::VARIABLE;
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.environment.iter().filter(|(name, _)| !is_own(name)).map(|(name, value)| (name, value)))
            .env(takeover::VARIABLE, inheritance)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        command.fd_mappings(mappings).map_err(io::Error::other)?;
        let hearing = Hearing::of(&stream)?;
        let left_alone = Some(LeftAlone::new()?);
        let starter = command.spawn()?;
        Ok(Successor { starter, process: None, stream, hearing, is_in_charge: false, left_alone })
    }
}

impl Estate {
    /// Starts a successor. Only one at a time: who asks while one starts is refused.
    pub(super) fn begin(&mut self, reply: Reply, generation: u64, past: Option<OwnedFd>) {
        if self.upgrade.is_some() {
            return refuse(reply, NotReady::because("another upgrade is under way".to_owned()));
        }
        match self.program.start(&self.sockets, self.passed, generation, past) {
            Ok(successor) => {
                let path = self.program.path.display();
                tracing::info!(pid = successor.pid(), "upgrading: {path} is started beside this server");
                self.upgrade = Some(Upgrade { successor, reply, began: Instant::now() });
            }
            Err(error) => {
                let reason = format!("{} cannot be started: {error}", self.program.path.display());
                tracing::error!("the upgrade failed, and this server goes on: {reason}");
                refuse(reply, NotReady::because(reason));
            }
        }
    }

    /// Waits until the successor accepts, or never will; for ever while there is none. Cancel safe.
    pub(super) async fn prepared(&mut self) -> Result<Accepting, NotReady> {
        match &mut self.upgrade {
            Some(upgrade) => upgrade.successor.ready().await,
            None => std::future::pending().await,
        }
    }

    /// Leaves all to the successor that is `prepared`. Returns whether it is in charge now; else this process still is.
    pub(super) async fn hand_over(
        &mut self,
        prepared: Result<Accepting, NotReady>,
        service: &Service,
        statistics: Statistics,
    ) -> bool {
        let Some(Upgrade { successor, reply, began }) = self.upgrade.take() else { return false };
        let (pid, seconds) = (successor.pid(), began.elapsed().as_secs_f64());
        let version = match prepared {
            Ok(Accepting { version }) => version,
            Err(failed) => {
                let detail = failed.traceback.as_deref();
                tracing::error!(pid, seconds, detail, "the upgrade failed, and this server goes on: {}", failed.reason);
                refuse(reply, failed);
                return false;
            }
        };
        // Who asked hears of it over the control socket, which is about to be closed: closing it lets the answer out first.
        let _gone = reply.send(Ok(Upgraded { pid, seconds, version: version.clone() }));
        if let Some(control) = self.control.take() {
            control.close().await;
        }
        self.pidfile.remove();
        service.hand_over(pid);
        match successor.take_over(&self.sockets, statistics) {
            Ok(stream) => self.relieved = Some(stream),
            Err(error) => {
                // Without it nobody is left to serve but this process. Systemd does not hear it any more, and ends what is left of the service.
                let next = if service.is_active() {
                    "this one serves until systemd, for which that was the main process, ends it and starts the service anew"
                } else {
                    "this one goes on, without its control socket"
                };
                tracing::error!(pid, %error, "the new server ended as it took over: {next}");
                return false;
            }
        }
        tracing::info!(pid, seconds, version, "upgraded: the new server serves, and what runs here is finished");
        true
    }

    /// Whether systemd keeps sockets that this process bound.
    pub(super) fn has_kept(&self) -> bool {
        self.sockets.iter().any(|(_, bound)| bound.kept_as().is_some())
    }

    /// Takes such sockets back from systemd: nobody will listen on them after this process, so that who connects is to be refused at once, and
    /// not to wait for the end and be reset.
    pub(super) fn take_back(&mut self, service: &Service) {
        for (_, bound) in &mut self.sockets {
            if let Some(name) = bound.kept_as().map(ToOwned::to_owned) {
                stored::forget(service, &name);
                bound.take_back();
            }
        }
        service.settle();
    }

    /// Drops what would keep the sockets open.
    pub(super) fn let_go(&mut self) {
        self.sockets.clear();
        if let Some(Upgrade { reply, .. }) = self.upgrade.take() {
            refuse(reply, NotReady::because("the instance was told to stop".to_owned()));
        }
    }

    /// The end of the process.
    pub(super) async fn close(self) {
        if let Some(control) = self.control {
            control.close().await;
        }
    }
}

fn refuse(reply: Reply, NotReady { reason, traceback, .. }: NotReady) {
    let traceback = traceback.unwrap_or_default();
    // Who asked may have hung up; the log has it.
    let _gone = reply.send(Err(hostler_bus::Error::ReloadFailed { reason, traceback }));
}

impl Successor {
    fn pid(&self) -> u32 {
        self.process.as_ref().map_or_else(|| self.starter.id(), |(pid, _)| *pid)
    }

    /// Waits until it accepts. It takes the time that it needs to load; whoever waits may give up. Cancel safe.
    async fn ready(&mut self) -> Result<Accepting, NotReady> {
        loop {
            match self.hearing.hear().await {
                Ok(FromSuccessor::Started(pid)) => self.started(pid)?,
                Ok(FromSuccessor::Ready(accepting)) => return Ok(accepting),
                Ok(FromSuccessor::Failed { reason, traceback }) => {
                    return Err(NotReady::of_application(reason, traceback));
                }
                Err(_) => {
                    // It let go of the stream: it is ending, or has.
                    let status = match &self.process {
                        None => self.starter.wait().map_or_else(|error| error.to_string(), |status| status.to_string()),
                        Some(_) => "it said nothing".to_owned(),
                    };
                    return Err(NotReady::because(format!(
                        "the new server ended before it served ({status}); its log says why"
                    )));
                }
            }
        }
    }

    /// The successor runs; who started it is ending.
    fn started(&mut self, pid: u32) -> Result<(), NotReady> {
        let failed = |error: io::Error| NotReady::because(format!("the new server cannot be watched: {error}"));
        let found = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = found.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        let pidfd = pidfd_open(process, PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
        self.process = Some((pid, pidfd));
        // Milliseconds: all that is left to it is to end.
        self.starter.wait().map_err(failed)?;
        self.left_alone = None;
        Ok(())
    }

    /// Leaves the sockets, and all names, to it. It knows of the end of this process by the end of the stream.
    ///
    /// # Errors
    /// When it is gone meanwhile; then nothing is left to anybody.
    fn take_over(mut self, sockets: &[(Role, Bound)], statistics: Statistics) -> io::Result<UnixStream> {
        takeover::say(&self.stream, &FromPredecessor::TakeOver(Box::new(statistics)))?;
        sockets.iter().for_each(|(_, bound)| bound.give_away());
        let stream = self.stream.try_clone()?;
        self.is_in_charge = true;
        Ok(stream)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_in_charge {
            // All of it fails only for processes that are gone. The workers of the successor end with it.
            if let Some((_, process)) = &self.process {
                let _killed = pidfd_send_signal(process, Signal::KILL);
            }
            let _killed = self.starter.kill();
            let _ended = self.starter.wait();
        }
    }
}
