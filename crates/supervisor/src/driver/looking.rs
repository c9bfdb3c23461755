//! Looking at workers: the load once a second, what they use, and their stacks when somebody asks.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Driver;
use crate::handle::{NotServing, StacksError};
use crate::machine::{Event, Seen};
use crate::measure;
use crate::message::Message;
use crate::status::{Usage, WorkerStatus};

/// How many may wait for what is being measured; the next are told what is known already.
const WAITING_FOR_SAMPLES: usize = 64;
/// How often memory is measured where it has a limit: the kernel walks all of it.
const MEASURE_EVERY: Duration = Duration::from_secs(5);
/// What is younger is not measured again for somebody who asks.
const FRESH: Duration = Duration::from_secs(2);
/// How many times as long as measuring memory took it is not measured again for somebody who asks: the kernel walks all of it, and holds up what
/// the worker allocates.
const REST: u32 = 100;

impl Driver {
    pub(super) fn look_at_load(&mut self) {
        self.load_due = None;
        let mut seen = self.see();
        if seen.load.busy_as_processes && self.options.scaling.is_some() {
            seen.load.busy = self.busy_processes();
        }
        self.take(Event::Load(seen));
        let due = self.memory_measured.is_none_or(|(at, _)| at.elapsed() >= MEASURE_EVERY);
        if self.options.recycling.max_memory.is_some() && due {
            self.measure(true);
        }
    }

    /// What there is to do, now.
    pub(super) fn see(&self) -> Seen {
        let load = self.pool.load();
        let served = (0..self.place_count()).map(|place| self.pool.served(place)).collect();
        let idle = load.last_activity.map(|last| Instant::now().into_std().saturating_duration_since(last));
        Seen { load, served, idle }
    }

    /// The share of a CPU that the processes used since the last look, those that were there then; `None` when there was none.
    fn busy_processes(&mut self) -> Option<f64> {
        let now = Instant::now();
        let (mut used, mut passed) = (Duration::ZERO, Duration::ZERO);
        for place in &mut self.places {
            let Some(process) = &place.process else { continue };
            let Some(cpu) = measure::cpu(process.pid) else { continue };
            if let Some((before, at)) = place.cpu_seen.replace((cpu, now)) {
                used += cpu.saturating_sub(before);
                passed += now.saturating_duration_since(at);
            }
        }
        (!passed.is_zero()).then(|| (used.as_secs_f64() / passed.as_secs_f64()).min(1.0))
    }

    fn place_count(&self) -> u16 {
        // It was a u16 when they were made.
        self.places.len() as u16
    }

    pub(super) fn sample(&mut self, reply: oneshot::Sender<Vec<WorkerStatus>>) {
        let fresh = self.measured_at.is_some_and(|at| at.elapsed() < FRESH);
        if (fresh && !self.measuring) || self.samples_wanted.len() >= WAITING_FOR_SAMPLES {
            self.publish();
            let _ = reply.send(self.observed.borrow().workers.clone());
            return;
        }
        self.samples_wanted.push(reply);
        self.measure(self.memory_is_due());
    }

    fn memory_is_due(&self) -> bool {
        let is_new = |place: &super::Place| place.process.is_some() && place.usage.is_none();
        let is_old = |(at, took): (Instant, Duration)| at.elapsed() >= FRESH.max(took * REST);
        self.memory_measured.is_none_or(is_old) || self.places.iter().any(is_new)
    }

    /// Measures all processes in a thread that may block; [`Message::Measured`] brings what was found. Without `memory` that stays what it was.
    fn measure(&mut self, memory: bool) {
        if self.measuring {
            return;
        }
        self.measuring = true;
        let running = self.machine.observe().filter_map(|seen| Some((seen.worker, seen.pid?)));
        let processes: Vec<(u16, u32)> = running.collect();
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let began = Instant::now();
            let usage = move |pid| if memory { measure::usage(pid) } else { measure::without_memory(pid) };
            let read = move || processes.into_iter().map(|(worker, pid)| (worker, pid, usage(pid))).collect();
            // Without a thread to be had nothing is known, and that must be told.
            let found = tokio::task::spawn_blocking(read).await.unwrap_or_default();
            let memory_took = memory.then(|| began.elapsed());
            let _ = messages.send(Message::Measured { found, memory_took }).await;
        });
    }

    pub(super) fn take_measured(&mut self, found: Vec<(u16, u32, Option<Usage>)>, memory_took: Option<Duration>) {
        self.measuring = false;
        self.measured_at = Some(Instant::now());
        if let Some(took) = memory_took {
            self.memory_measured = Some((Instant::now(), took));
        }
        for (worker, pid, usage) in found {
            let Some(place) = self.places.get_mut(usize::from(worker)) else { continue };
            // Another process may have the place by now.
            if place.process.as_ref().is_none_or(|process| process.pid != pid) {
                continue;
            }
            let before = place.usage.and_then(|usage| usage.memory);
            place.usage = usage.map(|usage| Usage { memory: usage.memory.or(before), ..usage });
            if let Some(memory) = usage.and_then(|usage| usage.memory) {
                self.follow_up.push_back(Event::Measured { worker, pid, memory });
            }
        }
        self.take(Event::Tick);
        let workers = self.observed.borrow().workers.clone();
        for reply in self.samples_wanted.drain(..) {
            let _ = reply.send(workers.clone());
        }
    }

    pub(super) fn ask_for_stacks(&self, worker: u16, reply: oneshot::Sender<Result<String, StacksError>>) {
        let process = self.places.get(usize::from(worker)).and_then(|place| place.process.as_ref());
        match process {
            Some(process) if self.machine.tells_stacks(worker) => process.ask_for_stacks(reply),
            _ => {
                let _ = reply.send(Err(NotServing { worker }.into()));
            }
        }
    }
}
