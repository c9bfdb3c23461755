//! From settings to what each part of the server is told.

use std::sync::Arc;
use std::time::Duration;

use hostler_channel::{EventLoop, Interface, Lifespan, WorkerStart};
use hostler_exchange::Config as ExchangeConfig;
use hostler_log::{ErrorLog, Format, Sink, Target, init_error_log};
use hostler_router::{Config as RouterConfig, ForwardedHeaders, TrustedPeers, Underscores, WebSocketConfig};
use hostler_settings::{
    AccessLogFormat, EventLoop as EventLoopSetting, ForwardedHeader, HeaderMap, Interface as InterfaceSetting, Life,
    Lifespan as LifespanSetting, Log, LogFile, LogLevel, Settings,
};
use hostler_supervisor::{Options as SupervisorOptions, Recycling, Scaling};

use tracing::level_filters::LevelFilter;

use super::Served;

/// A head may be this long in all, whatever its parts may be.
const LONGEST_HEAD: usize = 64 * 1024;
/// Where the settings allow sleep and say no more.
const SLEEPS_AFTER: Duration = Duration::from_secs(15 * 60);
/// A head as the worker gets it: decoded parts stand beside the raw ones, and each header has its lengths.
const HEAD_AREA: u32 = 160 * 1024;

pub(super) fn exchange(settings: &Settings, workers: u16, router_threads: u32) -> ExchangeConfig {
    let pool = &settings.pool;
    ExchangeConfig {
        workers: u32::from(workers),
        threads: pool.threads,
        router_threads,
        slots: pool.limit_concurrency + settings.asgi.limit_websockets,
        websockets: settings.asgi.limit_websockets,
        head_size: HEAD_AREA,
        // Their range ends at 16 MiB.
        request_ring: pool.request_buffer as u32,
        response_ring: pool.response_buffer as u32,
    }
}

pub(super) fn router(settings: &Settings, cores: usize) -> RouterConfig {
    let Settings { pool, asgi, http, limits, log, .. } = settings;
    let some = |limit: Duration| (!limit.is_zero()).then_some(limit);
    let request_line = limits.limit_request_line as usize;
    let fields = limits.limit_request_fields as usize;
    let field_size = limits.limit_request_field_size as usize;
    let peers = http.forwarded_allow_ips.clone();
    RouterConfig {
        head_limits: hostler_http1::Limits {
            request_line,
            fields,
            field_size,
            head: (request_line + fields * field_size).min(LONGEST_HEAD),
        },
        body_limit: (limits.limit_request_body != 0).then_some(limits.limit_request_body),
        keepalive: http.keepalive,
        header_timeout: http.header_timeout,
        body_timeout: http.body_timeout,
        send_timeout: http.send_timeout,
        timeout: some(pool.timeout),
        underscores: match http.header_map {
            HeaderMap::Drop => Underscores::Drop,
            HeaderMap::Refuse => Underscores::Refuse,
            HeaderMap::Dangerous => Underscores::Pass,
        },
        trusted: TrustedPeers(Arc::new(move |peer| peers.iter().any(|trusted| trusted.contains(peer)))),
        forwarded: {
            let believes = |header| http.forwarded_headers.contains(&header);
            ForwardedHeaders {
                x_for: believes(ForwardedHeader::For),
                x_proto: believes(ForwardedHeader::Proto),
                x_host: believes(ForwardedHeader::Host),
                x_port: believes(ForwardedHeader::Port),
                forwarded: believes(ForwardedHeader::Standard),
            }
        },
        request_id_header: http.request_id_header.as_ref().map(|name| name.as_str().to_owned()),
        server_header: http.server_header,
        websocket: WebSocketConfig {
            max_message: if asgi.websocket_max_size == 0 { u64::MAX } else { asgi.websocket_max_size },
            ping_interval: some(asgi.websocket_ping_interval),
            ping_timeout: asgi.websocket_ping_timeout,
            compress: asgi.websocket_compression,
        },
        slow_request: some(log.slow_request),
        threads: pool.router_threads.resolve(cores) as u32,
    }
}

pub(super) fn supervisor(served: &Served, strength: Strength, router_threads: u16) -> SupervisorOptions {
    let Served { name, settings, places: _, application, python, environment } = served;
    let Settings { app, pool, asgi, .. } = settings;
    // As gunicorn does it: the directory first, and each entry of pythonpath before what is there.
    let mut python_path: Vec<String> =
        app.pythonpath.iter().rev().map(|path| absolute(path).to_string_lossy().into_owned()).collect();
    python_path.push(application.directory.to_string_lossy().into_owned());
    let mut environment = environment.clone();
    for variable in &app.env {
        environment.retain(|(name, _)| name != variable.name.as_str());
        environment.push((variable.name.clone().into(), variable.value.clone().into()));
    }
    SupervisorOptions {
        python: python.path.clone(),
        directory: application.directory.clone(),
        environment,
        workers: strength.first,
        scaling: strength.scaling(),
        idle_timeout: idle_timeout(settings, strength),
        outlive_failures: settings.life.outlive_failures,
        start: WorkerStart {
            instance: name.clone(),
            worker: 0,
            threads: pool.threads as u16,
            router_threads,
            worker_doorbells: strength.places(),
            event_loop: match asgi.r#loop {
                EventLoopSetting::Auto => EventLoop::Auto,
                EventLoopSetting::Asyncio => EventLoop::Asyncio,
                EventLoopSetting::Uvloop => EventLoop::Uvloop,
            },
            lifespan: match asgi.lifespan {
                LifespanSetting::Auto => Lifespan::Auto,
                LifespanSetting::On => Lifespan::On,
                LifespanSetting::Off => Lifespan::Off,
            },
            graceful_timeout: pool.graceful_timeout,
            app: application.application.to_string(),
            interface: match app.interface {
                InterfaceSetting::Auto => Interface::Auto,
                InterfaceSetting::Wsgi => Interface::Wsgi,
                InterfaceSetting::Asgi => Interface::Asgi,
            },
            python_path,
            root_path: app.root_path.as_ref().map(|path| path.as_str().to_owned()).unwrap_or_default(),
            multiprocess: strength.most > 1,
            report_sources: settings.develop.reload,
            check_only: false,
            hooks: app.hooks.as_ref().map(|module| module.as_str().to_owned()),
            generation: 1,
            age: 0,
        },
        graceful_timeout: pool.graceful_timeout,
        boot_timeout: pool.boot_timeout,
        umask: app.umask.map(|mode| mode.0),
        bootstrap: None,
        places: strength.places(),
        recycling: recycling(&settings.life),
        preload: pool.preload,
        ..Default::default()
    }
}

/// How many workers a generation may have, and begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strength {
    pub(super) least: u16,
    pub(super) most: u16,
    /// At least one.
    pub(super) first: u16,
}

impl Strength {
    pub(super) const ONE: Self = Self { least: 1, most: 1, first: 1 };

    /// What the settings say, where the process may use `cores` cores. A generation that follows another begins with as many workers as that has
    /// `now`, where both bounds allow it: the load is the same.
    pub(super) fn of(settings: &Settings, cores: usize, now: Option<u16>) -> Self {
        let (least, most) = settings.pool.workers.bounds(cores);
        // Their range ends at 512; a machine may have more cores than that, and no more than a u16 holds.
        let (least, most) = (least.min(usize::from(u16::MAX)) as u16, most.min(usize::from(u16::MAX)) as u16);
        Self { least, most, first: now.unwrap_or(1).clamp(least.max(1), most) }
    }

    /// `None` where there is nothing to choose.
    fn scaling(self) -> Option<Scaling> {
        (self.least != self.most).then_some(Scaling { min: self.least, max: self.most })
    }

    /// Places for workers: a replacement starts beside the worker it replaces, and some are added by hand.
    pub(super) fn places(self) -> u16 {
        self.most.saturating_mul(2).clamp(self.most.saturating_add(1), 1024)
    }
}

impl std::fmt::Display for Strength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.scaling() {
            Some(Scaling { min, max }) => write!(f, "{min}..{max}"),
            None => write!(f, "{}", self.most),
        }
    }
}

/// After how long without a request workers are let go.
fn idle_timeout(settings: &Settings, strength: Strength) -> Option<Duration> {
    let default = if strength.least == 0 { SLEEPS_AFTER } else { Duration::ZERO };
    Some(settings.pool.idle_timeout.unwrap_or(default)).filter(|limit| !limit.is_zero())
}

fn recycling(life: &Life) -> Recycling {
    let some = |limit: u64| (limit != 0).then_some(limit);
    Recycling {
        max_requests: some(life.max_requests.into()),
        max_requests_jitter: life.max_requests_jitter.into(),
        max_lifetime: (!life.max_lifetime.is_zero()).then_some(life.max_lifetime),
        max_lifetime_jitter: life.max_lifetime_jitter,
        max_memory: some(life.max_memory),
    }
}

pub(super) fn error_log(log: &Log) -> Result<ErrorLog, hostler_log::Error> {
    init_error_log(&error_target(log), level(log.log_level))
}

pub(super) fn error_target(log: &Log) -> Target {
    target(&log.error_logfile, Target::Stderr)
}

/// Sees whether the error log can be had there.
pub(super) fn can_log_errors(log: &Log) -> Result<(), hostler_log::Error> {
    Sink::open(&error_target(log)).map(drop)
}

pub(super) fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

pub(super) fn access_sink(log: &Log) -> Result<Option<(Format, Arc<Sink>)>, hostler_log::Error> {
    let format = match log.access_logformat {
        AccessLogFormat::Combined => Format::Combined,
        AccessLogFormat::Json => Format::Json,
    };
    let open = |file: &LogFile| Ok((format, Arc::new(Sink::open(&target(file, Target::Stdout))?)));
    log.access_logfile.as_ref().map(open).transpose()
}

fn target(file: &LogFile, stream: Target) -> Target {
    match file {
        LogFile::Stream => stream,
        LogFile::Path(path) => Target::File(path.clone()),
    }
}

pub(super) fn absolute(path: &std::path::Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
