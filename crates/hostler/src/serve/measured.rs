//! What the processes of an instance use: the server's own, the keepers and the workers together, and the samples of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hostler_supervisor::Handle;
use tokio::time::Instant;

use super::control::{Desk, running};
use super::instance::now_us;
use super::samples::Moment;

/// Memory is measured with each so many of the samples that nobody asked for: the kernel walks all of it.
const MEASURED_EACH: usize = 6;
/// What is younger is not measured again.
const FRESH: Duration = Duration::from_secs(2);
/// How much longer than measuring took it is not done again, so that it takes a hundredth of a processor at most.
const REST: u32 = 100;

/// What was measured of the processes that no supervisor measures: the server's own, and the keepers.
#[derive(Debug, Default)]
pub(super) struct Measured {
    own: Mutex<Own>,
    /// The highest that was told, in nanoseconds: a process that is just being reaped is in neither sum for a moment.
    cpu_ns: AtomicU64,
    /// How often it was called for a sample.
    recorded: AtomicUsize,
}

#[derive(Debug, Default)]
struct Own {
    /// Bytes of PSS, by process.
    memory: HashMap<u32, u64>,
    /// From when on it may be measured again.
    due: Option<Instant>,
}

impl Measured {
    /// Measures all processes, unless that was done just now.
    pub(super) async fn renew(&self, supervisors: &[Handle]) {
        for supervisor in supervisors {
            supervisor.sample().await;
        }
        let began = Instant::now();
        let due = self.own.lock().unwrap_or_else(PoisonError::into_inner).due;
        if due.is_some_and(|due| began < due) {
            return;
        }
        let processes: Vec<u32> = own(supervisors).collect();
        let read = move || {
            let memory = |pid: u32| Some((pid, hostler_supervisor::usage(pid)?.memory?));
            processes.into_iter().filter_map(memory).collect::<HashMap<_, _>>()
        };
        // Without a thread to be had nothing is known.
        let memory = tokio::task::spawn_blocking(read).await.unwrap_or_default();
        let due = Instant::now() + FRESH.max(began.elapsed() * REST);
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Own { memory, due: Some(due) };
    }

    /// The PSS of all processes in bytes, as last measured.
    pub(super) fn memory(&self, supervisors: &[Handle]) -> u64 {
        let workers: u64 =
            supervisors.iter().flat_map(Handle::workers).filter_map(|worker| worker.usage.as_ref()?.memory).sum();
        let known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        workers + own(supervisors).filter_map(|pid| known.memory.get(&pid)).sum::<u64>()
    }

    /// Processor time since the server process was started: its own, that of its children that ended, and that of those that live.
    pub(super) fn cpu(&self, supervisors: &[Handle]) -> Duration {
        let workers = supervisors.iter().flat_map(Handle::workers);
        let processes = own(supervisors).chain(workers.filter_map(|worker| worker.pid));
        let now: Duration = processes.filter_map(hostler_supervisor::family_cpu).sum();
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.cpu_ns.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

/// The server's own process, and the keepers.
fn own(supervisors: &[Handle]) -> impl Iterator<Item = u32> {
    let keepers = supervisors.iter().filter_map(|supervisor| supervisor.keeper()?.pid);
    std::iter::once(std::process::id()).chain(keepers)
}

impl Desk {
    /// Begins the first span: all that this process has counted is in it.
    pub(super) fn begin_to_record(&self) {
        self.instance.record(Moment { statistics: self.instance.before().clone(), ..self.moment() });
    }

    /// Ends a span of what is kept for whoever draws it, but with the first call, which only measures. What takes long is done beside it.
    pub(super) fn record(&self) {
        let desk = self.clone();
        let calls = self.measured.recorded.fetch_add(1, Ordering::Relaxed);
        let measures = calls.is_multiple_of(MEASURED_EACH);
        tokio::spawn(async move {
            if measures {
                desk.measured.renew(&desk.instance.supervisors()).await;
            }
            if calls > 0 {
                desk.instance.record(desk.moment());
            }
        });
    }

    /// How it is now.
    pub(super) fn moment(&self) -> Moment {
        let (generations, supervisors) = (self.instance.generations(), self.instance.supervisors());
        let current = self.instance.current();
        let strength = current.supervisor.strength();
        let queued: u64 = generations.iter().map(|generation| generation.exchange.queued()).sum();
        let running = running(&generations);
        self.instance.events().follow(self.instance.restarts(), current.number);
        Moment {
            at_us: now_us(),
            clock: self.instance.age(),
            statistics: self.instance.published(),
            cpu: self.measured.cpu(&supervisors),
            memory_bytes: self.measured.memory(&supervisors),
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            in_flight: running.iter().sum(),
            workers_busy: running.iter().filter(|count| **count > 0).count() as u32,
            workers_ready: u32::from(strength.ready),
            workers_wanted: u32::from(strength.wanted),
            generation: current.number,
        }
    }

    /// Ends the last span: it was as at that moment, and what was finished since then counts.
    pub(super) fn finish(&self, last: Moment) {
        let cpu = self.measured.cpu(&self.instance.supervisors());
        let (clock, statistics) = (self.instance.age(), self.instance.published());
        self.instance.record(Moment { at_us: now_us(), clock, statistics, cpu, ..last });
    }
}
