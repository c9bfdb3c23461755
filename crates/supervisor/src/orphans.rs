//! Processes that lost their parent and are ours since: the server is a *subreaper* (`PR_SET_CHILD_SUBREAPER`, `prctl(2)`).
//!
//! That is how a worker that a keeper forked becomes a child of the server. It brings others with it: what an application leaves behind as
//! a daemon, and the keeper's helper when the keeper died. Somebody has to collect their status, or they stay as zombies for as long as the server lives.
//! A server that is process 1 of a container gets them in any case.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How long a process is left to whoever may wait for it. Whoever started it himself does so at once; nobody asks for the status of an orphan.
const PATIENCE: Duration = Duration::from_secs(5);

/// Children that are waited for elsewhere, whatever their state.
static OWN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Marks a child as waited for elsewhere, while this lives.
#[derive(Debug)]
pub(crate) struct Own(u32);

pub(crate) fn own(pid: u32) -> Own {
    own_ones().insert(pid);
    Own(pid)
}

impl Drop for Own {
    fn drop(&mut self) {
        own_ones().remove(&self.0);
    }
}

fn own_ones() -> MutexGuard<'static, BTreeSet<u32>> {
    OWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the parent of every descendant that loses its own, and collects the status of those that nobody else waits for. Workers can be
/// forked ([`Options::preload`](crate::Options::preload)) only where this was called. Inside a tokio runtime with IO and time enabled; once.
///
/// # Errors
/// When the kernel refuses, or SIGCHLD cannot be received.
pub fn adopt_orphans() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    tokio::spawn(async move {
        let mut seen = HashMap::new();
        loop {
            if seen.is_empty() {
                if ended.recv().await.is_none() {
                    return;
                }
            } else {
                // Those that were seen are looked at again when their time is over.
                tokio::time::sleep(PATIENCE / 5).await;
            }
            collect_old(&mut seen, Instant::now());
        }
    });
    Ok(())
}

/// Looks at the children that have ended, and collects those that have been so for [`PATIENCE`]. `seen` says since when.
fn collect_old(seen: &mut HashMap<Pid, Instant>, now: Instant) {
    let ended: Vec<Pid> = children().into_iter().filter(|pid| has_ended(*pid)).collect();
    seen.retain(|pid, _| ended.contains(pid));
    for pid in ended {
        let since = *seen.entry(pid).or_insert(now);
        let owned = own_ones().contains(&pid.as_raw_nonzero().get().unsigned_abs());
        if owned || now.saturating_duration_since(since) < PATIENCE {
            continue;
        }
        seen.remove(&pid);
        // Whoever was faster has it.
        if let Ok(Some(_)) = rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            tracing::debug!(pid = pid.as_raw_nonzero().get(), "a process that had lost its parent has ended");
        }
    }
}

fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}

/// All children of this process (`proc_pid_children(5)`). A kernel without that list is asked for the parent of each process there is.
fn children() -> Vec<Pid> {
    let pid = |text: &str| Pid::from_raw(text.parse().ok()?);
    let lists: Vec<String> = entries("/proc/self/task").filter_map(|thread| read(&thread.join("children"))).collect();
    if !lists.is_empty() {
        return lists.iter().flat_map(|list| list.split_whitespace()).filter_map(pid).collect();
    }
    let own = std::process::id().to_string();
    let is_ours = |process: &PathBuf| {
        // After the command, which may hold anything, come the state and the parent.
        let status = read(&process.join("stat"))?;
        let parent = status.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        (parent == own).then_some(())
    };
    let found = entries("/proc").filter(|process| is_ours(process).is_some());
    found.filter_map(|process| pid(process.file_name()?.to_str()?)).collect()
}

fn entries(directory: &str) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
