//! A control group for each worker, where the service manager delegated the server's own.
//!
//! ```text
//! hostler@shop.service      what was delegated; holds no process itself
//!   server                  this process, the keeper, and what they start beside workers
//!   worker-0-4711           place 0, process 4711, and the children of that
//! ```
//!
//! Where nothing was delegated, nothing happens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hostler_supervisor::{Groups, OutOfMemory};
use hostler_systemd::Environment;
use hostler_systemd::cgroup::{Cgroup, CgroupError, MemoryEvents};
use rustix::process::{Pid, getpid};

/// The server's own group; `DelegateSubgroup=` in the units.
const SERVER: &str = "server";
/// How the names of workers' groups begin.
const WORKER: &str = "worker-";
/// What workers' groups are given, of what there is. Without `cpu` and the like the kernel has less to do for each switch between processes.
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// The groups of one generation's workers.
#[derive(Debug)]
pub(super) struct WorkerGroups {
    above: &'static Divided,
    /// In bytes.
    memory_max: Option<u64>,
    joined: Mutex<Joined>,
}

/// A group that was divided.
#[derive(Debug)]
struct Divided {
    group: Cgroup,
    has_memory: bool,
}

#[derive(Debug, Default)]
struct Joined {
    /// By process.
    groups: HashMap<u32, Joining>,
    /// Of workers that are gone, with children of theirs in it.
    left_behind: Vec<Cgroup>,
}

#[derive(Debug)]
struct Joining {
    group: Cgroup,
    /// What had happened in it before.
    events: MemoryEvents,
}

/// Groups for the workers of a generation; `None` where there can be none. `memory_max` is in bytes, 0 for no limit.
pub(super) fn of_generation(memory_max: u64) -> Option<Arc<dyn Groups>> {
    // A process has one group, and divides it once.
    static DIVIDED: OnceLock<Option<Divided>> = OnceLock::new();
    let divided = DIVIDED.get_or_init(|| {
        divide(&Environment::of_process()).unwrap_or_else(|error| {
            tracing::debug!(%error, "workers have no control groups of their own");
            None
        })
    });
    let limit = (memory_max != 0).then_some(memory_max);
    let Some(above) = divided else {
        if limit.is_some() {
            tracing::warn!("memory_max has no effect: workers have no control groups of their own (Delegate=memory)");
        }
        return None;
    };
    if limit.is_some() && !above.has_memory {
        tracing::warn!("memory_max has no effect: the control group has no memory controller (Delegate=memory)");
    }
    let memory_max = limit.filter(|_| above.has_memory);
    Some(Arc::new(WorkerGroups { above, memory_max, joined: Mutex::default() }))
}

/// Makes the delegated group ready for groups below it: no process may be in itself.
fn divide(environment: &Environment) -> Result<Option<Divided>, CgroupError> {
    let Some(own) = Cgroup::own()? else { return Ok(None) };
    let stands_apart = own.directory().file_name().is_some_and(|name| name == SERVER);
    // A group that is only writable, as a terminal's in a user's session, is not ours: systemd names the process that it started in a
    // unit (systemd.exec(5), SYSTEMD_EXEC_PID).
    let started_by_manager =
        environment.get("SYSTEMD_EXEC_PID").is_some_and(|pid| pid.to_str() == Some(&getpid().to_string()));
    if !stands_apart && !started_by_manager {
        return Ok(None);
    }
    let Some(group) = own.delegated(SERVER) else { return Ok(None) };
    if !stands_apart {
        group.child(SERVER)?.take_in(getpid())?;
    }
    let there = group.controllers()?;
    let wanted: Vec<&str> =
        CONTROLLERS.into_iter().filter(|controller| there.iter().any(|known| known == controller)).collect();
    if !wanted.is_empty() {
        group.enable(&wanted)?;
    }
    // What a server that was killed could not remove. A group with processes in it is not removed by this.
    for left in group.children(WORKER)? {
        let _in_use = left.remove();
    }
    tracing::debug!(group = %group.directory().display(), controllers = ?wanted, "workers have control groups of their own");
    Ok(Some(Divided { group, has_memory: wanted.contains(&"memory") }))
}

impl WorkerGroups {
    fn make(&self, worker: u16, process: Pid) -> Result<Joining, CgroupError> {
        let name = format!("{WORKER}{worker}-{process}");
        let group = self.above.group.child(&name)?;
        let mut events = MemoryEvents::default();
        if self.above.has_memory {
            group.end_together()?;
            group.limit_memory(self.memory_max)?;
            events = group.memory_events()?;
        }
        group.take_in(process)?;
        Ok(Joining { group, events })
    }

    fn shortage(&self, joining: &Joining) -> Option<OutOfMemory> {
        let before = joining.events;
        let now = joining.group.memory_events().ok().filter(|now| now.oom_kill > before.oom_kill)?;
        // Counted where the limit is: in the worker's group if it is its own.
        Some(match self.memory_max {
            Some(limit) if now.oom > before.oom => OutOfMemory::Own { limit },
            _ => OutOfMemory::Shared,
        })
    }
}

impl Groups for WorkerGroups {
    fn join(&self, worker: u16, pid: u32) {
        let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
        match self.make(worker, process) {
            Ok(joining) => {
                let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
                joined.groups.insert(pid, joining);
            }
            Err(error) => {
                tracing::warn!(worker, pid, %error, "a worker has no control group of its own");
                // What was made of it.
                let _in_use =
                    self.above.group.child(&format!("{WORKER}{worker}-{process}")).and_then(|group| group.remove());
            }
        }
    }

    fn leave(&self, _worker: u16, pid: u32) -> Option<OutOfMemory> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        joined.left_behind.retain(|group| group.remove().is_err());
        let joining = joined.groups.remove(&pid)?;
        let shortage = self.shortage(&joining);
        if joining.group.remove().is_err() {
            joined.left_behind.push(joining.group);
        }
        shortage
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// A directory with the files that the kernel makes in a worker's group.
    fn like_a_group(above: &Path, worker: u16, pid: u32, events: &str) -> PathBuf {
        let directory = above.join(format!("{WORKER}{worker}-{pid}"));
        std::fs::create_dir(&directory).unwrap();
        for file in ["cgroup.procs", "memory.max", "memory.oom.group"] {
            std::fs::write(directory.join(file), "").unwrap();
        }
        std::fs::write(directory.join("memory.events"), events).unwrap();
        directory
    }

    fn groups(above: &Path, memory_max: Option<u64>) -> WorkerGroups {
        let group = Cgroup::at(above.to_owned());
        let above = Box::leak(Box::new(Divided { group, has_memory: true }));
        WorkerGroups { above, memory_max, joined: Mutex::default() }
    }

    #[test]
    fn what_the_kernel_counted_while_a_worker_lived_says_why_it_died() {
        let before = "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n";
        let limit = 64 << 20;
        let cases = [
            // Nothing since it joined.
            (Some(limit), before, None),
            (Some(limit), "max 9\noom 2\noom_kill 2\n", Some(OutOfMemory::Own { limit })),
            // Its own limit was not met: a group above it had no more.
            (Some(limit), "max 7\noom 1\noom_kill 2\n", Some(OutOfMemory::Shared)),
            (None, "max 7\noom 1\noom_kill 2\n", Some(OutOfMemory::Shared)),
            // What could be freed at the limit killed nobody.
            (Some(limit), "max 99\noom 1\noom_kill 1\n", None),
            (Some(limit), "", None),
        ];
        for (memory_max, after, expected) in cases {
            let directory = tempfile::tempdir().unwrap();
            let group = like_a_group(directory.path(), 3, 4711, before);
            let groups = groups(directory.path(), memory_max);
            groups.join(3, 4711);
            let read = |file: &str| std::fs::read_to_string(group.join(file)).unwrap();
            assert_eq!((read("cgroup.procs"), read("memory.oom.group")), ("4711".to_owned(), "1".to_owned()));
            assert_eq!(read("memory.max"), memory_max.map_or("max".to_owned(), |bytes| bytes.to_string()));
            std::fs::write(group.join("memory.events"), after).unwrap();
            assert_eq!(groups.leave(3, 4711), expected, "{after}");
            assert_eq!(groups.leave(3, 4711), None, "told once");
        }
    }

    #[test]
    fn a_group_that_still_has_processes_is_removed_later() {
        let directory = tempfile::tempdir().unwrap();
        let group = like_a_group(directory.path(), 0, 1, "");
        let groups = groups(directory.path(), None);
        groups.join(0, 1);
        groups.leave(0, 1);
        assert!(group.exists());
        for file in ["cgroup.procs", "memory.max", "memory.oom.group", "memory.events"] {
            std::fs::remove_file(group.join(file)).unwrap();
        }
        groups.leave(1, 2);
        assert!(!group.exists());
    }

    #[test]
    fn without_a_manager_nothing_is_divided() {
        // The tests' own process was started by no service manager, whatever group it is in.
        assert!(divide(&Environment::default()).unwrap().is_none());
    }
}
