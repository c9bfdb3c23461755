//! Asking for a password on a terminal: pkttyagent(1), which registers with polkit for this process while it runs.

use std::io::{IsTerminal, Read, stdin};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};

/// How long an agent may take to register.
const REGISTERING_LIMIT: Duration = Duration::from_secs(3);

/// The descriptor on which the agent says that it has registered.
const NOTIFY_DESCRIPTOR: i32 = 3;

/// An agent on this terminal, for as long as this lives.
pub(super) struct Agent {
    process: Child,
}

impl Agent {
    /// Starts one, where somebody can type and polkit would ask: not for root, who is not asked. None where pkttyagent is not
    /// installed: an agent of the desktop may be there all the same. `in_session` says that this is a session of logind's.
    pub(super) fn start(in_session: bool) -> Option<Self> {
        if rustix::process::geteuid().is_root() || !stdin().is_terminal() {
            return None;
        }
        let (registered, notify) = pipe_with(PipeFlags::CLOEXEC).ok()?;
        let mut command = Command::new("pkttyagent");
        command.args(["--notify-fd", &NOTIFY_DESCRIPTOR.to_string()]);
        if in_session {
            // Where the session has an agent of its own, that one asks. Without a session polkit passes over such a fallback, as it finds
            // no session to look for the other in.
            command.arg("--fallback");
        }
        command.arg("--process").arg(std::process::id().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        command.fd_mappings(vec![FdMapping { parent_fd: notify, child_fd: NOTIFY_DESCRIPTOR }]).ok()?;
        let process = command.spawn().ok()?;
        // It holds our end of the pipe as well.
        drop(command);
        wait_for_end(registered);
        Some(Self { process })
    }
}

/// Waits until the other end is closed, which says that the agent has registered or ended.
fn wait_for_end(pipe: OwnedFd) {
    let limit = Timespec { tv_sec: REGISTERING_LIMIT.as_secs() as i64, tv_nsec: 0 };
    if matches!(poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&limit)), Ok(1..)) {
        // A call that is made before it has registered is refused, and that is told.
        let _ = std::fs::File::from(pipe).read(&mut [0; 16]);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        // It gives the terminal back as it was when it is asked to end.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

/// What whoever was refused can do.
pub(super) fn missing(terminal: bool) -> &'static str {
    if terminal {
        "polkit asks for a password where pkttyagent (package polkitd) or a desktop's agent is there; or run this as root"
    } else {
        "nobody could be asked for a password here: run this on a terminal, as root, or give the user the right with a \
         polkit rule"
    }
}
