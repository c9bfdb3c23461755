//! What a process uses, read from `/proc`.

use std::fs;
use std::time::{Duration, Instant};

use crate::status::Usage;

/// Reads what process `pid` uses; `None` when it is gone. Blocks, for milliseconds where a process has much memory.
#[must_use]
pub fn usage(pid: u32) -> Option<Usage> {
    let cpu = cpu(pid)?;
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    Some(Usage { memory: memory.as_deref().and_then(proportional_share), cpu, at: Instant::now() })
}

/// The same without its memory. Some microseconds.
pub(crate) fn without_memory(pid: u32) -> Option<Usage> {
    Some(Usage { memory: None, cpu: cpu(pid)?, at: Instant::now() })
}

/// The CPU time of process `pid` since its start; `None` when it is gone. Some microseconds.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    cpu_time(&stat, rustix::param::clock_ticks_per_second())
}

/// Whether a process runs at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// It was stopped by a signal (SIGSTOP and its like), and runs on only when it is told to. A process that a debugger holds is not meant.
    pub stopped: bool,
    /// Its CPU time since its start.
    pub cpu: Duration,
}

/// Whether process `pid` runs; `None` when it is gone. Some microseconds.
#[must_use]
pub fn vitals(pid: u32) -> Option<Vitals> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Vitals { stopped: is_stopped(&stat), cpu: cpu_time(&stat, rustix::param::clock_ticks_per_second())? })
}

/// The third field (`proc_pid_stat(5)`) is the state, `T` for stopped by a signal.
fn is_stopped(stat: &str) -> bool {
    stat.rsplit_once(')').is_some_and(|(_, after_name)| after_name.trim_start().starts_with('T'))
}

/// The CPU time of process `pid` since its start, with that of its children that ended and were waited for; `None` when it is gone.
/// Some microseconds.
#[must_use]
pub fn family_cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    times(&stat, 4, rustix::param::clock_ticks_per_second())
}

/// `Pss:` in bytes (`proc_pid_smaps(5)`); the file counts in units of 1024.
fn proportional_share(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let count: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    count.checked_mul(1024)
}

/// User and system time.
fn cpu_time(stat: &str, ticks_per_second: u64) -> Option<Duration> {
    times(stat, 2, ticks_per_second)
}

/// The sum of the first so many times (`proc_pid_stat(5)`, from field 14 on: user and system, and both of the children). The second field is
/// the program's name in parentheses, which may hold anything, parentheses too.
fn times(stat: &str, count: usize, ticks_per_second: u64) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let mut ticks = 0_u64;
    for _ in 0..count {
        ticks = ticks.checked_add(fields.next()?.parse().ok()?)?;
    }
    let milliseconds = ticks.checked_mul(1000)?.checked_div(ticks_per_second)?;
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_as_the_manual_says() {
        let rollup = "5581b000-7ffd9000 ---p 00000000 00:00 0    [rollup]\nRss:     9000 kB\nPss:     2345 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(proportional_share(rollup), Some(2345 * 1024));
        assert_eq!(proportional_share("Pss: much"), None);
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 1 2 3 4 150 50 60 40 20 0 3 0 1000";
        assert_eq!(cpu_time(stat, 100), Some(Duration::from_secs(2)));
        assert_eq!(times(stat, 4, 100), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time(stat, 0), None);
        assert!(!is_stopped(stat) && is_stopped("42 (a) S (b) T 1 42") && !is_stopped("42 (T) t 1 42"));
        assert_eq!(cpu_time("42 (python) S 1", 100), None);
    }

    #[test]
    fn this_process_uses_something() {
        let used = usage(std::process::id()).unwrap();
        assert!(used.memory.is_none_or(|memory| memory > 100_000), "{used:?}");
        assert_eq!(usage(u32::MAX), None);
        assert!(cpu(std::process::id()) >= Some(used.cpu));
        assert!(family_cpu(std::process::id()) >= Some(used.cpu));
        assert_eq!(cpu(u32::MAX), None);
    }
}
