//! What a tree of processes has used: processor time and memory, from procfs (proc_pid_stat(5), proc_pid_smaps(5)).

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// One process, told apart from a later one with the same id by its start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    has_ended: bool,
    /// Ticks since boot.
    started: u64,
    /// Used by its threads, the ended ones too.
    own: Duration,
    /// Used by its children that have ended and were waited for.
    reaped: Duration,
}

impl Process {
    /// Whether this very process still runs. One that has ended and was not yet waited for does not.
    pub(super) fn is_alive(&self) -> bool {
        read(self.pid).is_some_and(|now| now.started == self.started && !now.has_ended)
    }
}

/// The process `root` and all its descendants.
pub(super) fn tree(root: u32) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Process> = pids.filter_map(read).collect();
    let mut members = HashSet::from([root]);
    // A child may have a smaller id than its parent, so the list is gone through until nothing is added.
    loop {
        let found = members.len();
        for process in &all {
            if members.contains(&process.parent) {
                members.insert(process.pid);
            }
        }
        if members.len() == found {
            break;
        }
    }
    all.into_iter().filter(|process| members.contains(&process.pid)).collect()
}

/// Processor time, user and system, that the tree has used so far.
pub(super) fn cpu(root: u32) -> Duration {
    tree(root).iter().map(|process| process.own + process.reaped).sum()
}

/// Memory of the tree in bytes: its proportional set size, which counts a shared page once.
///
/// # Errors
/// When the kernel does not let us look, which takes the same user or root.
pub(super) fn tree_memory(root: u32) -> Result<u64> {
    tree(root).iter().map(|process| process_memory(process.pid)).sum()
}

/// The memory of a tree of processes, in bytes of proportional set size.
pub(super) struct Memory {
    /// Of its first process: of Hostler, the router; of a server with one process, all there is.
    pub(super) main: u64,
    /// Of the other processes: of Hostler, the workers.
    pub(super) others: u64,
}

impl Memory {
    /// Of the tree below `root`.
    ///
    /// # Errors
    /// As [`tree_memory`].
    pub(super) fn of(root: u32) -> Result<Self> {
        let main = process_memory(root)?;
        let others = tree(root).into_iter().filter(|process| process.pid != root);
        let others = others.map(|process| process_memory(process.pid)).sum::<Result<u64>>()?;
        Ok(Self { main, others })
    }

    /// Of all of them.
    pub(super) fn tree(&self) -> u64 {
        self.main + self.others
    }
}

/// The proportional set size of one process, in bytes. A process that has ended has none.
pub(super) fn process_memory(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(error).with_context(|| format!("cannot read {path}"));
        }
        Err(_) => return Ok(0),
    };
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("{path} has no line Pss"))? * 1024)
}

fn read(pid: u32) -> Option<Process> {
    let mut process = parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    // The ticks of stat are coarse but complete; the nanoseconds of schedstat lack the threads that have ended.
    process.own = process.own.max(scheduled(pid));
    Some(process)
}

fn parse(pid: u32, stat: &str) -> Option<Process> {
    // The second field is the program's name in parentheses and may hold anything; the third follows the last of them.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = |first: usize| Some(from_ticks(field(first)? + field(first + 1)?));
    Some(Process {
        pid,
        has_ended: fields.first() == Some(&"Z"),
        parent: u32::try_from(field(4)?).ok()?,
        started: field(22)?,
        own: ticks(14)?,
        reaped: ticks(16)?,
    })
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

fn scheduled(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let ran = |text: String| text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos);
    threads.flatten().filter_map(|thread| ran(fs::read_to_string(thread.path().join("schedstat")).ok()?)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 3 7 7 0 -1 4194560 1 2 3 4 50 25 10 5 20 0 1 0 9876 0 0";
        let process = parse(7, stat).unwrap();
        assert_eq!((process.parent, process.started), (3, 9876));
        assert_eq!((process.own, process.reaped), (from_ticks(75), from_ticks(15)));
    }

    #[test]
    fn work_done_here_is_counted() {
        let before = cpu(std::process::id());
        let mut sum = 0_u64;
        for number in 0..20_000_000_u64 {
            sum = std::hint::black_box(sum ^ number);
        }
        assert!(cpu(std::process::id()) > before);
        assert!(tree_memory(std::process::id()).unwrap() > 0);
    }
}
