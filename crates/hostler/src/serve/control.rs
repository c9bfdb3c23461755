//! What the control socket is answered: the instance as it is, and orders to it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use hostler_bus::{
    Applied, Condition, Configured, Control, Error, LastError, LogLevel, Observed, Phase, Reloaded, Request, Result,
    Running, Samples, Status, Upgraded, Worker, WorkerState,
};
use hostler_settings::LogFile;
use hostler_supervisor::{Condition as Found, NoRoom, WorkerState as FoundWorker, WorkerStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::level_filters::LevelFilter;

use super::generation::Generation;
use super::instance::{Instance, us_of};
use super::measured::Measured;
use super::metrics::{self, Snapshot, WorkerSnapshot};
use super::task::Order;
use super::translate;

/// What is told of an instance, and who takes orders for it.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) name: String,
    pub(super) binds: Vec<String>,
    pub(super) settings_file: Option<String>,
    pub(super) cores: usize,
    pub(super) instance: Arc<Instance>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) log: hostler_log::ErrorLog,
    pub(super) measured: Arc<Measured>,
}

impl Desk {
    /// All generations with workers, the current one first.
    fn generations(&self) -> Vec<Arc<Generation>> {
        let view = self.instance.view();
        std::iter::once(&view.current).chain(view.former.iter().map(|(_, former)| former)).map(Arc::clone).collect()
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T>>) -> Order) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let stopping = || Error::Refused { reason: "the instance is stopping".to_owned() };
        self.orders.send(order(reply)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    fn configured(&self) -> Configured {
        let generation = self.instance.current();
        let settings = &generation.served.settings;
        let (least, most) = settings.pool.workers.bounds(self.cores);
        let interface = format!("{:?}", self.instance.view().loaded.interface).to_lowercase();
        Configured {
            name: self.name.clone(),
            application: generation.served.application.application.to_string(),
            binds: self.binds.clone(),
            workers_min: least as u32,
            workers_max: most as u32,
            threads: settings.pool.threads,
            interface,
            error_log: match &settings.log.error_logfile {
                LogFile::Path(path) => translate::absolute(path).display().to_string(),
                LogFile::Stream if self.log.is_journal() => "journal".to_owned(),
                LogFile::Stream => "stderr".to_owned(),
            },
            settings_file: self.settings_file.clone(),
        }
    }

    /// All that is counted, now.
    pub(super) async fn snapshot(&self) -> Snapshot {
        // First: what the router's threads have counted until now is in the workers' tallies, too.
        let statistics = self.instance.statistics().await;
        let mut workers = Vec::new();
        for generation in self.generations() {
            let requests = generation.exchange.requests();
            let statuses = generation.supervisor.sample().await;
            workers.extend(statuses.into_iter().filter(|status| status.pid.is_some()).map(|status| WorkerSnapshot {
                generation: generation.number,
                tally: generation.exchange.tally(status.worker),
                running: requests.iter().filter(|request| request.worker == Some(status.worker)).cloned().collect(),
                status,
            }));
        }
        Snapshot {
            configured: self.configured(),
            statistics,
            limits: {
                let settings = &self.instance.current().served.settings;
                (settings.pool.limit_concurrency, settings.asgi.limit_websockets)
            },
            observed: self.observed(),
            restarts: self.instance.restarts(),
            relieved: self.instance.relieved.counts(),
            workers,
            directory: self.instance.current().served.application.directory.display().to_string(),
        }
    }

    /// How the instance is, now.
    pub(super) fn observed(&self) -> Observed {
        let condition = *self.instance.condition.borrow();
        let statistics = self.instance.published();
        let all = self.instance.generations();
        let running = running(&all);
        let supervisors = self.instance.supervisors();
        let restarts = self.instance.restarts().by_cause().filter(|(_, count)| *count > 0);
        let restarts = restarts.map(|(cause, count)| (cause.to_owned(), count)).collect();
        let view = self.instance.view();
        let generation = &view.current;
        let strength = generation.supervisor.strength();
        let (span, since) = match view.notes.front() {
            Some((noted, before)) => {
                (noted.elapsed().as_secs_f64().max(0.001), statistics.requests().saturating_sub(before.requests()))
            }
            None => (1.0, 0),
        };
        let minute = view.notes.front().map(|(_, before)| statistics.application_time.since(&before.application_time));
        let minute = minute.unwrap_or_else(|| statistics.application_time.clone());
        let us = |share| minute.quantile(share).unwrap_or(0) / 1000;
        Observed {
            state: condition.state,
            since_us: us_of(view.since),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            python: view.loaded.python.clone(),
            framework: view.loaded.framework.clone().unwrap_or_default(),
            event_loop: view.loaded.event_loop.clone(),
            generation: generation.number,
            last_reload: view.last_reload.clone(),
            awaits_restart: view.awaits_restart.iter().cloned().collect(),
            workers_ready: u32::from(strength.ready),
            workers_wanted: u32::from(strength.wanted),
            workers_busy: running.iter().filter(|count| **count > 0).count() as u32,
            workers_reason: strength.reason,
            failure: match generation.supervisor.condition() {
                Found::Broken { failure } => failure.to_string(),
                _ => String::new(),
            },
            trouble: generation.supervisor.trouble().map(|failure| failure.to_string()).unwrap_or_default(),
            last_error: self.log.last_error().map(|error| LastError { at_us: us_of(error.at), message: error.message }),
            restarts,
            events: self.instance.events().last(),
            queued: u32::try_from(generation.exchange.queued()).unwrap_or(u32::MAX),
            in_flight: running.iter().sum(),
            requests_total: statistics.requests(),
            responses: (1..statistics.statuses.len())
                .map(|class| (format!("{class}xx"), statistics.statuses[class]))
                .collect(),
            requests_per_second: since as f64 / span,
            p50_us: us(0.5),
            p95_us: us(0.95),
            p99_us: us(0.99),
            connections: u32::try_from(statistics.connections).unwrap_or(u32::MAX),
            memory_bytes: self.measured.memory(&supervisors),
            cpu_seconds: self.measured.cpu(&supervisors).as_secs_f64(),
        }
    }
}

#[async_trait]
impl Control for Desk {
    fn condition(&self) -> watch::Receiver<Condition> {
        self.instance.condition.subscribe()
    }

    async fn status(&self) -> Result<Status> {
        self.measured.renew(&self.instance.supervisors()).await;
        // The router's threads publish what they have counted.
        self.instance.statistics().await;
        Ok(Status { configured: self.configured(), observed: self.observed() })
    }

    async fn samples(&self, since_us: u64) -> Result<Samples> {
        Ok(self.instance.samples(since_us))
    }

    async fn workers(&self) -> Result<Vec<Worker>> {
        let mut all = Vec::new();
        for generation in self.generations() {
            let requests = generation.exchange.requests();
            for status in generation.supervisor.sample().await {
                if status.pid.is_some() || status.state != FoundWorker::Absent {
                    let own = |request: &&hostler_exchange::RequestView| request.worker == Some(status.worker);
                    all.push(worker(&generation, &status, requests.iter().find(own)));
                }
            }
        }
        Ok(all)
    }

    async fn requests(&self) -> Result<Vec<Request>> {
        let views = self.generations().into_iter().flat_map(|generation| generation.exchange.requests());
        let mut requests: Vec<Request> = views
            .map(|view| Request {
                id: view.id,
                method: view.method,
                target: view.target,
                worker: view.worker.map(u32::from),
                phase: if view.worker.is_some() { Phase::Running } else { Phase::Queued },
                age_us: view.queued_for_ns / 1000,
            })
            .collect();
        requests.sort_by_key(|request| std::cmp::Reverse(request.age_us));
        Ok(requests)
    }

    async fn stacks(&self, worker: u32) -> Result<String> {
        let place = u16::try_from(worker).map_err(|_| Error::NoWorker { worker })?;
        let stacks = self.instance.current().supervisor.stacks(place).await;
        stacks.map_err(|error| match error {
            hostler_supervisor::StacksError::NotServing(_) => Error::NoWorker { worker },
            other => Error::Refused { reason: other.to_string() },
        })
    }

    async fn reload(&self) -> Result<Reloaded> {
        self.order(Order::Reload).await
    }

    async fn apply_settings(&self) -> Result<Applied> {
        self.order(Order::Apply).await
    }

    async fn rollback(&self) -> Result<Reloaded> {
        self.order(Order::Rollback).await
    }

    async fn cancel_reload(&self) -> Result<()> {
        self.order(Order::CancelReload).await
    }

    async fn upgrade(&self) -> Result<Upgraded> {
        self.order(Order::Upgrade).await
    }

    async fn scale(&self, workers: u32) -> Result<()> {
        let wanted = u16::try_from(workers).unwrap_or(u16::MAX);
        let NoRoom { most } = match self.instance.current().supervisor.scale(wanted).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let reason = match (workers, most) {
            (0, _) => "at least one worker serves: stop the instance to have none".to_owned(),
            (_, 1) => "there is room for one worker: set `workers` to have more, and reload".to_owned(),
            (_, most) => format!("there is room for {most} workers: set `workers` to have more, and reload"),
        };
        Err(Error::Refused { reason })
    }

    async fn recycle(&self, worker: u32) -> Result<()> {
        let place = u16::try_from(worker).map_err(|_| Error::NoWorker { worker })?;
        self.instance.current().supervisor.recycle(place).await.map_err(|_| Error::NoWorker { worker })
    }

    async fn log_level(&self) -> Result<LogLevel> {
        Ok(match self.log.level() {
            LevelFilter::ERROR | LevelFilter::OFF => LogLevel::Error,
            LevelFilter::WARN => LogLevel::Warning,
            LevelFilter::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        })
    }

    async fn set_log_level(&self, level: LogLevel) -> Result<()> {
        self.log.set_level(match level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warning => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug | LogLevel::Unknown => LevelFilter::DEBUG,
        });
        Ok(())
    }

    async fn metrics(&self) -> Result<String> {
        Ok(metrics::text(&self.snapshot().await))
    }
}

fn worker(generation: &Generation, status: &WorkerStatus, running: Option<&hostler_exchange::RequestView>) -> Worker {
    let usage = status.usage.as_ref();
    Worker {
        place: u32::from(status.worker),
        pid: status.pid.unwrap_or(0),
        generation: if status.edition == 0 { generation.number } else { status.edition },
        state: match status.state {
            FoundWorker::Ready if running.is_some() => WorkerState::Busy,
            FoundWorker::Ready => WorkerState::Idle,
            FoundWorker::Starting => WorkerState::Starting,
            FoundWorker::Retiring => WorkerState::Retiring,
            FoundWorker::Killed => WorkerState::Stopping,
            FoundWorker::Absent | FoundWorker::Backoff => WorkerState::Waiting,
        },
        since_us: us_of(wall(status.since)),
        requests: status.served,
        restarts: status
            .restarts
            .by_cause()
            .filter(|(_, count)| *count > 0)
            .map(|(cause, count)| (cause.to_owned(), count))
            .collect(),
        memory_bytes: usage.and_then(|usage| usage.memory).unwrap_or(0),
        cpu_seconds: usage.map_or(0.0, |usage| usage.cpu.as_secs_f64()),
        running: running.map(|request| Running {
            id: request.id.clone(),
            method: request.method.clone(),
            target: request.target.clone(),
            age_us: request.running_for_ns.unwrap_or(0) / 1000,
        }),
    }
}

/// How many requests each worker of these generations runs.
pub(super) fn running(generations: &[Arc<Generation>]) -> Vec<u32> {
    generations.iter().flat_map(|generation| generation.exchange.running_by_worker()).collect()
}

/// When that was, by the clock on the wall.
fn wall(at: Instant) -> SystemTime {
    SystemTime::now().checked_sub(at.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH + Duration::ZERO)
}
