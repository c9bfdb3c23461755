//! A server that runs for one measurement: started on a free port, waited for, and ended by its own process ids.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, RawPid, Signal, kill_process};

use super::connection::Connection;
use super::measure::{self, Process};
use super::peers::{Job, Server, Tools};
use crate::workspace;

const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A server that answers. Dropped, it is gone with all its processes.
pub(super) struct Running {
    child: Child,
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts the server and waits until it answers `probe` and has all its workers.
    pub(super) fn start(server: Server, tools: &Tools, job: &Job, probe: &str) -> Result<Self> {
        let port = free_port()?;
        let log = workspace::target_directory("bench")?.join(format!("{}.log", server.name()));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = server.command(tools, job, port);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {}", workspace::shown(&command)))?;
        let mut running = Self { child, port, log };
        running.wait_until_answers(probe)?;
        running.wait_until_settled(job.least_processes())?;
        Ok(running)
    }

    /// The id of the server's first process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_answers(&mut self, probe: &str) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended with {status} before it answered: {}", self.last_words());
            }
            if Connection::open(self.port).and_then(|mut connection| connection.get(probe)).is_ok() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        bail!("did not answer {probe} on port {} within {} s: {}", self.port, START_LIMIT.as_secs(), self.last_words())
    }

    /// The first answer comes from the first worker. The others are there when the tree has stopped changing and working.
    fn wait_until_settled(&mut self, processes: u32) -> Result<()> {
        let began = Instant::now();
        let quiet = Duration::from_millis(500);
        while began.elapsed() < START_LIMIT {
            let before = (measure::tree(self.pid()).len(), measure::cpu(self.pid()));
            thread::sleep(quiet);
            let after = (measure::tree(self.pid()).len(), measure::cpu(self.pid()));
            // A server that ticks over uses a few milliseconds; one that still imports uses all of the time.
            if after.0 == before.0 && after.0 >= processes as usize && after.1.saturating_sub(before.1) < quiet / 10 {
                return Ok(());
            }
        }
        bail!(
            "its processes, {processes} at least, did not come to rest within {} s: {}",
            START_LIMIT.as_secs(),
            self.last_words()
        )
    }

    /// The end of what the server printed.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        format!("{} (more in {})", lines.into_iter().rev().collect::<Vec<_>>().join(" | "), self.log.display())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = measure::tree(self.pid());
        signal(self.pid(), Signal::TERM);
        if !wait(|| !matches!(self.child.try_wait(), Ok(None)) && !processes.iter().any(Process::is_alive)) {
            for process in processes.iter().filter(|process| process.is_alive()) {
                signal(process.pid, Signal::KILL);
            }
        }
        // It was told to end, or has ended: this only takes its exit code.
        let _ = self.child.wait();
    }
}

fn wait(done: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    let mut done = done;
    while began.elapsed() < STOP_LIMIT {
        if done() {
            return true;
        }
        thread::sleep(POLL);
    }
    false
}

/// Sends a signal to one process.
pub(super) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = RawPid::try_from(pid).ok().and_then(Pid::from_raw) {
        // A process that ended in the meantime is what we want.
        let _ = kill_process(pid, signal);
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
